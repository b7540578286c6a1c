// Products with AVX2 and FMA. A panel's sixteen rows are two registers; bytes are multiplied to 16-bit pairs
// (vpmaddubsw), summed as long as 16 bits hold, then widened.
#include "matrix.h"

#if STRATA_X86
#include <immintrin.h>

#define STRATA_TARGET __attribute__((target("avx2,fma,f16c")))
#define STRATA_INLINE static inline __attribute__((always_inline)) STRATA_TARGET
#if defined(__clang__)
#define STRATA_UNROLL _Pragma("clang loop unroll(full)")
#else
#define STRATA_UNROLL _Pragma("GCC unroll 32")
#endif

/// A cell's codes, one byte each, and what multiplies them. Codes of 8 bits are signed, others unsigned.
typedef struct strata_open_cell {
  uint8_t codes[STRATA_GROUPS][64];
  float scale[16];
  float second[16];  // minimums, or scales of columns 16...31
} __attribute__((aligned(64))) strata_open_cell;

enum { STRATA_OPEN_BLOCKS = 32 };  // 20 KB, so that activations fit beside them in a first-level cache of 32 KB

// MARK: Activations

STRATA_INLINE float strata_largest(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
}

STRATA_INLINE __m256i strata_rounded(const float *x, __m256 inverse) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
}

STRATA_INLINE int32_t strata_sum_of_bytes(__m128i codes) {
  __m128i pairs = _mm_maddubs_epi16(_mm_set1_epi8(1), codes);
  __m128i words = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
  words = _mm_add_epi32(words, _mm_shuffle_epi32(words, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(words, _mm_shuffle_epi32(words, 0xb1)));
}

STRATA_TARGET static void strata_quantize_tile(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool need_sums) {
  (void)many;
  (void)need_sums;
  const __m256 absolute = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t block = 0; block < cols / STRATA_BLOCK; block++) {
      const float *source = x + row * x_stride + block * STRATA_BLOCK;
      uint8_t *target = tile + block * strata_tile_block_bytes(rows);
      __m256 bound = _mm256_setzero_ps();
      for (int i = 0; i < 4; i++) {
        bound = _mm256_max_ps(bound, _mm256_and_ps(_mm256_loadu_ps(source + 8 * i), absolute));
      }
      float largest = strata_largest(bound);
      bool usable = largest > 0 && largest <= 3e38f;  // a block with infinities counts as zero
      __m256 inverse = _mm256_set1_ps(usable ? 127 / largest : 0);
      __m256i low = _mm256_packs_epi32(strata_rounded(source, inverse), strata_rounded(source + 8, inverse));
      __m256i high = _mm256_packs_epi32(strata_rounded(source + 16, inverse), strata_rounded(source + 24, inverse));
      __m256i codes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
      if (!usable) codes = _mm256_setzero_si256();
      float *scales = (float *)(void *)(target + rows * STRATA_BLOCK);
      int32_t *sums = (int32_t *)(void *)(scales + 2 * rows), words[8];
      int32_t low_sum = strata_sum_of_bytes(_mm256_castsi256_si128(codes));
      int32_t high_sum = strata_sum_of_bytes(_mm256_extracti128_si256(codes, 1));
      scales[row] = usable ? largest / 127 : 0;
      scales[rows + row] = scales[row] * (float)(low_sum + high_sum);
      sums[row] = -low_sum;
      sums[rows + row] = -high_sum;
      _mm256_storeu_si256((__m256i *)(void *)words, codes);
      for (int g = 0; g < STRATA_GROUPS; g++) __builtin_memcpy(target + (g * rows + row) * 4, &words[g], 4);
    }
  }
}

// MARK: Unpacking

