// Attention of a few rows over one head's cached keys and values with a running softmax (Milakov and Gimelshein,
// "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022), over lanes.h; compiled once
// per family. The including file defines STRATA_SCORE_VECTORS(T), how many vectors of 16 positions T rows score at a
// time, and STRATA_VALUE_ROWS, how many rows weigh values at a time, so that sums stay in registers.

enum { STRATA_ATTEND_BLOCK = 128 };  // positions between two updates of the running sums

typedef struct strata_attend_state {
  int32_t rows;
  float q[STRATA_ATTEND_ROWS * 512];                            // [head_dim][rows], scaled to powers of two
  float scores[STRATA_ATTEND_ROWS][STRATA_ATTEND_BLOCK];        // then weights
  float largest[STRATA_ATTEND_ROWS], sum[STRATA_ATTEND_ROWS], correction[STRATA_ATTEND_ROWS];
} strata_attend_state;

STRATA_INLINE void strata_scores(const int T, const int P, strata_attend_state *state, const uint16_t *keys,
                                 int64_t head_dim, int64_t at) {
  v16 sums[STRATA_ATTEND_ROWS][4];
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int p = 0; p < P; p++) sums[t][p] = v_set(0);
  }
  const float *q = state->q;
  for (int64_t d = 0; d < head_dim; d++, q += T) {
    v16 k[4];
    STRATA_UNROLL for (int p = 0; p < P; p++) k[p] = v_from_halves(keys + (p * head_dim + d) * STRATA_KEY_PANEL);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 value = v_set(q[t]);
      STRATA_UNROLL for (int p = 0; p < P; p++) sums[t][p] = k[p] * value + sums[t][p];
    }
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int p = 0; p < P; p++) v_store(&state->scores[t][at + p * 16], sums[t][p]);
  }
}

#define STRATA_SCORES_CASE(T)                                                                                       \
  case T:                                                                                                           \
    for (; at + 16 * STRATA_SCORE_VECTORS(T) <= count; at += 16 * STRATA_SCORE_VECTORS(T)) {                        \
      strata_scores(T, STRATA_SCORE_VECTORS(T), state, keys + at * head_dim, head_dim, at);                         \
    }                                                                                                               \
    for (; at < count; at += 16) strata_scores(T, 1, state, keys + at * head_dim, head_dim, at);                    \
    return;

/// Scores of all rows at `count` (a multiple of 16) positions; keys point at the first one's panel.
static void family_block_scores(strata_attend_state *state, const uint16_t *keys, int64_t head_dim, int64_t count) {
  int64_t at = 0;
  switch (state->rows) {
    STRATA_SCORES_CASE(1) STRATA_SCORES_CASE(2) STRATA_SCORES_CASE(3) STRATA_SCORES_CASE(4) STRATA_SCORES_CASE(5)
    STRATA_SCORES_CASE(6) STRATA_SCORES_CASE(7) STRATA_SCORES_CASE(8) STRATA_SCORES_CASE(9) STRATA_SCORES_CASE(10)
    STRATA_SCORES_CASE(11) STRATA_SCORES_CASE(12)
    default: return;
  }
}

/// Turns scores into weights relative to the running maximum; positions from `seen` on weigh nothing.
STRATA_INLINE void strata_row_weights(strata_attend_state *state, int row, int64_t seen, int64_t count) {
  float *scores = state->scores[row];
  for (int64_t i = seen < 0 ? 0 : seen; i < count; i++) scores[i] = -INFINITY;
  v16 largest = v_set(state->largest[row]);
  for (int64_t i = 0; i < count; i += 16) largest = v_max(v_load(scores + i), largest);
  float maximum = v_largest(largest);
  v16 sum = v_set(0), maxima = v_set(maximum);
  for (int64_t i = 0; i < count; i += 16) {
    v16 weights = v_exp2(v_load(scores + i) - maxima);
    sum += weights;
    v_store(scores + i, weights);
  }
  float correction = exp2f(state->largest[row] - maximum);
  state->correction[row] = correction;
  state->largest[row] = maximum;
  state->sum[row] = state->sum[row] * correction + v_sum(sum);
}

/// out[t][d...] = out * correction + Σ weights · values for T rows and D vectors of 16 dimensions.
STRATA_INLINE void strata_weigh(const int T, const int D, const strata_attend *part, const strata_attend_state *state,
                                int row, int64_t d, const uint16_t *values, int64_t count) {
  v16 sums[STRATA_ATTEND_ROWS][4];
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    v16 correction = v_set(state->correction[row + t]);
    STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v_load(part->out[row + t] + d + i * 16) * correction;
  }
  const float *weights = state->scores[row];
  for (int64_t position = 0; position < count; position++) {
    v16 v[4];
    STRATA_UNROLL for (int i = 0; i < D; i++) v[i] = v_from_halves(values + position * part->head_dim + d + i * 16);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      v16 weight = v_set(weights[t * STRATA_ATTEND_BLOCK + position]);
      STRATA_UNROLL for (int i = 0; i < D; i++) sums[t][i] = v[i] * weight + sums[t][i];
    }
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int i = 0; i < D; i++) v_store(part->out[row + t] + d + i * 16, sums[t][i]);
  }
}

