// What the C files of this target share: the table of kernels that one instruction-set family provides, the layout of
// packed weights and caches, scratch memory. Not seen outside the target.
#ifndef STRATA_KERNELS_PRIVATE_H
#define STRATA_KERNELS_PRIVATE_H

#include "include/CStrataKernels.h"

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wnullability-completeness"
#endif

#if defined(__x86_64__)
#define STRATA_X86 1
#else
#define STRATA_X86 0
#endif

#if defined(__aarch64__) && defined(__linux__)
#define STRATA_NEON 1
#else
#define STRATA_NEON 0
#endif

static inline int64_t strata_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t strata_max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t strata_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// MARK: Scalars

static inline float strata_bits_to_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t strata_float_to_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

// IEEE half to float without branches that stop vectorisation: the exponent is moved by a multiplication, which also
// makes subnormals exact; infinities and NaN (exponent 31) are put back by the select.
static inline float strata_half_to_float(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  float scaled = strata_bits_to_float(magnitude) * 0x1p112f;
  uint32_t special = (half & 0x7c00) == 0x7c00 ? 0x7f800000u | magnitude : strata_float_to_bits(scaled);
  return strata_bits_to_float(special | (uint32_t)(half & 0x8000) << 16);
}

// Float to IEEE half, to nearest even; NaN stays NaN.
static inline uint16_t strata_float_to_half(float value) {
  uint32_t bits = strata_float_to_bits(value);
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) {  // at least 65536, infinity or NaN
    return (uint16_t)(sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00));
  }
  if (magnitude < 0x38800000) {  // subnormal in half: let float addition round at bit 2^-24
    uint32_t rounded = strata_float_to_bits(strata_bits_to_float(magnitude) + 0.5f);
    return (uint16_t)(sign | (rounded - 0x3f000000));
  }
  uint32_t odd = magnitude >> 13 & 1;
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

static inline float strata_bf16_to_float(uint16_t bits) { return strata_bits_to_float((uint32_t)bits << 16); }

static inline uint16_t strata_float_to_bf16(float value) {
  uint32_t bits = strata_float_to_bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// MARK: Formats

/// One block of 32 columns of a row: value = scale * (code - offset) + second, where the format has minimums;
/// for Q6_K `scale` is of columns 0...15 and `second` the scale of columns 16...31; otherwise `second` is 0. The
/// offset is 2^(bits - 1) for formats without minimum, else 0.
typedef struct strata_block_codes {
  uint8_t codes[32];
  float scale, second;
} strata_block_codes;

/// Reads columns 32 * block ..< 32 * block + 32 of a row of any quantized format.
void strata_block_decode(strata_type type, const uint8_t *row, int64_t block, strata_block_codes *out);
/// The scales of the same alone.
void strata_block_scales(strata_type type, const uint8_t *row, int64_t block, float *scale, float *second);

// MARK: Threads

/// Waits for this caller's turn on the pool, so that scratch memory is its own until `strata_pool_leave`. For a NULL
/// pool it makes one of this thread alone, which leaving ends; NULL when memory could not be had.
strata_pool *strata_pool_enter(strata_pool *pool);
void strata_pool_leave(strata_pool *pool);

typedef void (*strata_body)(void *context, int64_t first, int64_t last);

/// `strata_parallel_for` for a caller that has entered already.
void strata_region(strata_pool *pool, int64_t count, int64_t chunk, strata_body body, void *context);

/// 64-byte aligned scratch memory of at least `bytes`, kept by the pool between calls; valid until the caller leaves.
/// There are STRATA_SCRATCH_SLOTS independent ones. NULL when memory could not be had.
enum { STRATA_SCRATCH_SLOTS = 6 };
void *strata_pool_scratch(strata_pool *pool, int32_t slot, size_t bytes);

// MARK: Memory

/// 64-byte aligned memory that is asked for in huge pages when large. Contents are zero.
void *strata_memory_map(size_t bytes, bool huge);
void strata_memory_unmap(void *memory, size_t bytes);
/// Gives the whole system pages inside a range back; they read as zero from then on.
void strata_memory_release(void *memory, size_t bytes);

#endif
