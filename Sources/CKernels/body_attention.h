// SPDX-License-Identifier: Apache-2.0
// Attention's passes over a block of scores. Maxima and the logarithms of sums are to base 2: `scale` has log2(e) in it, and e^x is 2^(x log2 e).

static void softmax_block(float *R scores, size_t rows, size_t columns, size_t stride, float scale, float *R maximum, float *R sum,
                          float *R correction) {
    for (size_t r = 0; r < rows; r++) {
        float *R row = scores + r * stride;
        float lanes[L], top = -INFINITY;
        for (size_t l = 0; l < L; l++) lanes[l] = -INFINITY;
        size_t i = 0;
        for (; i + L <= columns; i += L)
            for (size_t l = 0; l < L; l++) lanes[l] = row[i + l] > lanes[l] ? row[i + l] : lanes[l];
        for (size_t l = 0; l < L; l++) top = lanes[l] > top ? lanes[l] : top;
        for (; i < columns; i++) top = row[i] > top ? row[i] : top;
        float old = maximum[r], now = top * scale > old ? top * scale : old;
        float total[L] = {0}, tail = 0;
        for (i = 0; i + L <= columns; i += L)
            for (size_t l = 0; l < L; l++) {
                float e = power_of_two(row[i + l] * scale - now);
                row[i + l] = e;
                total[l] += e;
            }
        for (; i < columns; i++) {
            row[i] = power_of_two(row[i] * scale - now);
            tail += row[i];
        }
        float factor = old == -INFINITY ? 0.0f : power_of_two(old - now);
        correction[r] = factor;
        sum[r] = sum[r] * factor + (lane_sum(total) + tail);
        maximum[r] = now;
    }
}

static void scale_rows(float *R x, const float *R factor, size_t rows, size_t width, size_t stride) {
    for (size_t r = 0; r < rows; r++)
        for (size_t w = 0; w < width; w++) x[r * stride + w] *= factor[r];
}

static void probabilities(float *R scores, const float *R log_sum_exp, size_t rows, size_t columns, size_t stride, float scale) {
    for (size_t r = 0; r < rows; r++) {
        float *R row = scores + r * stride;
        float offset = log_sum_exp[r];
        for (size_t c = 0; c < columns; c++) row[c] = power_of_two(row[c] * scale - offset);
    }
}

static void score_gradient(const float *R p, float *R dp, const float *R delta, size_t rows, size_t columns, size_t stride, float scale) {
    for (size_t r = 0; r < rows; r++) {
        const float *R prow = p + r * stride;
        float *R drow = dp + r * stride;
        float d = delta[r];
        for (size_t c = 0; c < columns; c++) drow[c] = prow[c] * (drow[c] - d) * scale;
    }
}

static void row_dots(const float *R a, const float *R b, float *R out, size_t rows, size_t width, size_t stride) {
    for (size_t r = 0; r < rows; r++) {
        float sum = 0;
        for (size_t w = 0; w < width; w++) sum += a[r * stride + w] * b[r * stride + w];
        out[r] = sum;
    }
}
