// Attention of a few rows over one head's cached keys and values with a running softmax (Milakov and Gimelshein,
// "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022) over paged memory (Kwon et al.,
// "PagedAttention", 2023), over lanes.h; compiled once per family. So that sums stay in registers, the including file
// defines how many rows are computed at a time, STRATA_SCORE_ROWS and STRATA_VALUE_ROWS (at most 6), and how many
// vectors of 16 positions, or of 16 dimensions, T rows take at a time: STRATA_SCORE_VECTORS(T), STRATA_VALUE_VECTORS(T).
//
// Where the processor multiplies pairs of bfloat16 (STRATA_FAMILY_PAIRS), attention to a BF16 store does so: q and the
// weights are rounded to bfloat16 too, as every product of such a model was in training. Elsewhere they stay floats.
#include "attention.h"

#ifndef STRATA_FAMILY_PAIRS
#define STRATA_FAMILY_PAIRS 0
#endif

typedef struct strata_attend_state {
  /// [head_dim][rows], scaled to powers of two; or [head_dim / 2][rows] pairs of bfloat16 (their bits).
  float q[STRATA_ATTEND_ROWS * STRATA_HEAD_LIMIT];
  /// Scores, then weights, which may be bfloat16: 2 bytes each from the start of a row.
  float scores[STRATA_ATTEND_ROWS][STRATA_ATTEND_BLOCK];
  float sums[STRATA_ATTEND_ROWS][STRATA_HEAD_LIMIT];            // of one block
  strata_fold block[STRATA_ATTEND_ROWS], fold[STRATA_ATTEND_ROWS];
} strata_attend_state;

STRATA_INLINE bool strata_multiplies_pairs(strata_kv_type type) {
  return STRATA_FAMILY_PAIRS && type == STRATA_KV_BF16;
}

STRATA_INLINE const uint8_t *strata_page(const strata_attend *part, int64_t page) {
  return part->blocks + (size_t)(part->pages ? part->pages[page] : page) * part->page_bytes;
}

/// The page that will be read some pages later: asked for now, it comes while others are computed. Distances are
/// measured: what is computed faster asks for less at a time.
STRATA_INLINE const uint8_t *strata_page_ahead(const strata_attend *part, int64_t page) {
  page += strata_multiplies_pairs(part->type) ? 4 : 8;
  int64_t last = (part->last - 1) / STRATA_KV_PAGE;
  if (page <= last) return strata_page(part, page);
  const strata_attend *next = part->next;
  if (!next || next->last <= next->first) return strata_page(part, last);
  page += strata_max64(next->first, next->from[0]) / STRATA_KV_PAGE - last - 1;
  return strata_page(next, strata_min64(page, (next->last - 1) / STRATA_KV_PAGE));
}

STRATA_INLINE v16 strata_cached(const strata_kv_type type, const uint8_t *values, int64_t index) {
  if (type == STRATA_KV_Q8) return v_from_bytes((const int8_t *)values + index);
  return v_from_halves((const uint16_t *)(const void *)values + index);
}

STRATA_INLINE v16i strata_cached_pairs(const uint8_t *values, int64_t index) {
  return v_load_pairs((const uint16_t *)(const void *)values + 2 * index);
}

// MARK: Scores

STRATA_INLINE void strata_score_values(const strata_kv_type type, const int T, const int P,
                                       const float *q, int64_t stride, int64_t pair,
                                       const uint8_t *const keys[4], v16 sums[STRATA_ATTEND_ROWS][4]) {
  STRATA_UNROLL for (int64_t d = 2 * pair; d < 2 * pair + 2; d++, q += stride) {
    v16 k[4];
    STRATA_UNROLL for (int p = 0; p < P; p++) k[p] = strata_cached(type, keys[p], d * STRATA_KV_PAGE);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 value = v_set(q[t]);
      STRATA_UNROLL for (int p = 0; p < P; p++) sums[t][p] = k[p] * value + sums[t][p];
    }
  }
}

STRATA_INLINE void strata_score_pairs(const int T, const int P, const float *q, int64_t stride, int64_t pair,
                                      const uint8_t *const keys[4], v16 sums[STRATA_ATTEND_ROWS][4]) {
  v16i k[4];
  STRATA_UNROLL for (int p = 0; p < P; p++) k[p] = strata_cached_pairs(keys[p], pair * STRATA_KV_PAGE);
#if STRATA_FAMILY_PAIRS
  (void)stride;
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int p = 0; p < P; p++) {
      sums[t][p] = v_add_pair_products(sums[t][p], strata_float_to_bits(q[t]), k[p]);
    }
  }
