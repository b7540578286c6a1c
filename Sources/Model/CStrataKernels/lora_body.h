// Low-rank updates over lanes.h; compiled once per family. The including file has defined STRATA_LORA_ROWS, how many
// rows share the weights that a register holds: a row's sums are taken in the same order whatever that is.

/// low[row][rank] = factor * A x: dot products, each a chain of vectors from the first input to the last.
STRATA_INLINE void lora_down(
    const strata_lora *pair, const float *const *x, int64_t rows, float (*low)[STRATA_LORA_MOST_RANK]) {
  int64_t whole = pair->inputs / 16 * 16, rest = pair->inputs - whole;
  for (int64_t first = 0; first < pair->rank; first += STRATA_LORA_RANKS) {
    const uint16_t *weights = pair->down + first * pair->down_pitch;
    v16 sums[STRATA_LORA_RANKS][STRATA_LORA_ROWS];
    STRATA_UNROLL
    for (int i = 0; i < STRATA_LORA_RANKS; i++) {
      STRATA_UNROLL
      for (int row = 0; row < rows; row++) sums[i][row] = v_set(0);
    }
    for (int64_t k = 0; k < whole; k += 16) {
      STRATA_UNROLL
      for (int i = 0; i < STRATA_LORA_RANKS; i++) {
        v16 w = v_from_halves(weights + i * pair->down_pitch + k);
        STRATA_UNROLL
        for (int row = 0; row < rows; row++) sums[i][row] = v_load(x[row] + k) * w + sums[i][row];
      }
    }
    if (rest > 0) {
      for (int i = 0; i < STRATA_LORA_RANKS; i++) {
        v16 w = v_from_halves(weights + i * pair->down_pitch + whole);
        for (int row = 0; row < rows; row++) {
          sums[i][row] = v_load_part(x[row] + whole, rest, 0) * w + sums[i][row];
        }
      }
    }
    STRATA_UNROLL
    for (int i = 0; i < STRATA_LORA_RANKS; i++) {
      STRATA_UNROLL
      for (int row = 0; row < rows; row++) low[row][first + i] = v_sum(sums[i][row]) * pair->factor;
    }
  }
}

/// y += B low: 64 outputs at a time, ranks in order.
STRATA_INLINE void lora_up(
    const strata_lora *pair, const float (*low)[STRATA_LORA_MOST_RANK], int64_t rows, float *const *y) {
  enum { VECTORS = STRATA_LORA_PANEL / 16 };
  const uint16_t *weights = pair->up;
  for (int64_t output = 0; output < pair->outputs; output += STRATA_LORA_PANEL) {
    v16 sums[VECTORS][STRATA_LORA_ROWS];
    STRATA_UNROLL
    for (int i = 0; i < VECTORS; i++) {
      STRATA_UNROLL
      for (int row = 0; row < rows; row++) sums[i][row] = v_set(0);
    }
    for (int64_t rank = 0; rank < pair->rank; rank++, weights += STRATA_LORA_PANEL) {
      STRATA_UNROLL
      for (int i = 0; i < VECTORS; i++) {
        v16 w = v_from_halves(weights + 16 * i);
        STRATA_UNROLL
        for (int row = 0; row < rows; row++) sums[i][row] = v_set(low[row][rank]) * w + sums[i][row];
      }
    }
    int64_t used = strata_min64(STRATA_LORA_PANEL, pair->outputs - output);
    STRATA_UNROLL
    for (int i = 0; i < VECTORS; i++) {
      STRATA_UNROLL
      for (int row = 0; row < rows; row++) {
        float *target = y[row] + output + 16 * i;
        if (used >= 16 * (i + 1)) {
          v_store(target, v_load(target) + sums[i][row]);
        } else if (used > 16 * i) {
          int64_t part = used - 16 * i;
          v_store_part(target, v_load_part(target, part, 0) + sums[i][row], part);
        }
      }
    }
  }
}

STRATA_INLINE void lora_rows(const strata_lora_job *job, const int32_t *rows, int64_t count) {
  float low[STRATA_LORA_ROWS][STRATA_LORA_MOST_RANK];
  const float *x[STRATA_LORA_ROWS];
  float *y[STRATA_LORA_ROWS];
  for (int64_t i = 0; i < count; i++) {
    x[i] = job->x + rows[i] * job->x_stride;
    y[i] = job->y + rows[i] * job->y_stride;
  }
  lora_down(job->pair, x, count, low);
  lora_up(job->pair, (const float(*)[STRATA_LORA_MOST_RANK])low, count, y);
}

static void family_lora(const strata_lora_job *job, const int32_t *rows, int64_t count) {
  for (; count >= STRATA_LORA_ROWS; rows += STRATA_LORA_ROWS, count -= STRATA_LORA_ROWS) {
    lora_rows(job, rows, STRATA_LORA_ROWS);
  }
#if STRATA_LORA_ROWS > 1
  switch (count) {
    case 3: lora_rows(job, rows, 3); break;
    case 2: lora_rows(job, rows, 2); break;
    case 1: lora_rows(job, rows, 1); break;
    default: break;
  }
#endif
}
