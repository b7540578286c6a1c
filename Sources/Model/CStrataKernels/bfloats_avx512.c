// Products of bfloat16 weights and of x rounded to bfloat16 with AVX-512 BF16: one vdpbf16ps adds two products to each
// of sixteen sums. Sixteen or thirty-two weight rows by up to twelve rows of x.
#include "amx.h"
#include "avx512.h"
#include "bf16.h"

#if STRATA_X86

// Two panels of as many pairs are 24 KB, half of the first-level cache. Sums are cut there for any number of rows.
enum { STRATA_OPEN_PAIRS = 192 };

// MARK: Activations

/// A tile [pairs][rows].
STRATA_PAIR_TARGET void strata_pair_tile_avx512(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint32_t *tile) {
  const __mmask16 mask = (__mmask16)((1u << rows) - 1);
  for (int64_t k = 0; k < cols; k += STRATA_BLOCK, tile += rows * (STRATA_BLOCK / 2)) {
    int64_t left = cols - k;
    __mmask16 low = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
    __m512i v[16];
    STRATA_UNROLL for (int i = 0; i < 16; i++) {
      v[i] = strata_round_pairs(x + (i < rows ? i : 0) * x_stride + k, low, high);
    }
    strata_transpose(v);
    STRATA_UNROLL for (int i = 0; i < 16; i++) _mm512_mask_storeu_epi32(tile + i * rows, mask, v[i]);
  }
}

/// A tile [blocks of 32 columns][rows][16 pairs].
STRATA_PAIR_TARGET void strata_pair_tile_amx(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint32_t *tile) {
  for (int64_t k = 0; k < cols; k += STRATA_BLOCK) {
    int64_t left = cols - k;
    __mmask16 low = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
    for (int64_t row = 0; row < rows; row++, tile += 16) {
      _mm512_storeu_si512(tile, strata_round_pairs(x + row * x_stride + k, low, high));
    }
  }
}

// MARK: Products

STRATA_PAIR_INLINE void strata_pair_tile(const int P, const int T, const strata_matmul_job *job, const uint32_t *tile,
                                         int64_t panel, int64_t row, int64_t first, int64_t last) {
  const strata_matrix *w = job->weights;
  const uint8_t *data = w->data + panel * w->panel_bytes + first * 64;
  __m512 sums[2][STRATA_FLOAT_TILE];
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    STRATA_UNROLL for (int t = 0; t < T; t++) sums[p][t] = _mm512_setzero_ps();
  }
  tile += first * T;
  for (int64_t pair = first; pair < last; pair++, tile += T, data += 64) {
    __m512bh weights[2];
    STRATA_UNROLL for (int p = 0; p < P; p++) weights[p] = (__m512bh)_mm512_load_si512(data + p * w->panel_bytes);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      __m512bh x = (__m512bh)_mm512_set1_epi32((int32_t)tile[t]);
      STRATA_UNROLL for (int p = 0; p < P; p++) sums[p][t] = _mm512_dpbf16_ps(sums[p][t], weights[p], x);
    }
  }
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    STRATA_UNROLL for (int t = 0; t < T; t++) strata_finish(job, panel + p, row + t, sums[p][t], first == 0);
  }
}

#define STRATA_PAIR_CASE(P, T)                                                                                      \
  case T: strata_pair_tile(P, T, job, tile, panel, row, first, last); return;
#define STRATA_PAIR_KERNEL(P)                                                                                       \
  STRATA_PAIR_TARGET static void strata_pair_kernel_##P(const strata_matmul_job *job, const uint32_t *tile,         \
                                                        int64_t rows, int64_t panel, int64_t row, int64_t first,    \
                                                        int64_t last) {                                             \
    switch (rows) {                                                                                                 \
      STRATA_PAIR_CASE(P, 1) STRATA_PAIR_CASE(P, 2) STRATA_PAIR_CASE(P, 3) STRATA_PAIR_CASE(P, 4)                   \
      STRATA_PAIR_CASE(P, 5) STRATA_PAIR_CASE(P, 6) STRATA_PAIR_CASE(P, 7) STRATA_PAIR_CASE(P, 8)                   \
      STRATA_PAIR_CASE(P, 9) STRATA_PAIR_CASE(P, 10) STRATA_PAIR_CASE(P, 11) STRATA_PAIR_CASE(P, 12)                \
      default: return;                                                                                              \
    }                                                                                                               \
  }
STRATA_PAIR_KERNEL(1)
STRATA_PAIR_KERNEL(2)

void strata_pairs_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                         int64_t from, int64_t to) {
  int64_t pairs = strata_pairs(x->cols);
  for (int64_t pair = 0; pair < pairs; pair += STRATA_OPEN_PAIRS) {
    int64_t end = strata_min64(pair + STRATA_OPEN_PAIRS, pairs);
    for (int64_t row = from; row < to; row += STRATA_FLOAT_TILE) {
      int64_t rows = strata_min64(STRATA_FLOAT_TILE, x->m - row);
      const uint32_t *tile = x->pairs + row * pairs;
      (last - first == 2 ? strata_pair_kernel_2 : strata_pair_kernel_1)(job, tile, rows, first, row, pair, end);
    }
  }
}
#endif
