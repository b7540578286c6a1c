// The AVX2 family of kernels over 16 lanes, each vector being two registers.
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
#include "lanes.h"
#include "lora.h"
#define STRATA_SCORE_ROWS 6
#define STRATA_SCORE_VECTORS(T) ((T) <= 3 ? 2 : 1)
#define STRATA_VALUE_ROWS 6
#define STRATA_VALUE_VECTORS(T) ((T) == 1 ? 4 : (T) <= 3 ? 2 : 1)
#include "rows_body.h"
#include "attention_body.h"
#define STRATA_LORA_ROWS 1
#include "lora_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_family strata_family_avx2 = STRATA_FAMILY_TABLE;
const strata_lora_kernel strata_lora_avx2 = family_lora;
#endif
