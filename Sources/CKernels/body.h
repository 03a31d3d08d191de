// SPDX-License-Identifier: Apache-2.0
// The kernels themselves, compiled once for each variant. Plain loops that the compiler turns into vectors; reductions keep
// sixteen explicit lanes (L), because the compiler may not reorder floating-point sums on its own.
#include "variants.h"
#include <math.h>
#if defined(PW_HALF) || defined(PW_BF16_DOT)
#include <immintrin.h>
#endif
#include <string.h>

enum { L = 16 };
#define INLINE static inline __attribute__((always_inline))
#define R restrict

#include "body_elementwise.h"
#include "body_norms.h"
#include "body_attention.h"
#include "body_patches.h"
#include "body_product.h"
#include "body_packing.h"
#include "body_winograd.h"

#define PW_JOIN2(a, b) a##b
#define PW_JOIN(a, b) PW_JOIN2(a, b)
#define PW_TEXT2(a) #a
#define PW_TEXT(a) PW_TEXT2(a)

const pw_kernels PW_JOIN(pw_kernels_, PW_VARIANT) = {
    PW_TEXT(PW_VARIANT),
#define PW_KERNEL(name, parameters, arguments) name,
#include "list.h"
#undef PW_KERNEL
    squared_error,
};
