// Dense motion: patches found by inverse search (Kroeger et al., "Fast optical flow using dense inverse search", ECCV
// 2016), averaged to a field, refined by a variational method. Pictures are luma x 255; a field is (2, h, w), x then y.
// blockIdx.z counts pictures of a batch.

#define PATCH 8
#define STRIDE 4  // patches start at STRIDE x index - STRIDE, so that each pixel lies in 2 x 2 of them
#define AREA (PATCH * PATCH)
#define ITERATIONS 12
#define ENOUGH 1e-4f  // squared length of a step, in pixels, after which nothing more comes

struct Residual {
    float sum, squares, along_x, along_y;
};

// Of the patch at (top, left) moved by (u, v): sums of target - source, its square, and its products with the slope.
__device__ inline Residual residual_of(const float* source, const float* target, int rows, int columns, int top,
                                       int left, float u, float v) {
    Residual r = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int i = 0; i < PATCH; ++i) {
        int y = clamp_index(top + i, rows);
        const float* above = source + (size_t)clamp_index(y - 1, rows) * columns;
        const float* line = source + (size_t)y * columns;
        const float* below = source + (size_t)clamp_index(y + 1, rows) * columns;
        Tap down = tap_at(y + v, rows);
        for (int j = 0; j < PATCH; ++j) {
            int x = clamp_index(left + j, columns);
            float gx = 0.5f * (line[clamp_index(x + 1, columns)] - line[clamp_index(x - 1, columns)]);
            float gy = 0.5f * (below[x] - above[x]);
            float difference = bilinear(target, columns, down, tap_at(x + u, columns)) - line[x];
            r.sum += difference;
            r.squares += difference * difference;
            r.along_x += difference * gx;
            r.along_y += difference * gy;
        }
    }
    return r;
}

// Sum of squares about the mean: a change of brightness costs nothing.
__device__ inline float cost_of(Residual r) { return r.squares - r.sum * r.sum / AREA; }

// One thread per patch: the best of the start fields here and at the four patches next to this one, then Gauss-Newton
// steps. source, target (rows, columns); start (2, rows, columns); out (2, patch_rows, patch_columns).
// Grid: (patch_columns / 32, patch_rows / 4, B) blocks of 32 x 4 threads.
extern "C" __global__ void search(const float* sources, const float* targets, const float* starts, int rows,
                                  int columns, int patch_rows, int patch_columns, float* out) {
    int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y;
    if (px >= patch_columns || py >= patch_rows) return;
    size_t plane = (size_t)rows * columns;
    const float *source = sources + blockIdx.z * plane, *target = targets + blockIdx.z * plane;
    const float* start = starts + 2 * blockIdx.z * plane;
    int top = py * STRIDE - STRIDE, left = px * STRIDE - STRIDE;
    float sum_x = 0.0f, sum_y = 0.0f, xx = 0.0f, xy = 0.0f, yy = 0.0f;
    for (int i = 0; i < PATCH; ++i)
        for (int j = 0; j < PATCH; ++j) {
            int y = clamp_index(top + i, rows), x = clamp_index(left + j, columns);
            const float* at = source + (size_t)y * columns;
            float gx = 0.5f * (at[clamp_index(x + 1, columns)] - at[clamp_index(x - 1, columns)]);
            float gy = 0.5f * (source[(size_t)clamp_index(y + 1, rows) * columns + x] -
                               source[(size_t)clamp_index(y - 1, rows) * columns + x]);
            sum_x += gx;
            sum_y += gy;
            xx += gx * gx;
            xy += gx * gy;
            yy += gy * gy;
        }
    xx -= sum_x * sum_x / AREA;
    xy -= sum_x * sum_y / AREA;
    yy -= sum_y * sum_y / AREA;
    float u = 0.0f, v = 0.0f, best = 0.0f;
    Residual r = {0.0f, 0.0f, 0.0f, 0.0f};
    const int aside[5] = {0, 0, 0, -1, 1}, across[5] = {0, -1, 1, 0, 0};
    for (int k = 0; k < 5; ++k) {
        int y = clamp_index((py + aside[k]) * STRIDE, rows), x = clamp_index((px + across[k]) * STRIDE, columns);
        float to_x = start[(size_t)y * columns + x], to_y = start[plane + (size_t)y * columns + x];
        Residual other = residual_of(source, target, rows, columns, top, left, to_x, to_y);
        if (k == 0 || cost_of(other) < best) {
            best = cost_of(other);
            r = other;
            u = to_x;
            v = to_y;
        }
    }
    float determinant = xx * yy - xy * xy, begin_u = u, begin_v = v, best_u = u, best_v = v;
    // A patch without structure, or with that of an edge only, tells little: it keeps what it was given.
    bool telling = determinant > 1e-3f * (xx + yy) * (xx + yy) && xx + yy > AREA * 0.05f;
    for (int n = 0; telling && n < ITERATIONS; ++n) {
        float bx = r.along_x - sum_x * r.sum / AREA, by = r.along_y - sum_y * r.sum / AREA;
        float step_x = (yy * bx - xy * by) / determinant, step_y = (xx * by - xy * bx) / determinant;
        u -= step_x;
        v -= step_y;
        if (fabsf(u - begin_u) > PATCH || fabsf(v - begin_v) > PATCH) break;
        r = residual_of(source, target, rows, columns, top, left, u, v);
        if (cost_of(r) < best) {
            best = cost_of(r);
            best_u = u;
            best_v = v;
        }
        if (step_x * step_x + step_y * step_y < ENOUGH) break;
    }
    size_t patches = (size_t)patch_rows * patch_columns, here = (size_t)py * patch_columns + px;
    out[2 * blockIdx.z * patches + here] = best_u;
    out[(2 * blockIdx.z + 1) * patches + here] = best_v;
}

