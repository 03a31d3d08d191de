// SPDX-License-Identifier: Apache-2.0
// Every kernel that returns nothing: PW_KERNEL(name, parameters, arguments). Included several times on purpose.
PW_KERNEL(activate, (pw_activation kind, const float *x, float *y, size_t n), (kind, x, y, n))
PW_KERNEL(activate_gradient, (pw_activation kind, const float *x, const float *dy, float *dx, size_t n), (kind, x, dy, dx, n))
PW_KERNEL(add, (const float *a, const float *b, float *out, size_t n), (a, b, out, n))
PW_KERNEL(add_into, (const float *x, float *accumulator, size_t n), (x, accumulator, n))
PW_KERNEL(geglu, (const float *h, float *y, size_t rows, size_t width), (h, y, rows, width))
PW_KERNEL(geglu_gradient, (const float *h, const float *dy, float *dh, size_t rows, size_t width), (h, dy, dh, rows, width))
PW_KERNEL(layer_norm, (const float *x, const float *weight, const float *bias, float *y, float *mean, float *rstd, size_t rows, size_t width, float epsilon),
          (x, weight, bias, y, mean, rstd, rows, width, epsilon))
PW_KERNEL(layer_norm_gradient, (const float *x, const float *weight, const float *mean, const float *rstd, const float *dy, float *dx, size_t rows, size_t width),
          (x, weight, mean, rstd, dy, dx, rows, width))
PW_KERNEL(channel_sums, (const float *x, double *sums, size_t pixels, size_t channels), (x, sums, pixels, channels))
PW_KERNEL(channel_squares, (const float *x, const float *center, double *sums, size_t pixels, size_t channels), (x, center, sums, pixels, channels))
PW_KERNEL(scale_shift, (pw_activation kind, const float *x, const float *scale, const float *shift, float *y, size_t pixels, size_t channels),
          (kind, x, scale, shift, y, pixels, channels))
PW_KERNEL(norm_gradient_sums,
          (pw_activation kind, const float *x, const float *dy, const float *scale, const float *shift, const float *rstd, const float *offset,
           double *first, double *second, size_t pixels, size_t channels),
          (kind, x, dy, scale, shift, rstd, offset, first, second, pixels, channels))
PW_KERNEL(norm_gradient_apply,
          (pw_activation kind, const float *x, const float *dy, const float *scale, const float *shift, const float *p, const float *q,
           const float *r, float *dx, size_t pixels, size_t channels),
          (kind, x, dy, scale, shift, p, q, r, dx, pixels, channels))
PW_KERNEL(softmax_block, (float *scores, size_t rows, size_t columns, size_t stride, float scale, float *maximum, float *sum, float *correction),
          (scores, rows, columns, stride, scale, maximum, sum, correction))
PW_KERNEL(scale_rows, (float *x, const float *factor, size_t rows, size_t width, size_t stride), (x, factor, rows, width, stride))
PW_KERNEL(probabilities, (float *scores, const float *log_sum_exp, size_t rows, size_t columns, size_t stride, float scale),
          (scores, log_sum_exp, rows, columns, stride, scale))
PW_KERNEL(score_gradient, (const float *p, float *dp, const float *delta, size_t rows, size_t columns, size_t stride, float scale),
          (p, dp, delta, rows, columns, stride, scale))
PW_KERNEL(row_dots, (const float *a, const float *b, float *out, size_t rows, size_t width, size_t stride), (a, b, out, rows, width, stride))
PW_KERNEL(squared_error_gradient, (const float *a, const float *b, const float *weights, float factor, float *da, size_t n), (a, b, weights, factor, da, n))
PW_KERNEL(patches,
          (const float *x, float *patches, size_t height, size_t width, size_t channels, size_t out_height, size_t out_width,
           size_t kernel_height, size_t kernel_width, size_t stride, ptrdiff_t top, ptrdiff_t left, size_t first, size_t rows, size_t channel,
           size_t count),
          (x, patches, height, width, channels, out_height, out_width, kernel_height, kernel_width, stride, top, left, first, rows, channel,
           count))
PW_KERNEL(gather_patches,
          (const float *patches, float *x, size_t height, size_t width, size_t channels, size_t out_height, size_t out_width,
           size_t kernel_height, size_t kernel_width, size_t stride, ptrdiff_t top, ptrdiff_t left, size_t image, size_t y),
          (patches, x, height, width, channels, out_height, out_width, kernel_height, kernel_width, stride, top, left, image, y))
PW_KERNEL(winograd_input,
          (const float *x, float *out, size_t height, size_t width, size_t channels, size_t tile_rows, size_t tile_columns, ptrdiff_t top,
           ptrdiff_t left, size_t first, size_t tiles, size_t place, size_t total),
          (x, out, height, width, channels, tile_rows, tile_columns, top, left, first, tiles, place, total))
PW_KERNEL(winograd_output,
          (const float *in, float *y, const float *bias, const float *residual, size_t bias_stride, size_t height, size_t width,
           size_t channels, size_t tile_rows, size_t tile_columns, size_t first, size_t tiles, size_t place, size_t total),
          (in, y, bias, residual, bias_stride, height, width, channels, tile_rows, tile_columns, first, tiles, place, total))
PW_KERNEL(winograd_weights, (const float *taps, float *out, size_t depth, size_t distance), (taps, out, depth, distance))
PW_KERNEL(panel_width, (size_t *out), (out))
PW_KERNEL(pack_straight,
          (pw_element type, const void *b, size_t row_stride, size_t k, size_t n, float *packed, size_t panel_stride),
          (type, b, row_stride, k, n, packed, panel_stride))
PW_KERNEL(pack_transposed,
          (pw_element type, const void *b, size_t column_stride, size_t run, size_t n, const uint32_t *rows, float *packed, size_t panel_stride),
          (type, b, column_stride, run, n, rows, packed, panel_stride))
PW_KERNEL(unpack, (const float *packed, size_t panel_stride, size_t k, size_t n, float *out), (packed, panel_stride, k, n, out))
PW_KERNEL(multiply_panels,
          (const pw_left *left, const float *packed, size_t panel_stride, float *c, size_t c_stride, size_t m, size_t n, size_t k,
           const float *bias, const float *residual),
          (left, packed, panel_stride, c, c_stride, m, n, k, bias, residual))
PW_KERNEL(saturate, (size_t rounds, float *out), (rounds, out))
PW_KERNEL(round_bf16, (const float *x, uint16_t *out, size_t n), (x, out, n))
PW_KERNEL(widen_bf16, (const uint16_t *x, float *out, size_t n), (x, out, n))
PW_KERNEL(pair_rows, (const float *x, size_t stride, size_t k, size_t width, uint32_t *out, size_t out_stride),
          (x, stride, k, width, out, out_stride))