#else
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    v16 first = v_set(q[t]), second = v_set(q[stride + t]);
    STRATA_UNROLL for (int p = 0; p < P; p++) {
      sums[t][p] = v_firsts(k[p]) * first + sums[t][p];
      sums[t][p] = v_seconds(k[p]) * second + sums[t][p];
    }
  }
#endif
}

/// Scores of T rows from `row` on at P pages, the first being `page`; they go to columns from `at`.
STRATA_INLINE void strata_scores(const strata_kv_type type, const int T, const int P, const strata_attend *part,
                                 strata_attend_state *state, int32_t row, int64_t page, int64_t at) {
  v16 sums[STRATA_ATTEND_ROWS][4];
  const uint8_t *keys[4], *next[4];
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    keys[p] = strata_page(part, page + p);
    next[p] = strata_page_ahead(part, page + p);
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int p = 0; p < P; p++) sums[t][p] = v_set(0);
  }
  size_t pair_bytes = 2 * STRATA_KV_PAGE * strata_kv_value_bytes(type);
  int64_t rows = part->rows, step = strata_multiplies_pairs(type) ? rows : 2 * rows;
  const float *q = state->q + row;
  for (int64_t pair = 0; pair < part->head_dim / 2; pair++, q += step) {
    STRATA_UNROLL for (int p = 0; p < P; p++) __builtin_prefetch(next[p] + (size_t)pair * pair_bytes);
    if (type == STRATA_KV_BF16) strata_score_pairs(T, P, q, rows, pair, keys, sums);
    else strata_score_values(type, T, P, q, rows, pair, keys, sums);
  }
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    const float *scales = (const float *)(const void *)(keys[p] + 2 * strata_kv_values_at(type, part->head_dim));
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 sum = type == STRATA_KV_Q8 ? sums[t][p] * v_load(scales) : sums[t][p];
      v_store(&state->scores[row + t][at + p * STRATA_KV_PAGE], sum);
    }
  }
}

#define STRATA_SCORES_CASE(TYPE, T)                                                                                 \
  case T:                                                                                                           \
    for (; at + STRATA_SCORE_VECTORS(T) <= end; at += STRATA_SCORE_VECTORS(T)) {                                    \
      strata_scores(TYPE, T, STRATA_SCORE_VECTORS(T), part, state, row, at, at * STRATA_KV_PAGE - block);           \
    }                                                                                                               \
    for (; at < end; at++) strata_scores(TYPE, T, 1, part, state, row, at, at * STRATA_KV_PAGE - block);            \
    break;

/// Scores of all rows at pages `page`..<`end`; column 0 is position `block`.
#define STRATA_BLOCK_SCORES(NAME, TYPE)                                                                             \
  __attribute__((noinline)) static void family_scores_##NAME(const strata_attend *part, strata_attend_state *state, \
                                                             int64_t block, int64_t page, int64_t end) {            \
    for (int32_t row = 0; row < part->rows; row += STRATA_SCORE_ROWS) {                                             \
      int64_t at = page;                                                                                            \
      switch (part->rows - row < STRATA_SCORE_ROWS ? part->rows - row : STRATA_SCORE_ROWS) {                        \
        STRATA_SCORES_CASES(TYPE)                                                                                   \
      }                                                                                                             \
    }                                                                                                               \
  }
#define STRATA_SIX_SCORES_CASES(TYPE)                                                                               \
  STRATA_SCORES_CASE(TYPE, 1) STRATA_SCORES_CASE(TYPE, 2) STRATA_SCORES_CASE(TYPE, 3)                               \
  STRATA_SCORES_CASE(TYPE, 4) STRATA_SCORES_CASE(TYPE, 5) STRATA_SCORES_CASE(TYPE, 6)
#if STRATA_SCORE_ROWS > 6
#define STRATA_SCORES_CASES(TYPE)                                                                                   \
  STRATA_SIX_SCORES_CASES(TYPE)                                                                                     \
  STRATA_SCORES_CASE(TYPE, 7) STRATA_SCORES_CASE(TYPE, 8) STRATA_SCORES_CASE(TYPE, 9)                               \
  STRATA_SCORES_CASE(TYPE, 10) STRATA_SCORES_CASE(TYPE, 11) STRATA_SCORES_CASE(TYPE, 12)
#else
#define STRATA_SCORES_CASES(TYPE) STRATA_SIX_SCORES_CASES(TYPE)
#endif
STRATA_BLOCK_SCORES(f16, STRATA_KV_F16)
STRATA_BLOCK_SCORES(bf16, STRATA_KV_BF16)
STRATA_BLOCK_SCORES(q8, STRATA_KV_Q8)

