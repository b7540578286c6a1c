// Attention of a few rows over one head's cached keys and values with a running softmax (Milakov and Gimelshein,
// "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022) over paged memory (Kwon et al.,
// "PagedAttention", 2023), over lanes.h; compiled once per family. The including file defines STRATA_SCORE_VECTORS(T),
// how many vectors of 16 positions T rows score at a time, and STRATA_VALUE_ROWS, how many rows weigh values at a time,
// so that sums stay in registers.
#include "attention.h"

typedef struct strata_attend_state {
  int32_t rows;
  float q[STRATA_ATTEND_ROWS * STRATA_HEAD_LIMIT];              // [head_dim][rows], scaled to powers of two
  float scores[STRATA_ATTEND_ROWS][STRATA_ATTEND_BLOCK];        // then weights
  float sums[STRATA_ATTEND_ROWS][STRATA_HEAD_LIMIT];            // of one block
  strata_fold block[STRATA_ATTEND_ROWS], fold[STRATA_ATTEND_ROWS];
} strata_attend_state;

STRATA_INLINE const uint8_t *strata_page(const strata_attend *part, int64_t page) {
  return part->blocks + (size_t)(part->pages ? part->pages[page] : page) * part->page_bytes;
}

STRATA_INLINE v16 strata_cached(const strata_kv_type type, const uint8_t *values, int64_t index) {
  if (type == STRATA_KV_Q8) return v_from_bytes((const int8_t *)values + index);
  if (type == STRATA_KV_BF16) return v_from_bf16((const uint16_t *)(const void *)values + index);
  return v_from_halves((const uint16_t *)(const void *)values + index);
}

// MARK: Scores

/// Scores of T rows at P pages, the first being `page`; they go to columns from `at`.
STRATA_INLINE void strata_scores(const strata_kv_type type, const int T, const int P, const strata_attend *part,
                                 strata_attend_state *state, int64_t page, int64_t at) {
  v16 sums[STRATA_ATTEND_ROWS][4];
  const uint8_t *keys[4];
  STRATA_UNROLL for (int p = 0; p < P; p++) keys[p] = strata_page(part, page + p);
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int p = 0; p < P; p++) sums[t][p] = v_set(0);
  }
  const float *q = state->q;
  for (int64_t d = 0; d < part->head_dim; d++, q += T) {
    v16 k[4];
    STRATA_UNROLL for (int p = 0; p < P; p++) k[p] = strata_cached(type, keys[p], d * STRATA_KV_PAGE);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 value = v_set(q[t]);
      STRATA_UNROLL for (int p = 0; p < P; p++) sums[t][p] = k[p] * value + sums[t][p];
    }
  }
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    const float *scales = (const float *)(const void *)(keys[p] + 2 * strata_kv_values_at(type, part->head_dim));
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 sum = type == STRATA_KV_Q8 ? sums[t][p] * v_load(scales) : sums[t][p];
      v_store(&state->scores[t][at + p * STRATA_KV_PAGE], sum);
    }
  }
}

#define STRATA_SCORES_CASE(TYPE, T)                                                                                 \
  case T:                                                                                                           \
    for (; page + STRATA_SCORE_VECTORS(T) <= end; page += STRATA_SCORE_VECTORS(T)) {                                \
      strata_scores(TYPE, T, STRATA_SCORE_VECTORS(T), part, state, page, page * STRATA_KV_PAGE - block);            \
    }                                                                                                               \
    for (; page < end; page++) strata_scores(TYPE, T, 1, part, state, page, page * STRATA_KV_PAGE - block);         \
    return;

/// Scores of all rows at pages `page`..<`end`; column 0 is position `block`.
#define STRATA_BLOCK_SCORES(NAME, TYPE)                                                                             \
  static void family_scores_##NAME(const strata_attend *part, strata_attend_state *state, int64_t block,           \
                                   int64_t page, int64_t end) {                                                     \
    switch (part->rows) {                                                                                           \
      STRATA_SCORES_CASE(TYPE, 1) STRATA_SCORES_CASE(TYPE, 2) STRATA_SCORES_CASE(TYPE, 3)                           \
      STRATA_SCORES_CASE(TYPE, 4) STRATA_SCORES_CASE(TYPE, 5) STRATA_SCORES_CASE(TYPE, 6)                           \
      STRATA_SCORES_CASE(TYPE, 7) STRATA_SCORES_CASE(TYPE, 8) STRATA_SCORES_CASE(TYPE, 9)                           \
      STRATA_SCORES_CASE(TYPE, 10) STRATA_SCORES_CASE(TYPE, 11) STRATA_SCORES_CASE(TYPE, 12)                        \
      default: return;                                                                                              \
    }                                                                                                               \
  }
