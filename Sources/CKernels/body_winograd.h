// SPDX-License-Identifier: Apache-2.0
// Winograd's F(4x4, 3x3) (Lavin & Gray 2015, arXiv 1509.09308) with the points 0, 1, -1, 1/2, -2 and infinity, which lose least
// (Barabasz et al. 2018, arXiv 1803.10986): a tile of 4x4 outputs is read from 6x6 inputs, and between the two transforms there are 36
// products of matrices instead of the 144 multiplications of each pair of channels.

/// out[i] = sum over j of B^T[i, j] in[j], lane by lane.
INLINE void winograd_input_line(const float in[6][L], float out[6][L]) {
    for (size_t l = 0; l < L; l++) {
        float d0 = in[0][l], d1 = in[1][l], d2 = in[2][l], d3 = in[3][l], d4 = in[4][l], d5 = in[5][l];
        out[0][l] = d0 - 1.5f * d1 - 2.0f * d2 + 1.5f * d3 + d4;
        out[1][l] = 0.5f * d2 - d1 + 2.5f * d3 + d4;
        out[2][l] = d1 - 2.5f * d2 + 0.5f * d3 + d4;
        out[3][l] = 2.0f * d3 - 2.0f * d1 - d2 + d4;
        out[4][l] = 0.5f * d1 - d2 - 0.5f * d3 + d4;
        out[5][l] = d1 - 1.5f * d2 - 2.0f * d3 + 1.5f * d4 + d5;
    }
}

/// out[i] = sum over j of A^T[i, j] in[j].
INLINE void winograd_output_line(const float in[6][L], float out[4][L]) {
    for (size_t l = 0; l < L; l++) {
        float sum = in[1][l] + in[2][l], difference = in[1][l] - in[2][l];
        out[0][l] = in[0][l] + sum + in[3][l] + in[4][l];
        out[1][l] = difference + 0.5f * in[3][l] - 2.0f * in[4][l];
        out[2][l] = sum + 0.25f * in[3][l] + 4.0f * in[4][l];
        out[3][l] = difference + 0.125f * in[3][l] - 8.0f * in[4][l] + in[5][l];
    }
}

static void winograd_input(const float *R x, float *R out, size_t height, size_t width, size_t channels, size_t tile_rows,
                           size_t tile_columns, ptrdiff_t top, ptrdiff_t left, size_t first, size_t tiles, size_t place, size_t total) {
    for (size_t t = 0; t < tiles; t++) {
        size_t tile = first + t, image = tile / (tile_rows * tile_columns);
        ptrdiff_t y0 = (ptrdiff_t)(tile / tile_columns % tile_rows * 4) - top, x0 = (ptrdiff_t)(tile % tile_columns * 4) - left;
        const float *picture = x + image * height * width * channels;
        for (size_t c = 0; c < channels; c += L) {
            float columns[6][6][L];  // [column of the tile][row of B^T d]
            for (ptrdiff_t j = 0; j < 6; j++) {
                float in[6][L];
                for (ptrdiff_t i = 0; i < 6; i++) {
                    int inside = y0 + i >= 0 && y0 + i < (ptrdiff_t)height && x0 + j >= 0 && x0 + j < (ptrdiff_t)width;
                    if (inside) memcpy(in[i], picture + ((size_t)(y0 + i) * width + (size_t)(x0 + j)) * channels + c, sizeof in[i]);
                    else memset(in[i], 0, sizeof in[i]);
                }
                winograd_input_line(in, columns[j]);
            }
            for (size_t i = 0; i < 6; i++) {
                float in[6][L], line[6][L];
                for (size_t j = 0; j < 6; j++) memcpy(in[j], columns[j][i], sizeof in[j]);
                winograd_input_line(in, line);
                for (size_t j = 0; j < 6; j++) memcpy(out + ((i * 6 + j) * total + place + t) * channels + c, line[j], sizeof line[j]);
            }
        }
    }
}

static void winograd_output(const float *R in, float *R y, const float *bias, const float *residual, size_t bias_stride, size_t height,
                            size_t width, size_t channels, size_t tile_rows, size_t tile_columns, size_t first, size_t tiles, size_t place,
                            size_t total) {
    for (size_t t = 0; t < tiles; t++) {
        size_t tile = first + t, image = tile / (tile_rows * tile_columns);
        size_t y0 = tile / tile_columns % tile_rows * 4, x0 = tile % tile_columns * 4;
        for (size_t c = 0; c < channels; c += L) {
            float columns[6][4][L];  // [column of the product][row of A^T m]
            for (size_t j = 0; j < 6; j++) {
                float line[6][L];
                for (size_t i = 0; i < 6; i++) memcpy(line[i], in + ((i * 6 + j) * total + place + t) * channels + c, sizeof line[i]);
                winograd_output_line(line, columns[j]);
            }
            for (size_t i = 0; i < 4 && y0 + i < height; i++) {
                float line[6][L], out[4][L];
                for (size_t j = 0; j < 6; j++) memcpy(line[j], columns[j][i], sizeof line[j]);
                winograd_output_line(line, out);
                for (size_t j = 0; j < 4 && x0 + j < width; j++) {
                    size_t at = ((image * height + y0 + i) * width + x0 + j) * channels + c;
                    float sum[L];
                    memcpy(sum, out[j], sizeof sum);
                    if (bias) for (size_t l = 0; l < L; l++) sum[l] += bias[image * bias_stride + c + l];
                    if (residual) for (size_t l = 0; l < L; l++) sum[l] += residual[at + l];
                    memcpy(y + at, sum, sizeof sum);
                }
            }
        }
    }
}

/// out[i] = sum over j of G[i, j] in[j], in double: a weight loses nothing but its last rounding.
INLINE void winograd_weight_line(const double in[3][PANEL], double out[6][PANEL]) {
    for (size_t l = 0; l < PANEL; l++) {
        double a = in[0][l], b = in[1][l], c = in[2][l];
        out[0][l] = a;
        out[1][l] = (a + b + c) * (1.0 / 3);
        out[2][l] = (b - a - c) * (1.0 / 3);
        out[3][l] = (4 * a + 2 * b + c) * (-4.0 / 15);
        out[4][l] = (a - 2 * b + 4 * c) * (1.0 / 15);
        out[5][l] = c;
    }
}

/// One panel: row tap depth + i of the nine taps becomes row i of 36 panels, `distance` floats from one another.
static void winograd_weights(const float *R taps, float *R out, size_t depth, size_t distance) {
    for (size_t i = 0; i < depth; i++) {
        double in[9][PANEL], rows[3][6][PANEL];
        for (size_t tap = 0; tap < 9; tap++)
            for (size_t l = 0; l < PANEL; l++) in[tap][l] = taps[(tap * depth + i) * PANEL + l];
        for (size_t ky = 0; ky < 3; ky++) winograd_weight_line(in + 3 * ky, rows[ky]);
        for (size_t j = 0; j < 6; j++) {
            double line[3][PANEL], result[6][PANEL];
            for (size_t ky = 0; ky < 3; ky++) memcpy(line[ky], rows[ky][j], sizeof line[ky]);
            winograd_weight_line(line, result);
            for (size_t row = 0; row < 6; row++)
                for (size_t l = 0; l < PANEL; l++) out[(row * 6 + j) * distance + i * PANEL + l] = (float)result[row][l];
        }
    }
}
