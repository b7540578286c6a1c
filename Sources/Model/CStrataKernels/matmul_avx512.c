// Products of quantized weights with AVX-512 (VNNI). Sixteen weight rows are the lanes of a vector, four columns the
// bytes of a lane, so one vpdpbusd adds 64 products and no horizontal sum is ever needed.
#include "amx.h"
#include "avx512.h"

#if STRATA_X86

// MARK: Unpacking

/// The unsigned codes of group `g` of a cell. The loads repeat for two groups each; the compiler merges them.
STRATA_INLINE __m512i strata_codes(strata_flavor flavor, const uint8_t *cell, const int g) {
  int bits = strata_flavor_bits(flavor);
  if (bits == 8) return _mm512_loadu_si512(cell + g * 64);
  __m512i nibbles = _mm512_loadu_si512(cell + g % 4 * 64);
  if (g >= 4) nibbles = _mm512_srli_epi16(nibbles, 4);
  nibbles = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
  if (bits == 4) return nibbles;
  __m512i high = _mm512_loadu_si512(cell + 256 + (bits == 6 ? g / 4 * 64 : 0));
  int position = bits == 6 ? g % 4 * 2 : g;  // where this group's bits lie in a byte; they are wanted at bit 4
  high = position < 4 ? _mm512_slli_epi16(high, 4 - position) : _mm512_srli_epi16(high, position - 4);
  return _mm512_ternarylogic_epi64(nibbles, high, _mm512_set1_epi8(bits == 6 ? 0x30 : 0x10), 0xf8);  // a | b & c
}

STRATA_INLINE __m512 strata_halves(const uint8_t *halves) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)halves));
}

STRATA_INLINE __m512i strata_word(const uint8_t *bytes) {
  int32_t word;
  __builtin_memcpy(&word, bytes, 4);
  return _mm512_set1_epi32(word);
}

STRATA_INLINE __m512 strata_float(const uint8_t *bytes) {
  float value;
  __builtin_memcpy(&value, bytes, 4);
  return _mm512_set1_ps(value);
}

// MARK: Few rows: straight from packed weights

// Sums and dots of twelve rows, the codes and a scale stay in the 32 registers.
enum { STRATA_FEW_TILE = 12 };

/// T rows of x times a panel, `blocks` blocks: sums [T] are left in registers by inlining.
STRATA_INLINE void strata_few_blocks(
    const strata_flavor flavor, const int T, const uint8_t *cell, const uint8_t *tile, int64_t blocks,
    __m512 sums[STRATA_FEW_TILE]) {
  const int64_t cell_bytes = strata_flavor_cell_bytes(flavor), scales_at = strata_flavor_scales_at(flavor);
  STRATA_UNROLL for (int t = 0; t < T; t++) sums[t] = _mm512_setzero_ps();
  for (int64_t block = 0; block < blocks; block++, cell += cell_bytes, tile += strata_tile_block_bytes(T)) {
    const uint8_t *scales = tile + T * STRATA_BLOCK, *totals = scales + 4 * T, *lows = totals + 4 * T;
    STRATA_UNROLL for (int line = 0; line < (int)(cell_bytes + 63) / 64; line++) {
      _mm_prefetch((const char *)cell + 3072 + line * 64, _MM_HINT_T0);
    }
    __m512i dots[STRATA_FEW_TILE], upper[STRATA_FEW_TILE];
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      __m512i low = strata_word(lows + 4 * t), high = strata_word(lows + 4 * T + 4 * t);
      int shift = strata_flavor_offset_shift(flavor);
      if (strata_flavor_has_min(flavor)) dots[t] = _mm512_setzero_si512();
      else if (flavor == STRATA_FLAVOR_6) dots[t] = _mm512_slli_epi32(low, (unsigned)shift);
      else dots[t] = _mm512_slli_epi32(_mm512_add_epi32(low, high), (unsigned)shift);
      upper[t] = _mm512_slli_epi32(high, (unsigned)shift);
    }
    STRATA_UNROLL for (int g = 0; g < STRATA_GROUPS; g++) {
      __m512i codes = strata_codes(flavor, cell, g);
      STRATA_UNROLL for (int t = 0; t < T; t++) {
        __m512i x = strata_word(tile + (g * T + t) * 4);
        if (flavor == STRATA_FLAVOR_6 && g >= 4) upper[t] = _mm512_dpbusd_epi32(upper[t], codes, x);
        else dots[t] = _mm512_dpbusd_epi32(dots[t], codes, x);
      }
    }
    __m512 scale = strata_halves(cell + scales_at);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      __m512 d = strata_float(scales + 4 * t);
      sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t]), _mm512_mul_ps(scale, d), sums[t]);
      if (flavor == STRATA_FLAVOR_6) {
        __m512 second = _mm512_mul_ps(strata_halves(cell + scales_at + 32), d);
        sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(upper[t]), second, sums[t]);
      } else if (strata_flavor_has_min(flavor)) {
        sums[t] = _mm512_fmadd_ps(strata_halves(cell + scales_at + 32), strata_float(totals + 4 * t), sums[t]);
      }
    }
  }
}

