// Weight matrices: repacking from file formats into panels (matrix.h tells the layout).
#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool strata_flavor_of(strata_type type, strata_flavor *flavor) {
  switch (type) {
    case STRATA_TYPE_Q4_0: *flavor = STRATA_FLAVOR_4; return true;
    case STRATA_TYPE_Q4_1:
    case STRATA_TYPE_Q4_K: *flavor = STRATA_FLAVOR_4_MIN; return true;
    case STRATA_TYPE_Q5_0: *flavor = STRATA_FLAVOR_5; return true;
    case STRATA_TYPE_Q5_1:
    case STRATA_TYPE_Q5_K: *flavor = STRATA_FLAVOR_5_MIN; return true;
    case STRATA_TYPE_Q6_K: *flavor = STRATA_FLAVOR_6; return true;
    case STRATA_TYPE_Q8_0: *flavor = STRATA_FLAVOR_8; return true;
    case STRATA_TYPE_F32: *flavor = STRATA_FLAVOR_F32; return true;
    case STRATA_TYPE_F16: *flavor = STRATA_FLAVOR_F16; return true;
    case STRATA_TYPE_BF16: *flavor = STRATA_FLAVOR_BF16; return true;
  }
  return false;
}

// MARK: Packing

typedef struct strata_packing {
  strata_matrix *matrix;
  const uint8_t *source;
  size_t row_bytes;
} strata_packing;

// The scales of K formats are products of a half and a small integer. They are stored as halves relative to a power
// of two per row that puts the largest near 2^14, so that 11 bits of precision are kept over 28 binades.
static float strata_row_factor(float largest) {
  if (!(largest > 0) || isinf(largest)) return 1;
  int exponent;
  (void)frexpf(largest, &exponent);
  return ldexpf(1, exponent - 14);
}

static void strata_pack_cell(strata_flavor flavor, const strata_block_codes rows[STRATA_PANEL],
                             const float inverse_factors[STRATA_PANEL], uint8_t *cell) {
  int bits = strata_flavor_bits(flavor);
  if (bits == 8) {
    for (int g = 0; g < STRATA_GROUPS; g++) {
      for (int row = 0; row < STRATA_PANEL; row++) memcpy(cell + g * 64 + row * 4, rows[row].codes + 4 * g, 4);
    }
  } else {
    for (int row = 0; row < STRATA_PANEL; row++) {
      const uint8_t *codes = rows[row].codes;
      uint8_t nibbles[16];
      for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
      for (int j = 0; j < 4; j++) memcpy(cell + j * 64 + row * 4, nibbles + 4 * j, 4);
      if (bits == 5) {
        uint8_t high[4] = {0};
        for (int g = 0; g < STRATA_GROUPS; g++) {
          for (int i = 0; i < 4; i++) high[i] |= (uint8_t)((codes[4 * g + i] >> 4) << g);
        }
        memcpy(cell + 256 + row * 4, high, 4);
      } else if (bits == 6) {
        uint8_t high[8] = {0};
        for (int g = 0; g < STRATA_GROUPS; g++) {
          for (int i = 0; i < 4; i++) high[g / 4 * 4 + i] |= (uint8_t)((codes[4 * g + i] >> 4) << (2 * (g % 4)));
        }
        memcpy(cell + 256 + row * 4, high, 4);
        memcpy(cell + 320 + row * 4, high + 4, 4);
      }
    }
  }
  uint16_t *scales = (uint16_t *)(void *)(cell + strata_flavor_scales_at(flavor));
  for (int row = 0; row < STRATA_PANEL; row++) {
    float inverse = inverse_factors[row];
    scales[row] = strata_float_to_half(rows[row].scale * inverse);
    if (flavor == STRATA_FLAVOR_6) scales[row + 16] = strata_float_to_half(rows[row].second * inverse);
    if (strata_flavor_has_min(flavor)) scales[row + 16] = strata_float_to_half(rows[row].second * inverse);
  }
}

static void strata_panel_factors(const strata_packing *packing, int64_t panel, float *factors, float *inverses) {
  const strata_matrix *matrix = packing->matrix;
  for (int lane = 0; lane < STRATA_PANEL; lane++) {
    int64_t row = panel * STRATA_PANEL + lane;
    float largest = 0;
    for (int64_t block = 0; row < matrix->rows && block < matrix->blocks; block++) {
      float scale, second;
      strata_block_scales(matrix->type, packing->source + (size_t)row * packing->row_bytes, block, &scale, &second);
      largest = fmaxf(largest, fmaxf(fabsf(scale), fabsf(second)));
    }
    factors[lane] = strata_row_factor(largest);
    inverses[lane] = 1 / factors[lane];
  }
}

// MARK: Formats of 32 columns

// These keep their own scales, so a cell is a matter of moving words; loading a model is mostly this.
typedef struct strata_simple_format {
  int64_t block_bytes, high_at, codes_at;  // high_at is 0 when there are no fifth bits
  bool minimum;
} strata_simple_format;