// Mean of the four patches over each pixel, by 1 / max(1, |target - source|). patches (2, patch_rows, patch_columns);
// out (2, rows, columns). Grid: blocks of 32 x 8 threads.
extern "C" __global__ void densify(const float* sources, const float* targets, const float* patches, int rows,
                                   int columns, int patch_rows, int patch_columns, float* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    size_t plane = (size_t)rows * columns, count = (size_t)patch_rows * patch_columns;
    size_t here = (size_t)y * columns + x;
    float own = sources[blockIdx.z * plane + here];
    const float* target = targets + blockIdx.z * plane;
    const float* flow = patches + 2 * blockIdx.z * count;
    float sum_u = 0.0f, sum_v = 0.0f, total = 0.0f;
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            size_t at = (size_t)(y / STRIDE + i) * patch_columns + x / STRIDE + j;
            float u = flow[at], v = flow[count + at];
            float seen = bilinear(target, columns, tap_at(y + v, rows), tap_at(x + u, columns));
            float weight = 1.0f / fmaxf(1.0f, fabsf(seen - own));
            sum_u += weight * u;
            sum_v += weight * v;
            total += weight;
        }
    out[2 * blockIdx.z * plane + here] = sum_u / total;
    out[(2 * blockIdx.z + 1) * plane + here] = sum_v / total;
}

// The target seen along the field: out (rows, columns). Grid: blocks of 32 x 8 threads.
extern "C" __global__ void look_along(const float* targets, const float* flows, int rows, int columns, float* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    size_t plane = (size_t)rows * columns, here = (size_t)y * columns + x;
    const float* flow = flows + 2 * blockIdx.z * plane;
    out[blockIdx.z * plane + here] = bilinear(targets + blockIdx.z * plane, columns,
                                              tap_at(y + flow[plane + here], rows), tap_at(x + flow[here], columns));
}

#define EPSILON 1e-6f  // squared, of the robust penalty sqrt(x^2 + epsilon^2)
#define ZETA 1e-2f     // squared slope below which a constraint says little

// 3 x 3 values around a pixel.
struct Around {
    float v[3][3];
    __device__ float dx() const { return 0.5f * (v[1][2] - v[1][0]); }
    __device__ float dy() const { return 0.5f * (v[2][1] - v[0][1]); }
    __device__ float dxx() const { return v[1][2] - 2.0f * v[1][1] + v[1][0]; }
    __device__ float dyy() const { return v[2][1] - 2.0f * v[1][1] + v[0][1]; }
    __device__ float dxy() const { return 0.25f * (v[2][2] - v[2][0] - v[0][2] + v[0][0]); }
};

__device__ inline Around around(const float* plane, int rows, int columns, int y, int x) {
    Around a;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            a.v[i][j] = plane[(size_t)clamp_index(y + i - 1, rows) * columns + clamp_index(x + j - 1, columns)];
    return a;
}

