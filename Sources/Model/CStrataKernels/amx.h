// Products with AMX tiles: the tables, and what the kernels assume of a tile unit.
//
// A thin layer of macros stands for the instructions (amx_tiles.c: intrinsics, amx_software.c: the same in C), and
// amx_body.h is compiled over each. The software tiles give the same bits as the processor's, so packing, tiling and
// edges are tested everywhere, and a processor's tiles are compared with them before they are first used.
#ifndef STRATA_AMX_PRIVATE_H
#define STRATA_AMX_PRIVATE_H

#include "matrix.h"

enum { STRATA_TILE_ROWS = 16 };

/// The operand of LDTILECFG, palette 1 (Intel SDM volume 2, LDTILECFG): bytes of a row and rows of each tile.
typedef struct strata_tile_shape {
  uint8_t palette, start_row, reserved[14];
  uint16_t column_bytes[16];
  uint8_t rows[16];
} __attribute__((aligned(64))) strata_tile_shape;

/// Cells opened for tiles: codes less their offset, and what multiplies them.
typedef struct strata_tile_cell {
  int8_t codes[STRATA_GROUPS][64];
  float scale[16];
  float second[16];  // minimums, or scales of columns 16...31
} __attribute__((aligned(64))) strata_tile_cell;

/// Software tiles all the way, for machines without AVX-512.
extern const strata_product_kernels strata_products_amx_software;
#if STRATA_X86
/// The processor's tiles, and software tiles under otherwise the same kernels.
extern const strata_product_kernels strata_products_amx;
extern const strata_product_kernels strata_products_amx_checked;
#endif

#if STRATA_X86
/// The AVX-512 kernels around tiles: codes as [rows][32], pairs as [block][rows][16], cells without starts.
void strata_quantize_tile_amx(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums);
void strata_pair_tile_amx(const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint32_t *tile);
void strata_open_tile_cells_avx512(
    strata_flavor flavor, const uint8_t *cell, int64_t blocks, strata_tile_cell *out, int64_t step);
void strata_few_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last);
void strata_floats_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to);
#endif

/// Whether the processor and the system let this process use tiles, and its products are those of software tiles to
/// the bit. Asked once.
bool strata_amx_works(void);

/// The kernels of STRATA_ISA_AMX: the processor's tiles, or where software is allowed that.
const strata_product_kernels *strata_amx_products(void);
bool strata_amx_software_allowed(void);

#endif
