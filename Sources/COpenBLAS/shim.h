#ifndef PSEUDOWORD_COPENBLAS_SHIM_H
#define PSEUDOWORD_COPENBLAS_SHIM_H
#include <cblas.h>
#endif
