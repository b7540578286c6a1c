// Attention over cached keys and values (decoders) and over whole sequences (encoders), and the cache itself.
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Layout of one (layer, head): keys in panels of 16 positions, [position / 16][head_dim][16] half floats, so that
// scores of 16 positions come out side by side; values [position][head_dim] half floats.
enum { STRATA_KEY_PANEL = 16 };

struct strata_kv {
  int32_t layers, heads, head_dim, capacity;
  int64_t head_values;  // capacity * head_dim
  uint16_t *keys, *values;
  size_t bytes;
};

strata_kv *strata_kv_create(int32_t layers, int32_t kv_heads, int32_t head_dim, int32_t capacity) {
  if (layers <= 0 || kv_heads <= 0 || head_dim <= 0 || capacity <= 0 || capacity > INT32_MAX - 64) return NULL;
  int32_t rounded = (capacity + STRATA_KEY_PANEL - 1) / STRATA_KEY_PANEL * STRATA_KEY_PANEL;
  size_t bytes = 2 * sizeof(uint16_t);
  if (__builtin_mul_overflow(bytes, (size_t)layers, &bytes) || __builtin_mul_overflow(bytes, (size_t)kv_heads, &bytes) ||
      __builtin_mul_overflow(bytes, (size_t)head_dim, &bytes) || __builtin_mul_overflow(bytes, (size_t)rounded, &bytes)) {
    return NULL;
  }
  strata_kv *kv = calloc(1, sizeof *kv);
  if (!kv) return NULL;
  uint16_t *memory = strata_memory_map(bytes, false);
  if (!memory) {
    free(kv);
    return NULL;
  }
  *kv = (strata_kv){layers, kv_heads, head_dim, rounded, (int64_t)rounded * head_dim,
                    memory, memory + bytes / (2 * sizeof(uint16_t)), bytes};
  return kv;
}

void strata_kv_destroy(strata_kv *kv) {
  if (!kv) return;
  strata_memory_unmap(kv->keys, kv->bytes);
  free(kv);
}

int32_t strata_kv_capacity(const strata_kv *kv) { return kv->capacity; }

size_t strata_kv_bytes_per_position(const strata_kv *kv) {
  return (size_t)kv->layers * (size_t)kv->heads * (size_t)kv->head_dim * 2 * sizeof(uint16_t);
}

static uint16_t *strata_kv_keys(const strata_kv *kv, int32_t layer, int32_t head) {
  return kv->keys + ((int64_t)layer * kv->heads + head) * kv->head_values;
}

static uint16_t *strata_kv_values(const strata_kv *kv, int32_t layer, int32_t head) {
  return kv->values + ((int64_t)layer * kv->heads + head) * kv->head_values;
}

void strata_kv_store(
    strata_kv *kv, int32_t layer, int32_t position, int32_t count, const float *keys, int64_t k_stride,
    const float *values, int64_t v_stride) {
  if (layer < 0 || layer >= kv->layers || position < 0) return;
  for (int32_t i = 0; i < count && position + i < kv->capacity; i++) {
    int64_t panel = (position + i) / STRATA_KEY_PANEL, lane = (position + i) % STRATA_KEY_PANEL;
    for (int32_t head = 0; head < kv->heads; head++) {
      uint16_t *k = strata_kv_keys(kv, layer, head) + panel * STRATA_KEY_PANEL * kv->head_dim + lane;
      uint16_t *v = strata_kv_values(kv, layer, head) + (int64_t)(position + i) * kv->head_dim;
      const float *key = keys + i * k_stride + (int64_t)head * kv->head_dim;
      const float *value = values + i * v_stride + (int64_t)head * kv->head_dim;
      for (int32_t d = 0; d < kv->head_dim; d++) {
        k[(int64_t)d * STRATA_KEY_PANEL] = strata_float_to_half(key[d]);
        v[d] = strata_float_to_half(value[d]);
      }
    }
  }
}

void strata_kv_store_spans(
    strata_pool *pool, const strata_span *spans, int64_t span_count, int32_t layer, const float *keys,
    int64_t k_stride, const float *values, int64_t v_stride) {
  (void)pool;
  for (int64_t i = 0; i < span_count; i++) {
    strata_kv_store(spans[i].kv, layer, spans[i].position, spans[i].count, keys, k_stride, values, v_stride);
    keys += spans[i].count * k_stride;
    values += spans[i].count * v_stride;
  }
}

bool strata_kv_copy_prefix(strata_kv *destination, const strata_kv *source, int32_t count) {
  if (destination->layers != source->layers || destination->heads != source->heads ||
      destination->head_dim != source->head_dim || count < 0 || count > destination->capacity ||
      count > source->capacity) {
    return false;
  }
  // Whole panels of keys are copied: lanes beyond `count` are never read before they are stored again.
  int64_t panels = (count + STRATA_KEY_PANEL - 1) / STRATA_KEY_PANEL;
  size_t key_bytes = (size_t)(panels * STRATA_KEY_PANEL * source->head_dim) * sizeof(uint16_t);
  size_t value_bytes = (size_t)((int64_t)count * source->head_dim) * sizeof(uint16_t);
  for (int32_t layer = 0; layer < source->layers; layer++) {
    for (int32_t head = 0; head < source->heads; head++) {
      memcpy(strata_kv_keys(destination, layer, head), strata_kv_keys(source, layer, head), key_bytes);
      memcpy(strata_kv_values(destination, layer, head), strata_kv_values(source, layer, head), value_bytes);
    }
  }
  return true;
}

