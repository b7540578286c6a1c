// Scores of coded vectors with the dot products of Armv8.2 (SDOT).
#include "codes.h"
#if STRATA_NEON
#include <arm_neon.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif
#define STRATA_FAMILY_ISA 0
#include "lanes.h"
#include "codes_body.h"

static void code_i8(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    float trailer[2];
    strata_code_trailer(rows, row, trailer);
    int32x4_t sums = vdupq_n_s32(0);
    for (int64_t j = 0; j < rows->dimension; j += 16) {  // rows are padded to 16; without the 128 no offset is due
      int8x16_t v = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + j), vdupq_n_u8(0x80)));
      sums = vdotq_s32(sums, v, vld1q_s8(query->values.bytes + j));
    }
    scores[i] = (float)vaddvq_s32(sums) * (trailer[0] * query->scale) + trailer[1];
  }
}

static void code_bit(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  const uint8x16_t bits = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ull));
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    float trailer[2];
    strata_code_trailer(rows, row, trailer);
    int32x4_t sums = vdupq_n_s32(0);
    for (int64_t j = 0; j < rows->dimension; j += 16) {
      uint8x16_t spread = vcombine_u8(vdup_n_u8(row[j / 8]), vdup_n_u8(row[j / 8 + 1]));
      int8x16_t q = vandq_s8(vreinterpretq_s8_u8(vtstq_u8(spread, bits)), vld1q_s8(query->values.bytes + j));
      sums = vdotq_s32(sums, q, vdupq_n_s8(1));
    }
    scores[i] = (float)(2 * vaddvq_s32(sums) - query->offset) * (trailer[0] * query->scale) + trailer[1];
  }
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const strata_code_scorers strata_code_scorers_neon = STRATA_CODE_SCORERS;
#endif
