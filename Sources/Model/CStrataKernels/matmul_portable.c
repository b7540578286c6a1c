// Products in portable C: codes are widened to float, 16 rows side by side, which compilers vectorise everywhere.
#include "matrix.h"

#include <math.h>
#include <string.h>

// MARK: Activations

static void strata_quantize_row_block(const float *x, int8_t codes[STRATA_BLOCK], float *scale) {
  float largest = 0;
  for (int i = 0; i < STRATA_BLOCK; i++) largest = fmaxf(largest, fabsf(x[i]));
  bool usable = largest > 0 && largest <= 3e38f;  // a block with infinities counts as zero
  float inverse = usable ? 127 / largest : 0;
  *scale = usable ? largest / 127 : 0;
  for (int i = 0; i < STRATA_BLOCK; i++) {
    float value = fminf(fmaxf(x[i] * inverse, -127), 127);  // a NaN becomes -127, times a scale of 0
    codes[i] = (int8_t)lrintf(value);
  }
}

static void strata_quantize_tile(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool need_sums) {
  (void)many;
  (void)need_sums;
  for (int64_t block = 0; block < cols / STRATA_BLOCK; block++) {
    uint8_t *target = tile + block * strata_tile_block_bytes(rows);
    float *scales = (float *)(void *)(target + rows * STRATA_BLOCK), *sums = scales + rows;
    int32_t *low = (int32_t *)(void *)(sums + rows), *high = low + rows;
    for (int64_t row = 0; row < rows; row++) {
      int8_t codes[STRATA_BLOCK];
      strata_quantize_row_block(x + row * x_stride + block * STRATA_BLOCK, codes, &scales[row]);
      low[row] = high[row] = 0;
      for (int i = 0; i < 16; i++) {
        low[row] -= codes[i];
        high[row] -= codes[i + 16];
      }
      sums[row] = scales[row] * (float)-(low[row] + high[row]);
      for (int g = 0; g < STRATA_GROUPS; g++) memcpy(target + (g * rows + row) * 4, codes + 4 * g, 4);
    }
  }
}

// MARK: Quantized weights

/// A cell as floats: codes less offset [32][16], and what multiplies them.
typedef struct strata_float_cell {
  float codes[STRATA_BLOCK][STRATA_PANEL];
  float scale[STRATA_PANEL], second[STRATA_PANEL];
} strata_float_cell;

static void strata_expand_cell(strata_flavor flavor, const uint8_t *cell, strata_float_cell *out) {
  int bits = strata_flavor_bits(flavor);
  int offset = strata_flavor_has_min(flavor) ? 0 : 1 << strata_flavor_offset_shift(flavor);
  for (int g = 0; g < STRATA_GROUPS; g++) {
    for (int lane = 0; lane < 64; lane++) {
      out->codes[g * 4 + lane % 4][lane / 4] = (float)(strata_cell_code(bits, cell, g, lane) - offset);
    }
  }
  const uint16_t *scales = (const uint16_t *)(const void *)(cell + strata_flavor_scales_at(flavor));
  bool two = strata_flavor_has_min(flavor) || flavor == STRATA_FLAVOR_6;
  for (int row = 0; row < STRATA_PANEL; row++) {
    out->scale[row] = strata_half_to_float(scales[row]);
    out->second[row] = two ? strata_half_to_float(scales[row + 16]) : 0;
  }
}

static void strata_dot_columns(const float (*codes)[STRATA_PANEL], const int8_t *x, int64_t group_bytes, int groups,
                               float *sums) {
  for (int row = 0; row < STRATA_PANEL; row++) sums[row] = 0;
  for (int g = 0; g < groups; g++) {
    for (int i = 0; i < 4; i++) {
      float value = x[g * group_bytes + i];
      for (int row = 0; row < STRATA_PANEL; row++) sums[row] += codes[g * 4 + i][row] * value;
    }
  }
}

static void strata_tile_row(strata_flavor flavor, const strata_float_cell *cell, const uint8_t *block, int64_t rows,
                            int64_t row, float *y) {
  const int8_t *codes = (const int8_t *)block + 4 * row;
  const float *scales = (const float *)(const void *)(block + rows * STRATA_BLOCK);
  float scale = scales[row], sum = scales[rows + row], low[STRATA_PANEL], high[STRATA_PANEL];
  strata_dot_columns(cell->codes, codes, rows * 4, 4, low);
  strata_dot_columns(cell->codes + 16, codes + 16 * rows, rows * 4, 4, high);
  if (flavor == STRATA_FLAVOR_6) {
    for (int i = 0; i < STRATA_PANEL; i++) y[i] += (low[i] * cell->scale[i] + high[i] * cell->second[i]) * scale;
  } else {
    for (int i = 0; i < STRATA_PANEL; i++) y[i] += (low[i] + high[i]) * cell->scale[i] * scale + cell->second[i] * sum;
  }
}

