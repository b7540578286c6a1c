// Lists of product-quantized vectors with AVX2: 32 rows at a time, two parts in a shuffle.
#include "lists.h"
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

/// Sums of eight rows to scores; which beat the threshold.
STRATA_INLINE uint32_t list_eight(
    __m128i sums, float scale, float bias, const float *squares, float threshold, float *scores) {
  __m256 s = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums)), _mm256_set1_ps(scale));
  s = _mm256_add_ps(s, _mm256_set1_ps(bias));
  if (squares) s = _mm256_sub_ps(s, _mm256_loadu_ps(squares));
  _mm256_storeu_ps(scores, s);
  return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(s, _mm256_set1_ps(threshold), _CMP_GT_OQ));
}

// A product and a sum are rounded apart, as in every family.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
static uint32_t list_block(
    const uint8_t *codes, const uint8_t *table, int32_t parts, float scale, float bias, const float *squares,
    float threshold, float *scores) {
  const __m256i low = _mm256_set1_epi8(15);
  // Pairs of bytes are added as 16-bit numbers, those in their upper halves also apart, which are taken off later
  // (André et al. 2017, "Accelerated nearest neighbor search with Quick ADC").
  __m256i a = _mm256_setzero_si256(), b = a, a_odd = a, b_odd = a;
  for (int32_t part = 0; part < parts; part += 2) {
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(codes + 16 * part));
    __m256i t = _mm256_load_si256((const __m256i *)(const void *)(table + 16 * part));
    __m256i first = _mm256_shuffle_epi8(t, _mm256_and_si256(x, low));
    __m256i second = _mm256_shuffle_epi8(t, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
    a = _mm256_add_epi16(a, first);
    b = _mm256_add_epi16(b, second);
    a_odd = _mm256_add_epi16(a_odd, _mm256_srli_epi16(first, 8));
    b_odd = _mm256_add_epi16(b_odd, _mm256_srli_epi16(second, 8));
  }
  a = _mm256_sub_epi16(a, _mm256_slli_epi16(a_odd, 8));
  b = _mm256_sub_epi16(b, _mm256_slli_epi16(b_odd, 8));
  __m128i even[2] = {
      _mm_add_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)),
      _mm_add_epi16(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1))};
  __m128i odd[2] = {
      _mm_add_epi16(_mm256_castsi256_si128(a_odd), _mm256_extracti128_si256(a_odd, 1)),
      _mm_add_epi16(_mm256_castsi256_si128(b_odd), _mm256_extracti128_si256(b_odd, 1))};
  uint32_t hits = 0;
  STRATA_UNROLL for (int i = 0; i < 4; i++) {
    __m128i sums = i % 2 ? _mm_unpackhi_epi16(even[i / 2], odd[i / 2]) : _mm_unpacklo_epi16(even[i / 2], odd[i / 2]);
    hits |= list_eight(sums, scale, bias, squares ? squares + 8 * i : NULL, threshold, scores + 8 * i) << 8 * i;
  }
  return hits;
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

const strata_list_kernels strata_list_kernels_avx2 = STRATA_LIST_KERNELS;
#endif
