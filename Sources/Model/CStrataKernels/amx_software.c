// Tiles in portable C under the products of amx_body.h, after the pseudocode of Intel's Software Developer's Manual,
// volume 2: LDTILECFG, TILELOADD, TILEZERO, TILESTORED, TDPBSSD, TDPBF16PS. For tests and for checking a processor's.
#include "amx.h"

#define STRATA_FAMILY_ISA 0
#include "lanes.h"

typedef struct strata_soft_tile {
  uint8_t bytes[16][64];
} strata_soft_tile;

static _Thread_local strata_tile_shape strata_soft_shape;
static _Thread_local strata_soft_tile strata_soft_tiles[8];

static void strata_soft_configure(const strata_tile_shape *shape) {
  strata_soft_shape = *shape;
  memset(strata_soft_tiles, 0, sizeof strata_soft_tiles);
}

static void strata_soft_release(void) { strata_soft_configure(&(strata_tile_shape){0}); }

static void strata_soft_load(int tile, const void *address, int64_t stride) {
  memset(&strata_soft_tiles[tile], 0, sizeof strata_soft_tiles[tile]);
  for (int row = 0; row < strata_soft_shape.rows[tile]; row++) {
    memcpy(strata_soft_tiles[tile].bytes[row], (const uint8_t *)address + row * stride,
           strata_soft_shape.column_bytes[tile]);
  }
}

static void strata_soft_store(int tile, void *address, int64_t stride) {
  for (int row = 0; row < strata_soft_shape.rows[tile]; row++) {
    memcpy((uint8_t *)address + row * stride, strata_soft_tiles[tile].bytes[row],
           strata_soft_shape.column_bytes[tile]);
  }
}

static void strata_soft_dot_bytes(int c, int a, int b) {
  for (int m = 0; m < strata_soft_shape.rows[c]; m++) {
    for (int k = 0; k < strata_soft_shape.column_bytes[a] / 4; k++) {
      const int8_t *x = (const int8_t *)strata_soft_tiles[a].bytes[m] + 4 * k;
      const int8_t *w = (const int8_t *)strata_soft_tiles[b].bytes[k];
      int32_t sums[16];
      memcpy(sums, strata_soft_tiles[c].bytes[m], sizeof sums);
      for (int n = 0; n < strata_soft_shape.column_bytes[c] / 4; n++) {
        for (int i = 0; i < 4; i++) sums[n] += x[i] * w[4 * n + i];
      }
      memcpy(strata_soft_tiles[c].bytes[m], sums, sizeof sums);
    }
  }
}

/// Subnormal numbers count as zero, before and after an operation, whatever the mode of the processor.
static float strata_flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

static float strata_soft_fma(uint16_t a, uint16_t b, float c) {
  return strata_flushed(fmaf(strata_flushed(strata_bf16_to_float(a)), strata_flushed(strata_bf16_to_float(b)), c));
}

/// Products of even columns and of odd ones are summed apart, then added, then added to the tile.
static void strata_soft_dot_pairs(int c, int a, int b) {
  for (int m = 0; m < strata_soft_shape.rows[c]; m++) {
    float even[16] = {0}, odd[16] = {0}, sums[16];
    for (int k = 0; k < strata_soft_shape.column_bytes[a] / 4; k++) {
      uint16_t x[2], w[32];
      memcpy(x, strata_soft_tiles[a].bytes[m] + 4 * k, sizeof x);
      memcpy(w, strata_soft_tiles[b].bytes[k], sizeof w);
      for (int n = 0; n < 16; n++) {
        even[n] = strata_soft_fma(x[0], w[2 * n], even[n]);
        odd[n] = strata_soft_fma(x[1], w[2 * n + 1], odd[n]);
      }
    }
    memcpy(sums, strata_soft_tiles[c].bytes[m], sizeof sums);
    for (int n = 0; n < 16; n++) {
      sums[n] = strata_flushed(strata_flushed(sums[n]) + strata_flushed(even[n] + odd[n]));
    }
    memcpy(strata_soft_tiles[c].bytes[m], sums, sizeof sums);
  }
}

#define T_CONFIGURE(SHAPE) strata_soft_configure(SHAPE)
#define T_RELEASE() strata_soft_release()
#define T_ZERO(C) memset(&strata_soft_tiles[C], 0, sizeof strata_soft_tiles[C])
#define T_LOAD(T, ADDRESS, STRIDE) strata_soft_load(T, ADDRESS, STRIDE)
#define T_STORE(T, ADDRESS, STRIDE) strata_soft_store(T, ADDRESS, STRIDE)
#define T_DOT_BYTES(C, A, B) strata_soft_dot_bytes(C, A, B)
#define T_DOT_PAIRS(C, A, B) strata_soft_dot_pairs(C, A, B)