static void family_block_values(const strata_attend *part, const strata_attend_state *state, const uint16_t *values,
                                int64_t count) {
  for (int32_t row = 0; row < part->rows;) {
    int32_t rows = part->rows - row < STRATA_VALUE_ROWS ? part->rows - row : STRATA_VALUE_ROWS;
    int64_t d = 0;
    for (; d + 64 <= part->head_dim; d += 64) {
      switch (rows) {
        case 1: strata_weigh(1, 4, part, state, row, d, values, count); break;
        case 2: strata_weigh(2, 4, part, state, row, d, values, count); break;
        case 3: strata_weigh(3, 4, part, state, row, d, values, count); break;
        case 4: strata_weigh(4, 4, part, state, row, d, values, count); break;
        case 5: strata_weigh(5, 4, part, state, row, d, values, count); break;
        default: strata_weigh(STRATA_VALUE_ROWS, 4, part, state, row, d, values, count); break;
      }
    }
    for (; d + 32 <= part->head_dim; d += 32) {
      switch (rows) {
        case 1: strata_weigh(1, 2, part, state, row, d, values, count); break;
        case 2: strata_weigh(2, 2, part, state, row, d, values, count); break;
        case 3: strata_weigh(3, 2, part, state, row, d, values, count); break;
        case 4: strata_weigh(4, 2, part, state, row, d, values, count); break;
        case 5: strata_weigh(5, 2, part, state, row, d, values, count); break;
        default: strata_weigh(STRATA_VALUE_ROWS, 2, part, state, row, d, values, count); break;
      }
    }
    for (; d < part->head_dim; d++) {
      for (int32_t t = row; t < row + rows; t++) {
        float sum = part->out[t][d] * state->correction[t];
        for (int64_t i = 0; i < count; i++) {
          sum += state->scores[t][i] * strata_half_to_float(values[i * part->head_dim + d]);
        }
        part->out[t][d] = sum;
      }
    }
    row += rows;
  }
}

static void family_attend(const strata_attend *part) {
  strata_attend_state state;
  state.rows = part->rows;
  for (int32_t row = 0; row < part->rows; row++) {
    for (int32_t d = 0; d < part->head_dim; d++) {
      state.q[d * part->rows + row] = part->q[row][d] * part->scale * 1.44269504f;
      part->out[row][d] = 0;
    }
    state.largest[row] = -1e30f;  // finite, so that a block without a seen position weighs 0 and not NaN
    state.sum[row] = 0;
  }
  for (int64_t first = part->first; first < part->last; first += STRATA_ATTEND_BLOCK) {
    int64_t count = strata_min64(STRATA_ATTEND_BLOCK, part->last - first);
    int64_t padded = strata_ceil_div(count, 16) * 16;
    family_block_scores(&state, part->keys + first * part->head_dim, part->head_dim, padded);
    for (int32_t row = 0; row < part->rows; row++) {
      strata_row_weights(&state, row, strata_min64(part->limit[row] - first, count), padded);
    }
    family_block_values(part, &state, part->values + first * part->head_dim, count);
  }
  for (int32_t row = 0; row < part->rows; row++) {
    if (part->partial) {
      part->partial[2 * row] = state.largest[row];
      part->partial[2 * row + 1] = state.sum[row];
    } else {
      float inverse = 1 / state.sum[row];
      for (int32_t d = 0; d < part->head_dim; d++) part->out[row][d] *= inverse;
    }
  }
}

static void family_key_lanes(uint16_t *panel, int64_t lane, int64_t count, const float *keys, int64_t stride,
                             int64_t head_dim) {
  if (count == STRATA_KEY_PANEL) {
    for (int64_t d = 0; d < head_dim; d++) {
      float column[STRATA_KEY_PANEL];
      for (int64_t i = 0; i < STRATA_KEY_PANEL; i++) column[i] = keys[i * stride + d];
      v_to_halves(panel + d * STRATA_KEY_PANEL, v_load(column));
    }
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    uint16_t row[512];
    family_halves(row, keys + i * stride, head_dim);
    for (int64_t d = 0; d < head_dim; d++) panel[d * STRATA_KEY_PANEL + lane + i] = row[d];
  }
}

#define STRATA_FAMILY_TABLE                                                                                        \
  {family_rms_norm, family_layer_norm, family_rope, family_silu_mul, family_gelu, family_softmax_sum,              \
   family_softmax, family_add, family_axpy, family_argmax, family_dot, family_l2, family_halves,                  \
   family_key_lanes, family_attend}
