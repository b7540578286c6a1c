// Converting weights between formats, rows over the pool; encode_body.h does the search for scales.
#include "encode.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const strata_encoders *strata_encoders_current(void) {
#if STRATA_X86
  strata_isa isa = strata_isa_current();
  if (isa >= STRATA_ISA_AVX512) return &strata_encoders_avx512;
  if (isa == STRATA_ISA_AVX2) return &strata_encoders_avx2;
#endif
  return &strata_encoders_portable;
}

bool strata_encodes(strata_type type) {
  return strata_block_bytes(type) > 0 && strata_block_values(type) > 1;
}

// MARK: Layouts

void strata_put_half(uint8_t *bytes, uint16_t half) {
  bytes[0] = (uint8_t)half;
  bytes[1] = (uint8_t)(half >> 8);
}

void strata_put_codes(const uint8_t codes[32], uint8_t *nibbles, uint8_t *high) {
  for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)((codes[i] & 15) | (codes[i + 16] & 15) << 4);
  if (!high) return;
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) bits |= (uint32_t)(codes[i] >> 4) << i;
  for (int i = 0; i < 4; i++) high[i] = (uint8_t)(bits >> (8 * i));
}

void strata_put_k(uint8_t *super, const uint8_t scales[8], const uint8_t minimums[8], const uint8_t codes[256],
                  bool five) {
  uint8_t *packed = super + 4, *high = super + 16, *nibbles = super + (five ? 48 : 16);
  for (int j = 0; j < 4; j++) {
    packed[j] = (uint8_t)(scales[j] | (scales[j + 4] >> 4) << 6);
    packed[j + 4] = (uint8_t)(minimums[j] | (minimums[j + 4] >> 4) << 6);
    packed[j + 8] = (uint8_t)((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
  for (int pair = 0; pair < 4; pair++) {
    const uint8_t *first = codes + pair * 64, *second = first + 32;
    for (int i = 0; i < 32; i++) nibbles[pair * 32 + i] = (uint8_t)((first[i] & 15) | (second[i] & 15) << 4);
  }
  for (int i = 0; five && i < 32; i++) {
    uint8_t bits = 0;
    for (int j = 0; j < 8; j++) bits |= (uint8_t)((codes[32 * j + i] >> 4) << j);
    high[i] = bits;
  }
}

void strata_put_6k(uint8_t *super, const uint8_t codes[256]) {
  for (int half = 0; half < 2; half++) {
    const uint8_t *q = codes + half * 128;
    uint8_t *low = super + half * 64, *high = super + 128 + half * 32;
    for (int i = 0; i < 32; i++) {
      low[i] = (uint8_t)((q[i] & 15) | (q[i + 64] & 15) << 4);
      low[i + 32] = (uint8_t)((q[i + 32] & 15) | (q[i + 96] & 15) << 4);
      high[i] = (uint8_t)(q[i] >> 4 | (q[i + 32] >> 4) << 2 | (q[i + 64] >> 4) << 4 | (q[i + 96] >> 4) << 6);
    }
  }
}

// MARK: Rows

typedef struct strata_conversion {
  strata_type from, to;
  const uint8_t *source;
  uint8_t *target;
  size_t source_bytes, target_bytes;  // of a row
  int64_t cols;
  const float *importance;
  double *errors;  // [rows], or NULL
  _Atomic int32_t status;
  _Atomic int64_t place;  // of the first value that could not be converted
} strata_conversion;

static void strata_conversion_fails(strata_conversion *job, int32_t status, int64_t place) {
  int32_t none = 0;
  // Rows run in any order: whoever fails first tells.
  if (atomic_compare_exchange_strong(&job->status, &none, status)) atomic_store(&job->place, place);
}

static bool strata_floats_fit(strata_type type, const uint8_t *bytes, int64_t count) {
  if (type == STRATA_TYPE_F32) return true;
  uint16_t exponent = type == STRATA_TYPE_F16 ? 0x7c00 : 0x7f80;
  bool fits = true;
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits;
    memcpy(&bits, bytes + 2 * i, 2);
    fits &= (bits & exponent) != exponent;
  }
  return fits;
}

static double strata_row_error(strata_type type, const uint8_t *encoded, const float *row, float *decoded,
                               int64_t cols) {
  strata_dequantize(type, encoded, decoded, (size_t)cols);
  double sum = 0;
  for (int64_t first = 0; first < cols; first += 32) {
    float part = 0;
    for (int64_t i = first; i < strata_min64(first + 32, cols); i++) {
      part += (decoded[i] - row[i]) * (decoded[i] - row[i]);
    }
    sum += (double)part;
  }
  return sum;
}

static void strata_convert_rows(void *context, int64_t first, int64_t last) {
  strata_conversion *job = context;
  const strata_encoders *encoders = strata_encoders_current();
  float *row = malloc((size_t)job->cols * 2 * sizeof(float));
  if (!row) return strata_conversion_fails(job, STRATA_CONVERSION_NO_MEMORY, 0);
  for (int64_t index = first; index < last && atomic_load_explicit(&job->status, memory_order_relaxed) == 0; index++) {
    uint8_t *target = job->target + (size_t)index * job->target_bytes;
    strata_dequantize(job->from, job->source + (size_t)index * job->source_bytes, row, (size_t)job->cols);
    int64_t bad = encoders->first_not_finite(row, job->cols);
    if (bad >= 0) {
      strata_conversion_fails(job, STRATA_CONVERSION_NOT_FINITE, index * job->cols + bad);
      break;
    }
    bool fits;
    if (strata_encodes(job->to)) {
      fits = encoders->row(job->to, row, job->importance, job->cols, target);
    } else {
      fits = strata_quantize(job->to, row, target, (size_t)job->cols) == 0;
      fits = fits && strata_floats_fit(job->to, target, job->cols);
    }
    if (!fits) {
      strata_conversion_fails(job, STRATA_CONVERSION_TOO_LARGE, index * job->cols);
      break;
    }
    if (job->errors) job->errors[index] = strata_row_error(job->to, target, row, row + job->cols, job->cols);
  }
  free(row);
}

strata_conversion_result strata_convert(
    strata_pool *pool, strata_type from, const void *source, strata_type to, void *target, int64_t rows, int64_t cols,
    const float *importance, double *errors) {
  size_t source_bytes = strata_matrix_source_bytes(from, rows, cols);
  size_t target_bytes = strata_matrix_source_bytes(to, rows, cols);
  if (rows == 0 || cols == 0) return (strata_conversion_result){STRATA_CONVERSION_DONE, -1};
  if (source_bytes == 0 || target_bytes == 0) return (strata_conversion_result){STRATA_CONVERSION_UNSUPPORTED, -1};
  strata_conversion job = {
      .from = from, .to = to, .source = source, .target = target, .source_bytes = source_bytes / (size_t)rows,
      .target_bytes = target_bytes / (size_t)rows, .cols = cols, .importance = importance, .errors = errors,
      .place = -1};
  int64_t chunk = strata_max64(1, strata_min64(rows / (8 * strata_pool_threads(pool)), 65536 / cols));
  strata_parallel_for(pool, rows, chunk, strata_convert_rows, &job);
  return (strata_conversion_result){(strata_conversion_status)job.status, job.place};
}