/// Sums are cut where those of many rows are, so that a row's result does not depend on how many share the call.
STRATA_INLINE void strata_few_panel(
    const strata_flavor flavor, const int T, const strata_matmul_job *job, const uint8_t *tile, int64_t panel,
    int64_t row) {
  const strata_matrix *w = job->weights;
  const int64_t piece = strata_piece_blocks(w->blocks);
  __m512 outputs[STRATA_FEW_TILE];
  for (int64_t block = 0; block < w->blocks; block += piece) {
    const uint8_t *cell = w->data + panel * w->panel_bytes + block * strata_flavor_cell_bytes(flavor);
    __m512 sums[STRATA_FEW_TILE];
    strata_few_blocks(
        flavor, T, cell, tile + block * strata_tile_block_bytes(T), strata_min64(piece, w->blocks - block), sums);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      outputs[t] = block == 0 ? strata_begin(job, panel, row + t, sums[t])
                              : strata_continue(job, panel, outputs[t], sums[t]);
    }
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) strata_store(job, panel, row + t, outputs[t]);
}

#define STRATA_FEW(NAME, FLAVOR)                                                                                    \
  STRATA_TARGET static void strata_few_##NAME(                                                                      \
      const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last) {                     \
    for (int64_t panel = first; panel < last; panel++) {                                                            \
      for (int64_t row = 0; row < x->m; row += x->tile_rows) {                                                      \
        const uint8_t *tile = x->quantized + strata_tile_block_bytes(1) * row * job->weights->blocks;               \
        switch (strata_min64(x->tile_rows, x->m - row)) {                                                           \
          case 1: strata_few_panel(FLAVOR, 1, job, tile, panel, row); break;                                        \
          case 2: strata_few_panel(FLAVOR, 2, job, tile, panel, row); break;                                        \
          case 3: strata_few_panel(FLAVOR, 3, job, tile, panel, row); break;                                        \
          case 4: strata_few_panel(FLAVOR, 4, job, tile, panel, row); break;                                        \
          case 5: strata_few_panel(FLAVOR, 5, job, tile, panel, row); break;                                        \
          case 6: strata_few_panel(FLAVOR, 6, job, tile, panel, row); break;                                        \
          case 7: strata_few_panel(FLAVOR, 7, job, tile, panel, row); break;                                        \
          case 8: strata_few_panel(FLAVOR, 8, job, tile, panel, row); break;                                        \
          case 9: strata_few_panel(FLAVOR, 9, job, tile, panel, row); break;                                        \
          case 10: strata_few_panel(FLAVOR, 10, job, tile, panel, row); break;                                      \
          case 11: strata_few_panel(FLAVOR, 11, job, tile, panel, row); break;                                      \
          default: strata_few_panel(FLAVOR, 12, job, tile, panel, row); break;                                      \
        }                                                                                                           \
      }                                                                                                             \
    }                                                                                                               \
  }
STRATA_FEW(4, STRATA_FLAVOR_4)
STRATA_FEW(4_min, STRATA_FLAVOR_4_MIN)
STRATA_FEW(5, STRATA_FLAVOR_5)
STRATA_FEW(5_min, STRATA_FLAVOR_5_MIN)
STRATA_FEW(6, STRATA_FLAVOR_6)
STRATA_FEW(8, STRATA_FLAVOR_8)

void strata_few_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last) {
  switch (job->weights->flavor) {
    case STRATA_FLAVOR_4: strata_few_4(job, x, first, last); return;
    case STRATA_FLAVOR_4_MIN: strata_few_4_min(job, x, first, last); return;
    case STRATA_FLAVOR_5: strata_few_5(job, x, first, last); return;
    case STRATA_FLAVOR_5_MIN: strata_few_5_min(job, x, first, last); return;
    case STRATA_FLAVOR_6: strata_few_6(job, x, first, last); return;
    default: strata_few_8(job, x, first, last); return;
  }
}