STRATA_INLINE __m256i strata_codes(strata_flavor flavor, const uint8_t *cell, const int g, const int half) {
  int bits = strata_flavor_bits(flavor);
  const uint8_t *at = cell + half * 32;
  if (bits == 8) {
    __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(at + g * 64));
    return _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
  }
  __m256i nibbles = _mm256_loadu_si256((const __m256i *)(const void *)(at + g % 4 * 64));
  if (g >= 4) nibbles = _mm256_srli_epi16(nibbles, 4);
  nibbles = _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
  if (bits == 4) return nibbles;
  __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(at + 256 + (bits == 6 ? g / 4 * 64 : 0)));
  int position = bits == 6 ? g % 4 * 2 : g;
  high = position < 4 ? _mm256_slli_epi16(high, 4 - position) : _mm256_srli_epi16(high, position - 4);
  return _mm256_or_si256(nibbles, _mm256_and_si256(high, _mm256_set1_epi8(bits == 6 ? 0x30 : 0x10)));
}

STRATA_INLINE void strata_halves(const uint8_t *halves, float *out) {
  const __m128i *source = (const __m128i *)(const void *)halves;
  _mm256_store_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(source)));
  _mm256_store_ps(out + 8, _mm256_cvtph_ps(_mm_loadu_si128(source + 1)));
}

STRATA_INLINE void strata_open(const strata_flavor flavor, const uint8_t *cell, strata_open_cell *out) {
  STRATA_UNROLL for (int g = 0; g < STRATA_GROUPS; g++) {
    STRATA_UNROLL for (int half = 0; half < 2; half++) {
      _mm256_store_si256((__m256i *)(void *)(out->codes[g] + half * 32), strata_codes(flavor, cell, g, half));
    }
  }
  strata_halves(cell + strata_flavor_scales_at(flavor), out->scale);
  if (strata_flavor_has_min(flavor) || flavor == STRATA_FLAVOR_6) {
    strata_halves(cell + strata_flavor_scales_at(flavor) + 32, out->second);
  }
}

#define STRATA_OPEN(NAME, FLAVOR)                                                                                   \
  STRATA_TARGET static void strata_open_##NAME(const uint8_t *cell, int64_t blocks, strata_open_cell *out) {        \
    for (int64_t block = 0; block < blocks; block++) {                                                              \
      strata_open(FLAVOR, cell + block * strata_flavor_cell_bytes(FLAVOR), out + block);                            \
    }                                                                                                               \
  }
STRATA_OPEN(4, STRATA_FLAVOR_4)
STRATA_OPEN(4_min, STRATA_FLAVOR_4_MIN)
STRATA_OPEN(5, STRATA_FLAVOR_5)
STRATA_OPEN(5_min, STRATA_FLAVOR_5_MIN)
STRATA_OPEN(6, STRATA_FLAVOR_6)
STRATA_OPEN(8, STRATA_FLAVOR_8)

static void strata_open_cells(strata_flavor flavor, const uint8_t *cell, int64_t blocks, strata_open_cell *out) {
  switch (flavor) {
    case STRATA_FLAVOR_4: strata_open_4(cell, blocks, out); return;
    case STRATA_FLAVOR_4_MIN: strata_open_4_min(cell, blocks, out); return;
    case STRATA_FLAVOR_5: strata_open_5(cell, blocks, out); return;
    case STRATA_FLAVOR_5_MIN: strata_open_5_min(cell, blocks, out); return;
    case STRATA_FLAVOR_6: strata_open_6(cell, blocks, out); return;
    default: strata_open_8(cell, blocks, out); return;
  }
}

// MARK: Products

/// A cell opened before, for many rows, or one that is unpacked on the way, for a single row. One is NULL, which
/// inlining turns into two kernels.
typedef struct strata_cell_source {
  const strata_open_cell *open;
  const uint8_t *packed;
} strata_cell_source;

STRATA_INLINE __m256 strata_source_scale(
    const strata_flavor flavor, const strata_cell_source *cell, const int second, const int half) {
  if (cell->open) return _mm256_load_ps((second ? cell->open->second : cell->open->scale) + 8 * half);
  const uint8_t *at = cell->packed + strata_flavor_scales_at(flavor) + second * 32 + half * 16;
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)at));
}

