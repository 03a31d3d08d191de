// SPDX-License-Identifier: Apache-2.0

/// e^x to about 1 unit in the last place for x in -87.3 ... 88.3, clamped outside, NaN kept: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor in r.
INLINE float exponential(float x) {
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the integer part lands in the low bits
    int32_t bits;
    memcpy(&bits, &shifted, 4);
    float k = shifted - 12582912.0f;
    float r = x - k * 0.693359375f;
    r = r + k * 2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t scale_bits = (int32_t)((uint32_t)(bits - 0x4B400000 + 127) << 23);
    float scale;
    memcpy(&scale, &scale_bits, 4);
    return p * scale;
}

/// 2^x to about 1 unit in the last place for x in -125 ... 0, clamped outside, NaN kept: x = k + r, |r| <= 1/2, a polynomial in r whose largest
/// relative error is least (2e-9; 1 at r = 0).
INLINE float power_of_two(float x) {
    x = x < -125.0f ? -125.0f : x;
    x = x > 0.0f ? 0.0f : x;
    float shifted = x + 12582912.0f;  // 1.5 * 2^23, as above; its own bits leave by the shift below
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    float r = x - (shifted - 12582912.0f);
    float p = 1.53533620e-4f;
    p = p * r + 1.33988750e-3f;
    p = p * r + 9.61843692e-3f;
    p = p * r + 5.55033237e-2f;
    p = p * r + 2.40226477e-1f;
    p = p * r + 6.93147182e-1f;
    p = p * r + 1.0f;
    uint32_t scale_bits = (bits << 23) + (127u << 23);
    float scale;
    memcpy(&scale, &scale_bits, 4);
    return p * scale;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

/// The normal distribution function, by Abramowitz and Stegun 7.1.26 for erf (absolute error 1.5e-7); *density = its derivative.
INLINE float normal_distribution(float x, float *density) {
    float z = fabsf(x) * 0.70710678f;
    float t = 1.0f / (1.0f + 0.3275911f * z);
    float e = exponential(-z * z);
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float tail = 0.5f * p * e;
    *density = e * 0.39894228f;
    return x < 0.0f ? tail : 1.0f - tail;
}

INLINE float apply(pw_activation kind, float x) {
    float density;
    switch (kind) {
        case PW_ACTIVATION_SILU: return x * sigmoid(x);
        case PW_ACTIVATION_GELU: return x * normal_distribution(x, &density);
        case PW_ACTIVATION_QUICK_GELU: return x * sigmoid(1.702f * x);
        default: return x;
    }
}

INLINE float derivative(pw_activation kind, float x) {
    float s, density;
    switch (kind) {
        case PW_ACTIVATION_SILU: s = sigmoid(x); return s * (1.0f + x * (1.0f - s));
        case PW_ACTIVATION_GELU: s = normal_distribution(x, &density); return s + x * density;
        case PW_ACTIVATION_QUICK_GELU: s = sigmoid(1.702f * x); return s * (1.0f + 1.702f * x * (1.0f - s));
        default: return 1.0f;
    }
}

/// Runs BODY with `kind` as a constant, so that every loop is compiled once for each activation.
#define WITH_KIND(BODY)                                                                      \
    switch (kind) {                                                                          \
        case PW_ACTIVATION_SILU: { const pw_activation K = PW_ACTIVATION_SILU; BODY } break; \
        case PW_ACTIVATION_GELU: { const pw_activation K = PW_ACTIVATION_GELU; BODY } break; \
        case PW_ACTIVATION_QUICK_GELU: { const pw_activation K = PW_ACTIVATION_QUICK_GELU; BODY } break; \
        default: { const pw_activation K = PW_ACTIVATION_NONE; BODY } break;                 \
    }

static void activate(pw_activation kind, const float *R x, float *R y, size_t n) {
    WITH_KIND(for (size_t i = 0; i < n; i++) y[i] = apply(K, x[i]);)
}

static void activate_gradient(pw_activation kind, const float *R x, const float *R dy, float *R dx, size_t n) {
    WITH_KIND(for (size_t i = 0; i < n; i++) dx[i] = dy[i] * derivative(K, x[i]);)
}

static void add(const float *a, const float *b, float *R out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

static void add_into(const float *R x, float *R accumulator, size_t n) {
    for (size_t i = 0; i < n; i++) accumulator[i] += x[i];
}

static void geglu(const float *R h, float *R y, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        const float *R a = h + r * 2 * width, *R g = a + width;
        float *R out = y + r * width;
        for (size_t w = 0; w < width; w++) out[w] = a[w] * apply(PW_ACTIVATION_GELU, g[w]);
    }
}

static void geglu_gradient(const float *R h, const float *R dy, float *R dh, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        const float *R a = h + r * 2 * width, *R g = a + width, *R d = dy + r * width;
        float *R da = dh + r * 2 * width, *R dg = da + width;
        for (size_t w = 0; w < width; w++) {
            float density, s = normal_distribution(g[w], &density);
            da[w] = d[w] * g[w] * s;
            dg[w] = d[w] * a[w] * (s + g[w] * density);
        }
    }
}

static double squared_error(const float *R a, const float *R b, const float *R weights, size_t n) {
    double sum = 0;
    for (size_t start = 0; start < n; start += 1024) {
        size_t end = start + 1024 < n ? start + 1024 : n;
        float lanes[L] = {0};
        size_t i = start;
        for (; i + L <= end; i += L)
            for (size_t l = 0; l < L; l++) {
                float d = a[i + l] - b[i + l];
                lanes[l] += weights ? weights[i + l] * d * d : d * d;
            }
        for (size_t l = 0; l < L; l++) sum += lanes[l];
        for (; i < end; i++) sum += (double)(weights ? weights[i] : 1.0f) * (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

static void squared_error_gradient(const float *R a, const float *R b, const float *R weights, float factor, float *R da, size_t n) {
    if (weights)
        for (size_t i = 0; i < n; i++) da[i] = factor * weights[i] * (a[i] - b[i]);
    else
        for (size_t i = 0; i < n; i++) da[i] = factor * (a[i] - b[i]);
}
