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
void strata_floats_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to);

/// Finishes 16 outputs of a row: factors and bias, stored or added under the mask of rows that exist.
STRATA_INLINE void strata_finish(const strata_matmul_job *job, int64_t panel, int64_t row, __m512 sums, bool begin) {
  const strata_matrix *w = job->weights;
  int64_t first = panel * STRATA_PANEL, used = w->rows - first;
  __mmask16 mask = used >= STRATA_PANEL ? 0xffff : (__mmask16)((1u << used) - 1);
  float *y = job->y + row * job->y_stride + first;
  if (w->factors) sums = _mm512_mul_ps(sums, _mm512_load_ps(w->factors + first));
  if (begin && job->bias) sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, job->bias + first));
  if (!begin || job->accumulate) sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, y));
  _mm512_mask_storeu_ps(y, mask, sums);
}

#endif
#endif
