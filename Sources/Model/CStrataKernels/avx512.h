// What the AVX-512 products share: the target, unrolling, and storing outputs.
#ifndef STRATA_AVX512_PRIVATE_H
#define STRATA_AVX512_PRIVATE_H

#include "matrix.h"

#if STRATA_X86
#include <immintrin.h>

#define STRATA_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define STRATA_INLINE static inline __attribute__((always_inline)) STRATA_TARGET
#if defined(__clang__)
#define STRATA_UNROLL _Pragma("clang loop unroll(full)")
#else
#define STRATA_UNROLL _Pragma("GCC unroll 32")
#endif

/// See `strata_product_kernels`.
void strata_quantize_tile_avx512(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums);
void strata_few_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last);
void strata_floats_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to);
void strata_pair_tile_avx512(const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint32_t *tile);
void strata_pairs_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                         int64_t from, int64_t to);

/// The rows of a panel that exist.
STRATA_INLINE __mmask16 strata_panel_mask(const strata_matrix *w, int64_t panel) {
  int64_t used = w->rows - panel * STRATA_PANEL;
  return used >= STRATA_PANEL ? 0xffff : (__mmask16)((1u << used) - 1);
}

/// 16 outputs of a row from the sums of its first columns: with factors and bias, and what y holds where asked.
STRATA_INLINE __m512 strata_begin(const strata_matmul_job *job, int64_t panel, int64_t row, __m512 sums) {
  const strata_matrix *w = job->weights;
  int64_t first = panel * STRATA_PANEL;
  __mmask16 mask = strata_panel_mask(w, panel);
  if (w->factors) sums = _mm512_mul_ps(sums, _mm512_load_ps(w->factors + first));
  if (job->bias) sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, job->bias + first));
  if (!job->accumulate) return sums;
  return _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, job->y + row * job->y_stride + first));
}

/// The outputs with the sums of further columns.
STRATA_INLINE __m512 strata_continue(const strata_matmul_job *job, int64_t panel, __m512 outputs, __m512 sums) {
  const strata_matrix *w = job->weights;
  if (w->factors) sums = _mm512_mul_ps(sums, _mm512_load_ps(w->factors + panel * STRATA_PANEL));
  return _mm512_add_ps(sums, outputs);
}

STRATA_INLINE void strata_store(const strata_matmul_job *job, int64_t panel, int64_t row, __m512 outputs) {
  float *y = job->y + row * job->y_stride + panel * STRATA_PANEL;
  _mm512_mask_storeu_ps(y, strata_panel_mask(job->weights, panel), outputs);
}

/// Begins 16 outputs of a row in y, or continues them there.
STRATA_INLINE void strata_finish(const strata_matmul_job *job, int64_t panel, int64_t row, __m512 sums, bool begin) {
  if (begin) {
    sums = strata_begin(job, panel, row, sums);
  } else {
    const float *y = job->y + row * job->y_stride + panel * STRATA_PANEL;
    sums = strata_continue(job, panel, _mm512_maskz_loadu_ps(strata_panel_mask(job->weights, panel), y), sums);
  }
  strata_store(job, panel, row, sums);
}

#endif
#endif