/// Adds groups first..<last of one row of x times 8 weight rows, in 32 bits. Products of 4-, 5- and 6-bit codes with
/// ±127 fit 16 bits in sums of 8, 4 and 2 groups; 8-bit codes move their sign to x, so that one group fits.
STRATA_INLINE __m256i strata_groups(const strata_flavor flavor, const strata_cell_source *cell, const int half,
                                    const uint8_t *x, int64_t group_bytes, const int first, const int last) {
  const int bits = strata_flavor_bits(flavor);
  const int run = bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
  __m256i total = _mm256_setzero_si256(), pairs = total;
  STRATA_UNROLL for (int g = first; g < last; g++) {
    int32_t word;
    __builtin_memcpy(&word, x + g * group_bytes, 4);
    __m256i values = _mm256_set1_epi32(word);
    __m256i codes = cell->open ? _mm256_load_si256((const __m256i *)(const void *)(cell->open->codes[g] + half * 32))
                               : strata_codes(flavor, cell->packed, g, half);
    __m256i products = bits == 8
        ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(values, codes))
        : _mm256_maddubs_epi16(codes, values);
    pairs = (g - first) % run == 0 ? products : _mm256_add_epi16(pairs, products);
    if ((g - first) % run == run - 1 || g == last - 1) {
      total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
  return total;
}

/// One row of x, 16 weight rows, `blocks` blocks; sums [16] are added to.
STRATA_INLINE void strata_open_row(const strata_flavor flavor, const strata_open_cell *cells, const uint8_t *packed,
                                   const uint8_t *tile, int64_t rows, int64_t row, int64_t blocks, float *sums) {
  const int bits = strata_flavor_bits(flavor);
  __m256 y[2] = {_mm256_loadu_ps(sums), _mm256_loadu_ps(sums + 8)};
  for (int64_t block = 0; block < blocks; block++, tile += strata_tile_block_bytes(rows)) {
    const strata_cell_source cell = {
        cells ? cells + block : NULL, cells ? NULL : packed + block * strata_flavor_cell_bytes(flavor)};
    const float *scales = (const float *)(const void *)(tile + rows * STRATA_BLOCK);
    const int32_t *lows = (const int32_t *)(const void *)(scales + 2 * rows);
    __m256 d = _mm256_set1_ps(scales[row]);
    int32_t low = bits == 8 || strata_flavor_has_min(flavor) ? 0 : lows[row] * (1 << (bits - 1));
    int32_t high = bits == 8 || strata_flavor_has_min(flavor) ? 0 : lows[rows + row] * (1 << (bits - 1));
    STRATA_UNROLL for (int half = 0; half < 2; half++) {
      __m256 scale = _mm256_mul_ps(strata_source_scale(flavor, &cell, 0, half), d);
      const uint8_t *x = tile + row * 4;
      if (flavor == STRATA_FLAVOR_6) {
        __m256 second = _mm256_mul_ps(strata_source_scale(flavor, &cell, 1, half), d);
        __m256i a = _mm256_add_epi32(strata_groups(flavor, &cell, half, x, rows * 4, 0, 4), _mm256_set1_epi32(low));
        __m256i b = _mm256_add_epi32(strata_groups(flavor, &cell, half, x, rows * 4, 4, 8), _mm256_set1_epi32(high));
        y[half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(a), scale, y[half]);
        y[half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(b), second, y[half]);
      } else {
        __m256i a = strata_groups(flavor, &cell, half, x, rows * 4, 0, 8);
        if (!strata_flavor_has_min(flavor)) a = _mm256_add_epi32(a, _mm256_set1_epi32(low + high));
        y[half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(a), scale, y[half]);
        if (strata_flavor_has_min(flavor)) {
          __m256 sum = _mm256_set1_ps(scales[rows + row]);
          y[half] = _mm256_fmadd_ps(strata_source_scale(flavor, &cell, 1, half), sum, y[half]);
        }
      }
    }
  }
  _mm256_storeu_ps(sums, y[0]);
  _mm256_storeu_ps(sums + 8, y[1]);
}

#define STRATA_ROW(NAME, FLAVOR)                                                                                    \
  STRATA_TARGET static void strata_row_##NAME(const strata_open_cell *cells, const uint8_t *packed,                 \
                                              const uint8_t *tile, int64_t rows, int64_t row, int64_t blocks,       \
                                              float *sums) {                                                        \
    if (cells) strata_open_row(FLAVOR, cells, NULL, tile, rows, row, blocks, sums);                                 \
    else strata_open_row(FLAVOR, NULL, packed, tile, rows, row, blocks, sums);                                      \
  }
