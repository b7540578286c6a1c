// Products of quantized weights with the dot products of Armv8.2 (SDOT). A panel's sixteen rows are four vectors of
// four lanes; a lane is the four codes of one row. Float weights and activations take the portable kernels.
#include "matrix.h"

#if STRATA_NEON
#include <arm_neon.h>

#if defined(__clang__)
#define STRATA_TARGET __attribute__((target("dotprod")))
#define STRATA_UNROLL _Pragma("clang loop unroll(full)")
#else
#define STRATA_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define STRATA_UNROLL _Pragma("GCC unroll 32")
#endif
#define STRATA_INLINE static inline __attribute__((always_inline)) STRATA_TARGET

enum { STRATA_NEON_ROWS = 2 };  // rows of x at a time: 8 sums, 8 dots and the codes stay in 32 registers

/// Sixteen codes of group g, rows 4 * quarter... of the panel, less the offset where there is one.
STRATA_INLINE int8x16_t strata_codes(const strata_flavor flavor, const uint8_t *cell, const int g, const int quarter) {
  const int bits = strata_flavor_bits(flavor);
  const uint8_t *at = cell + quarter * 16;
  uint8x16_t codes = vld1q_u8(at + (bits == 8 ? g : g % 4) * 64);
  if (bits < 8) codes = g >= 4 ? vshrq_n_u8(codes, 4) : vandq_u8(codes, vdupq_n_u8(15));
  if (bits == 5) {
    uint8x16_t high = vshlq_u8(vld1q_u8(at + 256), vdupq_n_s8((int8_t)(4 - g)));
    codes = vorrq_u8(codes, vandq_u8(high, vdupq_n_u8(0x10)));
  }
  if (bits == 6) {
    uint8x16_t high = vshlq_u8(vld1q_u8(at + 256 + g / 4 * 64), vdupq_n_s8((int8_t)(4 - g % 4 * 2)));
    codes = vorrq_u8(codes, vandq_u8(high, vdupq_n_u8(0x30)));
  }
  if (strata_flavor_has_min(flavor)) return vreinterpretq_s8_u8(codes);
  return vreinterpretq_s8_u8(vsubq_u8(codes, vdupq_n_u8((uint8_t)(1 << strata_flavor_offset_shift(flavor)))));
}

STRATA_INLINE float32x4_t strata_halves(const uint8_t *halves, const int quarter) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(halves + quarter * 8)));
}

/// T rows of x, from row `row` of a tile of `rows`, times a panel: sums [T][4 vectors].
STRATA_INLINE void strata_neon_rows(const strata_flavor flavor, const int T, const uint8_t *cell, const uint8_t *tile,
                                    int64_t rows, int64_t row, int64_t blocks, float32x4_t sums[STRATA_NEON_ROWS][4]) {
  const int parts = flavor == STRATA_FLAVOR_6 ? 2 : 1, groups = STRATA_GROUPS / parts;
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    STRATA_UNROLL for (int j = 0; j < 4; j++) sums[t][j] = vdupq_n_f32(0);
  }
  for (int64_t block = 0; block < blocks; block++) {
    const float *scales = (const float *)(const void *)(tile + rows * STRATA_BLOCK);
    const uint8_t *halves = cell + strata_flavor_scales_at(flavor);
    STRATA_UNROLL for (int part = 0; part < parts; part++) {
      int32x4_t dots[STRATA_NEON_ROWS][4];
      STRATA_UNROLL for (int t = 0; t < T; t++) {
        STRATA_UNROLL for (int j = 0; j < 4; j++) dots[t][j] = vdupq_n_s32(0);
      }
      STRATA_UNROLL for (int g = part * groups; g < (part + 1) * groups; g++) {
        int8x16_t x[STRATA_NEON_ROWS];
        STRATA_UNROLL for (int t = 0; t < T; t++) {
          int32_t word;
          __builtin_memcpy(&word, tile + (g * rows + row + t) * 4, 4);
          x[t] = vreinterpretq_s8_s32(vdupq_n_s32(word));
        }
        STRATA_UNROLL for (int j = 0; j < 4; j++) {
          int8x16_t codes = strata_codes(flavor, cell, g, j);
          STRATA_UNROLL for (int t = 0; t < T; t++) dots[t][j] = vdotq_s32(dots[t][j], codes, x[t]);
        }
      }
      STRATA_UNROLL for (int j = 0; j < 4; j++) {
        float32x4_t scale = strata_halves(halves + part * 32, j);
        STRATA_UNROLL for (int t = 0; t < T; t++) {
          float32x4_t both = vmulq_n_f32(scale, scales[row + t]);
          sums[t][j] = vfmaq_f32(sums[t][j], vcvtq_f32_s32(dots[t][j]), both);
          if (!strata_flavor_has_min(flavor)) continue;
          sums[t][j] = vfmaq_n_f32(sums[t][j], strata_halves(halves + 32, j), scales[rows + row + t]);
        }
      }
    }
    cell += strata_flavor_cell_bytes(flavor);
    tile += strata_tile_block_bytes(rows);
  }
}

