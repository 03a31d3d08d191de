// SPDX-License-Identifier: Apache-2.0
#ifndef PSEUDOWORD_VARIANTS_H
#define PSEUDOWORD_VARIANTS_H
#include "CKernels.h"

typedef struct {
    const char *name;
#define PW_KERNEL(name, parameters, arguments) void(*name) parameters;
#include "list.h"
#undef PW_KERNEL
    double (*squared_error)(const float *, const float *, const float *, size_t);
} pw_kernels;

extern const pw_kernels pw_kernels_baseline, pw_kernels_avx2, pw_kernels_avx512, pw_kernels_avx512bf16;
#endif
