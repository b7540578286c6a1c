// Products over AMX tiles. The including file defines STRATA_FAMILY_ISA and includes lanes.h, and gives
//   T_CONFIGURE(shape), T_RELEASE(), T_ZERO(c), T_LOAD(t, address, stride), T_STORE(t, address, stride),
//   T_DOT_BYTES(c, a, b), T_DOT_PAIRS(c, a, b)          tiles are literals
//   family_fma(a, b, c)                                 a * b + c, rounded once
//   family_open(flavor, cell, blocks, out, step)        opens `blocks` cells into out[0], out[step] …
// Tiles 0...3 are sums, 4 and 5 rows of x, 6 and 7 weights.
//
// Why 8-bit tiles with a scale per 32 columns, counted for a core with two 512-bit ALU ports, two loads and one store
// a cycle, per 16 rows of x by 16 weight rows by 32 columns (8,192 products):
//   AVX-512 VNNI   128 vpdpbusd + 48 to convert and scale, at 2 a cycle: 88 cycles
//   8-bit tiles    TDPBSSD 8, beside 48 to convert and scale: 24; 16 stores of sums; 24 loads of tiles, 16 of sums and
//                  16 of scales at 2 a cycle: 28, the bound when all overlap
//   bf16 tiles     TDPBF16PS 16, no scaling, once a panel is turned into bfloat16
// bfloat16 would be up to 1.8 times faster still, but decoding could not afford to turn weights into bfloat16 for one
// row, so a row's result would depend on the size of its batch, and speculation, chunked prompts and cached prefixes
// with it. 8-bit sums are exact and are scaled in the order of the AVX-512 kernels: the results are theirs to the bit,
// few rows stay with them, and so does every test. One dot product of K = 64 would halve the tile work, which is not
// the bound, and would need both blocks to share a scale. BF16 weights take bfloat16 tiles for any number of rows.

static void family_shape(int rows, int k_bytes) {
  strata_tile_shape shape = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) {
    shape.rows[tile] = (uint8_t)(tile < 6 ? rows : k_bytes / 4);
    shape.column_bytes[tile] = (uint16_t)(tile == 4 || tile == 5 ? k_bytes : 64);
  }
  T_CONFIGURE(&shape);
}

static void family_amx_finish(const strata_matmul_job *job, int64_t panel, int64_t row, v16 sums, bool begin) {
  const strata_matrix *w = job->weights;
  int64_t first = panel * STRATA_PANEL, used = strata_min64(STRATA_PANEL, w->rows - first);
  float *y = job->y + row * job->y_stride + first;
  if (w->factors) sums = sums * v_load(w->factors + first);
  if (used == STRATA_PANEL) {
    if (begin && job->bias) sums += v_load(job->bias + first);
    if (!begin || job->accumulate) sums += v_load(y);
    v_store(y, sums);
  } else {
    if (begin && job->bias) sums += v_load_part(job->bias + first, used, 0);
    if (!begin || job->accumulate) sums += v_load_part(y, used, 0);
    v_store_part(y, sums, used);
  }
}

// MARK: Quantized weights

