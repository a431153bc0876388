// Runs CUDA kernels on a CPU, one thread after the other, to check their arithmetic where no GPU is.
//
// Each thread of a block is a coroutine; __syncthreads() goes on with the next one. Shared memory is a static array,
// since blocks run one after the other. A barrier that not all threads of a block reach is reported, as is a launch
// that does not fit the hardware's limits.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstring>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)

struct Index {
    unsigned x, y, z;
};
static Index blockIdx, threadIdx, blockDim, gridDim;

namespace emulation {
const size_t STACK = 32 * 1024;
struct Thread {
    ucontext_t context;
    std::vector<char> stack;
    bool done;
};
static std::vector<Thread> threads;
static ucontext_t scheduler;
static size_t running;
static void (*body)(void**);
static void** arguments;

inline void start() {
    body(arguments);
    threads[running].done = true;
}

// Runs each thread of the current block up to its next barrier; false if only some of them came to one.
inline bool step(size_t count, bool& finished) {
    size_t done = 0;
    for (running = 0; running < count; ++running) {
        if (threads[running].done) return false;  // ended while others still wait at a barrier
        threadIdx = {unsigned(running % blockDim.x), unsigned(running / blockDim.x % blockDim.y),
                     unsigned(running / blockDim.x / blockDim.y)};
        swapcontext(&scheduler, &threads[running].context);
        done += threads[running].done;
    }
    finished = done == count;
    return finished || done == 0;
}

inline bool block(size_t count) {
    for (size_t i = 0; i < count; ++i) {
        Thread& thread = threads[i];
        thread.done = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = thread.stack.size();
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, start, 0);
    }
    for (bool finished = false; !finished;)
        if (!step(count, finished)) return false;
    return true;
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** values, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(values[I])...);
}
template <class... A>
void call(void (*kernel)(A...), void** values) {
    call(kernel, values, std::index_sequence_for<A...>{});
}
// Sizes of the parameters, so that the caller can be checked.
template <class... A>
int sizes(void (*)(A...), int* out) {
    int all[] = {int(sizeof(A))...};
    std::memcpy(out, all, sizeof(all));
    return sizeof...(A);
}

// 0 = done, 1 = a barrier that not all threads reached, 2 = a launch that no GPU takes.
inline int launch(void (*kernel)(void**), const unsigned* grid, const unsigned* shape, void** values) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {shape[0], shape[1], shape[2]};
    size_t count = size_t(shape[0]) * shape[1] * shape[2];
    if (!count || count > 1024 || shape[2] > 64 || !grid[0] || !grid[1] || !grid[2] || grid[1] > 65535 || grid[2] > 65535)
        return 2;
    body = kernel;
    arguments = values;
    threads.resize(count > threads.size() ? count : threads.size());
    for (size_t i = 0; i < count; ++i) threads[i].stack.resize(STACK);
    for (unsigned z = 0; z < grid[2]; ++z)
        for (unsigned y = 0; y < grid[1]; ++y)
            for (unsigned x = 0; x < grid[0]; ++x) {
                blockIdx = {x, y, z};
                if (!block(count)) return 1;
            }
    return 0;
}
}  // namespace emulation

inline void __syncthreads() {
    swapcontext(&emulation::threads[emulation::running].context, &emulation::scheduler);
}

#define EXPORT(kernel)                                                                                    \
    extern "C" int run_##kernel(const unsigned* grid, const unsigned* shape, void** values) {             \
        return emulation::launch([](void** v) { emulation::call(kernel, v); }, grid, shape, values);      \
    }                                                                                                     \
    extern "C" int sizes_##kernel(int* out) { return emulation::sizes(kernel, out); }