// MARK: Weights

static void family_bf16(uint16_t *y, const float *x, int64_t n) {
  int64_t i = 0;
#if STRATA_FAMILY_PAIRS
  for (; i + 16 <= n; i += 16) (void)v_to_bf16(y + i, v_load(x + i));
#endif
  for (; i < n; i++) y[i] = strata_float_to_bf16(x[i]);
}

/// Turns a row's scores at columns `first`..<`end` (multiples of 16) into weights relative to their largest; only
/// columns from..<limit weigh anything.
__attribute__((noinline)) static void family_row_weights(const strata_attend *part, strata_attend_state *state, int row, int64_t block,
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
#if STRATA_FAMILY_PAIRS
  if (part->type == STRATA_KV_BF16) {
    // Rounded weights overwrite scores that have been read.
    for (int64_t i = first; i < end; i += 16) {
      sum += v_to_bf16((uint16_t *)(void *)scores + i, v_exp2_coarse(v_load(scores + i) - maxima));
    }
    state->block[row] = (strata_fold){maximum, v_sum(sum)};
    return;
  }
#endif
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

STRATA_INLINE void strata_weigh_page(const strata_kv_type type, const int T, const int D, int64_t head_dim,
                                     const uint8_t *values, const uint8_t *next, const float *weights, int64_t first,
                                     int64_t last, v16 sums[STRATA_ATTEND_ROWS][4]) {
  for (int64_t position = first; position < last; position++) {
    v16 v[4];
    STRATA_UNROLL for (int i = 0; i < D; i += 2) {
      __builtin_prefetch(next + (size_t)(position * head_dim + i * 16) * strata_kv_value_bytes(type));
    }
    STRATA_UNROLL for (int i = 0; i < D; i++) v[i] = strata_cached(type, values, position * head_dim + i * 16);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 weight = v_set(weights[t * STRATA_ATTEND_BLOCK + position]);
      STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v[i] * weight + sums[t][i];
    }
  }
}

/// The same for pairs of positions; what is beside a first or last position that is seen weighs nothing.
STRATA_INLINE void strata_weigh_pairs(const int T, const int D, int64_t head_dim, const uint8_t *values,
                                      const uint8_t *next, const float *weights, int64_t first, int64_t last,
                                      v16 sums[STRATA_ATTEND_ROWS][4]) {
  for (int64_t pair = first / 2; 2 * pair < last; pair++) {
    v16i v[4];
    STRATA_UNROLL for (int i = 0; i < D; i++) __builtin_prefetch(next + (size_t)(pair * head_dim + i * 16) * 4);
    STRATA_UNROLL for (int i = 0; i < D; i++) v[i] = strata_cached_pairs(values, pair * head_dim + i * 16);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
#if STRATA_FAMILY_PAIRS
      uint32_t weight;
      memcpy(&weight, (const uint16_t *)(const void *)(weights + t * STRATA_ATTEND_BLOCK) + 2 * pair, sizeof weight);
      STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v_add_pair_products(sums[t][i], weight, v[i]);
#else
      const float *two = weights + t * STRATA_ATTEND_BLOCK + 2 * pair;
      v16 one = v_set(two[0]), other = v_set(two[1]);
      STRATA_UNROLL for (int i = 0; i < D; i++) {
        sums[t][i] = v_firsts(v[i]) * one + sums[t][i];
        sums[t][i] = v_seconds(v[i]) * other + sums[t][i];
      }
#endif
    }
  }
}

/// Weights from column `column` of a row's; they are bfloat16 where pairs are multiplied.
STRATA_INLINE const float *strata_weights_at(const strata_kv_type type, const strata_attend_state *state, int row,
                                             int64_t column) {
  const float *weights = state->scores[row];
  if (!strata_multiplies_pairs(type)) return weights + column;
  return (const float *)(const void *)((const uint16_t *)(const void *)weights + column);
}

