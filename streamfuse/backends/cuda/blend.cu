// Laplacian-pyramid blend of N exposures, as streamfuse.fusion.pyramid describes it, a launch per level.
//
// The pyramid lies on the picture padded to (ph, pw), a multiple of 2^levels, by repeating its last line and column.
// Level 0 is read from the codes (N, H, W) themselves: a byte or two per pixel in place of four.

// (N, H, W) -> (N, ph / 2, pw / 2): means of 2 x 2. Grid: (pw / 2 / 32, ph / 2 / 8, N) blocks of 32 x 8 threads.
template <class T>
__device__ void halve(const T* finer, int height, int width, float scale, float offset, float* out, int rows,
                      int columns) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    const T* plane = finer + (size_t)blockIdx.z * height * width;
    const T* upper = plane + (size_t)clamp_index(2 * y, height) * width;
    const T* lower = plane + (size_t)clamp_index(2 * y + 1, height) * width;
    int left = clamp_index(2 * x, width), right = clamp_index(2 * x + 1, width);
    float sum = value_of(upper[left], scale, offset) + value_of(upper[right], scale, offset) +
                value_of(lower[left], scale, offset) + value_of(lower[right], scale, offset);
    out[((size_t)blockIdx.z * rows + y) * columns + x] = 0.25f * sum;
}

#define HELD 1      // as in streamfuse.fusion.pyramid, with what follows
#define ROLLED 3
#define SLACK (4.0f / 255.0f)
#define CLIP_START 0.85f
#define CLIP_END 0.98f
#define ROLL_OFF 0.1f
#define BLACK_START 0.05f
#define BLACK_END 0.16f
#define LIFTED 2
#define LIFT 0.28f
#define DIM_START 0.2f
#define DIM_END 0.5f
#define LOWERED 3
#define LOWER 0.3f
#define LIGHT_START 0.26f
#define LIGHT_END 0.62f

// A fused value, kept within the exposures' own at (y, x), as within of streamfuse.fusion.pyramid says.
// exposures (N, height, width); level: of the network's pyramid.
template <class T>
__device__ float within(float fused, const T* exposures, int count, int height, int width, int y, int x, float scale,
                        float offset, int level) {
    if (level < HELD) return fused;
    const T* here = exposures + (size_t)clamp_index(y, height) * width + clamp_index(x, width);
    size_t plane = (size_t)height * width;
    float low = value_of(here[0], scale, offset), high = low;
    float brightest = low, second = -1.0f, next = 2.0f;  // of the exposures; next is the darkest but one
    for (int k = 1; k < count; ++k) {
        float v = value_of(here[k * plane], scale, offset);
        next = fminf(next, fmaxf(low, v));
        low = fminf(low, v);
        second = fmaxf(second, fminf(brightest, v));
        brightest = fmaxf(brightest, v);
    }
    for (int k = 0; k < count; ++k) {
        float v = value_of(here[k * plane], scale, offset);
        if (level >= ROLLED) v -= ROLL_OFF * clamp01((v - CLIP_START) / (CLIP_END - CLIP_START)) * (v - low);
        high = k ? fmaxf(high, v) : v;
    }
    float inside = fmaxf(fminf(fused, high), low), beyond = fused - inside;
    float held = inside + beyond * (SLACK / (fabsf(beyond) + SLACK));
    if (count < 2) return held;
    if (level == LIFTED)
        held += LIFT * (1.0f - clamp01((second - BLACK_START) / (BLACK_END - BLACK_START))) *
                (1.0f - clamp01((brightest - DIM_START) / (DIM_END - DIM_START))) * fmaxf(brightest - held, 0.0f);
    else if (level == LOWERED)
        held -= LOWER * clamp01((low - LIGHT_START) / (LIGHT_END - LIGHT_START)) *
                clamp01((next - CLIP_START) / (CLIP_END - CLIP_START)) * fmaxf(held - low, 0.0f);
    return held;
}

// Coarsest level: sum over exposures of prior x picture, (N, h, w) each -> (h, w).
extern "C" __global__ void blend_base(const float* coarsest, const float* prior, int prior_rows, int prior_columns,
                                      int count, int level, float* out, int rows, int columns) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    Tap down = tap_of(y, (float)prior_rows / rows, prior_rows);
    Tap across = tap_of(x, (float)prior_columns / columns, prior_columns);
    float sum = 0.0f;
    for (int k = 0; k < count; ++k)
        sum += bilinear(prior + (size_t)k * prior_rows * prior_columns, prior_columns, down, across) *
               coarsest[((size_t)k * rows + y) * columns + x];
    out[(size_t)y * columns + x] = within(sum, coarsest, count, rows, columns, y, x, 1.0f, 0.0f, level);
}

#define TILE 32     // output pixels of a block, along each axis
#define THREADS 256
#define EACH (TILE * TILE / THREADS)
#define MARGIN 2    // half of the 5 x 5 window of the local energy
#define SIDE (TILE + 2 * MARGIN)
#define ENERGY_FLOOR 1e-5f

