// What the files about coded vectors share: a prepared query, and the scorers that a family of instructions provides.
#ifndef STRATA_CODES_PRIVATE_H
#define STRATA_CODES_PRIVATE_H

#include "kernels.h"

/// A query as scorers take it; `strata_code_query_bytes` long.
typedef struct strata_code_query {
  float scale;       // of integer sums, times the row's
  int32_t offset;    // taken off integer sums
  int32_t padding[14];
  union {            // as many as the dimension, rounded up to 64; the rest is zero
    float floats[1];
    int8_t bytes[1];
  } values;
} strata_code_query;

enum { STRATA_CODE_BATCH = 16 };  // rows that a scorer takes at a time

/// scores[i] = score of row ids[i], for any number of rows.
typedef void (*strata_code_scorer)(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores);

/// Scorers of a family: [code] for DOT; floats have others for L2.
typedef struct strata_code_scorers {
  strata_code_scorer dot[4];
  strata_code_scorer l2[2];
} strata_code_scorers;

extern const strata_code_scorers strata_code_scorers_portable;
#if STRATA_X86
extern const strata_code_scorers strata_code_scorers_avx2;
extern const strata_code_scorers strata_code_scorers_avx512;
#endif
#if STRATA_NEON
extern const strata_code_scorers strata_code_scorers_neon;
#endif

strata_code_scorer strata_code_scorer_for(strata_code code, strata_metric metric);

static inline const uint8_t *strata_code_row(const strata_code_rows *rows, int64_t row) {
  return rows->bytes + row * rows->stride;
}

/// The scale and the addend at the end of an integer row.
static inline void strata_code_trailer(const strata_code_rows *rows, const uint8_t *row, float trailer[2]) {
  __builtin_memcpy(trailer, row + rows->stride - 8, 8);
}

/// Uses row `row` (I8) as the query, exactly as it is coded.
void strata_code_query_of_row(const strata_code_rows *rows, const uint8_t *row, strata_code_query *query);

static inline void strata_prefetch_row(const strata_code_rows *rows, int64_t row, int32_t lines) {
  const uint8_t *bytes = strata_code_row(rows, row);
  for (int32_t line = 0; line < lines; line++) __builtin_prefetch(bytes + 64 * line, 0, 3);
}

/// Cache lines that are fetched ahead of scoring a row; the processor's own prefetching does the rest.
static inline int32_t strata_code_lines(const strata_code_rows *rows) {
  return rows->stride > 512 ? 8 : (rows->stride + 63) / 64;
}

// MARK: The best few

/// Scores in an order that compares as unsigned integers, in the upper half; in the lower half the row, inverted so that
/// lower rows come first among equals, above a bit that says whether the row's links have been followed.
static inline uint64_t strata_best_key(float score, uint32_t row) {
  uint32_t bits = strata_float_to_bits(score);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return (uint64_t)bits << 32 | (uint64_t)(0x7fffffffu - row) << 1;
}

static inline uint32_t strata_best_row(uint64_t key) { return 0x7fffffffu - (uint32_t)(key >> 1 & 0x7fffffffu); }

static inline float strata_best_score(uint64_t key) {
  uint32_t bits = (uint32_t)(key >> 32);
  return strata_bits_to_float(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

/// Puts a key into `keys`, which fall, have room for `limit` and hold `*count`; the worst gives way when full.
/// - Returns: its place, or `limit` when it has none.
static inline int64_t strata_best_insert(uint64_t *keys, int64_t *count, int64_t limit, uint64_t key) {
  int64_t low = 0, length = *count;
  if (length == limit && key <= keys[limit - 1]) return limit;
  while (length > 0) {  // first place whose key is less
    int64_t half = length / 2;
    bool right = keys[low + half] > key;
    low = right ? low + half + 1 : low;
    length = right ? length - half - 1 : half;
  }
  int64_t moved = (*count < limit ? *count : limit - 1) - low;
  __builtin_memmove(keys + low + 1, keys + low, (size_t)moved * sizeof *keys);
  keys[low] = key;
  *count += *count < limit;
  return low;
}

#endif