// MARK: Many rows: unpacked once into first-level cache

// For many rows the activations are the unsigned operand (128 added), so the correction, minus 128 times the sum of a
// row's codes, depends on the weights alone and is what the sums of dots start from.
typedef struct strata_open_cell {
  int8_t codes[STRATA_GROUPS][64];  // less the offset
  int32_t start[16];
  float scale[16];
  float second[16];        // minimums, or scales of columns 16...31
  int32_t second_start[16];
} __attribute__((aligned(64))) strata_open_cell;

STRATA_INLINE void strata_open(const strata_flavor flavor, const uint8_t *cell, strata_open_cell *out) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i offset = _mm512_set1_epi8((char)(1 << strata_flavor_offset_shift(flavor)));
  __m512i total = _mm512_setzero_si512(), upper = total;
  STRATA_UNROLL for (int g = 0; g < STRATA_GROUPS; g++) {
    __m512i codes = strata_codes(flavor, cell, g);
    if (!strata_flavor_has_min(flavor)) codes = _mm512_sub_epi8(codes, offset);
    _mm512_store_si512(out->codes[g], codes);
    if (flavor == STRATA_FLAVOR_6 && g >= 4) upper = _mm512_dpbusd_epi32(upper, ones, codes);
    else total = _mm512_dpbusd_epi32(total, ones, codes);
  }
  const uint8_t *scales = cell + strata_flavor_scales_at(flavor);
  _mm512_store_si512(out->start, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(total, 7)));
  _mm512_store_ps(out->scale, strata_halves(scales));
  if (strata_flavor_has_min(flavor) || flavor == STRATA_FLAVOR_6) {
    _mm512_store_ps(out->second, strata_halves(scales + 32));
    _mm512_store_si512(out->second_start, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(upper, 7)));
  }
}

#define STRATA_OPEN(NAME, FLAVOR)                                                                                   \
  STRATA_TARGET static void strata_open_##NAME(                                                                     \
      const uint8_t *cell, int64_t blocks, strata_open_cell *out, int64_t step) {                                   \
    for (int64_t block = 0; block < blocks; block++) {                                                              \
      strata_open(FLAVOR, cell + block * strata_flavor_cell_bytes(FLAVOR), out + block * step);                     \
    }                                                                                                               \
  }
STRATA_OPEN(4, STRATA_FLAVOR_4)
STRATA_OPEN(4_min, STRATA_FLAVOR_4_MIN)
STRATA_OPEN(5, STRATA_FLAVOR_5)
STRATA_OPEN(5_min, STRATA_FLAVOR_5_MIN)
STRATA_OPEN(6, STRATA_FLAVOR_6)
STRATA_OPEN(8, STRATA_FLAVOR_8)

static void strata_open_cells(
    strata_flavor flavor, const uint8_t *cell, int64_t blocks, strata_open_cell *out, int64_t step) {
  switch (flavor) {
    case STRATA_FLAVOR_4: strata_open_4(cell, blocks, out, step); return;
    case STRATA_FLAVOR_4_MIN: strata_open_4_min(cell, blocks, out, step); return;
    case STRATA_FLAVOR_5: strata_open_5(cell, blocks, out, step); return;
    case STRATA_FLAVOR_5_MIN: strata_open_5_min(cell, blocks, out, step); return;
    case STRATA_FLAVOR_6: strata_open_6(cell, blocks, out, step); return;
    default: strata_open_8(cell, blocks, out, step); return;
  }
}

typedef enum strata_kind { STRATA_PLAIN, STRATA_MINIMUM, STRATA_HALVES } strata_kind;