STRATA_INLINE v16 family_fma(v16 a, v16 b, v16 c) {
  v16 result;
  for (int i = 0; i < 16; i++) result[i] = fmaf(a[i], b[i], c[i]);
  return result;
}

static void family_open(strata_flavor flavor, const uint8_t *cell, int64_t blocks, strata_tile_cell *out,
                        int64_t step) {
  int bits = strata_flavor_bits(flavor);
  int offset = strata_flavor_has_min(flavor) ? 0 : 1 << strata_flavor_offset_shift(flavor);
  for (int64_t block = 0; block < blocks; block++, cell += strata_flavor_cell_bytes(flavor), out += step) {
    for (int g = 0; g < STRATA_GROUPS; g++) {
      for (int i = 0; i < 64; i++) out->codes[g][i] = (int8_t)(strata_cell_code(bits, cell, g, i) - offset);
    }
    v_store(out->scale, v_from_halves((const uint16_t *)(const void *)(cell + strata_flavor_scales_at(flavor))));
    if (!strata_flavor_has_min(flavor) && flavor != STRATA_FLAVOR_6) continue;
    v_store(out->second, v_from_halves((const uint16_t *)(const void *)(cell + strata_flavor_scales_at(flavor)) + 16));
  }
}

#include "amx_body.h"

static void strata_soft_quantize(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums) {
  (void)many, (void)sums;
  for (int64_t block = 0; block < cols / STRATA_BLOCK; block++, tile += strata_tile_block_bytes(rows)) {
    float *scales = (float *)(void *)(tile + rows * STRATA_BLOCK);
    for (int64_t row = 0; row < rows; row++) {
      const float *values = x + row * x_stride + block * STRATA_BLOCK;
      float largest = 0;
      for (int i = 0; i < STRATA_BLOCK; i++) largest = fmaxf(largest, fabsf(values[i]));
      bool usable = largest > 0 && largest <= 3e38f;
      float inverse = usable ? 127 / largest : 0;
      int32_t sum = 0;
      for (int i = 0; i < STRATA_BLOCK; i++) {
        int8_t code = (int8_t)lrintf(fminf(fmaxf(values[i] * inverse, -127), 127));
        if (!usable) code = 0;
        memcpy(tile + row * STRATA_BLOCK + i, &code, 1);
        sum += code;
      }
      scales[row] = usable ? largest * (1.0f / 127) : 0;
      scales[rows + row] = scales[row] * (float)sum;
    }
  }
}

static void strata_soft_pair_tile(const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint32_t *tile) {
  uint16_t *halves = (uint16_t *)tile;
  for (int64_t k = 0; k < strata_pairs(cols) * 2; k++) {
    for (int64_t row = 0; row < rows; row++) {
      float value = k < cols ? strata_flushed(x[row * x_stride + k]) : 0;
      halves[(k / 32 * rows + row) * 32 + k % 32] = strata_float_to_bf16(value);
    }
  }
}

static void strata_soft_few(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last) {
  for (int64_t panel = first; panel < last; panel += 2) {
    family_amx_many(job, x, panel, strata_min64(panel + 2, last), 0, x->m);
  }
}

static void strata_soft_floats(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                               int64_t from, int64_t to) {
  strata_products_portable.floats(job, x, first, last, from, to);
}

const strata_product_kernels strata_products_amx_software = {
    .quantize_tile = strata_soft_quantize, .few_rows = STRATA_TILE_ROWS, .few_limit = STRATA_TILE_ROWS,
    .few = strata_soft_few,
    .many_rows = STRATA_TILE_ROWS, .many = family_amx_many, .floats = strata_soft_floats,
    .pair_rows = STRATA_TILE_ROWS, .pair_tile = strata_soft_pair_tile, .pairs = family_amx_pairs};

#if STRATA_X86
const strata_product_kernels strata_products_amx_checked = {
    .quantize_tile = strata_quantize_tile_amx, .few_rows = 12, .few_limit = STRATA_TILE_ROWS,
    .few = strata_few_avx512,
    .many_rows = STRATA_TILE_ROWS, .many = family_amx_many, .floats = strata_floats_avx512,
    .pair_rows = STRATA_TILE_ROWS, .pair_tile = strata_pair_tile_amx, .pairs = family_amx_pairs};
#endif
