// SPDX-License-Identifier: Apache-2.0
#define PW_VARIANT baseline
#define PW_VECTOR 4
#define PW_ROWS 6
#include "body.h"
