// Rounding activations to 8 bits with AVX-512, six rows at a time for products of many rows. Knows nothing of weights.
#include "amx.h"
#include "avx512.h"

#if STRATA_X86

STRATA_INLINE int32_t strata_sum_bytes(__m128i codes) {
  __m128i wide = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm_set1_epi8(1), codes);
  wide = _mm_add_epi32(wide, _mm_shuffle_epi32(wide, 0x4e));
  wide = _mm_add_epi32(wide, _mm_shuffle_epi32(wide, 0xb1));
  return _mm_cvtsi128_si32(wide);
}

STRATA_TARGET static void strata_quantize_rows(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many) {
  const __m256i flip = _mm256_set1_epi8(many ? (char)0x80 : 0);
  for (int64_t row = 0; row < rows; row++) {
    const float *source = x + row * x_stride;
    for (int64_t block = 0; block < cols / STRATA_BLOCK; block++) {
      uint8_t *target = tile + block * strata_tile_block_bytes(rows);
      __m512 a = _mm512_loadu_ps(source + block * 32), b = _mm512_loadu_ps(source + block * 32 + 16);
      float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
      bool usable = largest > 0 && largest <= 3e38f;  // a block with infinities or NaN counts as zero
      __m512 inverse = _mm512_set1_ps(usable ? 127 / largest : 0);
      __m128i low = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)));
      __m128i high = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)));
      if (!usable) low = high = _mm_setzero_si128();
      float *scales = (float *)(void *)(target + rows * STRATA_BLOCK);
      int32_t *sums = (int32_t *)(void *)(scales + 2 * rows);
      int32_t low_sum = strata_sum_bytes(low), high_sum = strata_sum_bytes(high);
      scales[row] = usable ? largest * (1.0f / 127) : 0;  // as in strata_quantize_six
      scales[rows + row] = scales[row] * (float)(low_sum + high_sum);
      sums[row] = -low_sum;
      sums[rows + row] = -high_sum;
      int32_t words[8];
      __m256i codes = _mm256_xor_si256(_mm256_set_m128i(high, low), flip);
      _mm256_storeu_si256((__m256i *)(void *)words, codes);
      for (int g = 0; g < STRATA_GROUPS; g++) __builtin_memcpy(target + (g * rows + row) * 4, &words[g], 4);
    }
  }
}

/// The largest value of each of four vectors, in all lanes of quarter i for vector i.
STRATA_INLINE __m512 strata_quarter_maxima(__m512 a, __m512 b, __m512 c, __m512 d) {
  __m512 ab = _mm512_max_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  __m512 cd = _mm512_max_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
  __m512 all = _mm512_max_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  all = _mm512_max_ps(all, _mm512_permute_ps(all, 0x4e));
  return _mm512_max_ps(all, _mm512_permute_ps(all, 0xb1));
}

/// 127 / largest, or 0 where a block is zero, infinite or NaN.
STRATA_INLINE __m512 strata_inverse(__m512 largest) {
  __mmask16 usable = _mm512_cmp_ps_mask(largest, _mm512_setzero_ps(), _CMP_GT_OQ) &
      _mm512_cmp_ps_mask(largest, _mm512_set1_ps(3e38f), _CMP_LE_OQ);
  return _mm512_maskz_div_ps(usable, _mm512_set1_ps(127), largest);
}

/// Two rows' blocks to bytes: quarter q holds groups q and q + 4 of the first row, then of the second.
STRATA_INLINE __m512i strata_two_rows(const float *first, const float *second, __m512 scale, __m512 other) {
  __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(first), scale));
  __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(first + 16), scale));
  __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(second), other));
  __m512i d = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(second + 16), other));
  return _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

/// For word 16 * vector + lane of a tile's block [8][6], where it lies in the three vectors of `strata_two_rows`:
/// the vector, and the word in it.
#define STRATA_WORD_G(V, L) ((16 * (V) + (L)) / 6)
#define STRATA_WORD_T(V, L) ((16 * (V) + (L)) % 6)
#define STRATA_WORD_AT(V, L)                                                                                        \
  (STRATA_WORD_T(V, L) / 2 * 16 + STRATA_WORD_G(V, L) % 4 * 4 + STRATA_WORD_T(V, L) % 2 * 2 + STRATA_WORD_G(V, L) / 4)
#define STRATA_WORDS(V)                                                                                             \
  {STRATA_WORD_AT(V, 0),  STRATA_WORD_AT(V, 1),  STRATA_WORD_AT(V, 2),  STRATA_WORD_AT(V, 3),                       \
   STRATA_WORD_AT(V, 4),  STRATA_WORD_AT(V, 5),  STRATA_WORD_AT(V, 6),  STRATA_WORD_AT(V, 7),                       \
   STRATA_WORD_AT(V, 8),  STRATA_WORD_AT(V, 9),  STRATA_WORD_AT(V, 10), STRATA_WORD_AT(V, 11),                      \
   STRATA_WORD_AT(V, 12), STRATA_WORD_AT(V, 13), STRATA_WORD_AT(V, 14), STRATA_WORD_AT(V, 15)}
static const int32_t strata_tile_words[3][16] __attribute__((aligned(64))) = {
    STRATA_WORDS(0), STRATA_WORDS(1), STRATA_WORDS(2)};

