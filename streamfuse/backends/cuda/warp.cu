// A missing exposure's planes from its neighbours, and how far each neighbour can be believed.

// Weights of four pixels at distances -1, 0, 1, 2 (Keys, 1981, with a = -0.75 as in OpenCV).
__device__ inline void cubic_weights(float part, float weights[4]) {
    const float a = -0.75f;
    float t = part + 1.0f, u = 1.0f - part;
    weights[0] = ((a * t - 5.0f * a) * t + 8.0f * a) * t - 4.0f * a;
    weights[1] = ((a + 2.0f) * part - (a + 3.0f)) * part * part + 1.0f;
    weights[2] = ((a + 2.0f) * u - (a + 3.0f)) * u * u + 1.0f;
    weights[3] = 1.0f - weights[0] - weights[1] - weights[2];
}

template <class T>
__device__ inline float bicubic(const T* plane, int height, int width, float y, float x) {
    // Clamped as floats, far outside the picture: the nearest pixel is what is read there anyway.
    y = fminf(fmaxf(y, -3.0f), height + 2.0f);
    x = fminf(fmaxf(x, -3.0f), width + 2.0f);
    float down[4], across[4], below = floorf(y), left = floorf(x), sum = 0.0f;
    cubic_weights(y - below, down);
    cubic_weights(x - left, across);
    for (int j = 0; j < 4; ++j) {
        const T* line = plane + (size_t)clamp_index((int)below - 1 + j, height) * width;
        float along = 0.0f;
        for (int i = 0; i < 4; ++i) along += across[i] * line[clamp_index((int)left - 1 + i, width)];
        sum += down[j] * along;
    }
    return sum;
}

// One neighbour's plane seen from the reference, as a code value. `flow` is (2, h, w), x then y, in pixels of its own
// grid, of which one is `scale_x` x `scale_y` pixels of the plane; null: the plane is taken as it is.
template <class T>
__device__ inline float warped(const T* plane, int height, int width, int y, int x, const float* flow, Tap down,
                               Tap across, int rows, int columns, float scale_y, float scale_x, bool cubic,
                               float top) {
    if (!flow) return plane[(size_t)y * width + x];
    float to_x = x + bilinear(flow, columns, down, across) * scale_x;
    float to_y = y + bilinear(flow + (size_t)rows * columns, columns, down, across) * scale_y;
    float v = cubic ? bicubic(plane, height, width, to_y, to_x)
                    : bilinear(plane, width, tap_at(to_y, height), tap_at(to_x, width));
    return rounded_code(v, top);
}

// share x (weight x first + (1 - weight) x second) + (1 - share) x own, each step rounded to a code.
// `first`, `second` (null: one neighbour only) and `own` (the reference in this exposure's scale) are `planes` planes
// (H, W) each; `weight` and `share` are (h, w), null = 1. Grid: (W / 32, H / 8, planes) blocks of 32 x 8 threads.
template <class T>
__device__ void synthesise(const T* first, const T* second, const T* own, const float* flow_first,
                           const float* flow_second, const float* weight, const float* share, T* out, int height,
                           int width, int rows, int columns, float scale_y, float scale_x, int cubic, float top) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    size_t plane = (size_t)blockIdx.z * height * width, here = plane + (size_t)y * width + x;
    Tap down = tap_of(y, (float)rows / height, rows), across = tap_of(x, (float)columns / width, columns);
    float v = warped(first + plane, height, width, y, x, flow_first, down, across, rows, columns, scale_y, scale_x,
                     cubic != 0, top);
    if (second) {
        float w = bilinear(weight, columns, down, across);
        float other =
            warped(second + plane, height, width, y, x, flow_second, down, across, rows, columns, scale_y, scale_x,
                     cubic != 0, top);
        v = rounded_code(other + w * (v - other), top);
    }
    if (share) {
        float s = bilinear(share, columns, down, across);
        v = rounded_code(own[here] + s * (v - own[here]), top);
    }
    out[here] = (T)v;
}

#define FOR_TYPE(suffix, T)                                                                                         \
    extern "C" __global__ void synthesise_##suffix(                                                                 \
        const T* first, const T* second, const T* own, const float* flow_first, const float* flow_second,           \
        const float* weight, const float* share, T* out, int height, int width, int rows, int columns,              \
        float scale_y, float scale_x, int cubic, float top) {                                                       \
        synthesise(first, second, own, flow_first, flow_second, weight, share, out, height, width, rows, columns,   \
                   scale_y, scale_x, cubic, top);                                                                                     \
    }