static bool strata_simple_format_of(strata_type type, strata_simple_format *format) {
  switch (type) {
    case STRATA_TYPE_Q4_0: *format = (strata_simple_format){18, 0, 2, false}; return true;
    case STRATA_TYPE_Q4_1: *format = (strata_simple_format){20, 0, 4, true}; return true;
    case STRATA_TYPE_Q5_0: *format = (strata_simple_format){22, 2, 6, false}; return true;
    case STRATA_TYPE_Q5_1: *format = (strata_simple_format){24, 4, 8, true}; return true;
    case STRATA_TYPE_Q8_0: *format = (strata_simple_format){34, 0, 2, false}; return true;
    default: return false;
  }
}

static uint32_t strata_load_word(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, 4);
  return word;
}

/// Bit 4g + i of the file's word becomes bit g of byte i: four gatherings of every fourth bit.
static uint32_t strata_fifth_bits(uint32_t bits) {
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t v = bits >> i & 0x11111111;
    v = (v | v >> 3) & 0x03030303;
    v = (v | v >> 6) & 0x000f000f;
    v = (v | v >> 12) & 0xff;
    result |= v << (8 * i);
  }
  return result;
}

static void strata_pack_simple_lane(strata_type type, const strata_simple_format *format, const uint8_t *row,
                                    int64_t blocks, uint8_t *lane_cell, int64_t cell_bytes, int64_t scales_at,
                                    int64_t lane) {
  for (int64_t block = 0; block < blocks; block++, row += format->block_bytes, lane_cell += cell_bytes) {
    const uint8_t *codes = row + format->codes_at;
    uint8_t *target = lane_cell + lane * 4;
    if (type == STRATA_TYPE_Q8_0) {
      for (int g = 0; g < STRATA_GROUPS; g++) {
        uint32_t word = strata_load_word(codes + 4 * g) ^ 0x80808080u;
        memcpy(target + g * 64, &word, 4);
      }
    } else {
      for (int j = 0; j < 4; j++) memcpy(target + j * 64, codes + 4 * j, 4);
      if (format->high_at) {
        uint32_t high = strata_fifth_bits(strata_load_word(row + format->high_at));
        memcpy(target + 256, &high, 4);
      }
    }
    memcpy(lane_cell + scales_at + lane * 2, row, 2);
    if (format->minimum) memcpy(lane_cell + scales_at + 32 + lane * 2, row + 2, 2);
  }
}

static void strata_pack_simple(void *context, int64_t first, int64_t last) {
  enum { RUN = 16 };  // blocks of one row at a time, so that the cells being filled stay in first-level cache
  const strata_packing *packing = context;
  const strata_matrix *matrix = packing->matrix;
  strata_simple_format format;
  if (!strata_simple_format_of(matrix->type, &format)) return;
  int64_t cell_bytes = strata_flavor_cell_bytes(matrix->flavor), scales_at = strata_flavor_scales_at(matrix->flavor);
  for (int64_t panel = first; panel < last; panel++) {
    int64_t used = strata_min64(STRATA_PANEL, matrix->rows - panel * STRATA_PANEL);
    for (int64_t block = 0; block < matrix->blocks; block += RUN) {
      for (int64_t lane = 0; lane < used; lane++) {
        const uint8_t *row = packing->source + (size_t)(panel * STRATA_PANEL + lane) * packing->row_bytes;
        strata_pack_simple_lane(
            matrix->type, &format, row + block * format.block_bytes, strata_min64(RUN, matrix->blocks - block),
            matrix->data + panel * matrix->panel_bytes + block * cell_bytes, cell_bytes, scales_at, lane);
      }
    }
  }
}

// MARK: Any quantized format

static void strata_pack_quantized(void *context, int64_t first, int64_t last) {
  const strata_packing *packing = context;
  const strata_matrix *matrix = packing->matrix;
  int64_t cell_bytes = strata_flavor_cell_bytes(matrix->flavor);
  for (int64_t panel = first; panel < last; panel++) {
    float inverses[STRATA_PANEL];
    for (int lane = 0; lane < STRATA_PANEL; lane++) inverses[lane] = 1;
    if (matrix->factors) {
      strata_panel_factors(packing, panel, matrix->factors + panel * STRATA_PANEL, inverses);
    }
    int64_t used = strata_min64(STRATA_PANEL, matrix->rows - panel * STRATA_PANEL);
    strata_block_codes rows[STRATA_PANEL];
    memset(rows, 0, sizeof rows);
    for (int64_t block = 0; block < matrix->blocks; block++) {
      for (int64_t lane = 0; lane < used; lane++) {
        const uint8_t *row = packing->source + (size_t)(panel * STRATA_PANEL + lane) * packing->row_bytes;
        strata_block_decode(matrix->type, row, block, &rows[lane]);
      }
      strata_pack_cell(matrix->flavor, rows, inverses, matrix->data + panel * matrix->panel_bytes + block * cell_bytes);
    }
  }
}

