// SPDX-License-Identifier: Apache-2.0
// The part of oneDNN that Tensors uses, the same for its C APIs 2.x and 3.x: the difference is hidden in onednn.c.
//
// Everything runs on the calling thread: the caller's own pool cuts the work. A plan may be executed by several threads at once, each with
// its own scratch memory. Channels last throughout; sizes are checked by the Swift callers.
#ifndef PSEUDOWORD_CONEDNN_H
#define PSEUDOWORD_CONEDNN_H
#include <stddef.h>
#include <stdint.h>

/// The library's version, 10000 major + 100 minor + patch; 0 when the program was built without it.
int32_t pw_dnn_version(void);

/// C = A B + (accumulate ? C : 0), row-major f32; false when the library refuses.
int32_t pw_dnn_sgemm(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, int32_t transpose_a, const float *b, int64_t ldb,
                     int32_t transpose_b, float *c, int64_t ldc, int32_t accumulate);

typedef enum { PW_DNN_F32 = 0, PW_DNN_BF16 = 1 } pw_dnn_type;

/// One convolution of stride 1 or more: [images, height, width, inputs] -> [images, out_height, out_width, outputs].
typedef struct {
    int64_t images, height, width, inputs, outputs, out_height, out_width, kernel_height, kernel_width, stride, top, left, bottom, right;
    /// Whether an f32 bias is added, and whether the result is added to what the output holds.
    int32_t has_bias, accumulates;
    pw_dnn_type type;
} pw_dnn_convolution;

/// An operation at one shape: which implementation, and how its weight is laid out.
typedef struct pw_dnn_plan pw_dnn_plan;

/// NULL when the library cannot do it on this processor. Plans live as long as the program.
const pw_dnn_plan *pw_dnn_convolution_plan(const pw_dnn_convolution *shape);

/// The library's name of the implementation, such as "brgconv:avx512_core".
const char *pw_dnn_implementation(const pw_dnn_plan *plan);
size_t pw_dnn_packed_bytes(const pw_dnn_plan *plan);
size_t pw_dnn_scratch_bytes(const pw_dnn_plan *plan);
/// Whether a weight packed for one plan serves the other.
int32_t pw_dnn_same_packing(const pw_dnn_plan *a, const pw_dnn_plan *b);

/// Packs an f32 weight: W[o, i, y, x] of a convolution stands at o strides[0] + i strides[1] + y strides[2] + x strides[3].
int32_t pw_dnn_pack(const pw_dnn_plan *plan, const float *weight, const int64_t *strides, void *packed);

int32_t pw_dnn_execute(const pw_dnn_plan *plan, const void *source, const void *packed, const float *bias, void *target, void *scratch);

#endif
