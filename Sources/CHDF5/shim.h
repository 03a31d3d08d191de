// SPDX-License-Identifier: Apache-2.0
// HDF5's names that are macros, as functions that Swift can call.

#ifndef CHDF5_SHIM_H
#define CHDF5_SHIM_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// HDF5's macros call H5check(), which aborts the process when the patch releases of header and library differ, although the
// soname already vouches for the binary interface. A worker on a box with a newer patch release must not die of that.
#undef H5CHECK
#define H5CHECK

static inline unsigned chdf5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned chdf5_truncate(void) { return H5F_ACC_TRUNC; }

static inline hid_t chdf5_default(void) { return H5P_DEFAULT; }
static inline hid_t chdf5_whole(void) { return H5S_ALL; }
static inline hsize_t chdf5_unlimited(void) { return H5S_UNLIMITED; }

static inline hid_t chdf5_file_create_class(void) { return H5P_FILE_CREATE; }
static inline hid_t chdf5_file_access_class(void) { return H5P_FILE_ACCESS; }
static inline hid_t chdf5_group_create_class(void) { return H5P_GROUP_CREATE; }
static inline hid_t chdf5_dataset_create_class(void) { return H5P_DATASET_CREATE; }

static inline hid_t chdf5_file_float32(void) { return H5T_IEEE_F32LE; }
static inline hid_t chdf5_file_float64(void) { return H5T_IEEE_F64LE; }
static inline hid_t chdf5_file_int64(void) { return H5T_STD_I64LE; }
static inline hid_t chdf5_native_float32(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t chdf5_native_float64(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t chdf5_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t chdf5_text(void) { return H5T_C_S1; }

static inline H5Z_filter_t chdf5_shuffle_filter(void) { return H5Z_FILTER_SHUFFLE; }
static inline H5Z_filter_t chdf5_deflate_filter(void) { return H5Z_FILTER_DEFLATE; }
static inline H5Z_filter_t chdf5_checksum_filter(void) { return H5Z_FILTER_FLETCHER32; }

// The error stack belongs to the thread, and so does the setting that HDF5 prints it.
static inline void chdf5_silence_errors(void) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Eclear2(H5E_DEFAULT);
}

struct chdf5_message {
    char *text;
    size_t capacity;
};

static inline herr_t chdf5_keep_innermost(unsigned position, const H5E_error2_t *error, void *context) {
    struct chdf5_message *message = (struct chdf5_message *)context;
    if (position == 0 && error->desc != NULL) snprintf(message->text, message->capacity, "%s", error->desc);
    return 0;
}

/// Writes the innermost description of the error stack (an empty string if there is none) and clears the stack.
static inline void chdf5_take_error(char *text, size_t capacity) {
    struct chdf5_message message = {text, capacity};
    if (capacity == 0) return;
    text[0] = 0;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, chdf5_keep_innermost, &message);
    H5Eclear2(H5E_DEFAULT);
}

/// 1 if the link exists and is a hard one, 0 if it is soft, external or user-defined, negative on failure.
static inline int chdf5_link_is_hard(hid_t location, const char *name) {
    H5L_info_t information;
    if (H5Lget_info(location, name, &information, H5P_DEFAULT) < 0) return -1;
    return information.type == H5L_TYPE_HARD;
}

/// The number of a filter in a dataset's pipeline, negative on failure.
static inline H5Z_filter_t chdf5_filter(hid_t properties, unsigned position) {
    unsigned flags = 0;
    size_t parameters = 0;
    return H5Pget_filter2(properties, position, &flags, &parameters, NULL, 0, NULL, NULL);
}

#endif
