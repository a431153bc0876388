// The fused luma packed to codes, and the chroma rule of streamfuse.fusion.chroma, in one pass.

#define CLIP_START 0.85f
#define CLIP_END 1.0f
#define NOISE_START 0.02f
#define NOISE_END 0.25f
#define GAIN_LIMIT 2.5f
#define RAISE 0.08f
#define WHITE 0.98f  // of a channel: more only where the exposures have more
#define FLOOR 0.1f  // visibility of an exposure when nothing better is there
#define PARTLY 4.0f  // see streamfuse.fusion.chroma
#define NEAR 1.2f
#define LEAST_NEAR 0.2f
#define TINT_START 0.5f
#define TINT_END 0.9f
#define ROUNDING 2.0f  // codes of luma by which rounding can take a channel out of the gamut

// R' - Y', G' - Y', B' - Y'.
__device__ inline void differences(float cb, float cr, float kr, float kb, float out[3]) {
    out[0] = cr * 2.0f * (1.0f - kr);
    out[2] = cb * 2.0f * (1.0f - kb);
    out[1] = -(out[0] * kr + out[2] * kb) / (1.0f - kr - kb);
}

__device__ inline float brightest_of(float luma, float cb, float cr, float kr, float kb) {
    float difference[3];
    differences(cb, cr, kr, kb, difference);
    return luma + fmaxf(fmaxf(difference[0], difference[1]), difference[2]);
}

__device__ inline float clipped_at(float brightest) {
    return clamp01((brightest - CLIP_START) / (CLIP_END - CLIP_START));
}

// 1 where an exposure is neither clipped nor in the noise.
__device__ inline float visible_at(float luma, float clipped) {
    return (1.0f - clipped) * clamp01((luma - NOISE_START) / (NOISE_END - NOISE_START));
}

// Brings R', G' and B' inside [-slack, 1 + slack] at this luma: scales chroma where a channel would be below, cuts off
// what is above and makes up for its luma with white, as gamut_scale and _cut_off of streamfuse.fusion.chroma_rows.
__device__ inline void within_gamut(float luma, float* cb, float* cr, float kr, float kb, float slack) {
    float difference[3], scale = 1.0f, brightest = 0.0f, total = 0.0f;
    const float top = 1.0f + slack;
    const float parts[3] = {kr, 1.0f - kr - kb, kb};
    differences(*cb, *cr, kr, kb, difference);
    for (int n = 0; n < 3; ++n) scale = fminf(scale, (luma + slack) / fmaxf(-difference[n], 1e-6f));
    for (int n = 0; n < 3; ++n) brightest = fmaxf(brightest, luma + scale * difference[n]);
    *cb *= scale;
    *cr *= scale;
    if (brightest <= top) return;
    for (int n = 0; n < 3; ++n) {
        difference[n] = fminf(luma + scale * difference[n], top);
        total += parts[n] * difference[n];
    }
    float white = (luma - total) / fmaxf(top - total, 1e-6f);
    *cb = (difference[2] + (top - difference[2]) * white - luma) * 0.5f / (1.0f - kb);
    *cr = (difference[0] + (top - difference[0]) * white - luma) * 0.5f / (1.0f - kr);
}

// Scales chroma so that no channel is above the top, or half of the way from luma to 1 where that is more.
__device__ inline void below_white(float luma, float* cb, float* cr, float top, float kr, float kb, float slack) {
    float room = fmaxf(top - luma, (1.0f - luma) * 0.5f) + slack;
    float scale = fminf(room / fmaxf(brightest_of(0.0f, *cb, *cr, kr, kb), 1e-6f), 1.0f);
    *cb *= scale;
    *cr *= scale;
}

// Threshold in (-0.5, 0.5) of an 8 x 8 Bayer matrix.
__device__ inline float bayer(int y, int x) {
    int value = 0, mixed = x ^ y;
    for (int bit = 0; bit < 3; ++bit) value |= (((mixed >> bit) & 1) << (5 - 2 * bit)) | (((y >> bit) & 1) << (4 - 2 * bit));
    return (value + 0.5f) / 64.0f - 0.5f;
}

__device__ inline float packed(float v, float low, float high, int dither, int y, int x) {
    return fminf(fmaxf(rintf(dither ? v + bayer(y, x) : v), low), high);
}

// fused (H, W) float -> luma_out (H, W) codes. Grid: (W / 32, H / 8) blocks of 32 x 8 threads.
template <class T>
__device__ void pack_luma(const float* fused, int height, int width, float black, float range, int dither, T* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    size_t here = (size_t)y * width + x;
    out[here] = (T)packed(clamp01(fused[here]) * range + black, black, black + range, dither, y, x);
}