/// sums[t][d...] = Σ weights · values at positions first..<last, for T rows and D vectors of 16 dimensions.
STRATA_INLINE void strata_weigh(const strata_kv_type type, const int T, const int D, const strata_attend *part,
                                strata_attend_state *state, int row, int64_t d, int64_t block, int64_t first,
                                int64_t last) {
  v16 sums[STRATA_ATTEND_ROWS][4];
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v_set(0);
  }
  int64_t head_dim = part->head_dim;
  for (int64_t page = first / STRATA_KV_PAGE, start = page * STRATA_KV_PAGE; start < last;
       page++, start += STRATA_KV_PAGE) {
    int64_t low = strata_max64(first - start, 0), high = strata_min64(last - start, STRATA_KV_PAGE);
    size_t offset = strata_kv_values_at(type, part->head_dim) +
        (size_t)d * (type == STRATA_KV_BF16 ? 4 : strata_kv_value_bytes(type));
    const uint8_t *values = strata_page(part, page) + offset, *next = strata_page_ahead(part, page) + offset;
    const float *weights = strata_weights_at(type, state, row, start - block);
    if (type == STRATA_KV_BF16) strata_weigh_pairs(T, D, head_dim, values, next, weights, low, high, sums);
    else strata_weigh_page(type, T, D, head_dim, values, next, weights, low, high, sums);
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int i = 0; i < D; i++) v_store(&state->sums[row + t][d + i * 16], sums[t][i]);
  }
}

/// One value: `position` of a page, dimension `d`.
static float strata_cached_value(strata_kv_type type, const uint8_t *values, int64_t position, int64_t d,
                                 int64_t head_dim) {
  const uint16_t *halves = (const uint16_t *)(const void *)values;
  switch (type) {
    case STRATA_KV_Q8: return ((const int8_t *)values)[position * head_dim + d];
    case STRATA_KV_BF16: return strata_bf16_to_float(halves[(position / 2 * head_dim + d) * 2 + position % 2]);
    default: return strata_half_to_float(halves[position * head_dim + d]);
  }
}

static float strata_weight(const strata_attend *part, const strata_attend_state *state, int row, int64_t column) {
  if (!strata_multiplies_pairs(part->type)) return state->scores[row][column];
  return strata_bf16_to_float(((const uint16_t *)(const void *)state->scores[row])[column]);
}

#define STRATA_WEIGH_CASE(TYPE, T)                                                                                  \
  case T:                                                                                                           \
    for (; d + 16 * STRATA_VALUE_VECTORS(T) <= part->head_dim; d += 16 * STRATA_VALUE_VECTORS(T)) {                 \
      strata_weigh(TYPE, T, STRATA_VALUE_VECTORS(T), part, state, row, d, block, first, last);                      \
    }                                                                                                               \
    for (; d + 16 <= part->head_dim; d += 16) strata_weigh(TYPE, T, 1, part, state, row, d, block, first, last);    \
    break;

