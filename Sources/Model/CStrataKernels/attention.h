// What storing keys and values and attending to them share: the layout of a store's pages. Not seen outside the target.
#ifndef STRATA_ATTENTION_PRIVATE_H
#define STRATA_ATTENTION_PRIVATE_H

#include "family.h"

// A page holds, for each layer and then each head, one block:
//   keys    [head_dim][16 positions]: scores of 16 positions come out side by side
//   values  [16 positions][head_dim]
//   scales  [16] of keys, [16] of values, floats; Q8 only
// Pages are whole: everything of 16 positions lies together, so that copying a page is one copy, giving it back gives
// back all of its memory, and a store takes no more than its pages in use. Pages are an odd number of 4 KiB apart:
// the blocks of one head then spread over all sets of a cache that is indexed by low bits of addresses.
enum { STRATA_HEAD_LIMIT = 512 };  // what the kernels keep on the stack for a head

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
