// SPDX-License-Identifier: Apache-2.0
#define PW_VARIANT baseline
#include "body.h"
