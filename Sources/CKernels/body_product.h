// SPDX-License-Identifier: Apache-2.0
// Products of matrices in f32. The right operand lies in panels; the left one is read where it is, one element for a whole vector. Every
// element of the result is a sum over k in order, in parts of DEPTH: neither where the result is cut into tasks nor what stands beside it
// changes a bit. Blocks as in Goto & van de Geijn 2008 (doi 10.1145/1356052.1356053): a part of a panel stays in the first cache, BLOCK rows
// of the left operand in the second.
//
// With PAIRS every element stands for two neighbours along k in bf16, the first in the lower half: the same loops, twice the work.

typedef uint32_t bits_vector __attribute__((vector_size(4 * PW_VECTOR), aligned(4), may_alias));
typedef float vector __attribute__((vector_size(4 * PW_VECTOR), aligned(4), may_alias));
enum { PANEL = 2 * PW_VECTOR, DEPTH = 320, BLOCK = 192, STEP = 4 };

#define UNROLLED _Pragma("clang loop unroll(full)")
/// Keeps the compiler from counting the pointer x by an index: it would add up addresses for every element.
#define KEEP_POINTER(x) __asm__("" : "+r"(x))

/// sum + left right, for elements or for pairs: the second product of a pair is added first, as vdpbf16ps does.
INLINE void add_product(const int pairs, vector *sum, const vector *left, const vector *right) {
    if (!pairs) {
        *sum += *left * *right;
        return;
    }
#ifdef PW_BF16_DOT
    *sum = (vector)_mm512_dpbf16_ps((__m512)*sum, (__m512bh)*left, (__m512bh)*right);
#else
    bits_vector a = *(const bits_vector *)left, b = *(const bits_vector *)right;
    *sum += (vector)(a & 0xFFFF0000) * (vector)(b & 0xFFFF0000);
    *sum += (vector)(a << 16) * (vector)(b << 16);
#endif
}

/// sum[m] += element m of the left operand * the right operand's row at b, `step` rows further down than where the left pointers stand.
INLINE void add_row(const size_t M, const size_t N, const int by_columns, const int pairs, vector sum[][2], const float *const *left,
                    size_t stride, size_t step, const float *R b) {
    vector right[2];
    UNROLLED for (size_t n = 0; n < N; n++) right[n] = *(const vector *)(b + n * PW_VECTOR);
    UNROLLED for (size_t m = 0; m < M; m++) {
        uint32_t bits;
        memcpy(&bits, left[m / 3] + (by_columns ? step * stride + m % 3 : m % 3 * stride + step), 4);
        vector one = (vector)(bits - (bits_vector){0});
        UNROLLED for (size_t n = 0; n < N; n++) add_product(pairs, &sum[m][n], &one, &right[n]);
    }
}

/// Stores part of a tile, column by column.
static __attribute__((noinline)) void store_edge(const float *R tile, size_t rows, size_t width, float *c, size_t c_stride, const float *bias,
                                                 const float *residual) {
    for (size_t m = 0; m < rows; m++)
        for (size_t j = 0; j < width; j++) {
            float value = tile[m * PANEL + j];
            if (bias) value += bias[j];
            if (residual) value += residual[m * c_stride + j];
            c[m * c_stride + j] = value;
        }
}

