// Attention of encoders with AVX-512 BF16: all scores of a row are kept, since a sequence is short. Knows one sequence
// and one head at a time.
#include "bf16.h"
#include "encoder.h"

#if STRATA_X86
#if defined(__clang__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")
#endif
#define STRATA_FAMILY_ISA 2
#include "lanes.h"

enum { STRATA_ENCODER_ROWS = 12, STRATA_ENCODER_PAIRS = STRATA_ENCODER_HEAD / 2 };

// Keys as [length / 16][pairs of dimensions][16 positions], values as [pairs of positions][dimensions], both in pairs
// of bfloat16; positions beyond the length are zero.
typedef struct strata_encoder_state {
  uint32_t keys[STRATA_ENCODER_LENGTH * STRATA_ENCODER_PAIRS];
  uint32_t values[STRATA_ENCODER_LENGTH / 2 * STRATA_ENCODER_HEAD];
  uint32_t queries[STRATA_ENCODER_ROWS * STRATA_ENCODER_PAIRS];
  float scores[STRATA_ENCODER_ROWS][STRATA_ENCODER_LENGTH];
  uint32_t weights[STRATA_ENCODER_ROWS][STRATA_ENCODER_LENGTH / 2];
  float inverse[STRATA_ENCODER_ROWS];
} __attribute__((aligned(64))) strata_encoder_state;

static void strata_pack_keys(strata_encoder_state *state, const strata_encoder_head *head) {
  int64_t pairs = head->head_dim / 2;
  for (int64_t panel = 0; panel * 16 < head->length; panel++) {
    for (int64_t d = 0; d < head->head_dim; d += 32) {
      __m512i v[16];
      STRATA_UNROLL for (int i = 0; i < 16; i++) {
        int64_t position = panel * 16 + i;
        __mmask16 mask = position < head->length ? 0xffff : 0;
        v[i] = strata_round_pairs(head->k + (mask ? position : 0) * head->stride + d, mask, mask);
      }
      strata_transpose(v);
      uint32_t *target = state->keys + (panel * pairs + d / 2) * 16;
      STRATA_UNROLL for (int i = 0; i < 16; i++) _mm512_store_si512(target + i * 16, v[i]);
    }
  }
}

static void strata_pack_values(strata_encoder_state *state, const strata_encoder_head *head) {
  uint16_t order[32];
  for (int i = 0; i < 32; i++) order[i] = (uint16_t)(i / 2 + i % 2 * 16);
  const __m512i zip = _mm512_loadu_si512(order);
  // Weights come in whole vectors of 32 positions, so values beyond the length must be there and be numbers.
  int64_t padded = strata_ceil_div(head->length, 32) * 32;
  for (int64_t position = 0; position < padded; position += 2) {
    __mmask16 first = position < head->length ? 0xffff : 0, second = position + 1 < head->length ? 0xffff : 0;
    const float *v = head->v + (first ? position : 0) * head->stride;
    for (int64_t d = 0; d < head->head_dim; d += 16) {
      __m512 low = _mm512_maskz_loadu_ps(first, v + d);
      __m512 high = _mm512_maskz_loadu_ps(second, v + (second ? head->stride : 0) + d);
      __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
      _mm512_store_si512(state->values + position / 2 * head->head_dim + d, _mm512_permutexvar_epi16(zip, both));
    }
  }
}