/// T rows of x times P panels, `blocks` blocks: sums [P][T] are left in registers by inlining.
STRATA_INLINE void strata_open_tile(
    const strata_kind kind, const int P, const int T, const strata_open_cell *cells, const uint8_t *tile,
    int64_t blocks, __m512 sums[2][STRATA_TILE]) {
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    STRATA_UNROLL for (int t = 0; t < T; t++) sums[p][t] = _mm512_setzero_ps();
  }
  for (int64_t block = 0; block < blocks; block++, cells += P, tile += strata_tile_block_bytes(T)) {
    const uint8_t *scales = tile + T * STRATA_BLOCK, *totals = scales + 4 * T;
    STRATA_UNROLL for (int half = 0; half < (kind == STRATA_HALVES ? 2 : 1); half++) {
      __m512i dots[2][STRATA_TILE];
      STRATA_UNROLL for (int p = 0; p < P; p++) {
        __m512i start = _mm512_load_si512(half ? cells[p].second_start : cells[p].start);
        STRATA_UNROLL for (int t = 0; t < T; t++) dots[p][t] = start;
      }
      const int groups = kind == STRATA_HALVES ? 4 : 8;
      STRATA_UNROLL for (int g = half * 4; g < half * 4 + groups; g++) {
        __m512i codes[2];
        STRATA_UNROLL for (int p = 0; p < P; p++) codes[p] = _mm512_load_si512(cells[p].codes[g]);
        STRATA_UNROLL for (int t = 0; t < T; t++) {
          __m512i x = strata_word(tile + (g * T + t) * 4);
          STRATA_UNROLL for (int p = 0; p < P; p++) dots[p][t] = _mm512_dpbusd_epi32(dots[p][t], x, codes[p]);
        }
      }
      STRATA_UNROLL for (int p = 0; p < P; p++) {
        __m512 scale = _mm512_load_ps(half ? cells[p].second : cells[p].scale);
        STRATA_UNROLL for (int t = 0; t < T; t++) {
          __m512 product = _mm512_mul_ps(scale, strata_float(scales + 4 * t));
          sums[p][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[p][t]), product, sums[p][t]);
        }
      }
    }
    if (kind == STRATA_MINIMUM) {
      STRATA_UNROLL for (int p = 0; p < P; p++) {
        __m512 minimum = _mm512_load_ps(cells[p].second);
        STRATA_UNROLL for (int t = 0; t < T; t++) {
          sums[p][t] = _mm512_fmadd_ps(minimum, strata_float(totals + 4 * t), sums[p][t]);
        }
      }
    }
  }
}

/// Where one call of a tile kernel reads and writes.
typedef struct strata_tile_place {
  const strata_matmul_job *job;
  const strata_open_cell *cells;
  const uint8_t *tile;
  int64_t blocks, panel, row;
  bool begin;
} strata_tile_place;

#define STRATA_TILE_KERNEL(KIND, P, T)                                                                              \
  STRATA_TARGET static void strata_tile_##KIND##_##P##_##T(const strata_tile_place *at) {                           \
    __m512 sums[2][STRATA_TILE];                                                                                    \
    strata_open_tile(KIND, P, T, at->cells, at->tile, at->blocks, sums);                                            \
    STRATA_UNROLL for (int p = 0; p < P; p++) {                                                                     \
      STRATA_UNROLL for (int t = 0; t < T; t++) {                                                                   \
        strata_finish(at->job, at->panel + p, at->row + t, sums[p][t], at->begin);                                  \
      }                                                                                                             \
    }                                                                                                               \
  }
#define STRATA_TILE_KERNELS(KIND, P)                                                                                \
  STRATA_TILE_KERNEL(KIND, P, 1) STRATA_TILE_KERNEL(KIND, P, 2) STRATA_TILE_KERNEL(KIND, P, 3)                      \
  STRATA_TILE_KERNEL(KIND, P, 4) STRATA_TILE_KERNEL(KIND, P, 5) STRATA_TILE_KERNEL(KIND, P, 6)
STRATA_TILE_KERNELS(STRATA_PLAIN, 1)
STRATA_TILE_KERNELS(STRATA_PLAIN, 2)
STRATA_TILE_KERNELS(STRATA_MINIMUM, 1)
STRATA_TILE_KERNELS(STRATA_MINIMUM, 2)
STRATA_TILE_KERNELS(STRATA_HALVES, 1)
STRATA_TILE_KERNELS(STRATA_HALVES, 2)

#define STRATA_TILE_ROW(KIND, P)                                                                                    \
  {                                                                                                                 \
    strata_tile_##KIND##_##P##_1, strata_tile_##KIND##_##P##_2, strata_tile_##KIND##_##P##_3,                       \
        strata_tile_##KIND##_##P##_4, strata_tile_##KIND##_##P##_5, strata_tile_##KIND##_##P##_6                    \
  }
static void (*const strata_tile_table[3][2][STRATA_TILE])(const strata_tile_place *) = {
    {STRATA_TILE_ROW(STRATA_PLAIN, 1), STRATA_TILE_ROW(STRATA_PLAIN, 2)},
    {STRATA_TILE_ROW(STRATA_MINIMUM, 1), STRATA_TILE_ROW(STRATA_MINIMUM, 2)},
    {STRATA_TILE_ROW(STRATA_HALVES, 1), STRATA_TILE_ROW(STRATA_HALVES, 2)}};

