// The AVX-512 family of kernels over 16 lanes, for processors that multiply pairs of bfloat16.
#include "kernels.h"
#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c"))),       \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")
#endif
#define STRATA_FAMILY_ISA 2
#define STRATA_FAMILY_PAIRS 1
#include "lanes.h"
#define STRATA_SCORE_ROWS 12
#define STRATA_SCORE_VECTORS(T) ((T) <= 6 ? 4 : 2)
#define STRATA_VALUE_ROWS 6
#define STRATA_VALUE_VECTORS(T) 4
#include "rows_body.h"
#include "attention_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_family strata_family_avx512_bf16 = STRATA_FAMILY_TABLE;
#endif
