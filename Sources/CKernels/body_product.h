// SPDX-License-Identifier: Apache-2.0
// Products of matrices in f32. The right operand lies in panels; the left one is read where it is, one element for a whole vector. Every
// element of the result is a sum over k in order, in parts of DEPTH: neither where the result is cut into tasks nor what stands beside it
// changes a bit. Blocks as in Goto & van de Geijn 2008 (doi 10.1145/1356052.1356053): a part of a panel stays in the first cache, BLOCK rows
// of the left operand in the second.

typedef float vector __attribute__((vector_size(4 * PW_VECTOR), aligned(4), may_alias));
enum { PANEL = 2 * PW_VECTOR, DEPTH = 320, BLOCK = 192 };

#define UNROLLED _Pragma("clang loop unroll(full)")

/// One tile of the result: M rows, N vectors of columns. The left operand is read along its rows (element i of row m at m stride + i), three
/// rows from one pointer, or along its columns (at i stride + m).
INLINE void tile(const size_t M, const size_t N, const int by_columns, const float *R a, size_t a_stride, const float *R b, size_t k,
                 float *R c, size_t c_stride, size_t width, const float *bias, const float *residual) {
    vector sum[PW_ROWS][2];
    UNROLLED for (size_t m = 0; m < M; m++) {
        __builtin_prefetch(c + m * c_stride, 1);
        UNROLLED for (size_t n = 0; n < N; n++) sum[m][n] = (vector){0};
    }
    const float *rows[(PW_ROWS + 2) / 3];
    UNROLLED for (size_t m = 0; m < M; m += 3) rows[m / 3] = a + m * a_stride;
    for (size_t i = 0; i < k; i++) {
        vector right[2];
        UNROLLED for (size_t n = 0; n < N; n++) right[n] = *(const vector *)(b + i * PANEL + n * PW_VECTOR);
        UNROLLED for (size_t m = 0; m < M; m++) {
            vector left = (by_columns ? a[i * a_stride + m] : rows[m / 3][m % 3 * a_stride + i]) - (vector){0};
            UNROLLED for (size_t n = 0; n < N; n++) sum[m][n] += left * right[n];
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
    for (size_t m = 0; m < M; m++)
        for (size_t j = 0; j < width; j++) {
            float value = edge[m][j];
            if (bias) value += bias[j];
            if (residual) value += residual[m * c_stride + j];
            c[m * c_stride + j] = value;
        }
}

typedef void tile_function(const float *R a, size_t a_stride, const float *R b, size_t k, float *R c, size_t c_stride, size_t width,
                           const float *bias, const float *residual);

#define TILE(M, N, COLUMNS)                                                                                                           \
    static __attribute__((noinline)) void tile_##M##_##N##_##COLUMNS(const float *R a, size_t a_stride, const float *R b, size_t k,   \
                                                                     float *R c, size_t c_stride, size_t width, const float *bias,    \
                                                                     const float *residual) {                                         \
        tile(M, N, COLUMNS, a, a_stride, b, k, c, c_stride, width, bias, residual);                                                   \
    }
#define TILES(M) TILE(M, 1, 0) TILE(M, 2, 0) TILE(M, 1, 1) TILE(M, 2, 1)
#define NAMES(M, N, COLUMNS) tile_##M##_##N##_##COLUMNS
#if PW_ROWS == 12
#define EACH(DO, ...) DO(1, ##__VA_ARGS__) DO(2, ##__VA_ARGS__) DO(3, ##__VA_ARGS__) DO(4, ##__VA_ARGS__) DO(5, ##__VA_ARGS__) \
    DO(6, ##__VA_ARGS__) DO(7, ##__VA_ARGS__) DO(8, ##__VA_ARGS__) DO(9, ##__VA_ARGS__) DO(10, ##__VA_ARGS__)              \
    DO(11, ##__VA_ARGS__) DO(12, ##__VA_ARGS__)
#else
#define EACH(DO, ...) DO(1, ##__VA_ARGS__) DO(2, ##__VA_ARGS__) DO(3, ##__VA_ARGS__) DO(4, ##__VA_ARGS__) DO(5, ##__VA_ARGS__) \
    DO(6, ##__VA_ARGS__)
#endif
EACH(TILES)
#define LISTED(M, N, COLUMNS) NAMES(M, N, COLUMNS),
static tile_function *const tiles[2][2][PW_ROWS] = {
    {{EACH(LISTED, 1, 0)}, {EACH(LISTED, 2, 0)}},
    {{EACH(LISTED, 1, 1)}, {EACH(LISTED, 2, 1)}},
};

static void multiply_panels(const float *R a, size_t a_stride, int by_columns, const float *R packed, size_t panel_stride, float *c,
                            size_t c_stride, size_t m, size_t n, size_t k, const float *bias, const float *residual) {
    size_t parts = k == 0 ? 1 : (k + DEPTH - 1) / DEPTH;
    for (size_t part = 0; part < parts; part++) {
        size_t start = k * part / parts, depth = k * (part + 1) / parts - start;
        const float *added = part > 0 ? c : residual;
        const float *from = by_columns ? a + start * a_stride : a + start;
        for (size_t top = 0; top < m; top += BLOCK) {
            size_t height = m - top < BLOCK ? m - top : BLOCK, count = (height + PW_ROWS - 1) / PW_ROWS;
            for (size_t first = 0; first < n; first += PANEL) {
                size_t width = n - first < PANEL ? n - first : PANEL;
                const float *R b = packed + first / PANEL * panel_stride + start * PANEL;
                const float *shift = bias && part == 0 ? bias + first : NULL;
                tile_function *const *kind = tiles[by_columns != 0][width > PW_VECTOR];
                for (size_t t = 0; t < count; t++) {
                    size_t row = top + height * t / count, rows = top + height * (t + 1) / count - row, at = row * c_stride + first;
                    kind[rows - 1](from + (by_columns ? row : row * a_stride), a_stride, b, depth, c + at, c_stride, width, shift,
                                   added ? added + at : NULL);
                }
            }
        }
    }
}