STRATA_TARGET static void strata_neon_store(
    const strata_matmul_job *job, int64_t panel, int64_t row, const float32x4_t vectors[4]) {
  float sums[STRATA_PANEL];
  for (int j = 0; j < 4; j++) vst1q_f32(sums + 4 * j, vectors[j]);
  int64_t first = panel * STRATA_PANEL, used = strata_min64(STRATA_PANEL, job->weights->rows - first);
  float *y = job->y + row * job->y_stride + first;
  for (int64_t i = 0; i < used; i++) {
    float value = sums[i] * (job->weights->factors ? job->weights->factors[first + i] : 1);
    if (job->bias) value += job->bias[first + i];
    y[i] = job->accumulate ? y[i] + value : value;
  }
}

STRATA_INLINE void strata_neon_panel(const strata_flavor flavor, const strata_matmul_job *job,
                                     const strata_activations *x, int64_t panel, int64_t from, int64_t to) {
  const strata_matrix *w = job->weights;
  const uint8_t *cell = w->data + panel * w->panel_bytes;
  for (int64_t row = from; row < to;) {
    int64_t start = row / x->tile_rows * x->tile_rows, rows = strata_min64(x->tile_rows, x->m - start);
    const uint8_t *tile = x->quantized + strata_tile_block_bytes(1) * start * w->blocks;
    float32x4_t sums[STRATA_NEON_ROWS][4];
    bool pair = row + 1 < strata_min64(to, start + rows);
    if (pair) strata_neon_rows(flavor, 2, cell, tile, rows, row - start, w->blocks, sums);
    else strata_neon_rows(flavor, 1, cell, tile, rows, row - start, w->blocks, sums);
    strata_neon_store(job, panel, row, sums[0]);
    if (pair) strata_neon_store(job, panel, row + 1, sums[1]);
    row += pair ? 2 : 1;
  }
}

#define STRATA_NEON_CASE(FLAVOR)                                                                                    \
  case FLAVOR:                                                                                                      \
    for (int64_t panel = first; panel < last; panel++) strata_neon_panel(FLAVOR, job, x, panel, from, to);          \
    return;
STRATA_TARGET static void strata_many(const strata_matmul_job *job, const strata_activations *x, int64_t first,
                                      int64_t last, int64_t from, int64_t to) {
  switch (job->weights->flavor) {
    STRATA_NEON_CASE(STRATA_FLAVOR_4)
    STRATA_NEON_CASE(STRATA_FLAVOR_4_MIN)
    STRATA_NEON_CASE(STRATA_FLAVOR_5)
    STRATA_NEON_CASE(STRATA_FLAVOR_5_MIN)
    STRATA_NEON_CASE(STRATA_FLAVOR_6)
    STRATA_NEON_CASE(STRATA_FLAVOR_8)
    default: return;
  }
}

static void strata_few(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last) {
  strata_many(job, x, first, last, 0, x->m);
}

static void strata_floats(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to) {
  strata_products_portable.floats(job, x, first, last, from, to);
}

static void strata_quantize_tile(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums) {
  strata_products_portable.quantize_tile(x, x_stride, rows, cols, tile, many, sums);
}

const strata_product_kernels strata_products_neon = {
    .quantize_tile = strata_quantize_tile, .few_rows = STRATA_TILE, .many_rows = STRATA_TILE, .few_limit = 48,
    .few = strata_few, .many = strata_many, .floats = strata_floats};
#endif