typedef struct strata_attention_job {
  float *out;
  int64_t out_stride;
  const float *q;
  int64_t q_stride;
  int32_t heads, layer;
  float scale;
  const strata_span *spans;
  int64_t span_count, rows;
} strata_attention_job;

static void strata_attend_row(const strata_attention_job *job, const strata_span *span, int64_t row, int32_t head,
                              int32_t position) {
  const strata_kv *kv = span->kv;
  int32_t kv_head = head / (job->heads / kv->heads);
  const uint16_t *keys = strata_kv_keys(kv, job->layer, kv_head);
  const uint16_t *values = strata_kv_values(kv, job->layer, kv_head);
  const float *q = job->q + row * job->q_stride + (int64_t)head * kv->head_dim;
  float *out = job->out + row * job->out_stride + (int64_t)head * kv->head_dim;
  for (int32_t d = 0; d < kv->head_dim; d++) out[d] = 0;
  float maximum = -INFINITY, sum = 0;
  for (int32_t first = 0; first <= position; first += STRATA_KEY_PANEL) {
    float scores[STRATA_KEY_PANEL] = {0};
    const uint16_t *panel = keys + (int64_t)first * kv->head_dim;
    for (int32_t d = 0; d < kv->head_dim; d++) {
      for (int lane = 0; lane < STRATA_KEY_PANEL; lane++) {
        scores[lane] += q[d] * strata_half_to_float(panel[d * STRATA_KEY_PANEL + lane]);
      }
    }
    int32_t used = position + 1 - first < STRATA_KEY_PANEL ? position + 1 - first : STRATA_KEY_PANEL;
    float largest = maximum;
    for (int lane = 0; lane < used; lane++) {
      scores[lane] *= job->scale;
      if (scores[lane] > largest) largest = scores[lane];
    }
    float correction = expf(maximum - largest);
    sum *= correction;
    for (int32_t d = 0; d < kv->head_dim; d++) out[d] *= correction;
    maximum = largest;
    for (int lane = 0; lane < used; lane++) {
      float weight = expf(scores[lane] - maximum);
      sum += weight;
      const uint16_t *value = values + (int64_t)(first + lane) * kv->head_dim;
      for (int32_t d = 0; d < kv->head_dim; d++) out[d] += weight * strata_half_to_float(value[d]);
    }
  }
  for (int32_t d = 0; d < kv->head_dim; d++) out[d] /= sum;
}

static void strata_attend_items(void *context, int64_t first, int64_t last) {
  const strata_attention_job *job = context;
  for (int64_t item = first; item < last; item++) {
    int64_t row = item / job->heads;
    int32_t head = (int32_t)(item % job->heads);
    int64_t within = row;
    const strata_span *span = job->spans;
    while (within >= span->count) within -= (span++)->count;
    strata_attend_row(job, span, row, head, span->position + (int32_t)within);
  }
}

void strata_attention(
    strata_pool *pool, float *out, int64_t out_stride, const float *q, int64_t q_stride, int32_t heads, float scale,
    int32_t layer, const strata_span *spans, int64_t span_count) {
  int64_t rows = 0;
  for (int64_t i = 0; i < span_count; i++) rows += spans[i].count;
  strata_attention_job job = {out, out_stride, q, q_stride, heads, layer, scale, spans, span_count, rows};
  strata_parallel_for(pool, rows * heads, 1, strata_attend_items, &job);
}

typedef struct strata_encoder_job {
  float *out;
  int64_t out_stride;
  const float *q, *k, *v;
  int64_t stride;
  int32_t heads, head_dim;
  float scale;
  const int32_t *lengths;
  int64_t count;
} strata_encoder_job;

static void strata_encoder_rows(void *context, int64_t first, int64_t last) {
  const strata_encoder_job *job = context;
  for (int64_t row = first; row < last; row++) {
    int64_t start = 0;
    const int32_t *length = job->lengths;
    while (row - start >= *length) start += *length++;
    float *scores = malloc((size_t)*length * sizeof(float));
    if (!scores) return;
    for (int32_t head = 0; head < job->heads; head++) {
      int64_t offset = (int64_t)head * job->head_dim;
      const float *q = job->q + row * job->stride + offset;
      for (int32_t i = 0; i < *length; i++) {
        scores[i] = strata_dot_f32(q, job->k + (start + i) * job->stride + offset, job->head_dim);
      }
      strata_softmax(scores, *length, job->scale);
      float *out = job->out + row * job->out_stride + offset;
      for (int32_t d = 0; d < job->head_dim; d++) out[d] = 0;
      for (int32_t i = 0; i < *length; i++) {
        strata_axpy(out, scores[i], job->v + (start + i) * job->stride + offset, job->head_dim);
      }
    }
    free(scores);
  }
}

void strata_attention_bidirectional(
    strata_pool *pool, float *out, int64_t out_stride, const float *q, const float *k, const float *v,
    int64_t qkv_stride, int32_t heads, int32_t head_dim, float scale, const int32_t *lengths, int64_t count) {
  int64_t rows = 0;
  for (int64_t i = 0; i < count; i++) rows += lengths[i];
  strata_encoder_job job = {out, out_stride, q, k, v, qkv_stride, heads, head_dim, scale, lengths, count};
  strata_parallel_for(pool, rows, 4, strata_encoder_rows, &job);
}