STRATA_ROW(4, STRATA_FLAVOR_4)
STRATA_ROW(4_min, STRATA_FLAVOR_4_MIN)
STRATA_ROW(5, STRATA_FLAVOR_5)
STRATA_ROW(5_min, STRATA_FLAVOR_5_MIN)
STRATA_ROW(6, STRATA_FLAVOR_6)
STRATA_ROW(8, STRATA_FLAVOR_8)

typedef void (*strata_row_kernel)(
    const strata_open_cell *, const uint8_t *, const uint8_t *, int64_t, int64_t, int64_t, float *);

static strata_row_kernel strata_row_of(strata_flavor flavor) {
  switch (flavor) {
    case STRATA_FLAVOR_4: return strata_row_4;
    case STRATA_FLAVOR_4_MIN: return strata_row_4_min;
    case STRATA_FLAVOR_5: return strata_row_5;
    case STRATA_FLAVOR_5_MIN: return strata_row_5_min;
    case STRATA_FLAVOR_6: return strata_row_6;
    default: return strata_row_8;
  }
}

/// Stores or adds 16 outputs of a row, with factors and bias when the row begins.
STRATA_TARGET static void strata_finish(
    const strata_matmul_job *job, int64_t panel, int64_t row, const float *sums, bool begin) {
  const strata_matrix *w = job->weights;
  int64_t first = panel * STRATA_PANEL, used = strata_min64(STRATA_PANEL, w->rows - first);
  const float *bias = begin && job->bias ? job->bias + first : NULL;
  bool add = !begin || job->accumulate;
  float *y = job->y + row * job->y_stride + first;
  if (used < STRATA_PANEL) {
    for (int64_t i = 0; i < used; i++) {
      float value = (w->factors ? sums[i] * w->factors[first + i] : sums[i]) + (bias ? bias[i] : 0);
      y[i] = add ? y[i] + value : value;
    }
    return;
  }
  for (int half = 0; half < STRATA_PANEL; half += 8) {
    __m256 value = _mm256_loadu_ps(sums + half);
    if (w->factors) value = _mm256_mul_ps(value, _mm256_loadu_ps(w->factors + first + half));
    if (bias) value = _mm256_add_ps(value, _mm256_loadu_ps(bias + half));
    if (add) value = _mm256_add_ps(value, _mm256_loadu_ps(y + half));
    _mm256_storeu_ps(y + half, value);
  }
}

static void strata_many(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                        int64_t from, int64_t to) {
  const strata_matrix *w = job->weights;
  strata_row_kernel kernel = strata_row_of(w->flavor);
  strata_open_cell cells[STRATA_OPEN_BLOCKS];
  for (int64_t panel = first; panel < last; panel++) {
    for (int64_t block = 0; block < w->blocks; block += STRATA_OPEN_BLOCKS) {
      int64_t blocks = strata_min64(STRATA_OPEN_BLOCKS, w->blocks - block);
      const uint8_t *cell = w->data + panel * w->panel_bytes + block * strata_flavor_cell_bytes(w->flavor);
      bool open = to - from > 1;
      if (open) strata_open_cells(w->flavor, cell, blocks, cells);
      for (int64_t row = from; row < to; row++) {
        int64_t start = row / x->tile_rows * x->tile_rows, rows = strata_min64(x->tile_rows, x->m - start);
        const uint8_t *tile = x->quantized + strata_tile_block_bytes(1) * start * w->blocks;
        float sums[STRATA_PANEL] = {0};
        tile += block * strata_tile_block_bytes(rows);
        kernel(open ? cells : NULL, cell, tile, rows, row - start, blocks, sums);
        strata_finish(job, panel, row, sums, block == 0);
      }
    }
  }
}

static void strata_few(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last) {
  strata_many(job, x, first, last, 0, x->m);
}

// MARK: Float weights

