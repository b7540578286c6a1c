// Coding vectors, preparing queries, choosing scorers, and scanning rows.
#include "codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static int64_t strata_round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

int32_t strata_code_stride(strata_code code, int32_t dimension) {
  int64_t bytes = 0;
  switch (code) {
    case STRATA_CODE_F32: return 4 * dimension;
    case STRATA_CODE_F16: bytes = 2 * (int64_t)dimension; break;
    case STRATA_CODE_I8: bytes = (int64_t)dimension + 8; break;
    case STRATA_CODE_BIT: return dimension / 8 + 8;
  }
  // A row that straddles lines costs a miss more; padding large ones costs memory instead.
  return (int32_t)(bytes <= 128 ? strata_round_up(bytes, bytes <= 32 ? 32 : 64) : strata_round_up(bytes, 32));
}

static strata_code_scorers const *strata_code_scorers_current(void) {
  switch (strata_isa_current()) {
#if STRATA_X86
    case STRATA_ISA_AMX:
      return __builtin_cpu_supports("avx512vnni") ? &strata_code_scorers_avx512 : &strata_code_scorers_portable;
    case STRATA_ISA_AVX512: return &strata_code_scorers_avx512;
    case STRATA_ISA_AVX2: return &strata_code_scorers_avx2;
#endif
#if STRATA_NEON
    case STRATA_ISA_NEON: return &strata_code_scorers_neon;
#endif
    default: return &strata_code_scorers_portable;
  }
}

strata_code_scorer strata_code_scorer_for(strata_code code, strata_metric metric) {
  const strata_code_scorers *scorers = strata_code_scorers_current();
  return metric == STRATA_METRIC_L2 && code <= STRATA_CODE_F16 ? scorers->l2[code] : scorers->dot[code];
}

// MARK: Coding

/// Rounds x to whole multiples of the scale, largest value to 127; returns the scale.
static float strata_code_round(const float *x, int64_t n, int8_t *out) {
  float largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
  float scale = largest / 127;
  if (!(scale >= 0x1p-120f)) {  // so small that its inverse might not be finite
    memset(out, 0, (size_t)n);
    return 0;
  }
  for (int64_t i = 0; i < n; i++) {
    float value = rintf(x[i] / scale);
    out[i] = (int8_t)(value > 127 ? 127 : value < -127 ? -127 : value);
  }
  return scale;
}

static void strata_code_encode_i8(const strata_code_rows *shape, const float *x, uint8_t *out) {
  int64_t n = shape->dimension;
  float trailer[2] = {strata_code_round(x, n, (int8_t *)out), 0};
  float squares = 0;
  for (int64_t i = 0; i < n; i++) squares += (float)((int8_t)out[i] * (int8_t)out[i]);
  if (shape->metric == STRATA_METRIC_L2) {  // -|q - v|² + |q|² = 2 q·v - |v|²
    trailer[1] = -squares * trailer[0] * trailer[0];
    trailer[0] *= 2;
  }
  for (int64_t i = 0; i < n; i++) out[i] ^= 0x80;
  memset(out + n, 0, (size_t)(shape->stride - n));
  memcpy(out + shape->stride - 8, trailer, 8);
}

static void strata_code_encode_bit(const strata_code_rows *shape, const float *x, uint8_t *out) {
  int64_t n = shape->dimension;
  float magnitude = 0, squares = 0;
  memset(out, 0, (size_t)shape->stride);
  for (int64_t i = 0; i < n; i++) {
    if (x[i] > 0) out[i / 8] |= (uint8_t)(1 << i % 8);
    magnitude += fabsf(x[i]);
    squares += x[i] * x[i];
  }
  // q · v is estimated by s · q times |v|² / Σ|v_i|, which is unbiased over rotations (theorem 3.2 of the paper).
  float trailer[2] = {magnitude > 0 ? squares / magnitude : 0, 0};
  if (shape->metric == STRATA_METRIC_L2) {
    trailer[1] = -squares;
    trailer[0] *= 2;
  }
  memcpy(out + shape->stride - 8, trailer, 8);
}

typedef struct strata_encode_rows_job {
  const strata_code_rows *shape;
  const float *vectors;
  uint8_t *out;
} strata_encode_rows_job;

static void strata_code_encode_range(void *context, int64_t first, int64_t last) {
  const strata_encode_rows_job *job = context;
  int64_t n = job->shape->dimension, stride = job->shape->stride;
  for (int64_t row = first; row < last; row++) {
    const float *x = job->vectors + row * n;
    uint8_t *out = job->out + row * stride;
    switch (job->shape->code) {
      case STRATA_CODE_F32: memcpy(out, x, (size_t)n * 4); break;
      case STRATA_CODE_F16:
        memset(out, 0, (size_t)stride);
        for (int64_t i = 0; i < n; i++) {
          uint16_t half = strata_float_to_half(fmaxf(-65504, fminf(65504, x[i])));
          memcpy(out + 2 * i, &half, 2);
        }
        break;
      case STRATA_CODE_I8: strata_code_encode_i8(job->shape, x, out); break;
      case STRATA_CODE_BIT: strata_code_encode_bit(job->shape, x, out); break;
    }
  }
}

void strata_code_encode(
    strata_pool *pool, const strata_code_rows *shape, const float *vectors, int64_t count, uint8_t *out) {
  strata_encode_rows_job job = {shape, vectors, out};
  strata_parallel_for(pool, count, 256, strata_code_encode_range, &job);
}

