// Packed weights: how a matrix lies in memory, shared by packing (matrix.c), the driver of products (matmul.c) and the
// kernels of each instruction-set family.
#ifndef STRATA_MATRIX_PRIVATE_H
#define STRATA_MATRIX_PRIVATE_H

#include "kernels.h"

// Rows are grouped in panels of 16, columns in blocks of 32. A quantized matrix is a sequence of cells
// [panel][block]; in a cell, columns are taken four at a time (group g: columns 4g...4g+3), and a lane is the four
// codes of one row: 16 lanes are a 64-byte vector. Codes are unsigned. A cell holds, in this order:
//   nibbles   4 bits and more: [4][16][4] bytes, low half group j, high half group j + 4
//   high      5 bits: [16][4] bytes, bit g belongs to group g; 6 bits: [2][16][4] bytes, two bits per group
//   bytes     8 bits, instead of both: [8][16][4]
//   scales    half float [16]; two such rows (columns 0...15, 16...31) when scales are per 16 columns
//   minimums  half float [16], only when the format has them
// value = scale * (code - offset) + minimum, times the row's factor where there are factors.
// A matrix of F32 or F16 is [panel][cols][16]. One of BF16 holds columns in pairs, as instructions want them:
// [panel][pairs][16][2], with as many pairs as fill blocks of 32 columns; missing columns are zero.
enum { STRATA_PANEL = 16, STRATA_BLOCK = 32, STRATA_GROUPS = 8, STRATA_LANES_BYTES = 64 };

typedef enum strata_flavor {
  STRATA_FLAVOR_4,      // Q4_0
  STRATA_FLAVOR_4_MIN,  // Q4_1, Q4_K
  STRATA_FLAVOR_5,      // Q5_0
  STRATA_FLAVOR_5_MIN,  // Q5_1, Q5_K
  STRATA_FLAVOR_6,      // Q6_K: a scale per 16 columns
  STRATA_FLAVOR_8,      // Q8_0
  STRATA_FLAVOR_F32,
  STRATA_FLAVOR_F16,
  STRATA_FLAVOR_BF16,
} strata_flavor;

static inline bool strata_flavor_is_float(strata_flavor f) { return f >= STRATA_FLAVOR_F32; }
static inline bool strata_flavor_has_min(strata_flavor f) {
  return f == STRATA_FLAVOR_4_MIN || f == STRATA_FLAVOR_5_MIN;
}
static inline int strata_flavor_bits(strata_flavor f) {
  switch (f) {
    case STRATA_FLAVOR_4:
    case STRATA_FLAVOR_4_MIN: return 4;
    case STRATA_FLAVOR_5:
    case STRATA_FLAVOR_5_MIN: return 5;
    case STRATA_FLAVOR_6: return 6;
    default: return 8;
  }
}
/// log2 of the offset; only for flavors without minimum.
static inline int strata_flavor_offset_shift(strata_flavor f) { return strata_flavor_bits(f) - 1; }
static inline int64_t strata_flavor_scales_at(strata_flavor f) {
  switch (strata_flavor_bits(f)) {
    case 4: return 256;
    case 5: return 320;
    case 6: return 384;
    default: return 512;
  }
}
static inline int64_t strata_flavor_cell_bytes(strata_flavor f) {
  return strata_flavor_scales_at(f) + (strata_flavor_has_min(f) || f == STRATA_FLAVOR_6 ? 64 : 32);
}

/// Code i (0...63) of group g of a cell of `bits` bits.
static inline int strata_cell_code(int bits, const uint8_t *cell, int g, int i) {
  if (bits == 8) return cell[g * 64 + i];
  int code = cell[g % 4 * 64 + i] >> (g / 4 * 4) & 15;
  if (bits == 5) code |= (cell[256 + i] >> g & 1) << 4;
  if (bits == 6) code |= (cell[256 + g / 4 * 64 + i] >> (g % 4 * 2) & 3) << 4;
  return code;
}

