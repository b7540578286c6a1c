// The storage formats of weights in GGML files: block sizes, decoding, and encoding of the simple ones. Bit layouts
// follow ggml-common.h of llama.cpp (MIT); the code is our own. Knows nothing of matrices or threads.
#include "kernels.h"

#include <math.h>
#include <string.h>

typedef struct strata_format {
  size_t bytes;
  size_t values;
} strata_format;

static strata_format strata_format_of(strata_type type) {
  switch (type) {
    case STRATA_TYPE_F32: return (strata_format){4, 1};
    case STRATA_TYPE_F16: return (strata_format){2, 1};
    case STRATA_TYPE_BF16: return (strata_format){2, 1};
    case STRATA_TYPE_Q4_0: return (strata_format){18, 32};
    case STRATA_TYPE_Q4_1: return (strata_format){20, 32};
    case STRATA_TYPE_Q5_0: return (strata_format){22, 32};
    case STRATA_TYPE_Q5_1: return (strata_format){24, 32};
    case STRATA_TYPE_Q8_0: return (strata_format){34, 32};
    case STRATA_TYPE_Q4_K: return (strata_format){144, 256};
    case STRATA_TYPE_Q5_K: return (strata_format){176, 256};
    case STRATA_TYPE_Q6_K: return (strata_format){210, 256};
  }
  return (strata_format){0, 0};
}

size_t strata_block_bytes(strata_type type) { return strata_format_of(type).bytes; }

size_t strata_block_values(strata_type type) { return strata_format_of(type).values; }

size_t strata_matrix_source_bytes(strata_type type, int64_t rows, int64_t cols) {
  strata_format format = strata_format_of(type);
  if (format.bytes == 0 || rows < 0 || cols < 0 || (size_t)cols % format.values != 0) return 0;
  size_t row_bytes, bytes;
  if (__builtin_mul_overflow((size_t)cols / format.values, format.bytes, &row_bytes)) return 0;
  if (__builtin_mul_overflow(row_bytes, (size_t)rows, &bytes)) return 0;
  return bytes;
}

static uint16_t strata_load16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | bytes[1] << 8); }

static float strata_load_half(const uint8_t *bytes) { return strata_half_to_float(strata_load16(bytes)); }

// MARK: Decoding

// Legacy formats are blocks of 32 with nibbles: the low halves are columns 0...15, the high ones 16...31, and for 5
// bits a word holds the fifth bits in column order.
static void strata_codes_from_nibbles(const uint8_t *nibbles, uint8_t *codes) {
  for (int i = 0; i < 16; i++) {
    codes[i] = nibbles[i] & 15;
    codes[i + 16] = nibbles[i] >> 4;
  }
}

static void strata_codes_add_fifth(const uint8_t *high, uint8_t *codes) {
  for (int i = 0; i < 32; i++) codes[i] |= (uint8_t)((high[i / 8] >> (i % 8) & 1) << 4);
}

// Scale and minimum `index` (0...7) of a Q4_K or Q5_K block: 6 bits each, the last four spread over three fields.
static void strata_k_scale(const uint8_t *packed, int index, int *scale, int *minimum) {
  if (index < 4) {
    *scale = packed[index] & 63;
    *minimum = packed[index + 4] & 63;
  } else {
    *scale = (packed[index + 4] & 15) | (packed[index - 4] >> 6) << 4;
    *minimum = packed[index + 4] >> 4 | (packed[index] >> 6) << 4;
  }
}

void strata_block_scales(strata_type type, const uint8_t *row, int64_t block, float *scale, float *second) {
  *second = 0;
  switch (type) {
    case STRATA_TYPE_Q4_0: *scale = strata_load_half(row + block * 18); return;
    case STRATA_TYPE_Q5_0: *scale = strata_load_half(row + block * 22); return;
    case STRATA_TYPE_Q8_0: *scale = strata_load_half(row + block * 34); return;
    case STRATA_TYPE_Q4_1:
    case STRATA_TYPE_Q5_1: {
      const uint8_t *bytes = row + block * (type == STRATA_TYPE_Q4_1 ? 20 : 24);
      *scale = strata_load_half(bytes);
      *second = strata_load_half(bytes + 2);
      return;
    }
    case STRATA_TYPE_Q4_K:
    case STRATA_TYPE_Q5_K: {
      const uint8_t *bytes = row + block / 8 * (type == STRATA_TYPE_Q4_K ? 144 : 176);
      int a, b;
      strata_k_scale(bytes + 4, (int)(block % 8), &a, &b);
      *scale = strata_load_half(bytes) * (float)a;
      *second = -strata_load_half(bytes + 2) * (float)b;
      return;
    }
    case STRATA_TYPE_Q6_K: {
      const uint8_t *bytes = row + block / 8 * 210;
      const int8_t *scales = (const int8_t *)bytes + 192 + block % 8 * 2;
      float d = strata_load_half(bytes + 208);
      *scale = d * (float)scales[0];
      *second = d * (float)scales[1];
      return;
    }
    default: *scale = 0; return;
  }
}

