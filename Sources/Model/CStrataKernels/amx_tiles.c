// The processor's tiles under the products of amx_body.h. Never run by its authors: no machine of theirs has AMX.
#include "amx.h"

#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,"  \
                                                   "fma,f16c,amx-tile,amx-int8,amx-bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")
#pragma GCC target("amx-tile,amx-int8,amx-bf16")
#endif
#define STRATA_FAMILY_ISA 2
#include "lanes.h"

#define T_CONFIGURE(SHAPE) _tile_loadconfig(SHAPE)
#define T_RELEASE() _tile_release()
#define T_ZERO(C) _tile_zero(C)
#define T_LOAD(T, ADDRESS, STRIDE) _tile_loadd(T, ADDRESS, STRIDE)
#define T_STORE(T, ADDRESS, STRIDE) _tile_stored(T, ADDRESS, STRIDE)
#define T_DOT_BYTES(C, A, B) _tile_dpbssd(C, A, B)
#define T_DOT_PAIRS(C, A, B) _tile_dpbf16ps(C, A, B)

STRATA_INLINE v16 family_fma(v16 a, v16 b, v16 c) { return (v16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#define family_open strata_open_tile_cells_avx512

#include "amx_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_product_kernels strata_products_amx = {
    .quantize_tile = strata_quantize_tile_amx, .few_rows = 12, .few_limit = STRATA_TILE_ROWS,
    .few = strata_few_avx512, .many_rows = STRATA_TILE_ROWS,
    .many = family_amx_many, .floats = strata_floats_avx512, .pair_rows = STRATA_TILE_ROWS,
    .pair_tile = strata_pair_tile_amx, .pairs = family_amx_pairs};
#endif