STRATA_BLOCK_SCORES(f16, STRATA_KV_F16)
STRATA_BLOCK_SCORES(bf16, STRATA_KV_BF16)
STRATA_BLOCK_SCORES(q8, STRATA_KV_Q8)

// MARK: Weights

/// Turns a row's scores at columns `first`..<`end` (multiples of 16) into weights relative to their largest; only
/// columns from..<limit weigh anything.
static void family_row_weights(const strata_attend *part, strata_attend_state *state, int row, int64_t block,
                               int64_t first, int64_t end) {
  float *scores = state->scores[row];
  int64_t from = part->from[row] - block, limit = part->limit[row] - block;
  if (part->softcap > 0) {
    v16 cap = v_set(part->softcap * 1.44269504f), inverse = v_set(1 / (part->softcap * 1.44269504f));
    for (int64_t i = first; i < end; i += 16) v_store(scores + i, cap * v_tanh(v_load(scores + i) * inverse));
  }
  for (int64_t i = first; i < strata_min64(from, end); i++) scores[i] = -INFINITY;
  for (int64_t i = strata_max64(limit, first); i < end; i++) scores[i] = -INFINITY;
  v16 largest = v_set(strata_fold_nothing.largest);
  for (int64_t i = first; i < end; i += 16) largest = v_max(v_load(scores + i), largest);
  float maximum = v_largest(largest);
  v16 sum = v_set(0), maxima = v_set(maximum);
  for (int64_t i = first; i < end; i += 16) {
    v16 weights = v_exp2(v_load(scores + i) - maxima);
    sum += weights;
    if (part->type == STRATA_KV_Q8) {
      const uint8_t *page = strata_page(part, (block + i) / STRATA_KV_PAGE);
      weights *= v_load((const float *)(const void *)(page + 2 * strata_kv_values_at(STRATA_KV_Q8, part->head_dim)) +
                        STRATA_KV_PAGE);
    }
    v_store(scores + i, weights);
  }
  state->block[row] = (strata_fold){maximum, v_sum(sum)};
}

// MARK: Values

/// sums[t][d...] = Σ weights · values at positions first..<last, for T rows and D vectors of 16 dimensions.
STRATA_INLINE void strata_weigh(const strata_kv_type type, const int T, const int D, const strata_attend *part,
                                strata_attend_state *state, int row, int64_t d, int64_t block, int64_t first,
                                int64_t last) {
  v16 sums[STRATA_ATTEND_ROWS][4];
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v_set(0);
  }
  size_t size = strata_kv_value_bytes(type);
  const float *weights = state->scores[row];
  while (first < last) {
    int64_t page = first / STRATA_KV_PAGE, end = strata_min64(last, (page + 1) * STRATA_KV_PAGE);
    const uint8_t *values = strata_page(part, page) + strata_kv_values_at(type, part->head_dim) + (size_t)d * size;
    for (; first < end; first++) {
      v16 v[4];
      STRATA_UNROLL for (int i = 0; i < D; i++) {
        v[i] = strata_cached(type, values, first % STRATA_KV_PAGE * part->head_dim + i * 16);
      }
      STRATA_UNROLL for (int t = 0; t < T; t++) {
        v16 weight = v_set(weights[t * STRATA_ATTEND_BLOCK + first - block]);
        STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v[i] * weight + sums[t][i];
      }
    }
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int i = 0; i < D; i++) v_store(&state->sums[row + t][d + i * 16], sums[t][i]);
  }
}

static float strata_cached_scalar(strata_kv_type type, const uint8_t *values, int64_t index) {
  if (type == STRATA_KV_Q8) return ((const int8_t *)values)[index];
  uint16_t bits = ((const uint16_t *)(const void *)values)[index];
  return type == STRATA_KV_BF16 ? strata_bf16_to_float(bits) : strata_half_to_float(bits);
}

#define STRATA_WEIGH(TYPE, T, D) strata_weigh(TYPE, T, D, part, state, row, d, block, first, last)
#define STRATA_WEIGH_ROWS(TYPE, D)                                                                                  \
  for (; d + 16 * D <= part->head_dim; d += 16 * D) {                                                               \
    switch (rows) {                                                                                                 \
      case 1: STRATA_WEIGH(TYPE, 1, D); break;                                                                      \
      case 2: STRATA_WEIGH(TYPE, 2, D); break;                                                                      \
      case 3: STRATA_WEIGH(TYPE, 3, D); break;                                                                      \
      case 4: STRATA_WEIGH(TYPE, 4, D); break;                                                                      \
      case 5: STRATA_WEIGH(TYPE, 5, D); break;                                                                      \
      default: STRATA_WEIGH(TYPE, STRATA_VALUE_ROWS, D); break;                                                     \
    }                                                                                                               \
  }