// One band of every exposure, weighted by prior x energy ^ exponent, normalised, summed, scaled by the gain, on top of
// the fused coarser picture; so the last level's output is the fused picture.
// fine (N, height, width) lies in the padded level (ph, pw); coarse (N, ph / 2, pw / 2); prior (N, prior_rows,
// prior_columns) over the padded level; gain (gain_rows, gain_columns) or null; coarser_fused (ph / 2, pw / 2);
// level: of the network's pyramid; out (height, width). Grid: (width / TILE, height / TILE) blocks of 256 threads.
template <class T>
__device__ void fuse_band(const T* fine, int height, int width, float scale, float offset, const float* coarse,
                          int padded_height, int padded_width, const float* prior, int prior_rows,
                          int prior_columns, const float* gain, int gain_rows, int gain_columns, float exponent,
                          int count, const float* coarser_fused, int level, float* out) {
    __shared__ float band[SIDE * SIDE];
    __shared__ float along[SIDE * TILE];  // squares summed over five columns
    int left = blockIdx.x * TILE, top = blockIdx.y * TILE;
    int coarse_height = padded_height / 2, coarse_width = padded_width / 2;
    float weights[EACH], sums[EACH];
    for (int n = 0; n < EACH; ++n) weights[n] = sums[n] = 0.0f;
    for (int k = 0; k < count; ++k) {
        const T* plane = fine + (size_t)k * height * width;
        const float* below = coarse + (size_t)k * coarse_height * coarse_width;
        for (int i = threadIdx.x; i < SIDE * SIDE; i += THREADS) {
            int y = clamp_index(top - MARGIN + i / SIDE, padded_height);
            int x = clamp_index(left - MARGIN + i % SIDE, padded_width);
            float v = value_of(plane[(size_t)clamp_index(y, height) * width + clamp_index(x, width)], scale, offset);
            band[i] = v - bilinear(below, coarse_width, tap_of(y, 0.5f, coarse_height), tap_of(x, 0.5f, coarse_width));
        }
        __syncthreads();
        for (int i = threadIdx.x; i < SIDE * TILE; i += THREADS) {
            const float* at = band + i / TILE * SIDE + i % TILE;
            along[i] = at[0] * at[0] + at[1] * at[1] + at[2] * at[2] + at[3] * at[3] + at[4] * at[4];
        }
        __syncthreads();
        for (int n = 0; n < EACH; ++n) {
            int i = threadIdx.x + n * THREADS, y = top + i / TILE, x = left + i % TILE;
            const float* at = along + i;
            float sum = at[0] + at[TILE] + at[2 * TILE] + at[3 * TILE] + at[4 * TILE];
            float weight = exp2f(exponent * log2f(sum * 0.04f + ENERGY_FLOOR)) *
                           bilinear(prior + (size_t)k * prior_rows * prior_columns, prior_columns,
                                    tap_of(y, (float)prior_rows / padded_height, prior_rows),
                                    tap_of(x, (float)prior_columns / padded_width, prior_columns));
            weights[n] += weight;
            sums[n] += weight * band[(i / TILE + MARGIN) * SIDE + i % TILE + MARGIN];
        }
        __syncthreads();
    }
    for (int n = 0; n < EACH; ++n) {
        int i = threadIdx.x + n * THREADS, y = top + i / TILE, x = left + i % TILE;
        if (y >= height || x >= width) continue;
        float detail = sums[n] / fmaxf(weights[n], 1e-12f);
        if (gain)
            detail *= bilinear(gain, gain_columns, tap_of(y, (float)gain_rows / padded_height, gain_rows),
                               tap_of(x, (float)gain_columns / padded_width, gain_columns));
        detail += bilinear(coarser_fused, coarse_width, tap_of(y, 0.5f, coarse_height), tap_of(x, 0.5f, coarse_width));
        out[(size_t)y * width + x] = within(detail, fine, count, height, width, y, x, scale, offset, level);
    }
}

#define FOR_TYPE(suffix, T)                                                                                          \
    extern "C" __global__ void halve_##suffix(const T* finer, int height, int width, float scale, float offset,      \
                                              float* out, int rows, int columns) {                                   \
        halve(finer, height, width, scale, offset, out, rows, columns);                                              \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS) fuse_band_##suffix(                                        \
        const T* fine, int height, int width, float scale, float offset, const float* coarse, int padded_height,     \
        int padded_width, const float* prior, int prior_rows, int prior_columns, const float* gain, int gain_rows,   \
        int gain_columns, float exponent, int count, const float* coarser_fused, int level, float* out) {            \
        fuse_band(fine, height, width, scale, offset, coarse, padded_height, padded_width, prior, prior_rows,        \
                  prior_columns, gain, gain_rows, gain_columns, exponent, count, coarser_fused, level, out);         \
    }
FOR_TYPE(f32, float)
FOR_TYPE(u8, unsigned char)
FOR_TYPE(u16, unsigned short)