static void strata_store_panel(const strata_matmul_job *job, int64_t panel, int64_t row, const float *sums) {
  int64_t first = panel * STRATA_PANEL, used = strata_min64(STRATA_PANEL, job->weights->rows - first);
  float *y = job->y + row * job->y_stride + first;
  for (int64_t i = 0; i < used; i++) {
    float value = sums[i] * (job->weights->factors ? job->weights->factors[first + i] : 1);
    if (job->bias) value += job->bias[first + i];
    y[i] = job->accumulate ? y[i] + value : value;
  }
}

static void strata_panel_rows(const strata_matmul_job *job, const strata_activations *x, int64_t panel, int64_t from,
                              int64_t to) {
  enum { ROWS = 8 * STRATA_TILE };  // rows of x that share one expansion of a cell
  const strata_matrix *w = job->weights;
  int64_t cell_bytes = strata_flavor_cell_bytes(w->flavor);
  for (int64_t start = from; start < to; start += ROWS) {
    int64_t end = strata_min64(start + ROWS, to);
    float sums[ROWS][STRATA_PANEL];
    memset(sums, 0, sizeof sums);
    for (int64_t block = 0; block < w->blocks; block++) {
      strata_float_cell cell;
      strata_expand_cell(w->flavor, w->data + panel * w->panel_bytes + block * cell_bytes, &cell);
      for (int64_t row = start; row < end; row++) {
        int64_t tile = row / x->tile_rows * x->tile_rows, rows = strata_min64(x->tile_rows, x->m - tile);
        const uint8_t *target = x->quantized + strata_tile_block_bytes(1) * tile * w->blocks;
        target += block * strata_tile_block_bytes(rows);
        strata_tile_row(w->flavor, &cell, target, rows, row - tile, sums[row - start]);
      }
    }
    for (int64_t row = start; row < end; row++) strata_store_panel(job, panel, row, sums[row - start]);
  }
}

static void strata_many(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                        int64_t from, int64_t to) {
  for (int64_t panel = first; panel < last; panel++) strata_panel_rows(job, x, panel, from, to);
}

static void strata_few(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last) {
  strata_many(job, x, first, last, 0, x->m);
}

// MARK: Float weights

static void strata_float_panel(const strata_matmul_job *job, const strata_activations *x, int64_t panel, int64_t from,
                               int64_t rows) {
  const strata_matrix *w = job->weights;
  const uint8_t *data = w->data + panel * w->panel_bytes;
  const float *tile = x->interleaved + from * w->cols;
  float sums[STRATA_FLOAT_TILE][STRATA_PANEL];
  memset(sums, 0, sizeof sums);
  for (int64_t k = 0; k < w->cols; k++) {
    float values[STRATA_PANEL];
    const uint16_t *halves = (const uint16_t *)(const void *)data + k * STRATA_PANEL;
    if (w->flavor == STRATA_FLAVOR_F32) memcpy(values, data + k * STRATA_PANEL * 4, sizeof values);
    if (w->flavor == STRATA_FLAVOR_F16) {
      for (int i = 0; i < STRATA_PANEL; i++) values[i] = strata_half_to_float(halves[i]);
    } else if (w->flavor == STRATA_FLAVOR_BF16) {
      const uint16_t *pairs = (const uint16_t *)(const void *)data + k / 2 * 2 * STRATA_PANEL + k % 2;
      for (int i = 0; i < STRATA_PANEL; i++) values[i] = strata_bf16_to_float(pairs[2 * i]);
    }
    for (int64_t row = 0; row < rows; row++) {
      float value = tile[k * rows + row];
      for (int i = 0; i < STRATA_PANEL; i++) sums[row][i] += values[i] * value;
    }
  }
  for (int64_t row = 0; row < rows; row++) strata_store_panel(job, panel, from + row, sums[row]);
}

static void strata_floats(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to) {
  for (int64_t panel = first; panel < last; panel++) {
    for (int64_t row = from; row < to; row += STRATA_FLOAT_TILE) {
      strata_float_panel(job, x, panel, row, strata_min64(STRATA_FLOAT_TILE, to - row));
    }
  }
}

const strata_product_kernels strata_products_portable = {
    .quantize_tile = strata_quantize_tile, .few_rows = STRATA_TILE, .many_rows = STRATA_TILE, .few_limit = 48,
    .few = strata_few, .many = strata_many, .floats = strata_floats};
