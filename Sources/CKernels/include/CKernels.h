// SPDX-License-Identifier: Apache-2.0
// Products of matrices and all other vector loops, in C with run-time CPU dispatch, and the thread pool that runs all compute.
//
// Conventions: row-major f32; "pixels" are rows of C channels (channels last); no function keeps a pointer; sizes are checked by
// the Swift callers. Reductions use sixteen fixed lanes, so their order does not depend on the vector width of the machine.
#ifndef PSEUDOWORD_CKERNELS_H
#define PSEUDOWORD_CKERNELS_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// --- Thread pool and memory (pool.c) ---------------------------------------------------------------------------------

/// Lets the calling thread, and all that it starts from now on, run on these processors only. Returns 0, or -1 when it may run on none of them.
int32_t pw_run_on(const int32_t *processors, size_t count);

/// Sets how many threads compute together (the caller included). Not to be called while a parallel region runs.
void pw_set_threads(int32_t count);
int32_t pw_threads(void);

/// Runs task(context, 0 ..< count) on the pool and returns when all are done. Which thread runs which task is not fixed, so tasks
/// must write to disjoint places. Runs serially when called from inside a task or while another caller holds the pool.
void pw_parallel(int32_t count, void (*task)(void *context, int32_t index), void *context);

/// A grow-only, 64-byte aligned buffer of the calling thread, one for each slot (0 ... 7); NULL when memory is out.
float *pw_scratch(int32_t slot, size_t count);

/// Asks the C allocator to keep large blocks instead of returning them to the system at every free: a training step allocates the
/// same sizes again and again, and page faults would cost more than the arithmetic of small layers.
void pw_keep_freed_memory(void);

/// The peak resident memory of this process in bytes.
uint64_t pw_peak_resident_bytes(void);

// --- Kernels (kernels.c chooses a variant once) -----------------------------------------------------------

/// The variant in use: "avx512bf16", "avx512", "avx2" or "baseline". The environment variable PSEUDOWORD_CPU forces one.
const char *pw_variant(void);

typedef enum { PW_ACTIVATION_NONE = 0, PW_ACTIVATION_SILU = 1, PW_ACTIVATION_GELU = 2, PW_ACTIVATION_QUICK_GELU = 3 } pw_activation;

void pw_activate(pw_activation kind, const float *x, float *y, size_t n);
/// dx = dy * f'(x)
void pw_activate_gradient(pw_activation kind, const float *x, const float *dy, float *dx, size_t n);

void pw_add(const float *a, const float *b, float *out, size_t n);
void pw_add_into(const float *x, float *accumulator, size_t n);

/// y[r, w] = h[r, w] * gelu(h[r, width + w])
void pw_geglu(const float *h, float *y, size_t rows, size_t width);
void pw_geglu_gradient(const float *h, const float *dy, float *dh, size_t rows, size_t width);

void pw_layer_norm(const float *x, const float *weight, const float *bias, float *y, float *mean, float *rstd, size_t rows, size_t width,
                   float epsilon);
void pw_layer_norm_gradient(const float *x, const float *weight, const float *mean, const float *rstd, const float *dy, float *dx,
                            size_t rows, size_t width);

/// sums[c] += sum over pixels of x[p, c]
void pw_channel_sums(const float *x, double *sums, size_t pixels, size_t channels);
/// sums[c] += sum over pixels of (x[p, c] - center[c])^2
void pw_channel_squares(const float *x, const float *center, double *sums, size_t pixels, size_t channels);
/// y = activation(x * scale[c] + shift[c])
void pw_scale_shift(pw_activation kind, const float *x, const float *scale, const float *shift, float *y, size_t pixels, size_t channels);
/// dz = dy * activation'(x * scale + shift); first[c] += sum dz; second[c] += sum dz * (x * rstd[c] + offset[c])
void pw_norm_gradient_sums(pw_activation kind, const float *x, const float *dy, const float *scale, const float *shift, const float *rstd,
                           const float *offset, double *first, double *second, size_t pixels, size_t channels);
/// dx = p[c] * dz + q[c] * x + r[c]
void pw_norm_gradient_apply(pw_activation kind, const float *x, const float *dy, const float *scale, const float *shift, const float *p,
                            const float *q, const float *r, float *dx, size_t pixels, size_t channels);

/// One block of an online softmax: scores [rows, columns] (row stride `stride`) become 2^(scale * score - new maximum); the running
/// maximum and sum are updated and correction[r] = 2^(old maximum - new maximum).
void pw_softmax_block(float *scores, size_t rows, size_t columns, size_t stride, float scale, float *maximum, float *sum, float *correction);
/// x[r, 0 ..< width] *= factor[r]
void pw_scale_rows(float *x, const float *factor, size_t rows, size_t width, size_t stride);
/// scores become probabilities 2^(scale * score - logSumExp[r])
void pw_probabilities(float *scores, const float *log_sum_exp, size_t rows, size_t columns, size_t stride, float scale);
/// dp becomes p * (dp - delta[r]) * scale
void pw_score_gradient(const float *p, float *dp, const float *delta, size_t rows, size_t columns, size_t stride, float scale);
/// out[r] = sum over w of a[r, w] * b[r, w]
void pw_row_dots(const float *a, const float *b, float *out, size_t rows, size_t width, size_t stride);

