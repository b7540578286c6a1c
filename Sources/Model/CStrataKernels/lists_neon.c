// Lists of product-quantized vectors with NEON: 32 rows at a time, a part in a table lookup.
#include "lists.h"
#if STRATA_NEON
#include <arm_neon.h>
#define STRATA_FAMILY_ISA 0
#include "lanes.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
static uint32_t list_block(
    const uint8_t *codes, const uint8_t *table, int32_t parts, float scale, float bias, const float *squares,
    float threshold, float *scores) {
  uint16x8_t sums[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
  for (int32_t part = 0; part < parts; part++) {
    uint8x16_t x = vld1q_u8(codes + 16 * part), t = vld1q_u8(table + 16 * part);
    uint8x16_t first = vqtbl1q_u8(t, vandq_u8(x, vdupq_n_u8(15))), second = vqtbl1q_u8(t, vshrq_n_u8(x, 4));
    sums[0] = vaddw_u8(sums[0], vget_low_u8(first));
    sums[1] = vaddw_u8(sums[1], vget_high_u8(first));
    sums[2] = vaddw_u8(sums[2], vget_low_u8(second));
    sums[3] = vaddw_u8(sums[3], vget_high_u8(second));
  }
  uint32_t hits = 0;
  for (int i = 0; i < 8; i++) {
    uint16x4_t four = i % 2 ? vget_high_u16(sums[i / 2]) : vget_low_u16(sums[i / 2]);
    float32x4_t s = vmulq_n_f32(vcvtq_f32_u32(vmovl_u16(four)), scale);
    s = vaddq_f32(s, vdupq_n_f32(bias));
    if (squares) s = vsubq_f32(s, vld1q_f32(squares + 4 * i));
    vst1q_f32(scores + 4 * i, s);
  }
  for (int i = 0; i < 32; i++) hits |= (uint32_t)(scores[i] > threshold) << i;
  return hits;
}

#include "lists_body.h"

const strata_list_kernels strata_list_kernels_neon = STRATA_LIST_KERNELS;
#endif