static void strata_codes_k(const uint8_t *super, int sub, bool five, uint8_t *codes) {
  const uint8_t *high = super + 16, *nibbles = super + (five ? 48 : 16) + sub / 2 * 32;
  int shift = sub % 2 * 4;
  for (int i = 0; i < 32; i++) codes[i] = nibbles[i] >> shift & 15;
  for (int i = 0; five && i < 32; i++) codes[i] |= (uint8_t)((high[i] >> sub & 1) << 4);
}

// Q6_K: each half of 128 columns has 64 bytes of nibbles and 32 bytes of bit pairs; quarter q of 32 columns takes
// nibble q / 2 of bytes 32 * (q % 2)... and bit pair q.
static void strata_codes_6k(const uint8_t *super, int sub, uint8_t *codes) {
  int half = sub / 4, quarter = sub % 4;
  const uint8_t *low = super + half * 64 + quarter % 2 * 32, *high = super + 128 + half * 32;
  for (int i = 0; i < 32; i++) {
    codes[i] = (uint8_t)((low[i] >> (quarter / 2 * 4) & 15) | (high[i] >> (2 * quarter) & 3) << 4);
  }
}

void strata_block_decode(strata_type type, const uint8_t *row, int64_t block, strata_block_codes *out) {
  strata_block_scales(type, row, block, &out->scale, &out->second);
  int sub = (int)(block % 8);
  switch (type) {
    case STRATA_TYPE_Q4_0: strata_codes_from_nibbles(row + block * 18 + 2, out->codes); return;
    case STRATA_TYPE_Q4_1: strata_codes_from_nibbles(row + block * 20 + 4, out->codes); return;
    case STRATA_TYPE_Q5_0:
      strata_codes_from_nibbles(row + block * 22 + 6, out->codes);
      strata_codes_add_fifth(row + block * 22 + 2, out->codes);
      return;
    case STRATA_TYPE_Q5_1:
      strata_codes_from_nibbles(row + block * 24 + 8, out->codes);
      strata_codes_add_fifth(row + block * 24 + 4, out->codes);
      return;
    case STRATA_TYPE_Q8_0:
      for (int i = 0; i < 32; i++) out->codes[i] = row[block * 34 + 2 + i] ^ 0x80;
      return;
    case STRATA_TYPE_Q4_K: strata_codes_k(row + block / 8 * 144, sub, false, out->codes); return;
    case STRATA_TYPE_Q5_K: strata_codes_k(row + block / 8 * 176, sub, true, out->codes); return;
    case STRATA_TYPE_Q6_K: strata_codes_6k(row + block / 8 * 210, sub, out->codes); return;
    default: return;
  }
}

static int strata_code_offset(strata_type type) {
  switch (type) {
    case STRATA_TYPE_Q4_0: return 8;
    case STRATA_TYPE_Q5_0: return 16;
    case STRATA_TYPE_Q6_K: return 32;
    case STRATA_TYPE_Q8_0: return 128;
    default: return 0;
  }
}

int32_t strata_dequantize(strata_type type, const void *src, float *dst, size_t count) {
  strata_format format = strata_format_of(type);
  if (format.bytes == 0 || count % format.values != 0) return -1;
  const uint8_t *bytes = src;
  switch (type) {
    case STRATA_TYPE_F32: memcpy(dst, bytes, count * 4); return 0;
    case STRATA_TYPE_F16:
      for (size_t i = 0; i < count; i++) dst[i] = strata_load_half(bytes + 2 * i);
      return 0;
    case STRATA_TYPE_BF16:
      for (size_t i = 0; i < count; i++) dst[i] = strata_bf16_to_float(strata_load16(bytes + 2 * i));
      return 0;
    default: break;
  }
  int offset = strata_code_offset(type);
  for (size_t block = 0; block < count / 32; block++) {
    strata_block_codes codes;
    strata_block_decode(type, bytes, (int64_t)block, &codes);
    float first = codes.scale, last = type == STRATA_TYPE_Q6_K ? codes.second : codes.scale;
    float minimum = type == STRATA_TYPE_Q6_K ? 0 : codes.second;
    float *values = dst + block * 32;
    for (int i = 0; i < 16; i++) values[i] = first * (float)(codes.codes[i] - offset) + minimum;
    for (int i = 16; i < 32; i++) values[i] = last * (float)(codes.codes[i] - offset) + minimum;
  }
  return 0;
}