#define STRATA_BLOCK_VALUES(NAME, TYPE)                                                                             \
  static void family_values_##NAME(const strata_attend *part, strata_attend_state *state, int64_t block,           \
                                   int64_t first, int64_t last) {                                                   \
    for (int32_t row = 0, rows; row < part->rows; row += rows) {                                                    \
      rows = part->rows - row < STRATA_VALUE_ROWS ? part->rows - row : STRATA_VALUE_ROWS;                           \
      int64_t d = 0;                                                                                                \
      STRATA_WEIGH_ROWS(TYPE, 4)                                                                                    \
      STRATA_WEIGH_ROWS(TYPE, 2)                                                                                    \
      STRATA_WEIGH_ROWS(TYPE, 1)                                                                                    \
      family_values_rest(part, state, row, rows, d, block, first, last);                                            \
    }                                                                                                               \
  }

/// The last dimensions of a head whose size is no multiple of 16.
static void family_values_rest(const strata_attend *part, strata_attend_state *state, int32_t row, int32_t rows,
                               int64_t d, int64_t block, int64_t first, int64_t last) {
  for (; d < part->head_dim; d++) {
    for (int32_t t = row; t < row + rows; t++) {
      float sum = 0;
      for (int64_t i = first; i < last; i++) {
        const uint8_t *values = strata_page(part, i / STRATA_KV_PAGE) + strata_kv_values_at(part->type, part->head_dim);
        sum += state->scores[t][i - block] *
            strata_cached_scalar(part->type, values, i % STRATA_KV_PAGE * part->head_dim + d);
      }
      state->sums[t][d] = sum;
    }
  }
}

STRATA_BLOCK_VALUES(f16, STRATA_KV_F16)
STRATA_BLOCK_VALUES(bf16, STRATA_KV_BF16)
STRATA_BLOCK_VALUES(q8, STRATA_KV_Q8)

// MARK: Blocks

/// The sums of the rows over one block of positions.
static void family_block(const strata_attend *part, strata_attend_state *state, int64_t block) {
  int64_t first = strata_max64(block, part->from[0]);
  int64_t last = strata_min64(block + STRATA_ATTEND_BLOCK, part->last);
  if (first >= last) {
    for (int32_t row = 0; row < part->rows; row++) {
      state->block[row] = strata_fold_nothing;
      memset(state->sums[row], 0, (size_t)part->head_dim * sizeof(float));
    }
    return;
  }
  int64_t page = first / STRATA_KV_PAGE, end = strata_ceil_div(last, STRATA_KV_PAGE);
  switch (part->type) {
    case STRATA_KV_Q8: family_scores_q8(part, state, block, page, end); break;
    case STRATA_KV_BF16: family_scores_bf16(part, state, block, page, end); break;
    default: family_scores_f16(part, state, block, page, end); break;
  }
  for (int32_t row = 0; row < part->rows; row++) {
    family_row_weights(part, state, row, block, page * STRATA_KV_PAGE - block, end * STRATA_KV_PAGE - block);
  }
  switch (part->type) {
    case STRATA_KV_Q8: family_values_q8(part, state, block, first, last); break;
    case STRATA_KV_BF16: family_values_bf16(part, state, block, first, last); break;
    default: family_values_f16(part, state, block, first, last); break;
  }
}

// Never inlined: every caller gets the same roundings.
__attribute__((noinline)) static void family_fold(strata_fold *fold, float *out, const float *sums, strata_fold block,
                                                  int64_t head_dim) {
  float largest = fold->largest > block.largest ? fold->largest : block.largest;
  float kept = exp2f(fold->largest - largest), added = exp2f(block.largest - largest);
  *fold = (strata_fold){largest, fold->sum * kept + block.sum * added};
  int64_t d = 0;
  for (; d + 16 <= head_dim; d += 16) {
    v_store(out + d, v_load(out + d) * v_set(kept) + v_load(sums + d) * v_set(added));
  }
  for (; d < head_dim; d++) out[d] = out[d] * kept + sums[d] * added;
}

