// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#define PW_VARIANT avx512bf16
#define PW_VECTOR 16
#define PW_ROWS 12
#define PW_HALF
#define PW_BF16_DOT
#include "body.h"
#pragma clang attribute pop
#endif