/// Blocks of columns that AVX-512 and AMX sum before the sums go to y: pieces of equal length, as few as fit. Two
/// panels' cells, opened, are then 36 KB, three quarters of the first-level cache.
enum { STRATA_PIECE_BLOCKS = 24 };
static inline int64_t strata_piece_blocks(int64_t blocks) {
  return strata_ceil_div(blocks, strata_max64(strata_ceil_div(blocks, STRATA_PIECE_BLOCKS), 1));
}

struct strata_matrix {
  strata_type type;
  strata_flavor flavor;
  int64_t rows, cols;
  int64_t panels;       // rows / 16, rounded up; missing rows are zero
  int64_t blocks;       // cols / 32, of quantized matrices
  int64_t panel_bytes;  // from one panel to the next
  uint8_t *data;        // 64-byte aligned
  float *factors;       // [panels * 16], or NULL
  size_t data_bytes;
};

// MARK: Activations

// Rows of x in tiles of as many rows as the family likes, prepared once per call for all products that share it. For quantized
// weights a tile holds, per block of 32 columns, T being the tile's rows:
//   codes  [8][T][4] bytes: x / scale rounded, -127...127; those for `many` may have 128 added or lie as [T][32]
//   scale  [T] float
//   sum    [T] float: scale times the sum of codes, which multiplies the weights' minimum
//   low, high [T] int32: minus the sums of codes over columns 0...15 and 16...31
// (sums are of codes before 128 is added).
// For float weights a tile is [cols][T] float. For BF16 weights, where a family multiplies them as such, it is
// `strata_pairs` times T pairs of bfloat16 in the order that the family likes.
enum { STRATA_TILE = 6, STRATA_FLOAT_TILE = 12 };

static inline int64_t strata_tile_block_bytes(int64_t rows) { return rows * (STRATA_BLOCK + 16); }

/// Pairs of columns that a row of BF16 takes.
static inline int64_t strata_pairs(int64_t cols) { return strata_ceil_div(cols, STRATA_BLOCK) * (STRATA_BLOCK / 2); }

// What a family needs of x besides floats; each is NULL when no product needs it.
typedef struct strata_activations {
  const uint8_t *quantized;
  const float *interleaved;
  const uint32_t *pairs;
  int64_t m, cols;
  int64_t tile_rows;  // of all quantized tiles but the last
} strata_activations;

// MARK: Kernels of a family

typedef struct strata_product_kernels {
  /// Quantizes `rows` rows of x into one tile, for `many` or for `few`. `sums` tells whether any product needs those of
  /// a tile for `many`.
  void (*quantize_tile)(
      const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums);
  /// Rows of a tile for `few`, at most, and for `many`; and the most rows that `few` is the faster for.
  int64_t few_rows, many_rows, few_limit;
  /// y for panels first..<last straight from packed weights.
  void (*few)(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last);
  /// y for panels first..<last (at most two) and rows from..<to, which starts at a tile.
  void (*many)(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last, int64_t from,
               int64_t to);
  /// The same for float weights.
  void (*floats)(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last, int64_t from,
                 int64_t to);
  /// The same for BF16 weights and x rounded to BF16, and what rounds up to `pair_rows` rows of x to one tile; without
  /// them (0, NULL) BF16 weights are float weights like others.
  int64_t pair_rows;
  void (*pair_tile)(const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint32_t *tile);
  void (*pairs)(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last, int64_t from,
                int64_t to);
} strata_product_kernels;

extern const strata_product_kernels strata_products_portable;
#if STRATA_X86
extern const strata_product_kernels strata_products_avx2;
extern const strata_product_kernels strata_products_avx512;
extern const strata_product_kernels strata_products_avx512_bf16;
#endif

#if STRATA_NEON
extern const strata_product_kernels strata_products_neon;
#endif

const strata_product_kernels *strata_products(void);

/// `strata_matmul_many` with given kernels.
void strata_matmul_with(
    const strata_product_kernels *kernels, strata_pool *pool, const float *x, int64_t x_stride, int64_t m,
    const strata_matmul_job *jobs, int64_t job_count);

#endif
