// SPDX-License-Identifier: Apache-2.0

INLINE float lane_sum(const float *lanes) {
    float eight[8], four[4];
    for (size_t l = 0; l < 8; l++) eight[l] = lanes[l] + lanes[l + 8];
    for (size_t l = 0; l < 4; l++) four[l] = eight[l] + eight[l + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static void layer_norm(const float *R x, const float *R weight, const float *R bias, float *R y, float *R mean, float *R rstd, size_t rows,
                       size_t width, float epsilon) {
    for (size_t r = 0; r < rows; r++) {
        const float *R row = x + r * width;
        float *R out = y + r * width;
        float lanes[L] = {0}, tail = 0;
        size_t i = 0;
        for (; i + L <= width; i += L)
            for (size_t l = 0; l < L; l++) lanes[l] += row[i + l];
        for (; i < width; i++) tail += row[i];
        float m = (lane_sum(lanes) + tail) / (float)width;
        memset(lanes, 0, sizeof lanes);
        tail = 0;
        for (i = 0; i + L <= width; i += L)
            for (size_t l = 0; l < L; l++) {
                float d = row[i + l] - m;
                lanes[l] += d * d;
            }
        for (; i < width; i++) tail += (row[i] - m) * (row[i] - m);
        float s = 1.0f / sqrtf((lane_sum(lanes) + tail) / (float)width + epsilon);
        for (i = 0; i < width; i++) out[i] = (row[i] - m) * s * weight[i] + bias[i];
        mean[r] = m;
        rstd[r] = s;
    }
}

// With n = (x - mean) rstd and g = dy weight: dx = rstd (g - mean(g) - n mean(g n)).
static void layer_norm_gradient(const float *R x, const float *R weight, const float *R mean, const float *R rstd, const float *R dy,
                                float *R dx, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        const float *R row = x + r * width, *R d = dy + r * width;
        float *R out = dx + r * width;
        float m = mean[r], s = rstd[r], first[L] = {0}, second[L] = {0}, first_tail = 0, second_tail = 0;
        size_t i = 0;
        for (; i + L <= width; i += L)
            for (size_t l = 0; l < L; l++) {
                float g = d[i + l] * weight[i + l];
                first[l] += g;
                second[l] += g * ((row[i + l] - m) * s);
            }
        for (; i < width; i++) {
            float g = d[i] * weight[i];
            first_tail += g;
            second_tail += g * ((row[i] - m) * s);
        }
        float a = (lane_sum(first) + first_tail) / (float)width, b = (lane_sum(second) + second_tail) / (float)width;
        for (i = 0; i < width; i++) out[i] = s * (d[i] * weight[i] - a - (row[i] - m) * s * b);
    }
}

enum { CHANNEL_BLOCK = 64, PIXEL_BLOCK = 32 };

// Channel statistics: f32 sums over PIXEL_BLOCK pixels, folded into double, for CHANNEL_BLOCK channels at a time.
#define OVER_CHANNEL_BLOCKS(VALUES, START, PIXEL, FOLD)                                                  \
    for (size_t c0 = 0; c0 < channels; c0 += CHANNEL_BLOCK) {                                            \
        size_t block = channels - c0 < CHANNEL_BLOCK ? channels - c0 : CHANNEL_BLOCK;                    \
        for (size_t p0 = 0; p0 < pixels; p0 += PIXEL_BLOCK) {                                            \
            size_t p1 = p0 + PIXEL_BLOCK < pixels ? p0 + PIXEL_BLOCK : pixels;                           \
            VALUES START for (size_t p = p0; p < p1; p++) {                                              \
                const float *R row = x + p * channels + c0;                                              \
                PIXEL                                                                                    \
            }                                                                                            \
            for (size_t c = 0; c < block; c++) { FOLD }                                                  \
        }                                                                                                \
    }

static void channel_sums(const float *R x, double *R sums, size_t pixels, size_t channels) {
    OVER_CHANNEL_BLOCKS(float part[CHANNEL_BLOCK];, memset(part, 0, sizeof part);, for (size_t c = 0; c < block; c++) part[c] += row[c];
                        , sums[c0 + c] += part[c];)
}

static void channel_squares(const float *R x, const float *R center, double *R sums, size_t pixels, size_t channels) {
    OVER_CHANNEL_BLOCKS(float part[CHANNEL_BLOCK];, memset(part, 0, sizeof part);
                        , for (size_t c = 0; c < block; c++) {
                            float d = row[c] - center[c0 + c];
                            part[c] += d * d;
                        }
                        , sums[c0 + c] += part[c];)
}

static void scale_shift(pw_activation kind, const float *R x, const float *R scale, const float *R shift, float *R y, size_t pixels,
                        size_t channels) {
    WITH_KIND(for (size_t p = 0; p < pixels; p++) {
        const float *R row = x + p * channels;
        float *R out = y + p * channels;
        for (size_t c = 0; c < channels; c++) out[c] = apply(K, row[c] * scale[c] + shift[c]);
    })
}

static void norm_gradient_sums(pw_activation kind, const float *R x, const float *R dy, const float *R scale, const float *R shift,
                               const float *R rstd, const float *R offset, double *R first, double *R second, size_t pixels,
                               size_t channels) {
    WITH_KIND(OVER_CHANNEL_BLOCKS(float one[CHANNEL_BLOCK]; float two[CHANNEL_BLOCK];, memset(one, 0, sizeof one); memset(two, 0, sizeof two);
                                  , const float *R d = dy + p * channels + c0; for (size_t c = 0; c < block; c++) {
                                      float g = d[c] * derivative(K, row[c] * scale[c0 + c] + shift[c0 + c]);
                                      one[c] += g;
                                      two[c] += g * (row[c] * rstd[c0 + c] + offset[c0 + c]);
                                  }
                                  , first[c0 + c] += one[c]; second[c0 + c] += two[c];))
}

static void norm_gradient_apply(pw_activation kind, const float *R x, const float *R dy, const float *R scale, const float *R shift,
                                const float *R p, const float *R q, const float *R r, float *R dx, size_t pixels, size_t channels) {
    WITH_KIND(for (size_t i = 0; i < pixels; i++) {
        const float *R row = x + i * channels; const float *R d = dy + i * channels;
        float *R out = dx + i * channels;
        for (size_t c = 0; c < channels; c++)
            out[c] = p[c] * (d[c] * derivative(K, row[c] * scale[c] + shift[c])) + q[c] * row[c] + r[c];
    })
}