/// Column k of eight rows of a panel.
STRATA_INLINE __m256 strata_weights(const strata_flavor flavor, const uint8_t *data, int64_t k, const int half) {
  int64_t at = k * STRATA_PANEL + half * 8;
  if (flavor == STRATA_FLAVOR_F32) return _mm256_load_ps((const float *)(const void *)data + at);
  if (flavor == STRATA_FLAVOR_F16) {
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(data + at * 2)));
  }
  __m256i pairs = _mm256_load_si256((const __m256i *)(const void *)(data + k / 2 * 64 + half * 32));
  if (k % 2 == 0) return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int32_t)0xffff0000)));
}

/// `used` (at most 6) rows of a tile of `rows`, from row `offset` of the tile.
STRATA_INLINE void strata_float_rows(const strata_flavor flavor, const int T, const strata_matmul_job *job,
                                     const float *tile, int64_t rows, int64_t offset, int64_t panel, int64_t row) {
  const uint8_t *data = job->weights->data + panel * job->weights->panel_bytes;
  __m256 y[6][2];
  STRATA_UNROLL for (int t = 0; t < T; t++) y[t][0] = y[t][1] = _mm256_setzero_ps();
  for (int64_t k = 0; k < job->weights->cols; k++, tile += rows) {
    __m256 low = strata_weights(flavor, data, k, 0);
    __m256 high = strata_weights(flavor, data, k, 1);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      __m256 x = _mm256_set1_ps(tile[offset + t]);
      y[t][0] = _mm256_fmadd_ps(low, x, y[t][0]);
      y[t][1] = _mm256_fmadd_ps(high, x, y[t][1]);
    }
  }
  STRATA_UNROLL for (int t = 0; t < T; t++) {
    float sums[STRATA_PANEL];
    _mm256_storeu_ps(sums, y[t][0]);
    _mm256_storeu_ps(sums + 8, y[t][1]);
    strata_finish(job, panel, row + offset + t, sums, true);
  }
}

#define STRATA_FLOATS(NAME, FLAVOR)                                                                                 \
  STRATA_TARGET static void strata_floats_##NAME(const strata_matmul_job *job, const float *tile, int64_t rows,     \
                                                 int64_t panel, int64_t row) {                                      \
    for (int64_t offset = 0; offset < rows; offset += 6) {                                                          \
      switch (rows - offset) {                                                                                      \
        case 1: strata_float_rows(FLAVOR, 1, job, tile, rows, offset, panel, row); break;                           \
        case 2: strata_float_rows(FLAVOR, 2, job, tile, rows, offset, panel, row); break;                           \
        case 3: strata_float_rows(FLAVOR, 3, job, tile, rows, offset, panel, row); break;                           \
        case 4: strata_float_rows(FLAVOR, 4, job, tile, rows, offset, panel, row); break;                           \
        case 5: strata_float_rows(FLAVOR, 5, job, tile, rows, offset, panel, row); break;                           \
        default: strata_float_rows(FLAVOR, 6, job, tile, rows, offset, panel, row); break;                          \
      }                                                                                                             \
    }                                                                                                               \
  }
STRATA_FLOATS(f32, STRATA_FLAVOR_F32)
STRATA_FLOATS(f16, STRATA_FLAVOR_F16)
STRATA_FLOATS(bf16, STRATA_FLAVOR_BF16)

static void strata_floats(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to) {
  strata_flavor flavor = job->weights->flavor;
  for (int64_t panel = first; panel < last; panel++) {
    for (int64_t row = from; row < to; row += STRATA_FLOAT_TILE) {
      int64_t rows = strata_min64(STRATA_FLOAT_TILE, x->m - row);
      const float *tile = x->interleaved + row * x->cols;
      if (flavor == STRATA_FLAVOR_F32) strata_floats_f32(job, tile, rows, panel, row);
      else if (flavor == STRATA_FLAVOR_F16) strata_floats_f16(job, tile, rows, panel, row);
      else strata_floats_bf16(job, tile, rows, panel, row);
    }
  }
}

const strata_product_kernels strata_products_avx2 = {
    .quantize_tile = strata_quantize_tile, .few_rows = STRATA_TILE, .many_rows = STRATA_TILE, .few_limit = 48,
    .few = strata_few, .many = strata_many, .floats = strata_floats};
#endif
