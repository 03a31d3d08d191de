// SPDX-License-Identifier: Apache-2.0

static void patches(const float *R x, float *R rows_out, size_t height, size_t width, size_t channels, size_t out_height, size_t out_width,
                    size_t kernel_height, size_t kernel_width, size_t stride, ptrdiff_t top, ptrdiff_t left, size_t first, size_t rows,
                    size_t channel, size_t count) {
    size_t bytes = count * sizeof(float);
    float *out = rows_out;
    for (size_t pixel = first; pixel < first + rows; pixel++) {
        size_t ox = pixel % out_width, oy = pixel / out_width % out_height, image = pixel / out_width / out_height;
        const float *picture = x + image * height * width * channels + channel;
        for (size_t ky = 0; ky < kernel_height; ky++) {
            ptrdiff_t y = (ptrdiff_t)(oy * stride + ky) - top;
            for (size_t kx = 0; kx < kernel_width; kx++, out += count) {
                ptrdiff_t column = (ptrdiff_t)(ox * stride + kx) - left;
                int inside = y >= 0 && y < (ptrdiff_t)height && column >= 0 && column < (ptrdiff_t)width;
                if (inside) memcpy(out, picture + ((size_t)y * width + (size_t)column) * channels, bytes);
                else memset(out, 0, bytes);
            }
        }
    }
}

static void gather_patches(const float *R rows_in, float *R x, size_t height, size_t width, size_t channels, size_t out_height,
                           size_t out_width, size_t kernel_height, size_t kernel_width, size_t stride, ptrdiff_t top, ptrdiff_t left,
                           size_t image, size_t y) {
    size_t row_length = kernel_height * kernel_width * channels;
    for (size_t column = 0; column < width; column++) {
        float *R target = x + ((image * height + y) * width + column) * channels;
        memset(target, 0, channels * sizeof(float));
        for (size_t ky = 0; ky < kernel_height; ky++) {
            ptrdiff_t oy = (ptrdiff_t)y + top - (ptrdiff_t)ky;
            if (oy < 0 || oy % (ptrdiff_t)stride != 0 || oy / (ptrdiff_t)stride >= (ptrdiff_t)out_height) continue;
            for (size_t kx = 0; kx < kernel_width; kx++) {
                ptrdiff_t ox = (ptrdiff_t)column + left - (ptrdiff_t)kx;
                if (ox < 0 || ox % (ptrdiff_t)stride != 0 || ox / (ptrdiff_t)stride >= (ptrdiff_t)out_width) continue;
                size_t row = (image * out_height + (size_t)oy / stride) * out_width + (size_t)ox / stride;
                const float *R source = rows_in + row * row_length + (ky * kernel_width + kx) * channels;
                for (size_t c = 0; c < channels; c++) target[c] += source[c];
            }
        }
    }
}