static void strata_many(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                        int64_t from, int64_t to) {
  const strata_matrix *w = job->weights;
  strata_open_cell cells[STRATA_PIECE_BLOCKS * 2];
  strata_kind kind = strata_flavor_has_min(w->flavor) ? STRATA_MINIMUM
      : w->flavor == STRATA_FLAVOR_6                  ? STRATA_HALVES
                                                      : STRATA_PLAIN;
  int64_t panels = last - first, piece = strata_piece_blocks(w->blocks);
  for (int64_t block = 0; block < w->blocks; block += piece) {
    int64_t blocks = strata_min64(piece, w->blocks - block);
    for (int64_t p = 0; p < panels; p++) {
      const uint8_t *cell = w->data + (first + p) * w->panel_bytes + block * strata_flavor_cell_bytes(w->flavor);
      strata_open_cells(w->flavor, cell, blocks, cells + p, panels);
    }
    for (int64_t row = from; row < to; row += STRATA_TILE) {
      int64_t rows = strata_min64(STRATA_TILE, x->m - row);
      const uint8_t *tile = x->quantized + strata_tile_block_bytes(1) * row * w->blocks;
      tile += block * strata_tile_block_bytes(rows);
      strata_tile_place at = {job, cells, tile, blocks, first, row, block == 0};
      strata_tile_table[kind][panels - 1][rows - 1](&at);
    }
  }
}

// MARK: Cells for tiles

STRATA_INLINE void strata_open_for_tile(const strata_flavor flavor, const uint8_t *cell, strata_tile_cell *out) {
  __m512i offset = _mm512_set1_epi8((char)(1 << strata_flavor_offset_shift(flavor)));
  STRATA_UNROLL for (int g = 0; g < STRATA_GROUPS; g++) {
    __m512i codes = strata_codes(flavor, cell, g);
    if (!strata_flavor_has_min(flavor)) codes = _mm512_sub_epi8(codes, offset);
    _mm512_store_si512(out->codes[g], codes);
  }
  const uint8_t *scales = cell + strata_flavor_scales_at(flavor);
  _mm512_store_ps(out->scale, strata_halves(scales));
  if (strata_flavor_has_min(flavor) || flavor == STRATA_FLAVOR_6) {
    _mm512_store_ps(out->second, strata_halves(scales + 32));
  }
}

#define STRATA_OPEN_TILE_CASE(FLAVOR)                                                                               \
  case FLAVOR:                                                                                                      \
    for (; blocks > 0; blocks--, cell += strata_flavor_cell_bytes(FLAVOR), out += step) {                           \
      strata_open_for_tile(FLAVOR, cell, out);                                                                      \
    }                                                                                                               \
    return;
STRATA_TARGET void strata_open_tile_cells_avx512(
    strata_flavor flavor, const uint8_t *cell, int64_t blocks, strata_tile_cell *out, int64_t step) {
  switch (flavor) {
    STRATA_OPEN_TILE_CASE(STRATA_FLAVOR_4)
    STRATA_OPEN_TILE_CASE(STRATA_FLAVOR_4_MIN)
    STRATA_OPEN_TILE_CASE(STRATA_FLAVOR_5)
    STRATA_OPEN_TILE_CASE(STRATA_FLAVOR_5_MIN)
    STRATA_OPEN_TILE_CASE(STRATA_FLAVOR_6)
    STRATA_OPEN_TILE_CASE(STRATA_FLAVOR_8)
    default: return;
  }
}

const strata_product_kernels strata_products_avx512 = {
    .quantize_tile = strata_quantize_tile_avx512, .few_rows = STRATA_FEW_TILE, .few_limit = 96,
    .few = strata_few_avx512, .many_rows = STRATA_TILE, .many = strata_many, .floats = strata_floats_avx512};
const strata_product_kernels strata_products_avx512_bf16 = {
    .quantize_tile = strata_quantize_tile_avx512, .few_rows = STRATA_FEW_TILE, .few_limit = 96,
    .few = strata_few_avx512, .many_rows = STRATA_TILE, .many = strata_many, .floats = strata_floats_avx512,
    .pair_rows = STRATA_FLOAT_TILE, .pair_tile = strata_pair_tile_avx512, .pairs = strata_pairs_avx512};
#endif
