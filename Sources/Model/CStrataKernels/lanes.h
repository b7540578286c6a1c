// Vectors of 16 floats over the compiler's vector types, so that one source serves every family. The including file
// has set the target and defined STRATA_FAMILY_ISA (0 portable, 1 AVX2, 2 AVX-512) and, where the processor multiplies
// pairs of bfloat16, STRATA_FAMILY_PAIRS.
#include "family.h"

#include <math.h>
#include <string.h>
#if STRATA_FAMILY_ISA > 0
#include <immintrin.h>
#endif

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t v16i __attribute__((vector_size(64)));
typedef int8_t v16b __attribute__((vector_size(16)));

#define STRATA_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define STRATA_UNROLL _Pragma("clang loop unroll(full)")
#pragma clang diagnostic ignored "-Wpsabi"
#else
#define STRATA_UNROLL _Pragma("GCC unroll 32")
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

STRATA_INLINE v16 v_load(const float *p) {
  v16 v;
  memcpy(&v, p, sizeof v);
  return v;
}

STRATA_INLINE void v_store(float *p, v16 v) { memcpy(p, &v, sizeof v); }

STRATA_INLINE v16 v_set(float x) { return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

/// The first n (0...15) values, the rest being `other`.
STRATA_INLINE v16 v_load_part(const float *p, int64_t n, float other) {
  float values[16];
  for (int i = 0; i < 16; i++) values[i] = i < n ? p[i] : other;
  return v_load(values);
}

STRATA_INLINE void v_store_part(float *p, v16 v, int64_t n) {
  float values[16];
  v_store(values, v);
  for (int64_t i = 0; i < n; i++) p[i] = values[i];
}

STRATA_INLINE v16 v_select(v16i mask, v16 yes, v16 no) { return (v16)((mask & (v16i)yes) | (~mask & (v16i)no)); }

STRATA_INLINE v16 v_max(v16 a, v16 b) {
#if STRATA_FAMILY_ISA == 2
  return (v16)_mm512_max_ps((__m512)a, (__m512)b);
#else
  return v_select(a > b, a, b);
#endif
}

STRATA_INLINE float v_sum(v16 v) {
#if STRATA_FAMILY_ISA == 2
  return _mm512_reduce_add_ps((__m512)v);
#else
  float x[16];
  v_store(x, v);
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; i++) x[i] += x[i + step];
  }
  return x[0];
#endif
}

STRATA_INLINE float v_largest(v16 v) {
#if STRATA_FAMILY_ISA == 2
  return _mm512_reduce_max_ps((__m512)v);
#else
  float x[16];
  v_store(x, v);
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; i++) x[i] = x[i] > x[i + step] ? x[i] : x[i + step];
  }
  return x[0];
#endif
}

STRATA_INLINE v16 v_from_halves(const uint16_t *p) {
#if STRATA_FAMILY_ISA == 2
  return (v16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif STRATA_FAMILY_ISA == 1
  __m256 parts[2] = {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
  v16 v;
  memcpy(&v, parts, sizeof v);
  return v;
#elif defined(__aarch64__)
  __fp16 halves __attribute__((vector_size(32)));
  memcpy(&halves, p, sizeof halves);
  return __builtin_convertvector(halves, v16);
#else
  float values[16];
  for (int i = 0; i < 16; i++) values[i] = strata_half_to_float(p[i]);
  return v_load(values);
#endif
}

STRATA_INLINE void v_to_halves(uint16_t *p, v16 v) {
#if STRATA_FAMILY_ISA == 2
  _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
#elif STRATA_FAMILY_ISA == 1
  __m256 parts[2];
  memcpy(parts, &v, sizeof v);
  _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(parts[0], _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i *)(void *)(p + 8), _mm256_cvtps_ph(parts[1], _MM_FROUND_TO_NEAREST_INT));
#elif defined(__aarch64__)
  typedef __fp16 v16f16 __attribute__((vector_size(32)));
  v16f16 halves = __builtin_convertvector(v, v16f16);
  memcpy(p, &halves, sizeof halves);
#else
  for (int i = 0; i < 16; i++) p[i] = strata_float_to_half(v[i]);
#endif
}

/// 16 pairs of bfloat16.
STRATA_INLINE v16i v_load_pairs(const uint16_t *p) {
  v16i pairs;
  memcpy(&pairs, p, sizeof pairs);
  return pairs;
}

STRATA_INLINE v16 v_firsts(v16i pairs) { return (v16)(pairs << 16); }
STRATA_INLINE v16 v_seconds(v16i pairs) { return (v16)(pairs & (int32_t)0xffff0000); }

STRATA_INLINE v16 v_from_bytes(const int8_t *p) {
  v16b bytes;
  memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(__builtin_convertvector(bytes, v16i), v16);
}

/// 2^x, relative error below 1e-7; 0 below -126 or so, saturating near 2^127. The polynomial is that of Cephes' exp2f
/// (Moshier) over [-1/2, 1/2].
STRATA_INLINE v16 v_exp2(v16 x) {
#if STRATA_FAMILY_ISA == 2
  v16 whole = (v16)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  x = v_select(x > v_set(-126), x, v_set(-126.99f));
  x = v_select(x < v_set(126.99f), x, v_set(126.99f));
  v16 shifted = x + v_set(0x1.8p23f);
  v16 whole = shifted - v_set(0x1.8p23f);
#endif
  v16 f = x - whole;
  v16 p = v_set(1.535336188319500e-4f);
  p = p * f + v_set(1.339887440266574e-3f);
  p = p * f + v_set(9.618437357674640e-3f);
  p = p * f + v_set(5.550332471162809e-2f);
  p = p * f + v_set(2.402264791363012e-1f);
  p = p * f + v_set(6.931472028550421e-1f);
  p = p * f + v_set(1);
#if STRATA_FAMILY_ISA == 2
  return (v16)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
  v16i exponent = ((v16i)shifted - (v16i)v_set(0x1.8p23f)) << 23;
  v16 result = (v16)((v16i)p + exponent);
  return v_select(x > v_set(-126), result, v_set(0));
#endif
}

STRATA_INLINE v16 v_exp(v16 x) { return v_exp2(x * v_set(1.44269504f)); }

/// tanh(x), absolute error below 2e-7.
STRATA_INLINE v16 v_tanh(v16 x) { return v_set(1) - v_set(2) / (v_exp2(x * v_set(2.88539008f)) + v_set(1)); }

#if STRATA_FAMILY_PAIRS
/// sum + Σ of the two products of each pair; one pair of `a` against 16 of `b`.
STRATA_INLINE v16 v_add_pair_products(v16 sum, uint32_t a, v16i b) {
  return (v16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
}

/// Rounds to bfloat16 and back.
STRATA_INLINE v16 v_to_bf16(uint16_t *p, v16 v) {
  __m256i bits = (__m256i)_mm512_cvtneps_pbh((__m512)v);
  _mm256_storeu_si256((__m256i *)(void *)p, bits);
  return (v16)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}

/// 2^x for x <= 0, relative error below 2^-13: enough for what is rounded to bfloat16. The polynomial is the minimax
/// one of degree 3 over [-1/2, 1/2].
STRATA_INLINE v16 v_exp2_coarse(v16 x) {
  v16 whole = (v16)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  v16 f = x - whole;
  v16 p = v_set(5.5171668e-2f);
  p = p * f + v_set(2.4261114e-1f);
  p = p * f + v_set(6.9326099e-1f);
  p = p * f + v_set(9.9992807e-1f);
  return (v16)_mm512_scalef_ps((__m512)p, (__m512)whole);
}
#endif
