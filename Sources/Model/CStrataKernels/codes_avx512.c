// Scores of coded vectors with AVX-512 VNNI: sixteen rows at a time, whose sums end up in one register.
#include "codes.h"
#if STRATA_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), apply_to = function)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#pragma GCC optimize("fp-contract=off")
#endif
#define STRATA_FAMILY_ISA 2
#include "lanes.h"
#include "codes_body.h"

/// Four sums of sixteen lanes each to four lanes of 128 bits whose total are the four sums.
STRATA_INLINE __m512i code_fold4(const __m512i s[4]) {
  __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
  __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

STRATA_INLINE __m512i code_fold2(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

/// The sum of 64 values of the row at `row`, masked beyond `used`.
STRATA_INLINE __m512i code_add(__m512i sum, const uint8_t *row, int64_t at, __mmask64 used, __m512i q, const bool bit) {
  if (bit) {
    uint64_t mask;
    memcpy(&mask, row + at / 8, 8);
    return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_maskz_mov_epi8((__mmask64)mask, q));
  }
  return _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi8(used, row + at), q);
}

/// Sums of sixteen rows with the query.
STRATA_INLINE __m512i code_sums(
    const uint8_t *const row[STRATA_CODE_BATCH], const strata_code_query *query, int64_t n, const bool bit) {
  __m512i folded[4];
  STRATA_UNROLL for (int group = 0; group < 4; group++) {
    __m512i s[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (int64_t at = 0; at < n; at += 64) {
      __mmask64 used = n - at >= 64 ? ~0ull : (1ull << (n - at)) - 1;
      __m512i q = _mm512_loadu_si512(query->values.bytes + at);
      STRATA_UNROLL for (int i = 0; i < 4; i++) s[i] = code_add(s[i], row[4 * group + i], at, used, q, bit);
    }
    folded[group] = code_fold4(s);
  }
  return code_fold2(code_fold2(folded[0], folded[1]), code_fold2(folded[2], folded[3]));
}

STRATA_INLINE void code_integers(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores,
    const bool bit) {
  for (int64_t i = 0; i < count; i += STRATA_CODE_BATCH) {
    int64_t used = strata_min64(STRATA_CODE_BATCH, count - i);
    const uint8_t *row[STRATA_CODE_BATCH];
    float scales[STRATA_CODE_BATCH], addends[STRATA_CODE_BATCH];
    for (int64_t j = 0; j < STRATA_CODE_BATCH; j++) {
      row[j] = strata_code_row(rows, ids[i + (j < used ? j : used - 1)]);
      float trailer[2];
      strata_code_trailer(rows, row[j], trailer);
      scales[j] = trailer[0];
      addends[j] = trailer[1];
    }
    __m512i sums = code_sums(row, query, rows->dimension, bit);
    if (bit) sums = _mm512_slli_epi32(sums, 1);
    __m512 values = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_set1_epi32(query->offset)));
    __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(scales), _mm512_set1_ps(query->scale));
    values = _mm512_add_ps(_mm512_mul_ps(values, scale), _mm512_loadu_ps(addends));
    _mm512_mask_storeu_ps(scores + i, (__mmask16)((1u << used) - 1), values);
  }
}

static void code_i8(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  code_integers(rows, query, ids, count, scores, false);
}

static void code_bit(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  code_integers(rows, query, ids, count, scores, true);
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_code_scorers strata_code_scorers_avx512 = STRATA_CODE_SCORERS;
#endif