// The linear system of one refinement, per pixel: a (U, V) + neighbours = c, with the robust weights of now.
// seen (rows, columns): the target along the field. system (6, rows, columns): a11, a12, a22, c1, c2, smoothness.
// Brightness and its slope are constant along the motion, each weighed by a robust penalty and divided by the squared
// slope (Brox et al., ECCV 2004; Zimmer et al., IJCV 2011). Grid: blocks of 32 x 8 threads.
extern "C" __global__ void linearise(const float* sources, const float* seen, const float* flows, int rows,
                                     int columns, float brightness, float slope, float smoothness, float* system) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    size_t plane = (size_t)rows * columns, here = (size_t)y * columns + x;
    Around before = around(sources + blockIdx.z * plane, rows, columns, y, x);
    Around after = around(seen + blockIdx.z * plane, rows, columns, y, x);
    float z = after.v[1][1] - before.v[1][1], zx = after.dx() - before.dx(), zy = after.dy() - before.dy();
    float ix = 0.5f * (after.dx() + before.dx()), iy = 0.5f * (after.dy() + before.dy());
    float ixx = 0.5f * (after.dxx() + before.dxx()), iyy = 0.5f * (after.dyy() + before.dyy());
    float ixy = 0.5f * (after.dxy() + before.dxy());
    float norm = ix * ix + iy * iy + ZETA;
    float weight = brightness / (norm * sqrtf(z * z / norm + EPSILON));
    float a11 = weight * ix * ix, a12 = weight * ix * iy, a22 = weight * iy * iy;
    float b1 = weight * z * ix, b2 = weight * z * iy;
    float norm_x = ixx * ixx + ixy * ixy + ZETA, norm_y = ixy * ixy + iyy * iyy + ZETA;
    float both = slope / sqrtf(zx * zx / norm_x + zy * zy / norm_y + EPSILON);
    float weight_x = both / norm_x, weight_y = both / norm_y;
    a11 += weight_x * ixx * ixx + weight_y * ixy * ixy;
    a12 += weight_x * ixx * ixy + weight_y * ixy * iyy;
    a22 += weight_x * ixy * ixy + weight_y * iyy * iyy;
    b1 += weight_x * zx * ixx + weight_y * zy * ixy;
    b2 += weight_x * zx * ixy + weight_y * zy * iyy;
    const float* flow = flows + 2 * blockIdx.z * plane;
    float u = flow[here], v = flow[plane + here];
    size_t right = (size_t)y * columns + clamp_index(x + 1, columns), down = (size_t)clamp_index(y + 1, rows) * columns + x;
    float ux = flow[right] - u, uy = flow[down] - u, vx = flow[plane + right] - v, vy = flow[plane + down] - v;
    float* at = system + 6 * blockIdx.z * plane + here;
    at[0] = a11;
    at[plane] = a12;
    at[2 * plane] = a22;
    at[3 * plane] = a11 * u + a12 * v - b1;
    at[4 * plane] = a12 * u + a22 * v - b2;
    at[5 * plane] = smoothness / sqrtf(ux * ux + uy * uy + vx * vx + vy * vy + EPSILON);
}

#define STEPS 5  // Jacobi iterations of a launch: the tile's border of so many pixels is computed and thrown away
#define WIDE 32  // tile with border; a thread for each pixel
#define KEPT (WIDE - 2 * STEPS)

// STEPS Jacobi iterations of the system. flows (2, rows, columns) -> out, the same.
// Grid: (columns / KEPT, rows / KEPT, B) blocks of 32 x 32 threads.
extern "C" __global__ void __launch_bounds__(WIDE * WIDE) relax(const float* flows, const float* system, int rows,
                                                                int columns, float* out) {
    __shared__ float us[2][WIDE][WIDE], vs[2][WIDE][WIDE], smooth[WIDE][WIDE];
    int tx = threadIdx.x, ty = threadIdx.y;
    int x = (int)(blockIdx.x * KEPT) + tx - STEPS, y = (int)(blockIdx.y * KEPT) + ty - STEPS;
    bool inside = x >= 0 && x < columns && y >= 0 && y < rows;
    size_t plane = (size_t)rows * columns;
    size_t here = (size_t)clamp_index(y, rows) * columns + clamp_index(x, columns);
    const float* flow = flows + 2 * blockIdx.z * plane + here;
    const float* at = system + 6 * blockIdx.z * plane + here;
    float a11 = at[0], a12 = at[plane], a22 = at[2 * plane], c1 = at[3 * plane], c2 = at[4 * plane];
    us[0][ty][tx] = flow[0];
    vs[0][ty][tx] = flow[plane];
    smooth[ty][tx] = inside ? at[5 * plane] : 0.0f;
    __syncthreads();
    float own = smooth[ty][tx], share[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const int aside[4] = {0, 0, -1, 1}, across[4] = {-1, 1, 0, 0};
    for (int k = 0; k < 4; ++k) {
        int i = ty + aside[k], j = tx + across[k], to_y = y + aside[k], to_x = x + across[k];
        bool there = i >= 0 && i < WIDE && j >= 0 && j < WIDE && to_y >= 0 && to_y < rows && to_x >= 0 && to_x < columns;
        share[k] = there ? 0.5f * (own + smooth[i][j]) : 0.0f;
    }
    float total = share[0] + share[1] + share[2] + share[3];
    float determinant = (a11 + total) * (a22 + total) - a12 * a12;
    for (int n = 0; n < STEPS; ++n) {
        float u = c1, v = c2;
        for (int k = 0; k < 4; ++k)
            if (share[k] > 0.0f) {
                u += share[k] * us[n & 1][ty + aside[k]][tx + across[k]];
                v += share[k] * vs[n & 1][ty + aside[k]][tx + across[k]];
            }
        us[(n + 1) & 1][ty][tx] = ((a22 + total) * u - a12 * v) / determinant;
        vs[(n + 1) & 1][ty][tx] = ((a11 + total) * v - a12 * u) / determinant;
        __syncthreads();
    }
    if (inside && tx >= STEPS && tx < WIDE - STEPS && ty >= STEPS && ty < WIDE - STEPS) {
        out[2 * blockIdx.z * plane + here] = us[STEPS & 1][ty][tx];
        out[(2 * blockIdx.z + 1) * plane + here] = vs[STEPS & 1][ty][tx];
    }
}