// MARK: Encoding

static void strata_store16(uint8_t *bytes, uint16_t value) {
  bytes[0] = (uint8_t)value;
  bytes[1] = (uint8_t)(value >> 8);
}

static int strata_clamp_code(float value, int low, int high) {
  if (!(value > (float)low)) return low;  // NaN too
  if (value >= (float)high) return high;
  return (int)lrintf(value);
}

static void strata_store_codes(const uint8_t codes[32], uint8_t *nibbles, uint8_t *high) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) bits |= (uint32_t)(codes[i] >> 4) << i;
  for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
  if (high) {
    for (int i = 0; i < 4; i++) high[i] = (uint8_t)(bits >> (8 * i));
  }
}

// One scale per block; the value of largest magnitude is represented exactly at the negative end of the code range.
static void strata_encode_symmetric(const float *src, uint8_t *block, int bits) {
  float extreme = 0;
  for (int i = 0; i < 32; i++) {
    if (fabsf(src[i]) > fabsf(extreme)) extreme = src[i];
  }
  int offset = 1 << (bits - 1);
  float d = strata_half_to_float(strata_float_to_half(extreme / (float)-offset));
  float inverse = d != 0 ? 1 / d : 0;
  uint8_t codes[32];
  for (int i = 0; i < 32; i++) {
    codes[i] = (uint8_t)strata_clamp_code(src[i] * inverse + (float)offset, 0, 2 * offset - 1);
  }
  strata_store16(block, strata_float_to_half(d));
  if (bits == 4) strata_store_codes(codes, block + 2, NULL);
  else strata_store_codes(codes, block + 6, block + 2);
}

// Scale and minimum per block.
static void strata_encode_affine(const float *src, uint8_t *block, int bits) {
  float low = src[0], high = src[0];
  for (int i = 1; i < 32; i++) {
    if (src[i] < low) low = src[i];
    if (src[i] > high) high = src[i];
  }
  int last = (1 << bits) - 1;
  float d = strata_half_to_float(strata_float_to_half((high - low) / (float)last));
  float m = strata_half_to_float(strata_float_to_half(low));
  float inverse = d != 0 ? 1 / d : 0;
  uint8_t codes[32];
  for (int i = 0; i < 32; i++) codes[i] = (uint8_t)strata_clamp_code((src[i] - m) * inverse, 0, last);
  strata_store16(block, strata_float_to_half(d));
  strata_store16(block + 2, strata_float_to_half(m));
  if (bits == 4) strata_store_codes(codes, block + 4, NULL);
  else strata_store_codes(codes, block + 8, block + 4);
}

static void strata_encode_q8(const float *src, uint8_t *block) {
  float largest = 0;
  for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(src[i]));
  float d = strata_half_to_float(strata_float_to_half(largest / 127));
  float inverse = d != 0 ? 1 / d : 0;
  strata_store16(block, strata_float_to_half(d));
  for (int i = 0; i < 32; i++) block[2 + i] = (uint8_t)strata_clamp_code(src[i] * inverse, -127, 127);
}

int32_t strata_quantize(strata_type type, const float *src, void *dst, size_t count) {
  strata_format format = strata_format_of(type);
  if (format.bytes == 0 || count % format.values != 0) return -1;
  uint8_t *bytes = dst;
  for (size_t block = 0; block < count / format.values; block++) {
    const float *values = src + block * format.values;
    uint8_t *target = bytes + block * format.bytes;
    switch (type) {
      case STRATA_TYPE_F32: memcpy(target, values, 4); break;
      case STRATA_TYPE_F16: strata_store16(target, strata_float_to_half(*values)); break;
      case STRATA_TYPE_BF16: strata_store16(target, strata_float_to_bf16(*values)); break;
      case STRATA_TYPE_Q4_0: strata_encode_symmetric(values, target, 4); break;
      case STRATA_TYPE_Q5_0: strata_encode_symmetric(values, target, 5); break;
      case STRATA_TYPE_Q4_1: strata_encode_affine(values, target, 4); break;
      case STRATA_TYPE_Q5_1: strata_encode_affine(values, target, 5); break;
      case STRATA_TYPE_Q8_0: strata_encode_q8(values, target); break;
      default: return -1;
    }
  }
  return 0;
}