// Fused chroma: lumas (N, H, W) codes; chroma (2, N, rows, columns) codes, Cb then Cr; fused (H, W); prior (N,
// prior_rows, prior_columns), of which step_y x step_x pixels make one of the chroma grid; out (2, rows, columns).
// Grid: (columns / 32, rows / 8) blocks of 32 x 8 threads.
template <class T>
__device__ void fuse_chroma(const T* lumas, const float* fused, int height, int width, float scale, float offset,
                            const T* chroma, int rows, int columns, int count, const float* prior, int prior_rows,
                            int prior_columns, float step_y, float step_x, float kr, float kb, float neutral,
                            float half_range, float top, int dither, T* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    Span across = span_of(x, (float)width / columns, width), down = span_of(y, (float)height / rows, height);
    Tap prior_y = tap_of(y, step_y, prior_rows), prior_x = tap_of(x, step_x, prior_columns);
    size_t plane = (size_t)rows * columns, here = (size_t)y * columns + x;
    float target = clamp01(area_mean(fused, width, down, across, 1.0f, 0.0f, true));
    float blue = 0.0f, red = 0.0f, total = 0.0f, seen = 0.0f;
    float product = 1.0f;  // of how far each exposure is clipped, those left out that are not
    float lacking = 1.0f;  // less what all exposures show
    int unclipped = 0;
    for (int k = 0; k < count; ++k) {
        float luma = area_mean(lumas + (size_t)k * height * width, width, down, across, scale, offset, false);
        float cb = (chroma[k * plane + here] - neutral) * (0.5f / half_range);
        float cr = (chroma[(count + k) * plane + here] - neutral) * (0.5f / half_range);
        float clipped = clipped_at(brightest_of(luma, cb, cr, kr, kb));
        lacking -= visible_at(luma, clipped);
        if (clipped > 0.0f)
            product *= clipped;
        else
            ++unclipped;
    }
    for (int k = 0; k < count; ++k) {
        float luma = area_mean(lumas + (size_t)k * height * width, width, down, across, scale, offset, false);
        float cb = (chroma[k * plane + here] - neutral) * (0.5f / half_range);
        float cr = (chroma[(count + k) * plane + here] - neutral) * (0.5f / half_range);
        float weight = bilinear(prior + (size_t)k * prior_rows * prior_columns, prior_columns, prior_y, prior_x);
        float brightest = brightest_of(luma, cb, cr, kr, kb);
        float clipped = clipped_at(brightest), others = product;  // how far all other exposures are clipped
        float smallest = luma - brightest_of(0.0f, -cb, -cr, kr, kb);
        float tinted = clamp01((TINT_END - smallest) / (TINT_END - TINT_START));
        float partly = PARTLY * fmaxf(lacking, 0.0f) * clipped * tinted;
        float ratio = fmaxf(target - scale, 0.0f) / fmaxf(luma, 1e-4f), root = sqrtf(ratio);
        float near = fminf(fmaxf(NEAR * ratio, LEAST_NEAR), 1.0f);
        float held = 1.0f - clipped * (1.0f - near * near * near * near);
        float share = (visible_at(luma, clipped) + (FLOOR + partly) * held) * weight;
        total += share;
        seen += share * brightest;
        if (unclipped > (clipped > 0.0f ? 0 : 1))
            others = 0.0f;
        else if (clipped > 0.0f)
            others /= clipped;
        share *= fminf(fmaxf(root + RAISE * others * (ratio - root), 1.0f), GAIN_LIMIT) * (1.0f - clipped * (1.0f - near));
        blue += share * cb;
        red += share * cr;
    }
    total = fmaxf(total, 1e-6f);
    blue /= total;
    red /= total;
    within_gamut(target, &blue, &red, kr, kb, ROUNDING * scale);
    below_white(target, &blue, &red, fminf(fmaxf(seen / total, WHITE), 1.0f), kr, kb, ROUNDING * scale);
    // The nominal range: what is rounded may lie a little outside of the gamut.
    const float low = floorf(neutral - half_range), high = fminf(floorf(neutral + half_range), top);
    out[here] = (T)packed(blue * 2.0f * half_range + neutral, low, high, dither, y, x);
    out[plane + here] = (T)packed(red * 2.0f * half_range + neutral, low, high, dither, y, x);
}

#define FOR_TYPE(suffix, T)                                                                                          \
    extern "C" __global__ void pack_luma_##suffix(const float* fused, int height, int width, float black,            \
                                                  float range, int dither, T* out) {                                 \
        pack_luma(fused, height, width, black, range, dither, out);                                                  \
    }                                                                                                                \
    extern "C" __global__ void fuse_chroma_##suffix(                                                                 \
        const T* lumas, const float* fused, int height, int width, float scale, float offset, const T* chroma,       \
        int rows, int columns, int count, const float* prior, int prior_rows, int prior_columns, float step_y,       \
        float step_x, float kr, float kb, float neutral, float half_range, float top, int dither, T* out) {          \
        fuse_chroma(lumas, fused, height, width, scale, offset, chroma, rows, columns, count, prior, prior_rows,     \
                    prior_columns, step_y, step_x, kr, kb, neutral, half_range, top, dither, out);                   \
    }
FOR_TYPE(u8, unsigned char)
FOR_TYPE(u16, unsigned short)