FOR_TYPE(u8, unsigned char)
FOR_TYPE(u16, unsigned short)

// What the ghost mask is made of, for each of `blockIdx.z` neighbours, at working size (h, w):
//   deviation: distance of the bright luma to the interval that the dark one stands for, over what a slightly wrong
//              curve and a slightly wrong flow explain;  error: squared difference;  both pooled over 5 x 5.
// `here` (h, w) and `there` (count, h, w) are in the brighter exposure's scale; `flows` (count, 2, h, w) or null;
// `brighter`: the neighbours are the brighter exposure. `lower`, `upper`: the interval's table, `nodes` long.
// Grid: (w / TILE, h / TILE, count) blocks of 256 threads.
#define TILE 16
#define POOL 2                      // half of the 5 x 5 window
#define HALO (POOL + 1)             // and one more for the slope
#define SIDE (TILE + 2 * HALO)
#define INNER (TILE + 2 * POOL)

__device__ inline int mirror(int i, int size) {  // reflect, without repeating the border pixel
    if (size == 1) return 0;
    i = i < 0 ? -i : i;
    i = i >= size ? 2 * size - 2 - i : i;
    return clamp_index(i, size);
}

extern "C" __global__ void compare(const float* here, const float* there, const float* flows, int rows, int columns,
                                   int brighter, const float* lower, const float* upper, int nodes,
                                   float misalignment, float shading, float curve_error, float* deviation,
                                   float* error) {
    __shared__ float bright[SIDE * SIDE];
    __shared__ float outside[INNER * INNER], squared[INNER * INNER], slope[INNER * INNER];
    int left = blockIdx.x * TILE, top = blockIdx.y * TILE;
    size_t plane = (size_t)rows * columns;
    const float* picture = there + blockIdx.z * plane;
    const float* flow = flows ? flows + 2 * blockIdx.z * plane : 0;
    for (int i = threadIdx.x; i < SIDE * SIDE; i += blockDim.x) {
        // Mirrored twice where the window leaves the picture: the slope's border lies where the window's is.
        int y = mirror(top - HALO + i / SIDE, rows), x = mirror(left - HALO + i % SIDE, columns);
        size_t at = (size_t)y * columns + x;
        float seen = picture[at];
        if (flow) seen = bilinear(picture, columns, tap_at(y + flow[plane + at], rows), tap_at(x + flow[at], columns));
        float own = here[at], dark = brighter ? own : seen;
        bright[i] = brighter ? seen : own;
        int v = i / SIDE - 1, u = i % SIDE - 1;
        if (v >= 0 && v < INNER && u >= 0 && u < INNER) {
            int node = clamp_index((int)(dark * (nodes - 1) + 0.5f), nodes);
            outside[v * INNER + u] = fmaxf(fmaxf(lower[node] - bright[i], bright[i] - upper[node]), 0.0f);
            squared[v * INNER + u] = (own - seen) * (own - seen);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < INNER * INNER; i += blockDim.x) {
        const float* at = bright + (i / INNER + 1) * SIDE + i % INNER + 1;
        float horizontal = at[1 - SIDE] - at[-1 - SIDE] + 2.0f * (at[1] - at[-1]) + at[1 + SIDE] - at[-1 + SIDE];
        float vertical = at[SIDE - 1] - at[-SIDE - 1] + 2.0f * (at[SIDE] - at[-SIDE]) + at[SIDE + 1] - at[-SIDE + 1];
        slope[i] = (fabsf(horizontal) + fabsf(vertical)) * 0.125f;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < TILE * TILE; i += blockDim.x) {
        int v = i / TILE, u = i % TILE, y = top + v, x = left + u;
        if (y >= rows || x >= columns) continue;
        float far = 0.0f, difference = 0.0f, steep = 0.0f;
        for (int j = 0; j <= 2 * POOL; ++j)
            for (int k = 0; k <= 2 * POOL; ++k) {
                int at = (v + j) * INNER + u + k;
                far += outside[at];
                difference += squared[at];
                steep += slope[at];
            }
        const float area = (2 * POOL + 1) * (2 * POOL + 1);
        float own = bright[(v + HALO) * SIDE + u + HALO];
        size_t at = blockIdx.z * plane + (size_t)y * columns + x;
        deviation[at] = far / area / (steep / area * misalignment + own * shading + curve_error);
        error[at] = difference / area;
    }
}