static void strata_pack_floats(void *context, int64_t first, int64_t last) {
  const strata_packing *packing = context;
  const strata_matrix *matrix = packing->matrix;
  for (int64_t panel = first; panel < last; panel++) {
    uint8_t *target = matrix->data + panel * matrix->panel_bytes;
    int64_t used = strata_min64(STRATA_PANEL, matrix->rows - panel * STRATA_PANEL);
    for (int64_t lane = 0; lane < used; lane++) {
      const uint8_t *row = packing->source + (size_t)(panel * STRATA_PANEL + lane) * packing->row_bytes;
      if (matrix->flavor == STRATA_FLAVOR_F32) {
        for (int64_t k = 0; k < matrix->cols; k++) memcpy(target + (k * 16 + lane) * 4, row + k * 4, 4);
      } else if (matrix->flavor == STRATA_FLAVOR_BF16) {
        int64_t k = 0;
        for (; k + 2 <= matrix->cols; k += 2) memcpy(target + (k / 2 * 16 + lane) * 4, row + k * 2, 4);
        if (k < matrix->cols) memcpy(target + (k / 2 * 16 + lane) * 4, row + k * 2, 2);
      } else {
        for (int64_t k = 0; k < matrix->cols; k++) memcpy(target + (k * 16 + lane) * 2, row + k * 2, 2);
      }
    }
  }
}

// MARK: Handles

static bool strata_matrix_allocate(strata_matrix *matrix) {
  int64_t panel_bytes;
  if (strata_flavor_is_float(matrix->flavor)) {
    int64_t value_bytes = matrix->flavor == STRATA_FLAVOR_F32 ? 4 : 2;
    int64_t cols = matrix->flavor == STRATA_FLAVOR_BF16 ? strata_pairs(matrix->cols) * 2 : matrix->cols;
    if (__builtin_mul_overflow(cols, STRATA_PANEL * value_bytes, &panel_bytes)) return false;
  } else {
    matrix->blocks = matrix->cols / STRATA_BLOCK;
    panel_bytes = matrix->blocks * strata_flavor_cell_bytes(matrix->flavor);
  }
  matrix->panels = strata_ceil_div(matrix->rows, STRATA_PANEL);
  matrix->panel_bytes = strata_ceil_div(panel_bytes, 64) * 64;
  if (__builtin_mul_overflow((size_t)matrix->panel_bytes, (size_t)matrix->panels, &matrix->data_bytes)) return false;
  matrix->data = strata_memory_map(matrix->data_bytes, true);
  if (!matrix->data) return false;
  if (matrix->type == STRATA_TYPE_Q4_K || matrix->type == STRATA_TYPE_Q5_K || matrix->type == STRATA_TYPE_Q6_K) {
    matrix->factors = aligned_alloc(64, (size_t)matrix->panels * STRATA_PANEL * sizeof(float));
    if (!matrix->factors) return false;
  }
  return true;
}

strata_matrix *strata_matrix_create(
    strata_type type, const void *data, int64_t rows, int64_t cols, strata_pool *pool) {
  size_t bytes = strata_matrix_source_bytes(type, rows, cols);
  strata_flavor flavor;
  if (bytes == 0 || bytes > (size_t)INT64_MAX / 16 || !strata_flavor_of(type, &flavor)) return NULL;
  strata_matrix *matrix = calloc(1, sizeof *matrix);
  if (!matrix) return NULL;
  *matrix = (strata_matrix){.type = type, .flavor = flavor, .rows = rows, .cols = cols};
  if (!strata_matrix_allocate(matrix)) {
    strata_matrix_destroy(matrix);
    return NULL;
  }
  strata_packing packing = {matrix, data, bytes / (size_t)rows};
  strata_simple_format simple;
  strata_body body = strata_flavor_is_float(flavor) ? strata_pack_floats
      : strata_simple_format_of(type, &simple)      ? strata_pack_simple
                                                    : strata_pack_quantized;
  strata_parallel_for(pool, matrix->panels, 4, body, &packing);
  return matrix;
}

void strata_matrix_destroy(strata_matrix *matrix) {
  if (!matrix) return;
  strata_memory_unmap(matrix->data, matrix->data_bytes);
  free(matrix->factors);
  free(matrix);
}

int64_t strata_matrix_rows(const strata_matrix *matrix) { return matrix->rows; }
int64_t strata_matrix_cols(const strata_matrix *matrix) { return matrix->cols; }
strata_type strata_matrix_type(const strata_matrix *matrix) { return matrix->type; }

size_t strata_matrix_byte_count(const strata_matrix *matrix) {
  size_t factors = matrix->factors ? (size_t)matrix->panels * STRATA_PANEL * sizeof(float) : 0;
  return sizeof *matrix + matrix->data_bytes + factors;
}
