// Products with float, half and bfloat16 weights with AVX-512: sixteen weight rows by up to twelve rows of x.
#include "avx512.h"

#if STRATA_X86

STRATA_INLINE __m512 strata_weights(const strata_flavor flavor, const uint8_t *data, int64_t k) {
  if (flavor == STRATA_FLAVOR_F32) return _mm512_load_ps((const float *)(const void *)data + k * STRATA_PANEL);
  if (flavor == STRATA_FLAVOR_F16) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)(data + k * STRATA_PANEL * 2)));
  }
  __m512i pairs = _mm512_load_si512(data + k / 2 * 64);
  if (k % 2 == 0) return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int32_t)0xffff0000)));
}

STRATA_INLINE void strata_float_tile(const strata_flavor flavor, const int P, const int T, const strata_matmul_job *job,
                                     const float *tile, int64_t panel, int64_t row) {
  const strata_matrix *w = job->weights;
  const uint8_t *data = w->data + panel * w->panel_bytes;
  __m512 sums[2][STRATA_FLOAT_TILE];
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    STRATA_UNROLL for (int t = 0; t < T; t++) sums[p][t] = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < w->cols; k++, tile += T) {
    __m512 weights[2];
    STRATA_UNROLL for (int p = 0; p < P; p++) weights[p] = strata_weights(flavor, data + p * w->panel_bytes, k);
    STRATA_UNROLL for (int t = 0; t < T; t++) {
      __m512 x = _mm512_set1_ps(tile[t]);
      STRATA_UNROLL for (int p = 0; p < P; p++) sums[p][t] = _mm512_fmadd_ps(weights[p], x, sums[p][t]);
    }
  }
  STRATA_UNROLL for (int p = 0; p < P; p++) {
    STRATA_UNROLL for (int t = 0; t < T; t++) strata_finish(job, panel + p, row + t, sums[p][t], true);
  }
}

#define STRATA_FLOAT_CASE(FLAVOR, P, T)                                                                             \
  case T: strata_float_tile(FLAVOR, P, T, job, tile, panel, row); return;
#define STRATA_FLOATS(NAME, FLAVOR, P)                                                                              \
  STRATA_TARGET static void strata_floats_##NAME##_##P(                                                             \
      const strata_matmul_job *job, const float *tile, int64_t rows, int64_t panel, int64_t row) {                  \
    switch (rows) {                                                                                                 \
      STRATA_FLOAT_CASE(FLAVOR, P, 1) STRATA_FLOAT_CASE(FLAVOR, P, 2) STRATA_FLOAT_CASE(FLAVOR, P, 3)               \
      STRATA_FLOAT_CASE(FLAVOR, P, 4) STRATA_FLOAT_CASE(FLAVOR, P, 5) STRATA_FLOAT_CASE(FLAVOR, P, 6)               \
      STRATA_FLOAT_CASE(FLAVOR, P, 7) STRATA_FLOAT_CASE(FLAVOR, P, 8) STRATA_FLOAT_CASE(FLAVOR, P, 9)               \
      STRATA_FLOAT_CASE(FLAVOR, P, 10) STRATA_FLOAT_CASE(FLAVOR, P, 11) STRATA_FLOAT_CASE(FLAVOR, P, 12)            \
      default: return;                                                                                              \
    }                                                                                                               \
  }
STRATA_FLOATS(f32, STRATA_FLAVOR_F32, 1)
STRATA_FLOATS(f32, STRATA_FLAVOR_F32, 2)
STRATA_FLOATS(f16, STRATA_FLAVOR_F16, 1)
STRATA_FLOATS(f16, STRATA_FLAVOR_F16, 2)
STRATA_FLOATS(bf16, STRATA_FLAVOR_BF16, 1)
STRATA_FLOATS(bf16, STRATA_FLAVOR_BF16, 2)

void strata_floats_avx512(const strata_matmul_job *job, const strata_activations *x, int64_t first, int64_t last,
                          int64_t from, int64_t to) {
  bool pair = last - first == 2;
  strata_flavor flavor = job->weights->flavor;
  for (int64_t row = from; row < to; row += STRATA_FLOAT_TILE) {
    int64_t rows = strata_min64(STRATA_FLOAT_TILE, x->m - row);
    const float *tile = x->interleaved + row * x->cols;
    switch (flavor) {
      case STRATA_FLAVOR_F32: (pair ? strata_floats_f32_2 : strata_floats_f32_1)(job, tile, rows, first, row); break;
      case STRATA_FLAVOR_F16: (pair ? strata_floats_f16_2 : strata_floats_f16_1)(job, tile, rows, first, row); break;
      default: (pair ? strata_floats_bf16_2 : strata_floats_bf16_1)(job, tile, rows, first, row); break;
    }
  }
}
#endif
