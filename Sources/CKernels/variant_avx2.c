// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define PW_VARIANT avx2
#define PW_VECTOR 8
#define PW_ROWS 6
#define PW_HALF
#include "body.h"
#pragma clang attribute pop
#endif