/// Queries of T rows, scaled to powers of two, as pairs [T][pairs].
static void strata_pack_queries(strata_encoder_state *state, const strata_encoder_head *head, int64_t row, int rows) {
  const __m512 scale = _mm512_set1_ps(head->scale * 1.44269504f);
  for (int t = 0; t < rows; t++) {
    const float *q = head->q + (row + t) * head->stride;
    for (int64_t d = 0; d < head->head_dim; d += 32) {
      __m512 low = _mm512_mul_ps(_mm512_loadu_ps(q + d), scale);
      __m512 high = _mm512_mul_ps(_mm512_loadu_ps(q + d + 16), scale);
      _mm512_storeu_si512(state->queries + (t * head->head_dim + d) / 2, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
  }
}

STRATA_INLINE void strata_encoder_scores(const int T, strata_encoder_state *state, int64_t pairs, int64_t panels) {
  for (int64_t panel = 0; panel < panels; panel += 2) {  // an odd last panel is scored beside what lies behind it
    const uint32_t *keys = state->keys + panel * pairs * 16;
    __m512 sums[STRATA_ENCODER_ROWS][2];
    STRATA_UNROLL for (int t = 0; t < T; t++) sums[t][0] = sums[t][1] = _mm512_setzero_ps();
    for (int64_t pair = 0; pair < pairs; pair++) {
      __m512bh a = (__m512bh)_mm512_load_si512(keys + pair * 16);
      __m512bh b = (__m512bh)_mm512_load_si512(keys + (pairs + pair) * 16);
      STRATA_UNROLL for (int t = 0; t < T; t++) {
        __m512bh q = (__m512bh)_mm512_set1_epi32((int32_t)state->queries[t * pairs + pair]);
        sums[t][0] = _mm512_dpbf16_ps(sums[t][0], a, q);
        sums[t][1] = _mm512_dpbf16_ps(sums[t][1], b, q);
      }
    }
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      _mm512_store_ps(&state->scores[t][panel * 16], sums[t][0]);
      _mm512_store_ps(&state->scores[t][panel * 16 + 16], sums[t][1]);
    }
  }
}

/// Turns a row's scores into weights and the inverse of their sum; positions from the length on weigh nothing.
static void strata_encoder_weights(strata_encoder_state *state, int t, int64_t length) {
  float *scores = state->scores[t];
  int64_t padded = strata_ceil_div(length, 32) * 32;
  for (int64_t i = length; i < padded; i++) scores[i] = -INFINITY;
  v16 a = v_load(scores), b = v_load(scores + 16);
  for (int64_t i = 32; i < padded; i += 32) {
    a = v_max(v_load(scores + i), a);
    b = v_max(v_load(scores + i + 16), b);
  }
  v16 largest = v_set(v_largest(v_max(a, b))), sum = v_set(0), second = sum;
  for (int64_t i = 0; i < padded; i += 32) {
    a = v_exp2(v_load(scores + i) - largest);
    b = v_exp2(v_load(scores + i + 16) - largest);
    sum += a;
    second += b;
    _mm512_store_si512(&state->weights[t][i / 2], (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a));
  }
  state->inverse[t] = 1 / v_sum(sum + second);
}

STRATA_INLINE void strata_encoder_values(const int T, const strata_encoder_state *state, int64_t head_dim,
                                         int64_t pairs, int64_t d, float *out, int64_t stride) {
  __m512 sums[STRATA_ENCODER_ROWS][2];
  STRATA_UNROLL for (int t = 0; t < T; t++) sums[t][0] = sums[t][1] = _mm512_setzero_ps();
  const uint32_t *values = state->values + d;
  for (int64_t pair = 0; pair < pairs; pair++, values += head_dim) {
    __m512bh a = (__m512bh)_mm512_load_si512(values), b = (__m512bh)_mm512_load_si512(values + 16);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      __m512bh weight = (__m512bh)_mm512_set1_epi32((int32_t)state->weights[t][pair]);
      sums[t][0] = _mm512_dpbf16_ps(sums[t][0], a, weight);
      sums[t][1] = _mm512_dpbf16_ps(sums[t][1], b, weight);
    }
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    __m512 inverse = _mm512_set1_ps(state->inverse[t]);
    _mm512_storeu_ps(out + t * stride + d, _mm512_mul_ps(sums[t][0], inverse));
    _mm512_storeu_ps(out + t * stride + d + 16, _mm512_mul_ps(sums[t][1], inverse));
  }
}

#define STRATA_ENCODER_TILE(T)                                                                                      \
  static void strata_encoder_tile_##T(strata_encoder_state *state, const strata_encoder_head *head, int64_t row) {  \
    int64_t pairs = head->head_dim / 2;                                                                             \
    strata_pack_queries(state, head, row, T);                                                                       \
    strata_encoder_scores(T, state, pairs, strata_ceil_div(head->length, 16));                                      \
    for (int t = 0; t < T; t++) strata_encoder_weights(state, t, head->length);                                     \
    for (int64_t d = 0; d < head->head_dim; d += 32) {                                                              \
      strata_encoder_values(T, state, head->head_dim, strata_ceil_div(head->length, 2), d,                          \
                            head->out + row * head->out_stride, head->out_stride);                                  \
    }                                                                                                               \
  }
STRATA_ENCODER_TILE(1)
STRATA_ENCODER_TILE(4)
STRATA_ENCODER_TILE(12)

void strata_encoder_attend_bf16(const strata_encoder_head *head) {
  strata_encoder_state state;
  strata_pack_keys(&state, head);
  strata_pack_values(&state, head);
  int64_t row = 0;
  for (; row + 12 <= head->length; row += 12) strata_encoder_tile_12(&state, head, row);
  for (; row + 4 <= head->length; row += 4) strata_encoder_tile_4(&state, head, row);
  for (; row < head->length; row++) strata_encoder_tile_1(&state, head, row);
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