/// Sum of weights[i] * (a[i] - b[i])^2 in double; weights may be NULL.
double pw_squared_error(const float *a, const float *b, const float *weights, size_t n);
/// da[i] = factor * weights[i] * (a[i] - b[i])
void pw_squared_error_gradient(const float *a, const float *b, const float *weights, float factor, float *da, size_t n);

/// Rows of patches for output pixels first ..< first + rows of a [images, oh, ow] grid: patch[(ky, kx), c] = x[y*stride - top + ky, ...],
/// zero outside the picture, for the channels channel ..< channel + count. One row has kh * kw * count values.
void pw_patches(const float *x, float *patches, size_t height, size_t width, size_t channels, size_t out_height, size_t out_width,
                size_t kernel_height, size_t kernel_width, size_t stride, ptrdiff_t top, ptrdiff_t left, size_t first, size_t rows,
                size_t channel, size_t count);
/// The adjoint for whole input rows: x[image, y, :, :] gathers every patch value that read it.
void pw_gather_patches(const float *patches, float *x, size_t height, size_t width, size_t channels, size_t out_height, size_t out_width,
                       size_t kernel_height, size_t kernel_width, size_t stride, ptrdiff_t top, ptrdiff_t left, size_t image, size_t y);

/// Winograd's F(4x4, 3x3); channels must be multiples of 16. Tiles of 4x4 outputs are counted row by row in [images, tile_rows,
/// tile_columns]; the transformed tiles first ..< first + tiles go to rows place ... of 36 matrices [total, channels].
void pw_winograd_input(const float *x, float *out, size_t height, size_t width, size_t channels, size_t tile_rows, size_t tile_columns,
                       ptrdiff_t top, ptrdiff_t left, size_t first, size_t tiles, size_t place, size_t total);
/// The way back, for an output of height x width; bias (one row, or one for each image at bias_stride) and residual may be NULL.
void pw_winograd_output(const float *in, float *y, const float *bias, const float *residual, size_t bias_stride, size_t height,
                        size_t width, size_t channels, size_t tile_rows, size_t tile_columns, size_t first, size_t tiles, size_t place,
                        size_t total);
/// One panel of a weight: rows tap * depth + i of its nine taps -> row i of 36 panels that lie `distance` floats apart.
void pw_winograd_weights(const float *taps, float *out, size_t depth, size_t distance);

// --- Products (body_product.h, body_packing.h) ---------------------------------------------------------------------------

/// How the elements of a weight are stored.
typedef enum { PW_F32 = 0, PW_F16 = 1, PW_BF16 = 2 } pw_element;

/// The columns of a panel: 8, 16 or 32.
void pw_panel_width(size_t *out);

/// B[k, n], element (i, j) at b[i row_stride + j], into panels: column p W + c of row i stands at packed[p panel_stride + i W + c] with
/// W = the panel's width; columns beyond n are zero. Elements may lie at any address.
void pw_pack_straight(pw_element type, const void *b, size_t row_stride, size_t k, size_t n, float *packed, size_t panel_stride);
/// The same for n columns that are runs in memory: element r of column j is b[j column_stride + r] and goes to row rows[r].
void pw_pack_transposed(pw_element type, const void *b, size_t column_stride, size_t run, size_t n, const uint32_t *rows, float *packed,
                        size_t panel_stride);
/// Panels back to a row-major [k, n] matrix.
void pw_unpack(const float *packed, size_t panel_stride, size_t k, size_t n, float *out);

/// The left operand A[m, k]: rows `stride` apart in lines of `line` rows (0: all in one) that are `line_stride` apart, or with `by_columns`
/// element (i, j) at j stride + i. With several segments a row is made of as many pieces of equal length, piece s at offsets[s].
/// With `is_paired` all elements of A and B are pairs of bf16, neighbours along k, the first in the lower half; strides and k count pairs.
typedef struct {
    const float *start;
    size_t stride, line, line_stride, segments;
    const size_t *offsets;
    int by_columns, is_paired;
} pw_left;

/// Multiplies and adds on registers alone: rounds * 12 * the panel's width floating-point operations, what this processor can do at most.
/// Writes one panel.
void pw_saturate(size_t rounds, float *out);

/// Whether products of pairs run by the processor's own instruction; otherwise they give about the same and are slow.
int32_t pw_has_bf16(void);
/// Rounds to bf16, to nearest even; NaN stays NaN.
void pw_round_bf16(const float *x, uint16_t *out, size_t n);

/// The numbers that bf16 bits stand for.
void pw_widen_bf16(const uint16_t *x, float *out, size_t n);
/// Rows [k, width] become pairs of rows [(k + 1) / 2, width]: rows 2i and 2i + 1, or zero where the last has none. Row strides as given.
void pw_pair_rows(const float *x, size_t stride, size_t k, size_t width, uint32_t *out, size_t out_stride);

/// C[m, n] = A B (+ bias[n]) (+ residual, of C's layout; it may be C), with B in panels.
void pw_multiply_panels(const pw_left *left, const float *packed, size_t panel_stride, float *c, size_t c_stride, size_t m, size_t n, size_t k,
                        const float *bias, const float *residual);

#ifdef __cplusplus
}
#endif
#endif