/// Sums of a tile's 16 rows and a panel over `blocks` blocks. A step is what one scale covers: a block, or half of one.
/// While one step's sums are scaled, the tile unit works on the next.
STRATA_INLINE void family_amx_steps(const bool halves, const bool minimum, const strata_tile_cell *cells, int64_t step,
                                    const uint8_t *tile, int64_t rows, int64_t blocks, v16 out[STRATA_TILE_ROWS]) {
  v16 sums[STRATA_TILE_ROWS];  // kept in registers
  int32_t dots[2][STRATA_TILE_ROWS][16] __attribute__((aligned(64)));
  const int64_t parts = halves ? 2 : 1, steps = blocks * parts, block_bytes = strata_tile_block_bytes(rows);
  STRATA_UNROLL for (int t = 0; t < STRATA_TILE_ROWS; t++) sums[t] = v_set(0);
#define STRATA_ISSUE(SUM, X, W, STEP)                                                                               \
  do {                                                                                                              \
    int64_t block = (STEP) / parts, part = (STEP) % parts;                                                          \
    T_LOAD(W, cells[block * step].codes[part * 4], 64);                                                             \
    T_LOAD(X, tile + block * block_bytes + part * 16, STRATA_BLOCK);                                                \
    T_ZERO(SUM);                                                                                                    \
    T_DOT_BYTES(SUM, X, W);                                                                                         \
    T_STORE(SUM, dots[SUM], 64);                                                                                    \
  } while (0)
  STRATA_ISSUE(0, 4, 6, 0);
  for (int64_t s = 0; s < steps; s++) {
    if (s + 1 < steps) {
      if (s % 2 == 0) STRATA_ISSUE(1, 5, 7, s + 1);
      else STRATA_ISSUE(0, 4, 6, s + 1);
    }
    const strata_tile_cell *cell = &cells[s / parts * step];
    const float *scales = (const float *)(const void *)(tile + s / parts * block_bytes + rows * STRATA_BLOCK);
    v16 scale = v_load(s % parts ? cell->second : cell->scale), low = v_load(cell->second);
    STRATA_UNROLL for (int t = 0; t < STRATA_TILE_ROWS; t++) {
      v16i words;
      memcpy(&words, dots[s % 2][t], sizeof words);
      sums[t] = family_fma(__builtin_convertvector(words, v16), scale * v_set(scales[t]), sums[t]);
      if (minimum) sums[t] = family_fma(low, v_set(scales[rows + t]), sums[t]);
    }
  }
#undef STRATA_ISSUE
  STRATA_UNROLL for (int t = 0; t < STRATA_TILE_ROWS; t++) out[t] = sums[t];
}

#define STRATA_AMX_STEPS(NAME, HALVES, MINIMUM)                                                                     \
  static void family_amx_##NAME(const strata_tile_cell *cells, int64_t step, const uint8_t *tile, int64_t rows,     \
                                int64_t blocks, v16 *sums) {                                                        \
    family_amx_steps(HALVES, MINIMUM, cells, step, tile, rows, blocks, sums);                                       \
  }
STRATA_AMX_STEPS(plain, false, false)
STRATA_AMX_STEPS(minimum, false, true)
STRATA_AMX_STEPS(halves, true, false)

/// Tiles of fewer than 16 rows are read as if they had 16: what lies behind them gives sums that nobody stores.
static void family_amx_many(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                            int64_t from, int64_t to) {
  const strata_matrix *w = job->weights;
  bool halves = w->flavor == STRATA_FLAVOR_6, minimum = strata_flavor_has_min(w->flavor);
  void (*steps)(const strata_tile_cell *, int64_t, const uint8_t *, int64_t, int64_t, v16 *) =
      halves ? family_amx_halves : minimum ? family_amx_minimum : family_amx_plain;
  strata_tile_cell cells[STRATA_PIECE_BLOCKS * 2];
  int64_t panels = last - first, piece = strata_piece_blocks(w->blocks);
  family_shape(STRATA_TILE_ROWS, halves ? 16 : 32);
  for (int64_t block = 0; block < w->blocks; block += piece) {
    int64_t blocks = strata_min64(piece, w->blocks - block);
    for (int64_t p = 0; p < panels; p++) {
      const uint8_t *cell = w->data + (first + p) * w->panel_bytes + block * strata_flavor_cell_bytes(w->flavor);
      family_open(w->flavor, cell, blocks, cells + p, panels);
    }
    for (int64_t row = from; row < to; row += x->tile_rows) {
      int64_t rows = strata_min64(x->tile_rows, x->m - row);
      const uint8_t *tile = x->quantized + strata_tile_block_bytes(1) * row * w->blocks;
      tile += block * strata_tile_block_bytes(rows);
      for (int64_t p = 0; p < panels; p++) {
        v16 sums[STRATA_TILE_ROWS];
        steps(cells + p, panels, tile, rows, blocks, sums);
        for (int64_t t = 0; t < rows; t++) family_amx_finish(job, first + p, row + t, sums[t], block == 0);
      }
    }
  }
  T_RELEASE();
}