/// One tile of the result: M rows, N vectors of columns, from segments of k elements each. The left operand is read along its rows (element i
/// of row m at m stride + i), three rows from one pointer, or along its columns (at i stride + m). Four elements of k share the counting:
/// where another thread of the core takes half of the instructions' slots, every instruction that does not multiply costs time.
INLINE void tile(const size_t M, const size_t N, const int by_columns, const int pairs, const pw_left *left, const float *a, size_t k,
                 const float *R b, float *c, size_t c_stride, size_t width, const float *bias, const float *residual) {
    vector sum[PW_ROWS][2];
    UNROLLED for (size_t m = 0; m < M; m++) {
        __builtin_prefetch(c + m * c_stride, 1);
        UNROLLED for (size_t n = 0; n < N; n++) sum[m][n] = (vector){0};
    }
    size_t stride = left->stride;
    for (size_t segment = 0; segment < left->segments; segment++) {
        const float *start = a + (left->offsets ? left->offsets[segment] : 0);
        const float *rows[(PW_ROWS + 2) / 3];
        UNROLLED for (size_t m = 0; m < M; m += 3) rows[m / 3] = start + m * (by_columns ? 1 : stride);
        size_t i = 0, along = by_columns ? stride : 1;
        for (; i + STEP <= k; i += STEP, b += STEP * PANEL) {
            UNROLLED for (size_t step = 0; step < STEP; step++) add_row(M, N, by_columns, pairs, sum, rows, stride, step, b + step * PANEL);
            UNROLLED for (size_t m = 0; m < M; m += 3) {
                rows[m / 3] += STEP * along;
                KEEP_POINTER(rows[m / 3]);
            }
        }
        for (; i < k; i++, b += PANEL) {
            add_row(M, N, by_columns, pairs, sum, rows, stride, 0, b);
            UNROLLED for (size_t m = 0; m < M; m += 3) rows[m / 3] += along;
        }
    }
    if (width == N * PW_VECTOR) {
        UNROLLED for (size_t m = 0; m < M; m++) UNROLLED for (size_t n = 0; n < N; n++) {
            size_t at = m * c_stride + n * PW_VECTOR;
            if (bias) sum[m][n] += *(const vector *)(bias + n * PW_VECTOR);
            if (residual) sum[m][n] += *(const vector *)(residual + at);
            *(vector *)(c + at) = sum[m][n];
        }
        return;
    }
    float edge[PW_ROWS][PANEL];
    UNROLLED for (size_t m = 0; m < M; m++) UNROLLED for (size_t n = 0; n < N; n++) *(vector *)(edge[m] + n * PW_VECTOR) = sum[m][n];
    store_edge(edge[0], M, width, c, c_stride, bias, residual);
}

typedef void tile_function(const pw_left *left, const float *a, size_t k, const float *R b, float *c, size_t c_stride, size_t width,
                           const float *bias, const float *residual);

#define NAME(M, N, COLUMNS, PAIRS) tile_##M##_##N##_##COLUMNS##_##PAIRS
#define TILE(M, N, COLUMNS, PAIRS)                                                                                             \
    static __attribute__((noinline)) void NAME(M, N, COLUMNS, PAIRS)(                                                          \
        const pw_left *left, const float *a, size_t k, const float *R b, float *c, size_t c_stride, size_t width,               \
        const float *bias, const float *residual) {                                                                            \
        tile(M, N, COLUMNS, PAIRS, left, a, k, b, c, c_stride, width, bias, residual);                                         \
    }
