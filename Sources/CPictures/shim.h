// SPDX-License-Identifier: Apache-2.0
// Flat functions over libpng, TurboJPEG and libwebp: macros, unions and long-lived handles stay on this side.
// Debian packages: libpng-dev, libturbojpeg0-dev, libwebp-dev.

#ifndef PSEUDOWORD_CPICTURES_SHIM_H
#define PSEUDOWORD_CPICTURES_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <png.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#define PICTURES_MESSAGE_SIZE 256

/// What a file's header says, before any pixel is decoded. `message` is empty when nothing is wrong.
typedef struct {
    int64_t width;
    int64_t height;
    int32_t has_alpha;
    int32_t is_cmyk;
    int32_t is_animated;
    char message[PICTURES_MESSAGE_SIZE];
} pictures_header;

static inline void pictures_set_message(char *message, const char *text) {
    snprintf(message, PICTURES_MESSAGE_SIZE, "%s", text != NULL && text[0] != '\0' ? text : "unknown error");
}

static inline const char *pictures_message(const pictures_header *header) { return header->message; }

// PNG

static inline pictures_header pictures_png_header(const uint8_t *bytes, size_t count) {
    pictures_header header;
    memset(&header, 0, sizeof header);
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, bytes, count)) {
        pictures_set_message(header.message, image.message);
        return header;
    }
    header.width = image.width;
    header.height = image.height;
    header.has_alpha = (image.format & PNG_FORMAT_FLAG_ALPHA) != 0;
    png_image_free(&image);
    return header;
}

/// Decodes to 8-bit RGB, or RGBA with straight alpha. `pixels` holds width x height x (3 or 4) bytes. Returns 0 when it fails.
static inline int pictures_png_decode(const uint8_t *bytes, size_t count, int with_alpha, uint8_t *pixels, size_t pixels_count, char *message) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, bytes, count)) {
        pictures_set_message(message, image.message);
        return 0;
    }
    // Without this flag libpng takes 16-bit samples that carry no gAMA chunk for linear light.
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    image.format = with_alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
    if (PNG_IMAGE_SIZE(image) != pixels_count) {
        png_image_free(&image);
        pictures_set_message(message, "the size changed while reading");
        return 0;
    }
    if (!png_image_finish_read(&image, NULL, pixels, 0, NULL)) {
        pictures_set_message(message, image.message);
        png_image_free(&image);
        return 0;
    }
    return 1;
}

/// An upper bound of the bytes that `pictures_png_encode` writes.
static inline size_t pictures_png_bound(uint32_t width, uint32_t height) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    return PNG_IMAGE_PNG_SIZE_MAX(image);
}

/// Encodes 8-bit RGB. Returns the number of bytes written, or 0 when it fails.
static inline size_t pictures_png_encode(
    uint32_t width, uint32_t height, const uint8_t *pixels, uint8_t *bytes, size_t capacity, char *message) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = capacity;
    if (!png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL)) {
        pictures_set_message(message, image.message);
        return 0;
    }
    return size;
}

// JPEG

static inline pictures_header pictures_jpeg_header(const uint8_t *bytes, size_t count) {
    pictures_header header;
    memset(&header, 0, sizeof header);
    tjhandle handle = tjInitDecompress();
    if (handle == NULL) {
        pictures_set_message(header.message, tjGetErrorStr2(NULL));
        return header;
    }
    int width = 0, height = 0, subsampling = 0, colorspace = 0;
    if (tjDecompressHeader3(handle, bytes, count, &width, &height, &subsampling, &colorspace) != 0
        && tjGetErrorCode(handle) != TJERR_WARNING) {
        pictures_set_message(header.message, tjGetErrorStr2(handle));
    }
    header.width = width;
    header.height = height;
    header.is_cmyk = colorspace == TJCS_CMYK || colorspace == TJCS_YCCK;
    tjDestroy(handle);
    return header;
}

/// Decodes to RGB, or to the stored CMYK samples. Returns 1 when it succeeds, 2 with a warning in `message`, 0 when it fails.
static inline int pictures_jpeg_decode(
    const uint8_t *bytes, size_t count, int width, int height, int as_cmyk, uint8_t *pixels, char *message) {
    tjhandle handle = tjInitDecompress();
    if (handle == NULL) {
        pictures_set_message(message, tjGetErrorStr2(NULL));
        return 0;
    }
    int result = 1;
    if (tjDecompress2(handle, bytes, count, pixels, width, 0, height, as_cmyk ? TJPF_CMYK : TJPF_RGB,
                      TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
        != 0) {
        result = tjGetErrorCode(handle) == TJERR_WARNING ? 2 : 0;
        pictures_set_message(message, tjGetErrorStr2(handle));
    }
    tjDestroy(handle);
    return result;
}

// WebP

static inline const char *pictures_webp_problem(VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "unsupported feature";
    case VP8_STATUS_NOT_ENOUGH_DATA: return "not enough data";
    case VP8_STATUS_SUSPENDED: return "not enough data";
    default: return "the bitstream is damaged";
    }
}

static inline pictures_header pictures_webp_header(const uint8_t *bytes, size_t count) {
    pictures_header header;
    memset(&header, 0, sizeof header);
    WebPBitstreamFeatures features;
    memset(&features, 0, sizeof features);
    VP8StatusCode status = WebPGetFeatures(bytes, count, &features);
    if (status != VP8_STATUS_OK) {
        pictures_set_message(header.message, pictures_webp_problem(status));
        return header;
    }
    header.width = features.width;
    header.height = features.height;
    header.has_alpha = features.has_alpha != 0;
    header.is_animated = features.has_animation != 0;
    return header;
}

/// Decodes to RGBA with straight alpha, or to RGB. Returns 0 when it fails.
static inline int pictures_webp_decode(
    const uint8_t *bytes, size_t count, int width, int with_alpha, uint8_t *pixels, size_t pixels_count, char *message) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) {
        pictures_set_message(message, "libwebp has another version than its header");
        return 0;
    }
    config.output.colorspace = with_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = width * (with_alpha ? 4 : 3);
    config.output.u.RGBA.size = pixels_count;
    VP8StatusCode status = WebPDecode(bytes, count, &config);
    WebPFreeDecBuffer(&config.output);
    if (status != VP8_STATUS_OK) {
        pictures_set_message(message, pictures_webp_problem(status));
        return 0;
    }
    return 1;
}

#endif
