// The encoders of the AVX-512 family.
#include "kernels.h"
#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#endif
#define STRATA_FAMILY_ISA 2
#include "encode.h"
#include "lanes.h"
#include "encode_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_encoders strata_encoders_avx512 = STRATA_ENCODERS_TABLE;
#endif