/// A block of six rows for `many`.
STRATA_INLINE void strata_quantize_six(const float *x, int64_t x_stride, uint8_t *target, bool sums) {
  __m512 bound[6];
  STRATA_UNROLL for (int t = 0; t < 6; t++) {
    __m512 a = _mm512_loadu_ps(x + t * x_stride), b = _mm512_loadu_ps(x + t * x_stride + 16);
    bound[t] = _mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b));
  }
  __m512 low = strata_quarter_maxima(bound[0], bound[1], bound[2], bound[3]);
  __m512 high = strata_quarter_maxima(bound[4], bound[5], bound[4], bound[5]);
  __m512 low_inverse = strata_inverse(low), high_inverse = strata_inverse(high);
  __m512i rows[3];
  rows[0] = strata_two_rows(x, x + x_stride, _mm512_shuffle_f32x4(low_inverse, low_inverse, 0x00),
                            _mm512_shuffle_f32x4(low_inverse, low_inverse, 0x55));
  rows[1] = strata_two_rows(x + 2 * x_stride, x + 3 * x_stride, _mm512_shuffle_f32x4(low_inverse, low_inverse, 0xaa),
                            _mm512_shuffle_f32x4(low_inverse, low_inverse, 0xff));
  rows[2] = strata_two_rows(x + 4 * x_stride, x + 5 * x_stride, _mm512_shuffle_f32x4(high_inverse, high_inverse, 0x00),
                            _mm512_shuffle_f32x4(high_inverse, high_inverse, 0x55));
  // The scale of a block that counts as zero is zero: an inverse of 0 makes it so.
  const __m512i quarters = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  __m512 largest = _mm512_permutex2var_ps(low, quarters, high);
  __m512 inverse = _mm512_permutex2var_ps(low_inverse, quarters, high_inverse);
  __mmask16 usable = _mm512_cmp_ps_mask(inverse, _mm512_setzero_ps(), _CMP_GT_OQ) & 0x3f;
  __m512 scale = _mm512_maskz_mul_ps(usable, largest, _mm512_set1_ps(1.0f / 127));
  _mm512_mask_storeu_ps(target + 192, 0x3f, scale);
  if (sums) {
    int32_t totals[3][16] __attribute__((aligned(64)));
    STRATA_UNROLL for (int i = 0; i < 3; i++) {
      __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), rows[i]);
      s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, 0xb1));
      s = _mm512_add_epi32(s, _mm512_shuffle_i32x4(s, s, 0x4e));
      s = _mm512_add_epi32(s, _mm512_shuffle_i32x4(s, s, 0xb1));
      _mm512_store_si512(totals[i], s);
    }
    __m512i total = _mm512_setr_epi32(totals[0][0], totals[0][2], totals[1][0], totals[1][2], totals[2][0],
                                      totals[2][2], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm512_mask_storeu_ps(target + 216, 0x3f, _mm512_mul_ps(_mm512_cvtepi32_ps(total), scale));
  }
  const __m512i flip = _mm512_set1_epi8((char)0x80);
  STRATA_UNROLL for (int i = 0; i < 3; i++) {
    __m512i words = _mm512_load_si512(strata_tile_words[i]);
    __m512i mixed = _mm512_permutex2var_epi32(rows[0], words, rows[1]);
    mixed = _mm512_mask_permutexvar_epi32(mixed, _mm512_cmpge_epi32_mask(words, _mm512_set1_epi32(32)), words, rows[2]);
    _mm512_storeu_si512(target + 64 * i, _mm512_xor_si512(mixed, flip));
  }
}

STRATA_TARGET void strata_quantize_tile_avx512(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums) {
  if (!many || rows < STRATA_TILE) {
    strata_quantize_rows(x, x_stride, rows, cols, tile, many);
    return;
  }
  for (int64_t block = 0; block < cols / STRATA_BLOCK; block++) {
    strata_quantize_six(
        x + block * STRATA_BLOCK, x_stride, tile + block * strata_tile_block_bytes(STRATA_TILE), sums);
  }
}

// MARK: For tiles

/// A row's codes, in order, instead of words of several rows; otherwise as strata_quantize_six.
STRATA_TARGET static void strata_quantize_tile_rows(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile) {
  for (int64_t block = 0; block < cols / STRATA_BLOCK; block++, tile += strata_tile_block_bytes(rows)) {
    float *scales = (float *)(void *)(tile + rows * STRATA_BLOCK);
    for (int64_t row = 0; row < rows; row++) {
      const float *source = x + row * x_stride + block * STRATA_BLOCK;
      __m512 a = _mm512_loadu_ps(source), b = _mm512_loadu_ps(source + 16);
      float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
      bool usable = largest > 0 && largest <= 3e38f;
      __m512 inverse = _mm512_set1_ps(usable ? 127 / largest : 0);
      __m128i low = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)));
      __m128i high = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)));
      if (!usable) low = high = _mm_setzero_si128();
      _mm256_storeu_si256((__m256i *)(void *)(tile + row * STRATA_BLOCK), _mm256_set_m128i(high, low));
      scales[row] = usable ? largest * (1.0f / 127) : 0;
      scales[rows + row] = scales[row] * (float)(strata_sum_bytes(low) + strata_sum_bytes(high));
    }
  }
}

void strata_quantize_tile_amx(
    const float *x, int64_t x_stride, int64_t rows, int64_t cols, uint8_t *tile, bool many, bool sums) {
  if (many) strata_quantize_tile_rows(x, x_stride, rows, cols, tile);
  else strata_quantize_tile_avx512(x, x_stride, rows, cols, tile, false, sums);
}
#endif