#define TILES_OF(M, PAIRS) TILE(M, 1, 0, PAIRS) TILE(M, 2, 0, PAIRS) TILE(M, 1, 1, PAIRS) TILE(M, 2, 1, PAIRS)
#define TILES(M) TILES_OF(M, 0) TILES_OF(M, 1)
#if PW_ROWS == 12
#define EACH(DO, ...)                                                                                                  \
    DO(1, ##__VA_ARGS__) DO(2, ##__VA_ARGS__) DO(3, ##__VA_ARGS__) DO(4, ##__VA_ARGS__) DO(5, ##__VA_ARGS__)           \
    DO(6, ##__VA_ARGS__) DO(7, ##__VA_ARGS__) DO(8, ##__VA_ARGS__) DO(9, ##__VA_ARGS__) DO(10, ##__VA_ARGS__)          \
    DO(11, ##__VA_ARGS__) DO(12, ##__VA_ARGS__)
#else
#define EACH(DO, ...)                                                                                                  \
    DO(1, ##__VA_ARGS__) DO(2, ##__VA_ARGS__) DO(3, ##__VA_ARGS__) DO(4, ##__VA_ARGS__) DO(5, ##__VA_ARGS__) DO(6, ##__VA_ARGS__)
#endif
EACH(TILES)
#define LISTED(M, N, COLUMNS, PAIRS) NAME(M, N, COLUMNS, PAIRS),
#define LIST(PAIRS)                                                                                    \
    {{{EACH(LISTED, 1, 0, PAIRS)}, {EACH(LISTED, 2, 0, PAIRS)}}, {{EACH(LISTED, 1, 1, PAIRS)}, {EACH(LISTED, 2, 1, PAIRS)}}}
static tile_function *const tiles[2][2][2][PW_ROWS] = {LIST(0), LIST(1)};

/// A part of the sum over k; `added` is what is there already.
static void multiply_part(const pw_left *left, const float *from, size_t depth, const float *R packed, size_t panel_stride, float *c,
                          size_t c_stride, size_t m, size_t n, const float *bias, const float *added) {
    size_t line = left->line ? left->line : m, lines = line ? m / line : 0, together = line < BLOCK ? BLOCK / (line ? line : 1) : 1;
    for (size_t first_line = 0; first_line < lines; first_line += together)
        for (size_t top = 0; top < line; top += BLOCK) {
            size_t height = line - top < BLOCK ? line - top : BLOCK, count = (height + PW_ROWS - 1) / PW_ROWS;
            size_t last_line = first_line + together < lines ? first_line + together : lines;
            for (size_t first = 0; first < n; first += PANEL) {
                size_t width = n - first < PANEL ? n - first : PANEL;
                const float *R b = packed + first / PANEL * panel_stride;
                tile_function *const *kind = tiles[left->is_paired != 0][left->by_columns != 0][width > PW_VECTOR];
                for (size_t l = first_line; l < last_line; l++)
                    for (size_t t = 0; t < count; t++) {
                        size_t row = top + height * t / count, rows = top + height * (t + 1) / count - row;
                        size_t at = (l * line + row) * c_stride + first;
                        const float *a = from + l * left->line_stride + (left->by_columns ? row : row * left->stride);
                        kind[rows - 1](left, a, depth, b, c + at, c_stride, width, bias ? bias + first : NULL, added ? added + at : NULL);
                    }
            }
        }
}

static void multiply_panels(const pw_left *left, const float *R packed, size_t panel_stride, float *c, size_t c_stride, size_t m, size_t n,
                            size_t k, const float *bias, const float *residual) {
    if (left->segments > 1) {
        multiply_part(left, left->start, k / left->segments, packed, panel_stride, c, c_stride, m, n, bias, residual);
        return;
    }
    size_t parts = k == 0 ? 1 : (k + DEPTH - 1) / DEPTH;
    for (size_t part = 0; part < parts; part++) {
        size_t start = k * part / parts, depth = k * (part + 1) / parts - start;
        const float *from = left->start + (left->by_columns ? start * left->stride : start);
        multiply_part(left, from, depth, packed + start * PANEL, panel_stride, c, c_stride, m, n, part == 0 ? bias : NULL,
                      part == 0 ? residual : c);
    }
}

/// Twelve sums that depend on themselves alone: enough to hide how long one takes.
static void saturate(size_t rounds, float *R out) {
    vector sum[6][2], factor = (vector){0} + 0.999999f, term = (vector){0} + 1e-6f;
    UNROLLED for (size_t m = 0; m < 6; m++) UNROLLED for (size_t n = 0; n < 2; n++) sum[m][n] = term * (float)(m + 6 * n);
    for (size_t i = 0; i < rounds; i++)
        UNROLLED for (size_t m = 0; m < 6; m++) UNROLLED for (size_t n = 0; n < 2; n++) sum[m][n] = sum[m][n] * factor + term;
    for (size_t n = 0; n < 2; n++) {
        vector all = sum[0][n] + sum[1][n] + sum[2][n] + sum[3][n] + sum[4][n] + sum[5][n];
        *(vector *)(out + n * PW_VECTOR) = all;
    }
}
