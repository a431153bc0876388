// What all kernels share. Put in front of each kernel file before it is compiled; needs no header.
//
// Pictures are row-major. Grids share the picture's top-left corner and pixel centres lie at half-integers, as in
// cv2.resize. Beyond its border a picture repeats its last pixel.

__device__ inline int clamp_index(int i, int size) { return i < 0 ? 0 : (i >= size ? size - 1 : i); }

__device__ inline float clamp01(float v) { return fminf(fmaxf(v, 0.0f), 1.0f); }

// Linear interpolation along one axis: (1 - part) x [first] + part x [second].
struct Tap {
    int first, second;
    float part;
};

__device__ inline Tap tap_at(float position, int size) {
    float below = floorf(position);
    Tap tap;
    tap.part = position - below;
    // Clamped as floats: a position far outside does not fit an int.
    below = fminf(fmaxf(below, -1.0f), (float)size);
    tap.first = clamp_index((int)below, size);
    tap.second = clamp_index((int)below + 1, size);
    return tap;
}

// Where pixel `i` of a grid lies in another one, of which `step` pixels make one of the first.
__device__ inline Tap tap_of(int i, float step, int size) { return tap_at((i + 0.5f) * step - 0.5f, size); }

template <class T>
__device__ inline float bilinear(const T* plane, int width, Tap y, Tap x) {
    const T* upper = plane + (size_t)y.first * width;
    const T* lower = plane + (size_t)y.second * width;
    float above = upper[x.first] + x.part * ((float)upper[x.second] - (float)upper[x.first]);
    float below = lower[x.first] + x.part * ((float)lower[x.second] - (float)lower[x.first]);
    return above + y.part * (below - above);
}

// Pixel values: codes are normalised to [0, 1], floats are taken as they are.
__device__ inline float value_of(float v, float, float) { return v; }
__device__ inline float value_of(unsigned char code, float scale, float offset) {
    return clamp01(code * scale + offset);
}
__device__ inline float value_of(unsigned short code, float scale, float offset) {
    return clamp01(code * scale + offset);
}

// The part of a coarser pixel's extent along one axis that lies in each finer pixel (cv2.INTER_AREA).
struct Span {
    float begin, end;
    int first, last;
    __device__ float share(int i) const {
        return (fminf(end, (float)(i + 1)) - fmaxf(begin, (float)i)) / (end - begin);
    }
};

__device__ inline Span span_of(int i, float step, int size) {
    Span span;
    span.begin = i * step;
    span.end = fminf(span.begin + step, (float)size);
    // A sliver of a pixel that rounding makes is none.
    span.first = (int)floorf(span.begin + 1e-3f);
    span.last = clamp_index((int)ceilf(span.end - 1e-3f) - 1, size);
    span.begin = fmaxf(span.begin, (float)span.first);
    span.end = fminf(span.end, (float)(span.last + 1));
    return span;
}

// Mean over the extent of a coarser pixel; `normalised` values, or plain codes with scale 1 and offset 0.
template <class T>
__device__ inline float area_mean(const T* plane, int width, Span y, Span x, float scale, float offset, bool plain) {
    float sum = 0.0f;
    for (int row = y.first; row <= y.last; ++row) {
        const T* line = plane + (size_t)row * width;
        float along = 0.0f;
        for (int column = x.first; column <= x.last; ++column) {
            float v = plain ? (float)line[column] : value_of(line[column], scale, offset);
            along += x.share(column) * v;
        }
        sum += y.share(row) * along;
    }
    return sum;
}

__device__ inline float rounded_code(float v, float top) { return fminf(fmaxf(rintf(v), 0.0f), top); }
