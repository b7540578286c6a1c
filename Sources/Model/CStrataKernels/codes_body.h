// Scores of float and half rows over lanes.h; compiled once per family.

STRATA_INLINE v16 v_code_values(const uint8_t *row, int64_t at, int64_t left, const bool halves) {
  if (!halves) return left >= 16 ? v_load((const float *)(const void *)row + at)
                                 : v_load_part((const float *)(const void *)row + at, left, 0);
  return v_from_halves((const uint16_t *)(const void *)row + at);  // rows of halves are padded
}

STRATA_INLINE void v_code_scores(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores,
    const bool halves, const bool squares) {
  int64_t n = rows->dimension;
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = strata_code_row(rows, ids[i]);
    v16 s0 = v_set(0), s1 = s0;
    int64_t at = 0;
    for (; at + 32 <= n; at += 32) {
      v16 a = v_code_values(row, at, 16, halves), b = v_code_values(row, at + 16, 16, halves);
      v16 c = v_load(query->values.floats + at), d = v_load(query->values.floats + at + 16);
      s0 = squares ? (c - a) * (c - a) + s0 : c * a + s0;
      s1 = squares ? (d - b) * (d - b) + s1 : d * b + s1;
    }
    for (; at < n; at += 16) {
      v16 a = v_code_values(row, at, n - at, halves), c = v_load(query->values.floats + at);
      s0 = squares ? (c - a) * (c - a) + s0 : c * a + s0;
    }
    float sum = v_sum(s0 + s1);
    scores[i] = squares ? -sum : sum;
  }
}

static void code_f32_dot(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  v_code_scores(rows, query, ids, count, scores, false, false);
}

static void code_f32_l2(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  v_code_scores(rows, query, ids, count, scores, false, true);
}

static void code_f16_dot(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  v_code_scores(rows, query, ids, count, scores, true, false);
}

static void code_f16_l2(
    const strata_code_rows *rows, const strata_code_query *query, const uint32_t *ids, int64_t count, float *scores) {
  v_code_scores(rows, query, ids, count, scores, true, true);
}

#define STRATA_CODE_SCORERS {{code_f32_dot, code_f16_dot, code_i8, code_bit}, {code_f32_l2, code_f16_l2}}