// MARK: bfloat16 weights

/// R tiles of rows of x by P panels over `blocks` blocks of 32 columns. A tile of x lies as [block][rows][32].
STRATA_INLINE void family_amx_pair_tiles(const int R, const int P, const uint8_t *weights, int64_t panel_bytes,
                                         const uint8_t *x[2], const int64_t rows[2], int64_t blocks,
                                         float sums[4][STRATA_TILE_ROWS][16]) {
  T_ZERO(0);
  if (P > 1) T_ZERO(1);
  if (R > 1) T_ZERO(2);
  if (R > 1 && P > 1) T_ZERO(3);
  for (int64_t block = 0; block < blocks; block++) {
    T_LOAD(6, weights + block * 1024, 64);
    T_LOAD(4, x[0] + block * rows[0] * 64, 64);
    T_DOT_PAIRS(0, 4, 6);
    if (P > 1) {
      T_LOAD(7, weights + panel_bytes + block * 1024, 64);
      T_DOT_PAIRS(1, 4, 7);
    }
    if (R > 1) {
      T_LOAD(5, x[1] + block * rows[1] * 64, 64);
      T_DOT_PAIRS(2, 5, 6);
      if (P > 1) T_DOT_PAIRS(3, 5, 7);
    }
  }
  T_STORE(0, sums[0], 64);
  if (P > 1) T_STORE(1, sums[1], 64);
  if (R > 1) T_STORE(2, sums[2], 64);
  if (R > 1 && P > 1) T_STORE(3, sums[3], 64);
}

static void family_amx_pairs(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                             int64_t from, int64_t to) {
  enum { PIECE = 12 };  // two panels of as many blocks are 24 KB
  const strata_matrix *w = job->weights;
  int64_t pairs = strata_pairs(w->cols), all = pairs / 16, panels = last - first;
  float sums[4][STRATA_TILE_ROWS][16] __attribute__((aligned(64)));
  family_shape(STRATA_TILE_ROWS, 64);
  for (int64_t block = 0; block < all; block += PIECE) {
    int64_t blocks = strata_min64(PIECE, all - block);
    const uint8_t *weights = w->data + first * w->panel_bytes + block * 1024;
    for (int64_t row = from; row < to; row += 2 * STRATA_TILE_ROWS) {
      int tiles = to - row > STRATA_TILE_ROWS ? 2 : 1;
      int64_t rows[2] = {0};
      const uint8_t *place[2] = {NULL};
      for (int r = 0; r < tiles; r++) {
        rows[r] = strata_min64(STRATA_TILE_ROWS, x->m - row - r * STRATA_TILE_ROWS);
        place[r] = (const uint8_t *)(x->pairs + (row + r * STRATA_TILE_ROWS) * pairs) + block * rows[r] * 64;
      }
      if (tiles == 2 && panels == 2) family_amx_pair_tiles(2, 2, weights, w->panel_bytes, place, rows, blocks, sums);
      else if (tiles == 2) family_amx_pair_tiles(2, 1, weights, w->panel_bytes, place, rows, blocks, sums);
      else if (panels == 2) family_amx_pair_tiles(1, 2, weights, w->panel_bytes, place, rows, blocks, sums);
      else family_amx_pair_tiles(1, 1, weights, w->panel_bytes, place, rows, blocks, sums);
      for (int r = 0; r < tiles; r++) {
        for (int64_t t = 0; t < rows[r]; t++) {
          for (int64_t p = 0; p < panels; p++) {
            family_amx_finish(
                job, first + p, row + r * STRATA_TILE_ROWS + t, v_load(sums[r * 2 + p][t]), block == 0);
          }
        }
      }
    }
  }
  T_RELEASE();
}
