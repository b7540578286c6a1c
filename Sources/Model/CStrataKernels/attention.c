// Attention over cached keys and values (decoders) and over whole sequences (encoders), and the cache itself.
#include "family.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Layout of one (layer, head): keys in panels of 16 positions, [position / 16][head_dim][16] half floats, so that
// scores of 16 positions come out side by side; values [position][head_dim] half floats.
enum { STRATA_HEAD_LIMIT = 512 };  // what the kernels keep on the stack for a head

struct strata_kv {
  int32_t layers, heads, head_dim, capacity;
  int64_t head_values;  // capacity * head_dim
  uint16_t *keys, *values;
  size_t bytes;
};

strata_kv *strata_kv_create(int32_t layers, int32_t kv_heads, int32_t head_dim, int32_t capacity) {
  if (layers <= 0 || kv_heads <= 0 || head_dim <= 0 || head_dim > STRATA_HEAD_LIMIT) return NULL;
  if (capacity <= 0 || capacity > INT32_MAX - 64) return NULL;
  int32_t rounded = (capacity + STRATA_KEY_PANEL - 1) / STRATA_KEY_PANEL * STRATA_KEY_PANEL;
  size_t bytes = 2 * sizeof(uint16_t);
  const int32_t factors[] = {layers, kv_heads, head_dim, rounded};
  for (int i = 0; i < 4; i++) {
    if (__builtin_mul_overflow(bytes, (size_t)factors[i], &bytes)) return NULL;
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

/// Stores rows of keys and values of one head.
static void strata_store_head(uint16_t *keys, uint16_t *values, int32_t head_dim, int32_t position, int32_t count,
                              const float *k, int64_t k_stride, const float *v, int64_t v_stride) {
  const strata_family *family = strata_family_current();
  while (count > 0) {
    int32_t lane = position % STRATA_KEY_PANEL;
    int32_t rows = count < STRATA_KEY_PANEL - lane ? count : STRATA_KEY_PANEL - lane;
    family->key_lanes(keys + (int64_t)(position - lane) * head_dim, lane, rows, k, k_stride, head_dim);
    for (int32_t i = 0; i < rows; i++) {
      family->halves(values + (int64_t)(position + i) * head_dim, v + i * v_stride, head_dim);
    }
    position += rows;
    count -= rows;
    k += rows * k_stride;
    v += rows * v_stride;
  }
}

void strata_kv_store(
    strata_kv *kv, int32_t layer, int32_t position, int32_t count, const float *keys, int64_t k_stride,
    const float *values, int64_t v_stride) {
  strata_span span = {kv, position, count};
  strata_kv_store_spans(NULL, &span, 1, layer, keys, k_stride, values, v_stride);
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

static void strata_store_span_head(const strata_store_job *job, const strata_span *span, int64_t row, int32_t head) {
  strata_kv *kv = span->kv;
  if (job->layer < 0 || job->layer >= kv->layers || span->position < 0 || span->position >= kv->capacity) return;
  int64_t offset = (int64_t)head * kv->head_dim;
  int64_t count = strata_min64(span->count, kv->capacity - span->position);
  strata_store_head(
      strata_kv_keys(kv, job->layer, head), strata_kv_values(kv, job->layer, head), kv->head_dim, span->position,
      (int32_t)count, job->keys + row * job->k_stride + offset, job->k_stride,
      job->values + row * job->v_stride + offset, job->v_stride);
}

// Items are (span, head) pairs, numbered span by span.
static void strata_store_items(void *context, int64_t first, int64_t last) {
  const strata_store_job *job = context;
  int64_t item = 0, row = 0;
  for (int64_t i = 0; i < job->span_count; i++) {
    const strata_span *span = &job->spans[i];
    for (int32_t head = 0; head < span->kv->heads; head++, item++) {
      if (item >= first && item < last) strata_store_span_head(job, span, row, head);
    }
    row += span->count;
  }
}

void strata_kv_store_spans(
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

// MARK: Attention

// Work is cut into tiles of query rows that share a head of a cache: for each span and cache head, the rows are the
// (position, query head of the group) pairs in order of position, up to STRATA_ATTEND_ROWS at a time. Where there are
// fewer tiles than threads could use (decoding), each tile's positions are cut into parts whose results are merged.
typedef struct strata_attention_job {
  float *out;
  int64_t out_stride;
  const float *q;
  int64_t q_stride;
  int32_t heads, layer;
  float scale;
  const strata_span *spans;
  int64_t span_count;
  int64_t tiles;
  int64_t parts;          // per tile
  float *partial;         // [tile][part][row][head_dim + 2], when parts > 1
  int64_t partial_stride; // floats per part
} strata_attention_job;

static int64_t strata_span_tiles(const strata_span *span, int32_t heads) {
  int64_t rows = (int64_t)span->count * (heads / span->kv->heads);
  return strata_ceil_div(rows, STRATA_ATTEND_ROWS) * span->kv->heads;
}

/// Describes tile `tile` of a job, later positions first, so that the longest work starts first.
static void strata_attention_tile(const strata_attention_job *job, int64_t tile, strata_attend *part) {
  const strata_span *span = job->spans;
  int64_t row = 0;
  for (int64_t tiles; tile >= (tiles = strata_span_tiles(span, job->heads)); tile -= tiles) row += (span++)->count;
  const strata_kv *kv = span->kv;
  int64_t group = job->heads / kv->heads, rows = span->count * group;
  int64_t blocks = strata_ceil_div(rows, STRATA_ATTEND_ROWS);
  int32_t head = (int32_t)(tile % kv->heads);
  int64_t first = (blocks - 1 - tile / kv->heads) * STRATA_ATTEND_ROWS;
  part->rows = (int32_t)strata_min64(STRATA_ATTEND_ROWS, rows - first);
  part->keys = strata_kv_keys(kv, job->layer, head);
  part->values = strata_kv_values(kv, job->layer, head);
  part->head_dim = kv->head_dim;
  part->scale = job->scale;
  part->first = 0;
  part->partial = NULL;
  for (int32_t i = 0; i < part->rows; i++) {
    int64_t position = (first + i) / group, offset = (head * group + (first + i) % group) * kv->head_dim;
    part->q[i] = job->q + (row + position) * job->q_stride + offset;
    part->out[i] = job->out + (row + position) * job->out_stride + offset;
    part->limit[i] = (int32_t)strata_min64(span->position + position + 1, kv->capacity);
    part->last = part->limit[i];
  }
}

/// Positions of part `index` of a tile: whole panels, shared evenly.
static void strata_attention_cut(strata_attend *part, int64_t parts, int64_t index) {
  int64_t panels = strata_ceil_div(part->last, STRATA_KEY_PANEL);
  part->first = (int32_t)(panels * index / parts * STRATA_KEY_PANEL);
  part->last = (int32_t)strata_min64(part->last, panels * (index + 1) / parts * STRATA_KEY_PANEL);
}

static void strata_attend_items(void *context, int64_t first, int64_t last) {
  const strata_attention_job *job = context;
  const strata_family *family = strata_family_current();
  for (int64_t item = first; item < last; item++) {
    strata_attend part;
    strata_attention_tile(job, item / job->parts, &part);
    if (job->parts > 1) {
      strata_attention_cut(&part, job->parts, item % job->parts);
      float *partial = job->partial + item * job->partial_stride;
      for (int32_t i = 0; i < part.rows; i++) part.out[i] = partial + i * part.head_dim;
      part.partial = partial + (int64_t)STRATA_ATTEND_ROWS * part.head_dim;
    }
    family->attend(&part);
  }
}

static void strata_attention_merge(const strata_attention_job *job, int64_t tile) {
  strata_attend whole;
  strata_attention_tile(job, tile, &whole);
  const strata_family *family = strata_family_current();
  for (int32_t row = 0; row < whole.rows; row++) {
    float largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < job->parts; i++) {
      const float *partial = job->partial + (tile * job->parts + i) * job->partial_stride;
      largest = fmaxf(largest, partial[STRATA_ATTEND_ROWS * whole.head_dim + 2 * row]);
    }
    for (int32_t d = 0; d < whole.head_dim; d++) whole.out[row][d] = 0;
    for (int64_t i = 0; i < job->parts; i++) {
      const float *partial = job->partial + (tile * job->parts + i) * job->partial_stride;
      const float *numbers = partial + STRATA_ATTEND_ROWS * whole.head_dim + 2 * row;
      float weight = exp2f(numbers[0] - largest);
      sum += numbers[1] * weight;
      family->axpy(whole.out[row], weight, partial + row * whole.head_dim, whole.head_dim);
    }
    for (int32_t d = 0; d < whole.head_dim; d++) whole.out[row][d] /= sum;
  }
}

static void strata_attention_run(strata_attention_job *job, strata_pool *pool, int64_t longest, int32_t head_dim) {
  enum { PART_POSITIONS = 128 };  // fewer are not worth a part of their own
  int32_t threads = strata_pool_threads(pool);
  job->parts = 1;
  if (threads > 1 && job->tiles < 4 * threads) {
    job->parts = strata_min64(strata_ceil_div(4 * threads, job->tiles), longest / PART_POSITIONS);
    if (job->parts < 1) job->parts = 1;
  }
  if (job->parts > 1) {
    job->partial_stride = (int64_t)STRATA_ATTEND_ROWS * (head_dim + 2);
    size_t bytes = (size_t)(job->tiles * job->parts * job->partial_stride) * sizeof(float);
    job->partial = strata_pool_scratch(pool, 2, bytes);
    if (!job->partial) job->parts = 1;
  }
  strata_region(pool, job->tiles * job->parts, 1, strata_attend_items, job);
  for (int64_t tile = 0; job->parts > 1 && tile < job->tiles; tile++) strata_attention_merge(job, tile);
}

void strata_attention(
    strata_pool *pool, float *out, int64_t out_stride, const float *q, int64_t q_stride, int32_t heads, float scale,
    int32_t layer, const strata_span *spans, int64_t span_count) {
  strata_attention_job job = {.out = out, .out_stride = out_stride, .q = q, .q_stride = q_stride, .heads = heads,
                              .layer = layer, .scale = scale, .spans = spans, .span_count = span_count};
  int64_t longest = 0;
  int32_t head_dim = 0;
  for (int64_t i = 0; i < span_count; i++) {
    const strata_kv *kv = spans[i].kv;
    if (heads < kv->heads || heads % kv->heads != 0 || layer < 0 || layer >= kv->layers) return;
    if (spans[i].position < 0) return;
    job.tiles += strata_span_tiles(&spans[i], heads);
    longest = strata_max64(longest, spans[i].position + spans[i].count);
    if (kv->head_dim > head_dim) head_dim = kv->head_dim;
  }
  if (job.tiles == 0) return;
  pool = strata_pool_enter(pool);
  if (!pool) return;
  strata_attention_run(&job, pool, longest, head_dim);
  strata_pool_leave(pool);
}

// MARK: Encoders

// Keys and values of all sequences are first laid out like a cache in scratch memory.
typedef struct strata_encoder_job {
  float *out;
  int64_t out_stride;
  const float *q, *k, *v;
  int64_t stride;
  int32_t heads, head_dim;
  float scale;
  const int32_t *lengths;
  int64_t count;
  uint16_t *packed;  // per sequence [2][heads][rounded length][head_dim]
  int64_t units;     // (sequence, head) pairs
} strata_encoder_job;

/// Where unit `unit` lies: its head, first row, length and packed keys; values follow at a distance of `values_at`.
static uint16_t *strata_encoder_unit(const strata_encoder_job *job, int64_t unit, int32_t *head, int64_t *row,
                                     int32_t *length, int64_t *values_at) {
  uint16_t *packed = job->packed;
  int64_t sequence = unit / job->heads;
  *row = 0;
  for (int64_t i = 0; i < sequence; i++) {
    *row += job->lengths[i];
    packed += 2 * job->heads * strata_ceil_div(job->lengths[i], STRATA_KEY_PANEL) * STRATA_KEY_PANEL * job->head_dim;
  }
  *head = (int32_t)(unit % job->heads);
  *length = job->lengths[sequence];
  int64_t values = strata_ceil_div(*length, STRATA_KEY_PANEL) * STRATA_KEY_PANEL * job->head_dim;
  *values_at = job->heads * values;
  return packed + *head * values;
}

static void strata_encoder_units(void *context, int64_t first, int64_t last) {
  const strata_encoder_job *job = context;
  const strata_family *family = strata_family_current();
  for (int64_t unit = first; unit < last; unit++) {
    int32_t head, length;
    int64_t row, values_at;
    uint16_t *keys = strata_encoder_unit(job, unit, &head, &row, &length, &values_at);
    int64_t offset = (int64_t)head * job->head_dim;
    strata_store_head(keys, keys + values_at, job->head_dim, 0, length, job->k + row * job->stride + offset,
                      job->stride, job->v + row * job->stride + offset, job->stride);
    strata_attend part = {.first = 0, .last = length, .keys = keys, .values = keys + values_at,
                          .head_dim = job->head_dim, .scale = job->scale};
    for (int32_t start = 0; start < length; start += STRATA_ATTEND_ROWS) {
      part.rows = length - start < STRATA_ATTEND_ROWS ? length - start : STRATA_ATTEND_ROWS;
      for (int32_t i = 0; i < part.rows; i++) {
        part.q[i] = job->q + (row + start + i) * job->stride + offset;
        part.out[i] = job->out + (row + start + i) * job->out_stride + offset;
        part.limit[i] = length;
      }
      family->attend(&part);
    }
  }
}

void strata_attention_bidirectional(
    strata_pool *pool, float *out, int64_t out_stride, const float *q, const float *k, const float *v,
    int64_t qkv_stride, int32_t heads, int32_t head_dim, float scale, const int32_t *lengths, int64_t count) {
  if (heads <= 0 || head_dim <= 0 || head_dim > STRATA_HEAD_LIMIT) return;
  strata_encoder_job job = {out, out_stride, q, k, v, qkv_stride, heads, head_dim, scale, lengths, count, NULL,
                            count * heads};
  int64_t rows = 0;
  for (int64_t i = 0; i < count; i++) rows += strata_ceil_div(lengths[i], STRATA_KEY_PANEL) * STRATA_KEY_PANEL;
  pool = strata_pool_enter(pool);
  if (!pool) return;
  job.packed = strata_pool_scratch(pool, 3, (size_t)(rows * 2 * heads * head_dim) * sizeof(uint16_t));
  if (job.packed) strata_region(pool, job.units, 1, strata_encoder_units, &job);
  strata_pool_leave(pool);
}
