// Scores of coded vectors without particular instructions.
#define STRATA_FAMILY_ISA 0
#include "lanes.h"
#include "codes.h"
#include "codes_body.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static void code_i8(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    float trailer[2];
    strata_code_trailer(rows, row, trailer);
    int32_t sum = 0;
    for (int64_t j = 0; j < rows->dimension; j++) sum += (int32_t)row[j] * query->values.bytes[j];
    scores[i] = (float)(sum - query->offset) * (trailer[0] * query->scale) + trailer[1];
  }
}

static void code_bit(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    float trailer[2];
    strata_code_trailer(rows, row, trailer);
    int32_t sum = 0;
    for (int64_t j = 0; j < rows->dimension; j++) sum += (row[j / 8] >> j % 8 & 1) * query->values.bytes[j];
    scores[i] = (float)(2 * sum - query->offset) * (trailer[0] * query->scale) + trailer[1];
  }
}

const strata_code_scorers strata_code_scorers_portable = STRATA_CODE_SCORERS;
