// SPDX-License-Identifier: Apache-2.0
// Brings a block of a product's right operand into panels of PANEL columns, so that the innermost loop reads it in one stream. Elements are
// widened to f32 on the way, so a weight stays as it lies in its file.

typedef float eight_floats __attribute__((vector_size(32), aligned(4), may_alias));

static void panel_width(size_t *out) { *out = PANEL; }

INLINE float half_value(uint16_t half) {
    uint32_t bits = (uint32_t)(half & 0x7FFF) << 13;
    float value;
    memcpy(&value, &bits, 4);
    value *= 0x1p112f;  // the exponent's other bias; exact, subnormal numbers included
    memcpy(&bits, &value, 4);
    if ((half & 0x7C00) == 0x7C00) bits |= 0x7F800000;
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&value, &bits, 4);
    return value;
}

/// Element `index` of an array that may start at any address.
INLINE float element(pw_element type, const void *base, size_t index) {
    if (type == PW_F32) {
        float value;
        memcpy(&value, (const char *)base + index * 4, 4);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, (const char *)base + index * 2, 2);
    if (type == PW_F16) return half_value(bits);
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

INLINE void eight_elements(pw_element type, const void *base, size_t index, eight_floats *out) {
    if (type == PW_F32) {
        memcpy(out, (const char *)base + index * 4, 32);
        return;
    }
#ifdef PW_HALF
    if (type == PW_F16) {
        __m128i bits;
        memcpy(&bits, (const char *)base + index * 2, 16);
        *out = (eight_floats)_mm256_cvtph_ps(bits);
        return;
    }
#endif
    for (size_t i = 0; i < 8; i++) (*out)[i] = element(type, base, index + i);
}

#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

INLINE void transpose_eight(eight_floats r[8]) {
    eight_floats a[8], b[8];
    for (size_t i = 0; i < 8; i += 2) {
        a[i] = SHUFFLE(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] = SHUFFLE(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (size_t i = 0; i < 8; i += 4)
        for (size_t j = 0; j < 2; j++) {
            b[i + 2 * j] = SHUFFLE(a[i + j], a[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
            b[i + 2 * j + 1] = SHUFFLE(a[i + j], a[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (size_t i = 0; i < 4; i++) {
        r[i] = SHUFFLE(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = SHUFFLE(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/// Runs what it is given with `type` as the constant T.
#define WITH_TYPE(...)                                                        \
    switch (type) {                                                           \
        case PW_F16: { const pw_element T = PW_F16; __VA_ARGS__ } break;             \
        case PW_BF16: { const pw_element T = PW_BF16; __VA_ARGS__ } break;           \
        default: { const pw_element T = PW_F32; __VA_ARGS__ } break;                 \
    }

static void pack_straight(pw_element type, const void *b, size_t row_stride, size_t k, size_t n, float *R packed, size_t panel_stride) {
    WITH_TYPE(for (size_t first = 0; first < n; first += PANEL, packed += panel_stride) {
        size_t width = n - first < PANEL ? n - first : PANEL;
        for (size_t row = 0; row < k; row++) {
            float *R out = packed + row * PANEL;
            if (width == PANEL) {  // a constant number of vectors, so that no copying function is called
                UNROLLED for (size_t c = 0; c < PANEL; c += 8) eight_elements(T, b, row * row_stride + first + c, (eight_floats *)(out + c));
                continue;
            }
            size_t c = 0;
            for (; c + 8 <= width; c += 8) eight_elements(T, b, row * row_stride + first + c, (eight_floats *)(out + c));
            for (; c < width; c++) out[c] = element(T, b, row * row_stride + first + c);
            for (; c < PANEL; c++) out[c] = 0;
        }
    })
}

static void pack_transposed(pw_element type, const void *b, size_t column_stride, size_t run, size_t n, const uint32_t *R rows,
                            float *R packed, size_t panel_stride) {
    WITH_TYPE(for (size_t first = 0; first < n; first += PANEL, packed += panel_stride)
        for (size_t c = 0; c < PANEL; c += 8) {
            size_t left = first + c < n ? n - first - c : 0, start = (first + c) * column_stride, r = 0;
            if (left >= 8)
                for (; r + 8 <= run; r += 8) {
                    eight_floats block[8];
                    for (size_t i = 0; i < 8; i++) eight_elements(T, b, start + i * column_stride + r, &block[i]);
                    transpose_eight(block);
                    for (size_t i = 0; i < 8; i++) *(eight_floats *)(packed + rows[r + i] * (size_t)PANEL + c) = block[i];
                }
            for (; r < run; r++)
                for (size_t i = 0; i < 8; i++)
                    packed[rows[r] * (size_t)PANEL + c + i] = i < left ? element(T, b, start + i * column_stride + r) : 0.0f;
        })
}

static void unpack(const float *R packed, size_t panel_stride, size_t k, size_t n, float *R out) {
    for (size_t first = 0; first < n; first += PANEL, packed += panel_stride) {
        size_t width = n - first < PANEL ? n - first : PANEL;
        for (size_t row = 0; row < k; row++) memcpy(out + row * n + first, packed + row * PANEL, width * sizeof(float));
    }
}

/// The bits of x rounded to bf16, in the upper half.
INLINE uint32_t rounded_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t nearest = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000, quiet = (bits & 0xFFFF0000) | 0x00400000;
    return (bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : nearest;
}

static void round_bf16(const float *R x, uint16_t *R out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (uint16_t)(rounded_bits(x[i]) >> 16);
}

static void widen_bf16(const uint16_t *R x, float *R out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&out[i], &bits, 4);
    }
}

static void pair_rows(const float *R x, size_t stride, size_t k, size_t width, uint32_t *R out, size_t out_stride) {
    for (size_t i = 0; i < k; i += 2) {
        const float *R first = x + i * stride, *R second = first + stride;
        uint32_t *R row = out + i / 2 * out_stride;
        if (i + 1 < k) for (size_t c = 0; c < width; c++) row[c] = rounded_bits(first[c]) >> 16 | rounded_bits(second[c]);
        else for (size_t c = 0; c < width; c++) row[c] = rounded_bits(first[c]) >> 16;
    }
}
