// The store of keys and values: pages that sequences take, share and give back. Who owns which page is not known here.
#include "attention.h"

#include <stdlib.h>
#include <string.h>

strata_kv *strata_kv_create(int32_t layers, int32_t kv_heads, int32_t head_dim, int32_t page_count,
                            strata_kv_type type) {
  if (layers <= 0 || kv_heads <= 0 || !strata_head_fits(head_dim) || page_count <= 0) return NULL;
  if (type != STRATA_KV_F16 && type != STRATA_KV_BF16 && type != STRATA_KV_Q8) return NULL;
  size_t block_bytes = strata_kv_block_bytes(type, head_dim), bytes;
  if (__builtin_mul_overflow((size_t)layers * (size_t)kv_heads, block_bytes, &bytes) || bytes > SIZE_MAX / 4) {
    return NULL;
  }
  size_t page_bytes = ((bytes + 4095) / 4096 | 1) * 4096;
  if (__builtin_mul_overflow(page_bytes, (size_t)page_count, &bytes) || bytes > PTRDIFF_MAX) return NULL;
  strata_kv *kv = calloc(1, sizeof *kv);
  if (!kv) return NULL;
  *kv = (strata_kv){layers, kv_heads, head_dim, page_count, type, block_bytes, page_bytes,
                    strata_memory_map(bytes, false)};
  if (!kv->memory) {
    free(kv);
    return NULL;
  }
  return kv;
}

void strata_kv_destroy(strata_kv *kv) {
  if (!kv) return;
  strata_memory_unmap(kv->memory, kv->page_bytes * (size_t)kv->page_count);
  free(kv);
}

int32_t strata_kv_page_count(const strata_kv *kv) { return kv->page_count; }

size_t strata_kv_page_bytes(const strata_kv *kv) { return kv->page_bytes; }

bool strata_kv_copy_page(strata_kv *destination, int32_t to, const strata_kv *source, int32_t from) {
  if (destination->layers != source->layers || destination->heads != source->heads ||
      destination->head_dim != source->head_dim || destination->type != source->type || to < 0 ||
      to >= destination->page_count || from < 0 || from >= source->page_count) {
    return false;
  }
  memmove(destination->memory + (size_t)to * destination->page_bytes,
          source->memory + (size_t)from * source->page_bytes, source->page_bytes);
  return true;
}

void strata_kv_release_pages(strata_kv *kv, int32_t first, int32_t count) {
  if (first < 0 || count <= 0 || first > kv->page_count - count) return;
  strata_memory_release(kv->memory + (size_t)first * kv->page_bytes, (size_t)count * kv->page_bytes);
}

// MARK: Storing

void strata_store_head(uint8_t *blocks, const int32_t *pages, size_t page_bytes, strata_kv_type type, int32_t head_dim,
                       int32_t position, int32_t count, const float *k, int64_t k_stride, const float *v,
                       int64_t v_stride) {
  const strata_family *family = strata_family_current();
  while (count > 0) {
    int32_t page = position / STRATA_KV_PAGE, lane = position % STRATA_KV_PAGE;
    int32_t rows = count < STRATA_KV_PAGE - lane ? count : STRATA_KV_PAGE - lane;
    uint8_t *block = blocks + (size_t)(pages ? pages[page] : page) * page_bytes;
    family->cache_rows(block, type, lane, rows, k, k_stride, v, v_stride, head_dim);
    position += rows;
    count -= rows;
    k += rows * k_stride;
    v += rows * v_stride;
  }
}

typedef struct strata_store_job {
  const strata_span *spans;
  int64_t span_count;
  int32_t layer;
  const float *keys;
  int64_t k_stride;
  const float *values;
  int64_t v_stride;
} strata_store_job;

// Items are (span, head) pairs, numbered span by span.
static void strata_store_items(void *context, int64_t first, int64_t last) {
  const strata_store_job *job = context;
  int64_t item = 0, row = 0;
  for (int64_t i = 0; i < job->span_count; i++) {
    const strata_span *span = &job->spans[i];
    const strata_kv *kv = span->kv;
    for (int32_t head = 0; head < kv->heads; head++, item++) {
      if (item < first || item >= last || job->layer < 0 || job->layer >= kv->layers) continue;
      int64_t offset = (int64_t)head * kv->head_dim;
      strata_store_head(
          strata_kv_blocks(kv, job->layer, head), span->pages, kv->page_bytes, kv->type, kv->head_dim, span->position,
          span->count, job->keys + row * job->k_stride + offset, job->k_stride,
          job->values + row * job->v_stride + offset, job->v_stride);
    }
    row += span->count;
  }
}

void strata_kv_store(
    strata_pool *pool, const strata_span *spans, int64_t span_count, int32_t layer, const float *keys,
    int64_t k_stride, const float *values, int64_t v_stride) {
  strata_store_job job = {spans, span_count, layer, keys, k_stride, values, v_stride};
  int64_t items = 0, stored = 0;
  for (int64_t i = 0; i < span_count; i++) {
    items += spans[i].kv->heads;
    stored += (int64_t)spans[i].kv->heads * spans[i].kv->head_dim * spans[i].count;
  }
  if (!pool || stored < 16384) strata_store_items(&job, 0, items);
  else strata_parallel_for(pool, items, 1, strata_store_items, &job);
}