void strata_code_decode(const strata_code_rows *rows, int64_t row, float *out) {
  const uint8_t *bytes = strata_code_row(rows, row);
  float trailer[2] = {1, 0}, half = rows->metric == STRATA_METRIC_L2 ? 0.5f : 1;
  if (rows->code >= STRATA_CODE_I8) strata_code_trailer(rows, bytes, trailer);
  for (int64_t i = 0; i < rows->dimension; i++) {
    uint16_t bits;
    switch (rows->code) {
      case STRATA_CODE_F32: memcpy(out + i, bytes + 4 * i, 4); break;
      case STRATA_CODE_F16:
        memcpy(&bits, bytes + 2 * i, 2);
        out[i] = strata_half_to_float(bits);
        break;
      case STRATA_CODE_I8: out[i] = (float)(bytes[i] - 128) * trailer[0] * half; break;
      case STRATA_CODE_BIT: out[i] = (bytes[i / 8] >> i % 8 & 1 ? half : -half) * trailer[0]; break;
    }
  }
}

// MARK: Rotation

static uint64_t strata_mix(uint64_t *state) {  // SplitMix64
  uint64_t value = *state += 0x9e3779b97f4a7c15u;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  value = (value ^ value >> 27) * 0x94d049bb133111ebu;
  return value ^ value >> 31;
}

static void strata_walsh_hadamard(float *x, int64_t n) {
  for (int64_t half = 1; half < n; half *= 2) {
    for (int64_t start = 0; start < n; start += 2 * half) {
      for (int64_t i = start; i < start + half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  float factor = 1 / sqrtf((float)n);
  for (int64_t i = 0; i < n; i++) x[i] *= factor;
}

void strata_code_rotate(float *x, int32_t dimension, uint64_t seed) {
  int64_t power = 1;
  while (2 * power <= dimension) power *= 2;
  for (int round = 0; round < 4; round++) {
    for (int64_t i = 0; i < dimension; i += 64) {
      uint64_t signs = strata_mix(&seed);
      for (int64_t bit = 0; bit < 64 && i + bit < dimension; bit++) {
        if (signs >> bit & 1) x[i + bit] = -x[i + bit];
      }
    }
    strata_walsh_hadamard(round % 2 ? x + dimension - power : x, power);
  }
}

// MARK: Queries

size_t strata_code_query_bytes(strata_code code, int32_t dimension) {
  size_t values = (size_t)strata_round_up(dimension, 64);
  return 64 + values * (code <= STRATA_CODE_F16 ? 4 : 1);
}

void strata_code_query_prepare(const strata_code_rows *shape, const float *query, void *prepared) {
  strata_code_query *out = prepared;
  int64_t n = shape->dimension;
  memset(out, 0, strata_code_query_bytes(shape->code, shape->dimension));
  if (shape->code <= STRATA_CODE_F16) {
    memcpy(out->values.floats, query, (size_t)n * 4);
    return;
  }
  out->scale = strata_code_round(query, n, out->values.bytes);
  int32_t sum = 0;
  for (int64_t i = 0; i < n; i++) sum += out->values.bytes[i];
  // Codes are kept as v + 128; of signs, the sum is twice that of the positive ones less all.
  out->offset = shape->code == STRATA_CODE_I8 ? 128 * sum : sum;
}

void strata_code_query_of_row(const strata_code_rows *rows, const uint8_t *row, strata_code_query *query) {
  float trailer[2];
  strata_code_trailer(rows, row, trailer);
  int32_t sum = 0;
  for (int64_t i = 0; i < rows->dimension; i++) {
    query->values.bytes[i] = (int8_t)(row[i] ^ 0x80);
    sum += query->values.bytes[i];
  }
  query->scale = rows->metric == STRATA_METRIC_L2 ? trailer[0] / 2 : trailer[0];
  query->offset = 128 * sum;
}

// MARK: Scoring

void strata_code_scores(
    const strata_code_rows *rows, const void *prepared, const uint32_t *ids, int64_t count, float *scores) {
  strata_code_scorer_for(rows->code, rows->metric)(rows, prepared, ids, count, scores);
}

int64_t strata_code_scan(
    const strata_code_rows *rows, const void *prepared, const uint64_t *allowed, int64_t limit, uint32_t *ids,
    float *scores) {
  enum { BATCH = 128, KEYS = 512 };
  if (limit <= 0) return 0;
  strata_code_scorer scorer = strata_code_scorer_for(rows->code, rows->metric);
  const int32_t lines = strata_code_lines(rows);
  uint64_t local[KEYS], *keys = limit <= KEYS ? local : malloc((size_t)limit * sizeof *keys);
  if (!keys) return 0;
  uint32_t batch[BATCH + 64];
  float found[BATCH + 64];
  int64_t kept = 0, filled = 0, words = (rows->count + 63) / 64;
  for (int64_t word = 0; word < words; word++) {
    uint64_t rest = allowed ? allowed[word] : ~0ull;
    if (word == words - 1 && rows->count % 64) rest &= (1ull << rows->count % 64) - 1;
    for (; rest; rest &= rest - 1) {
      uint32_t row = (uint32_t)(word * 64 + __builtin_ctzll(rest));
      batch[filled++] = row;
      if (allowed) strata_prefetch_row(rows, row, lines);
    }
    if (filled < BATCH && word < words - 1) continue;
    scorer(rows, prepared, batch, filled, found);
    for (int64_t i = 0; i < filled; i++) {
      uint64_t key = strata_best_key(found[i], batch[i]);
      if (kept < limit || key > keys[limit - 1]) strata_best_insert(keys, &kept, limit, key);
    }
    filled = 0;
  }
  for (int64_t i = 0; i < kept; i++) {
    ids[i] = strata_best_row(keys[i]);
    scores[i] = strata_best_score(keys[i]);
  }
  if (keys != local) free(keys);
  return kept;
}