#define STRATA_BLOCK_VALUES(NAME, TYPE)                                                                             \
  __attribute__((noinline)) static void family_values_##NAME(const strata_attend *part, strata_attend_state *state, \
                                                             int64_t block, int64_t first, int64_t last) {          \
    for (int32_t row = 0, rows; row < part->rows; row += rows) {                                                    \
      rows = part->rows - row < STRATA_VALUE_ROWS ? part->rows - row : STRATA_VALUE_ROWS;                           \
      int64_t d = 0;                                                                                                \
      switch (rows) {                                                                                               \
        STRATA_WEIGH_CASE(TYPE, 1) STRATA_WEIGH_CASE(TYPE, 2) STRATA_WEIGH_CASE(TYPE, 3)                            \
        STRATA_WEIGH_CASE(TYPE, 4) STRATA_WEIGH_CASE(TYPE, 5) STRATA_WEIGH_CASE(TYPE, 6)                            \
      }                                                                                                             \
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
        sum += strata_weight(part, state, t, i - block) *
            strata_cached_value(part->type, values, i % STRATA_KV_PAGE, d, part->head_dim);
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
  float kept = fold->largest == largest ? 1 : exp2f(fold->largest - largest);
  float added = block.largest == largest ? 1 : exp2f(block.largest - largest);
  *fold = (strata_fold){largest, fold->sum * kept + block.sum * added};
  int64_t d = 0;
  for (; d + 16 <= head_dim; d += 16) {
    v_store(out + d, v_load(out + d) * v_set(kept) + v_load(sums + d) * v_set(added));
  }
  for (; d < head_dim; d++) out[d] = out[d] * kept + sums[d] * added;
}

static void family_scale_queries(const strata_attend *part, strata_attend_state *state) {
  float scale = part->scale * 1.44269504f;
  int32_t n = part->head_dim, rows = part->rows;
  for (int32_t row = 0; row < rows; row++) {
    float scaled[STRATA_HEAD_LIMIT];
    for (int32_t d = 0; d < n; d++) scaled[d] = part->q[row][d] * scale;
    if (strata_multiplies_pairs(part->type)) {
      uint32_t pairs[STRATA_HEAD_LIMIT / 2];
      family_bf16((uint16_t *)pairs, scaled, n);
      for (int32_t d = 0; d < n / 2; d++) state->q[d * rows + row] = strata_bits_to_float(pairs[d]);
    } else {
      for (int32_t d = 0; d < n; d++) state->q[d * rows + row] = scaled[d];
    }
  }
}

static void family_attend(const strata_attend *part) {
  strata_attend_state state;
  family_scale_queries(part, &state);
  for (int32_t row = 0; row < part->rows; row++) {
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

static void family_cache_f16(uint16_t *keys, uint16_t *values, int64_t lane, int64_t count, const float *k,
                             int64_t k_stride, const float *v, int64_t v_stride, int64_t head_dim) {
  for (int64_t i = 0; i < count; i++) family_halves(values + (lane + i) * head_dim, v + i * v_stride, head_dim);
  for (int64_t d = 0; count == STRATA_KV_PAGE && d < head_dim; d++) {
    float column[STRATA_KV_PAGE];
    for (int64_t i = 0; i < STRATA_KV_PAGE; i++) column[i] = k[i * k_stride + d];
    v_to_halves(keys + d * STRATA_KV_PAGE, v_load(column));
  }
  for (int64_t i = 0; count < STRATA_KV_PAGE && i < count; i++) {
    uint16_t row[STRATA_HEAD_LIMIT];
    family_halves(row, k + i * k_stride, head_dim);
    for (int64_t d = 0; d < head_dim; d++) keys[d * STRATA_KV_PAGE + lane + i] = row[d];
  }
}

static void family_cache_bf16(uint32_t *keys, uint32_t *values, int64_t lane, int64_t count, const float *k,
                              int64_t k_stride, const float *v, int64_t v_stride, int64_t head_dim) {
  for (int64_t i = lane; i < lane + count; i++, k += k_stride, v += v_stride) {
    uint32_t pairs[STRATA_HEAD_LIMIT / 2];
    uint16_t row[STRATA_HEAD_LIMIT];
    family_bf16((uint16_t *)pairs, k, head_dim);
    for (int64_t d = 0; d < head_dim / 2; d++) keys[d * STRATA_KV_PAGE + i] = pairs[d];
    family_bf16(row, v, head_dim);
    uint32_t *target = values + i / 2 * head_dim;
    // A position that is even makes the one after it zero, so that no pair has what was left there.
    for (int64_t d = 0; i % 2 == 0 && d < head_dim; d++) target[d] = row[d];
    for (int64_t d = 0; i % 2 == 1 && d < head_dim; d++) target[d] = (target[d] & 0xffff) | (uint32_t)row[d] << 16;
  }
}

static void family_cache_q8(uint8_t *keys, int8_t *values, float *scales, int64_t lane, int64_t count, const float *k,
                            int64_t k_stride, const float *v, int64_t v_stride, int64_t head_dim) {
  for (int64_t i = lane; i < lane + count; i++, k += k_stride, v += v_stride) {
    int8_t row[STRATA_HEAD_LIMIT];
    scales[i] = family_bytes(row, k, head_dim);
    for (int64_t d = 0; d < head_dim; d++) keys[d * STRATA_KV_PAGE + i] = (uint8_t)row[d];
    scales[STRATA_KV_PAGE + i] = family_bytes(values + i * head_dim, v, head_dim);
  }
}

static void family_cache_rows(uint8_t *block, strata_kv_type type, int64_t lane, int64_t count, const float *keys,
                              int64_t k_stride, const float *values, int64_t v_stride, int64_t head_dim) {
  size_t values_at = strata_kv_values_at(type, (int32_t)head_dim);
  void *k = block, *v = block + values_at, *scales = block + 2 * values_at;
  switch (type) {
    case STRATA_KV_Q8:
      family_cache_q8(k, v, scales, lane, count, keys, k_stride, values, v_stride, head_dim);
      break;
    case STRATA_KV_BF16: family_cache_bf16(k, v, lane, count, keys, k_stride, values, v_stride, head_dim); break;
    default: family_cache_f16(k, v, lane, count, keys, k_stride, values, v_stride, head_dim); break;
  }
}

#define STRATA_FAMILY_TABLE                                                                                        \
  {family_rms_norm, family_rms_norm_add, family_layer_norm, family_rope, family_silu_mul, family_gelu_mul,         \
   family_softcap, family_gelu, family_softmax_sum,                                                                \
   family_softmax, family_add, family_axpy, family_argmax, family_dot, family_l2, family_halves,                  \
   family_cache_rows, family_attend, family_fold}
