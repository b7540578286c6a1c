// What kernels of AVX-512 BF16 share: their target, and turning rows of bfloat16 pairs into columns.
#ifndef STRATA_BF16_PRIVATE_H
#define STRATA_BF16_PRIVATE_H

#include "kernels.h"

#if STRATA_X86
#include <immintrin.h>

#define STRATA_PAIR_TARGET                                                                                          \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")))
#define STRATA_PAIR_INLINE static inline __attribute__((always_inline)) STRATA_PAIR_TARGET

/// 32 floats rounded to sixteen pairs in order; lanes that a mask leaves out are zero.
STRATA_PAIR_INLINE __m512i strata_round_pairs(const float *x, __mmask16 low, __mmask16 high) {
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, x + 16), _mm512_maskz_loadu_ps(low, x));
}

/// Sixteen vectors of 32-bit words: word j of vector i goes to word i of vector j.
STRATA_PAIR_INLINE void strata_transpose(__m512i v[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    __m512i a = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88), b = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    __m512i c = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd), d = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
    t[i] = _mm512_shuffle_i32x4(a, b, 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(c, d, 0x88);
    t[i + 8] = _mm512_shuffle_i32x4(a, b, 0xdd);
    t[i + 12] = _mm512_shuffle_i32x4(c, d, 0xdd);
  }
  for (int i = 0; i < 16; i++) v[i] = t[i];
}

#endif
#endif