static void family_attend(const strata_attend *part) {
  strata_attend_state state;
  float scale = part->scale * 1.44269504f;
  for (int32_t row = 0; row < part->rows; row++) {
    for (int32_t d = 0; d < part->head_dim; d++) state.q[d * part->rows + row] = part->q[row][d] * scale;
    state.fold[row] = strata_fold_nothing;
    if (!part->partial) memset(part->out[row], 0, (size_t)part->head_dim * sizeof(float));
  }
  float *partial = part->partial;
  for (int64_t block = part->first; block < part->last; block += STRATA_ATTEND_BLOCK) {
    family_block(part, &state, block);
    for (int32_t row = 0; row < part->rows; row++) {
      if (!partial) {
        family_fold(&state.fold[row], part->out[row], state.sums[row], state.block[row], part->head_dim);
        continue;
      }
      memcpy(partial + row * part->head_dim, state.sums[row], (size_t)part->head_dim * sizeof(float));
      memcpy(partial + STRATA_ATTEND_ROWS * part->head_dim + 2 * row, &state.block[row], sizeof(strata_fold));
    }
    if (partial) partial += part->partial_stride;
  }
  for (int32_t row = 0; !partial && row < part->rows; row++) {
    float inverse = 1 / state.fold[row].sum;
    for (int32_t d = 0; d < part->head_dim; d++) part->out[row][d] *= inverse;
  }
}

// MARK: Storing

/// Rounds a row to 8 bits and returns its scale: the largest magnitude becomes 127.
static float family_bytes(int8_t *y, const float *x, int64_t n) {
  float largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  float inverse = largest > 0 ? 127 / largest : 0;
  for (int64_t i = 0; i < n; i++) {
    float scaled = x[i] * inverse;
    scaled = scaled < 127 ? scaled : 127;
    scaled = scaled > -127 ? scaled : -127;  // also where it is not a number
    y[i] = (int8_t)(strata_float_to_bits(scaled + 0x1.8p23f) & 0xff);
  }
  return largest / 127;
}

static void family_value_row(uint8_t *y, strata_kv_type type, const float *x, int64_t n) {
  uint16_t *halves = (uint16_t *)(void *)y;
  if (type == STRATA_KV_F16) {
    family_halves(halves, x, n);
    return;
  }
  for (int64_t i = 0; i < n; i++) halves[i] = strata_float_to_bf16(x[i]);
}

static void family_cache_rows(uint8_t *block, strata_kv_type type, int64_t lane, int64_t count, const float *keys,
                              int64_t k_stride, const float *values, int64_t v_stride, int64_t head_dim) {
  size_t size = strata_kv_value_bytes(type), values_at = strata_kv_values_at(type, (int32_t)head_dim);
  float *scales = (float *)(void *)(block + 2 * values_at);
  for (int64_t i = 0; i < count; i++) {
    uint8_t *row = block + values_at + (size_t)((lane + i) * head_dim) * size;
    if (type == STRATA_KV_Q8) {
      scales[STRATA_KV_PAGE + lane + i] = family_bytes((int8_t *)row, values + i * v_stride, head_dim);
    } else {
      family_value_row(row, type, values + i * v_stride, head_dim);
    }
  }
  if (type == STRATA_KV_F16 && count == STRATA_KV_PAGE) {
    for (int64_t d = 0; d < head_dim; d++) {
      float column[STRATA_KV_PAGE];
      for (int64_t i = 0; i < STRATA_KV_PAGE; i++) column[i] = keys[i * k_stride + d];
      v_to_halves((uint16_t *)(void *)block + d * STRATA_KV_PAGE, v_load(column));
    }
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    uint16_t row[STRATA_HEAD_LIMIT];
    if (type == STRATA_KV_Q8) {
      scales[lane + i] = family_bytes((int8_t *)row, keys + i * k_stride, head_dim);
      for (int64_t d = 0; d < head_dim; d++) block[d * STRATA_KV_PAGE + lane + i] = ((const uint8_t *)row)[d];
      continue;
    }
    family_value_row((uint8_t *)row, type, keys + i * k_stride, head_dim);
    for (int64_t d = 0; d < head_dim; d++) ((uint16_t *)(void *)block)[d * STRATA_KV_PAGE + lane + i] = row[d];
  }
}

#define STRATA_FAMILY_TABLE                                                                                        \
  {family_rms_norm, family_rms_norm_add, family_layer_norm, family_rope, family_silu_mul, family_gelu_mul,         \
   family_softcap, family_gelu, family_softmax_sum,                                                                \
   family_softmax, family_add, family_axpy, family_argmax, family_dot, family_l2, family_halves,                  \
   family_cache_rows, family_attend, family_fold}
