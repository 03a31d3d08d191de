// SPDX-License-Identifier: Apache-2.0
// Chooses a variant of the kernels once, by what the processor can do, and forwards every call to it.
#include "variants.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const pw_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void) {
    const char *forced = getenv("PSEUDOWORD_CPU");
    chosen = &pw_kernels_baseline;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
                 && __builtin_cpu_supports("avx512vl");
    if (forced && strcmp(forced, "baseline") == 0) return;
    if (avx2) chosen = &pw_kernels_avx2;
    if (forced && strcmp(forced, "avx2") == 0) return;
    if (avx512) chosen = &pw_kernels_avx512;
    if (forced && strcmp(forced, "avx512") == 0) return;
    if (avx512 && __builtin_cpu_supports("avx512bf16")) chosen = &pw_kernels_avx512bf16;
#endif
}

static inline const pw_kernels *kernels(void) {
    pthread_once(&once, choose);
    return chosen;
}

const char *pw_variant(void) { return kernels()->name; }

int32_t pw_has_bf16(void) {
#if defined(__x86_64__)
    return kernels() == &pw_kernels_avx512bf16;
#else
    return 0;
#endif
}

#define PW_KERNEL(name, parameters, arguments) \
    void pw_##name parameters { kernels()->name arguments; }
#include "list.h"
#undef PW_KERNEL

double pw_squared_error(const float *a, const float *b, const float *weights, size_t n) { return kernels()->squared_error(a, b, weights, n); }
