// Lists of product-quantized vectors without particular instructions.
#define STRATA_FAMILY_ISA 0
#include "lanes.h"
#include "lists.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static uint32_t list_block(
    const uint8_t *codes, const uint8_t *table, int32_t parts, float scale, float bias, const float *squares,
    float threshold, float *scores) {
  uint32_t sums[32] = {0}, hits = 0;
  for (int32_t part = 0; part < parts; part++) {
    for (int i = 0; i < 16; i++) {
      sums[i] += table[16 * part + (codes[16 * part + i] & 15)];
      sums[i + 16] += table[16 * part + (codes[16 * part + i] >> 4)];
    }
  }
  for (int i = 0; i < 32; i++) {
    float score = (float)(uint16_t)sums[i] * scale;
    score = score + bias;
    if (squares) score = score - squares[i];
    scores[i] = score;
    hits |= (uint32_t)(score > threshold) << i;
  }
  return hits;
}

#include "lists_body.h"

const strata_list_kernels strata_list_kernels_portable = STRATA_LIST_KERNELS;
