// Code values to float planes, and whole planes in the scale of another exposure.

// (H, W) codes, reduced to (h, w) by area, as min(clip(code x scale + offset) x gain, 1).
// A reduced code is rounded, halves up, as cv2.resize does. Grid: (w / 32, h / 8) blocks of 32 x 8 threads.
template <class T>
__device__ void unpack(const T* codes, int height, int width, float* out, int rows, int columns, float scale,
                       float offset, float gain) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    float code;
    if (rows == height && columns == width) {
        code = codes[(size_t)y * width + x];
    } else {
        Span across = span_of(x, (float)width / columns, width), down = span_of(y, (float)height / rows, height);
        code = floorf(area_mean(codes, width, down, across, 1.0f, 0.0f, true) + 0.5f);
    }
    out[(size_t)y * columns + x] = fminf(clamp01(code * scale + offset) * gain, 1.0f);
}

// A tone curve: a factor where that is all it is (factor > 0), else a table over [0, 1].
__device__ inline float toned(float v, const float* table, int nodes, float factor) {
    if (factor > 0.0f) return fminf(v * factor, 1.0f);
    int node = (int)(v * (nodes - 1) + 0.5f);
    return table[clamp_index(node, nodes)];
}

// Chroma (rows, columns) of a frame in the scale of another exposure, R', G' and B' one by one, since sensors clip
// those; and how much luma the clipping of colours takes (in code values), for `match_luma`.
// `red_before` ... `blue_after`: what R' and B' are multiplied by before and after the curve (white balance).
// `kr`, `kb`: luma coefficients. `half_range`: code values from neutral to chroma 0.5.
template <class T>
__device__ void match_chroma(const T* luma, int height, int width, const T* cb, const T* cr, int rows, int columns,
                             const float* table, int nodes, float factor, float red_before, float blue_before,
                             float red_after, float blue_after, float kr, float kb, float black, float range,
                             float neutral, float half_range, float top, T* cb_out, T* cr_out, float* lost) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    size_t here = (size_t)y * columns + x;
    Span across = span_of(x, (float)width / columns, width), down = span_of(y, (float)height / rows, height);
    float code = floorf(area_mean(luma, width, down, across, 1.0f, 0.0f, true) + 0.5f);
    float own = clamp01((code - black) / range);
    float blue_difference = (cb[here] - neutral) * (0.5f / half_range);
    float red_difference = (cr[here] - neutral) * (0.5f / half_range);
    float kg = 1.0f - kr - kb, red_scale = 2.0f * (1.0f - kr), blue_scale = 2.0f * (1.0f - kb);
    float red = clamp01(own + red_scale * red_difference);
    float green = clamp01(own - (blue_scale * kb * blue_difference + red_scale * kr * red_difference) / kg);
    float blue = clamp01(own + blue_scale * blue_difference);
    red = fminf(toned(red * red_before, table, nodes, factor) * red_after, 1.0f);
    green = toned(green, table, nodes, factor);
    blue = fminf(toned(blue * blue_before, table, nodes, factor) * blue_after, 1.0f);
    float mapped = kr * red + kg * green + kb * blue;
    cb_out[here] = (T)fminf(fmaxf(floorf((blue - mapped) / blue_scale * 2.0f * half_range + neutral + 0.5f), 0.0f), top);
    cr_out[here] = (T)fminf(fmaxf(floorf((red - mapped) / red_scale * 2.0f * half_range + neutral + 0.5f), 0.0f), top);
    lost[here] = (toned(own, table, nodes, factor) - mapped) * range;
}

// Luma (H, W) in the scale of another exposure: interpolated from the table, less what `match_chroma` found lost
// (rows, columns); `lost` is null for a grey frame.
template <class T>
__device__ void match_luma(const T* luma, int height, int width, const float* lost, int rows, int columns,
                           const float* table, int nodes, float black, float range, float top, T* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    size_t here = (size_t)y * width + x;
    float position = clamp01((luma[here] - black) / range) * (nodes - 1);
    Tap tap = tap_at(position, nodes);
    float mapped = table[tap.first] + tap.part * (table[tap.second] - table[tap.first]);
    float code = rintf(black + mapped * range);
    if (lost)
        code -= bilinear(lost, columns, tap_of(y, (float)rows / height, rows), tap_of(x, (float)columns / width, columns));
    out[here] = (T)fminf(fmaxf(floorf(code + 0.5f), 0.0f), top);
}

#define FOR_TYPE(suffix, T)                                                                                        \
    extern "C" __global__ void unpack_##suffix(const T* codes, int height, int width, float* out, int rows,        \
                                               int columns, float scale, float offset, float gain) {               \
        unpack(codes, height, width, out, rows, columns, scale, offset, gain);                                     \
    }                                                                                                              \
    extern "C" __global__ void match_chroma_##suffix(                                                              \
        const T* luma, int height, int width, const T* cb, const T* cr, int rows, int columns, const float* table, \
        int nodes, float factor, float red_before, float blue_before, float red_after, float blue_after, float kr, \
        float kb, float black, float range, float neutral, float half_range, float top, T* cb_out, T* cr_out,      \
        float* lost) {                                                                                             \
        match_chroma(luma, height, width, cb, cr, rows, columns, table, nodes, factor, red_before, blue_before,    \
                     red_after, blue_after, kr, kb, black, range, neutral, half_range, top, cb_out, cr_out, lost); \
    }                                                                                                              \
    extern "C" __global__ void match_luma_##suffix(const T* luma, int height, int width, const float* lost,        \
                                                   int rows, int columns, const float* table, int nodes,           \
                                                   float black, float range, float top, T* out) {                  \
        match_luma(luma, height, width, lost, rows, columns, table, nodes, black, range, top, out);                \
    }
FOR_TYPE(u8, unsigned char)
FOR_TYPE(u16, unsigned short)
