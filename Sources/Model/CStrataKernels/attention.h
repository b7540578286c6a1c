// What storing keys and values and attending to them share: the layout of a store's pages. Not seen outside the target.
#ifndef STRATA_ATTENTION_PRIVATE_H
#define STRATA_ATTENTION_PRIVATE_H

#include "family.h"

// A page holds, for each layer and then each head, one block of keys, values and scales:
//   F16   keys [head_dim][16 positions], values [16 positions][head_dim]
//   BF16  keys [head_dim / 2][16 positions][2], values [8 pairs of positions][head_dim][2]: what one instruction
//         multiplies and adds lies side by side
//   Q8    like F16, then floats: [16] scales of keys, [16] scales of values
// Scores of 16 positions, and sums of 16 dimensions, thus come out as vectors.
//
// Pages are whole: everything of 16 positions lies together, so that copying a page is one copy, giving it back gives
// back all of its memory, and a store takes no more than its pages in use. Pages are an odd number of 4 KiB apart:
// the blocks of one head then spread over all sets of a cache that is indexed by low bits of addresses.
enum { STRATA_HEAD_LIMIT = 512 };  // what the kernels keep on the stack for a head

/// Whether the kernels take heads of this size.
static inline bool strata_head_fits(int32_t head_dim) {
  return head_dim > 0 && head_dim <= STRATA_HEAD_LIMIT && head_dim % 2 == 0;
}

struct strata_kv {
  int32_t layers, heads, head_dim, page_count;
  strata_kv_type type;
  size_t block_bytes, page_bytes;
  uint8_t *memory;
};

static inline size_t strata_kv_value_bytes(strata_kv_type type) { return type == STRATA_KV_Q8 ? 1 : 2; }

/// Bytes from a block's keys to its values; as many again from those to its scales.
static inline size_t strata_kv_values_at(strata_kv_type type, int32_t head_dim) {
  return STRATA_KV_PAGE * (size_t)head_dim * strata_kv_value_bytes(type);
}

static inline size_t strata_kv_block_bytes(strata_kv_type type, int32_t head_dim) {
  size_t scales = type == STRATA_KV_Q8 ? 2 * STRATA_KV_PAGE * sizeof(float) : 0;
  return (2 * strata_kv_values_at(type, head_dim) + scales + 63) / 64 * 64;
}

/// Stores rows of keys and values of one head in its blocks; `blocks` is page 0's, page i is `pages[i]` or, when that
/// is NULL, i.
void strata_store_head(uint8_t *blocks, const int32_t *pages, size_t page_bytes, strata_kv_type type, int32_t head_dim,
                       int32_t position, int32_t count, const float *k, int64_t k_stride, const float *v,
                       int64_t v_stride);

static inline uint8_t *strata_kv_blocks(const strata_kv *kv, int32_t layer, int32_t head) {
  return kv->memory + ((size_t)layer * (size_t)kv->heads + (size_t)head) * kv->block_bytes;
}

#endif
