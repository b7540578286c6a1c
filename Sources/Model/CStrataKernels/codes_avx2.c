// Scores of coded vectors with AVX2.
#include "codes.h"
#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#pragma GCC optimize("fp-contract=off")
#endif
#define STRATA_FAMILY_ISA 1
#include "lanes.h"
#include "codes_body.h"

STRATA_INLINE int32_t code_sum(__m256i sums) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static void code_i8(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    float trailer[2];
    strata_code_trailer(rows, row, trailer);
    __m256i sums = _mm256_setzero_si256();
    for (int64_t j = 0; j < rows->dimension; j += 16) {  // rows are padded to 16
      __m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(row + j)));
      __m256i q = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(query->values.bytes + j)));
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(v, q));
    }
    scores[i] = (float)(code_sum(sums) - query->offset) * (trailer[0] * query->scale) + trailer[1];
  }
}

static void code_bit(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  const __m256i spread = _mm256_setr_epi8(
      0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201ull), ones = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    float trailer[2];
    strata_code_trailer(rows, row, trailer);
    __m256i sums = _mm256_setzero_si256();
    for (int64_t j = 0; j < rows->dimension; j += 32) {
      int32_t word;
      memcpy(&word, row + j / 8, 4);
      __m256i mask = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(word), spread), bits);
      __m256i q = _mm256_loadu_si256((const __m256i *)(const void *)(query->values.bytes + j));
      q = _mm256_and_si256(_mm256_cmpeq_epi8(mask, bits), q);
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(ones, q), _mm256_set1_epi16(1)));
    }
    scores[i] = (float)(2 * code_sum(sums) - query->offset) * (trailer[0] * query->scale) + trailer[1];
  }
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_code_scorers strata_code_scorers_avx2 = STRATA_CODE_SCORERS;
#endif
