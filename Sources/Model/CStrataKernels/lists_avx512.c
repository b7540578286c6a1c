// Lists of product-quantized vectors with AVX-512: 32 rows at a time, four parts in a shuffle.
#include "lists.h"
#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#define STRATA_FAMILY_ISA 2
#include "lanes.h"

/// Adds the lanes of 128 bits of two registers in pairs: those of `a`, then those of `b`.
STRATA_INLINE __m512i list_fold(__m512i a, __m512i b) {
  return _mm512_add_epi16(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

/// Sums of sixteen rows to scores; which beat the threshold.
STRATA_INLINE __mmask16 list_sixteen(
    __m256i sums, float scale, float bias, const float *squares, float threshold, float *scores) {
  __m512 s = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums)), _mm512_set1_ps(scale));
  s = _mm512_add_ps(s, _mm512_set1_ps(bias));
  if (squares) s = _mm512_sub_ps(s, _mm512_loadu_ps(squares));
  _mm512_store_ps(scores, s);
  return _mm512_cmp_ps_mask(s, _mm512_set1_ps(threshold), _CMP_GT_OQ);
}

// A product and a sum are rounded apart, as in every family.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
static uint32_t list_block(
    const uint8_t *codes, const uint8_t *table, int32_t parts, float scale, float bias, const float *squares,
    float threshold, float *scores) {
  const __m512i low = _mm512_set1_epi8(15);
  // Pairs of bytes are added as 16-bit numbers, those in their upper halves also apart, which are taken off later
  // (André et al. 2017, "Accelerated nearest neighbor search with Quick ADC").
  __m512i a = _mm512_setzero_si512(), b = a, a_odd = a, b_odd = a;
  for (int32_t part = 0; part < parts; part += 4) {
    __mmask64 used = parts - part >= 4 ? ~0ull : (1ull << 32) - 1;
    __m512i x = _mm512_maskz_loadu_epi8(used, codes + 16 * part);
    __m512i t = _mm512_load_si512(table + 16 * part);
    __m512i first = _mm512_shuffle_epi8(t, _mm512_and_si512(x, low));
    __m512i second = _mm512_shuffle_epi8(t, _mm512_and_si512(_mm512_srli_epi16(x, 4), low));
    a = _mm512_add_epi16(a, first);
    b = _mm512_add_epi16(b, second);
    a_odd = _mm512_add_epi16(a_odd, _mm512_srli_epi16(first, 8));
    b_odd = _mm512_add_epi16(b_odd, _mm512_srli_epi16(second, 8));
  }
  a = _mm512_sub_epi16(a, _mm512_slli_epi16(a_odd, 8));
  b = _mm512_sub_epi16(b, _mm512_slli_epi16(b_odd, 8));
  // Lanes: even rows below 16, odd ones, then those of the other sixteen.
  __m512i sums = list_fold(list_fold(a, a_odd), list_fold(b, b_odd));
  const __m512i order = _mm512_set_epi16(
      31, 23, 30, 22, 29, 21, 28, 20, 27, 19, 26, 18, 25, 17, 24, 16, 15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1,
      8, 0);
  sums = _mm512_permutexvar_epi16(order, sums);
  uint32_t hits = list_sixteen(_mm512_castsi512_si256(sums), scale, bias, squares, threshold, scores);
  uint32_t more = list_sixteen(
      _mm512_extracti64x4_epi64(sums, 1), scale, bias, squares ? squares + 16 : NULL, threshold, scores + 16);
  return hits | more << 16;
}
#if defined(__clang__)
#pragma STDC FP_CONTRACT ON
#endif

#include "lists_body.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_list_kernels strata_list_kernels_avx512 = STRATA_LIST_KERNELS;
#endif
