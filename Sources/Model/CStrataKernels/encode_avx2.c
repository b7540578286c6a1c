// The encoders of the AVX2 family.
#include "kernels.h"
#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#define STRATA_FAMILY_ISA 1
#include "encode.h"
#include "lanes.h"
#include "encode_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_encoders strata_encoders_avx2 = STRATA_ENCODERS_TABLE;
#endif
