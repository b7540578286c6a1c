// Attention over cached keys and values (decoders) and over whole sequences (encoders): cuts the work for the pool's
// threads; the family computes.
#include "attention.h"

#include <string.h>

// Work is cut into tiles of query rows that share a head of a store: for each span and head, the rows are the
// (position, query head of the group) pairs in order of position, up to STRATA_ATTEND_ROWS at a time. Where a tile would
// keep one thread at work for too long (decoding), its positions are cut into parts, which are folded afterwards.
typedef struct strata_attention_job {
  float *out;
  int64_t out_stride;
  const float *q;
  int64_t q_stride;
  int32_t heads, layer;
  strata_attention_options options;
  const strata_span *spans;
  int64_t span_count;
  int64_t part_blocks;     // blocks of positions in a part, at most
  float *partial;          // [item of a span in parts][block of the part], see strata_attend
  int64_t partial_stride;  // floats from a block to the next
} strata_attention_job;

static int64_t strata_span_tiles(const strata_span *span, int32_t heads) {
  int64_t rows = (int64_t)span->count * (heads / span->kv->heads);
  return strata_ceil_div(rows, STRATA_ATTEND_ROWS) * span->kv->heads;
}

/// Blocks of positions that rows of a span see together, the first being `first`.
static int64_t strata_span_blocks(const strata_attention_job *job, const strata_span *span, int64_t *first) {
  int64_t seen = job->options.window > 0 ? (int64_t)span->position + 1 - job->options.window : 0;
  *first = seen > 0 ? seen / STRATA_ATTEND_BLOCK : 0;
  return strata_ceil_div((int64_t)span->position + span->count, STRATA_ATTEND_BLOCK) - *first;
}

static int64_t strata_span_parts(const strata_attention_job *job, const strata_span *span) {
  int64_t first;
  return strata_ceil_div(strata_span_blocks(job, span, &first), job->part_blocks);
}

/// Describes tile `tile` of a span whose first row is `row` of the batch: head by head, so that what one tile has read
/// is near for the next, and later positions first.
static void strata_attention_tile(const strata_attention_job *job, const strata_span *span, int64_t row, int64_t tile,
                                  strata_attend *part) {
  const strata_kv *kv = span->kv;
  int64_t group = job->heads / kv->heads, rows = span->count * group;
  int64_t groups = strata_ceil_div(rows, STRATA_ATTEND_ROWS);
  int32_t head = (int32_t)(tile / groups);
  int64_t first = (groups - 1 - tile % groups) * STRATA_ATTEND_ROWS;
  *part = (strata_attend){
      .rows = (int32_t)strata_min64(STRATA_ATTEND_ROWS, rows - first), .type = kv->type,
      .blocks = strata_kv_blocks(kv, job->layer, head), .pages = span->pages, .page_bytes = kv->page_bytes,
      .head_dim = kv->head_dim, .scale = job->options.scale, .softcap = job->options.softcap};
  for (int32_t i = 0; i < part->rows; i++) {
    int64_t position = (first + i) / group, offset = (head * group + (first + i) % group) * kv->head_dim;
    int32_t limit = (int32_t)(span->position + position + 1);
    part->q[i] = job->q + (row + position) * job->q_stride + offset;
    part->out[i] = job->out + (row + position) * job->out_stride + offset;
    part->limit[i] = limit;
    part->from[i] = job->options.window > 0 && limit > job->options.window ? limit - job->options.window : 0;
    part->last = limit;
  }
  part->first = part->from[0] / STRATA_ATTEND_BLOCK * STRATA_ATTEND_BLOCK;
}

/// Where an item lies: in which span, at which number among its own, after how many rows and partial results.
typedef struct strata_attention_cursor {
  int64_t span, own, items, parts, row;
  float *partial;
} strata_attention_cursor;

static void strata_cursor_enter(const strata_attention_job *job, strata_attention_cursor *at) {
  const strata_span *span = &job->spans[at->span];
  at->parts = strata_span_parts(job, span);
  at->items = strata_span_tiles(span, job->heads) * at->parts;
}

/// Goes on to the span that has item `own` of the present one; there is one.
static void strata_cursor_settle(const strata_attention_job *job, strata_attention_cursor *at) {
  while (at->own >= at->items) {
    if (at->parts > 1) at->partial += at->items * job->part_blocks * job->partial_stride;
    at->own -= at->items;
    at->row += job->spans[at->span].count;
    at->span++;
    strata_cursor_enter(job, at);
  }
}

static void strata_attention_item(const strata_attention_job *job, const strata_attention_cursor *at,
                                  strata_attend *part) {
  const strata_span *span = &job->spans[at->span];
  strata_attention_tile(job, span, at->row, at->own / at->parts, part);
  if (at->parts == 1) return;
  int64_t from;
  (void)strata_span_blocks(job, span, &from);
  int64_t start = (from + at->own % at->parts * job->part_blocks) * STRATA_ATTEND_BLOCK;
  part->first = (int32_t)start;
  part->last = (int32_t)strata_min64(part->last, start + job->part_blocks * STRATA_ATTEND_BLOCK);
  part->partial = at->partial + at->own * job->part_blocks * job->partial_stride;
  part->partial_stride = job->partial_stride;
}

// Items are (tile, part) pairs, numbered span by span.
static void strata_attend_items(void *context, int64_t first, int64_t last) {
  const strata_attention_job *job = context;
  const strata_family *family = strata_family_current();
  strata_attention_cursor at = {.own = first, .partial = job->partial};
  strata_cursor_enter(job, &at);
  strata_cursor_settle(job, &at);
  strata_attend parts[2];
  strata_attention_item(job, &at, &parts[first % 2]);
  for (int64_t item = first; item < last; item++) {
    strata_attend *part = &parts[item % 2], *next = &parts[(item + 1) % 2];
    if (item + 1 < last) {
      at.own++;
      strata_cursor_settle(job, &at);
      strata_attention_item(job, &at, next);
      part->next = next;
    }
    family->attend(part);
  }
}

static void strata_attention_fold_tile(const strata_attention_job *job, const strata_attend *tile, int64_t from,
                                       const float *partial) {
  const strata_family *family = strata_family_current();
  for (int32_t row = 0; row < tile->rows; row++) {
    strata_fold fold = strata_fold_nothing;
    float *out = tile->out[row];
    memset(out, 0, (size_t)tile->head_dim * sizeof(float));
    for (int64_t block = tile->first / STRATA_ATTEND_BLOCK; block * STRATA_ATTEND_BLOCK < tile->last; block++) {
      const float *sums = partial + (block - from) * job->partial_stride;
      strata_fold numbers;
      memcpy(&numbers, sums + STRATA_ATTEND_ROWS * tile->head_dim + 2 * row, sizeof numbers);
      family->fold(&fold, out, sums + row * tile->head_dim, numbers, tile->head_dim);
    }
    float inverse = 1 / fold.sum;
    for (int32_t d = 0; d < tile->head_dim; d++) out[d] *= inverse;
  }
}

// Items are the tiles of spans in parts.
static void strata_attention_fold_tiles(void *context, int64_t first, int64_t last) {
  const strata_attention_job *job = context;
  int64_t item = 0, row = 0;
  const float *partial = job->partial;
  for (int64_t i = 0; i < job->span_count; i++) {
    const strata_span *span = &job->spans[i];
    int64_t parts = strata_span_parts(job, span), tiles = strata_span_tiles(span, job->heads), from;
    (void)strata_span_blocks(job, span, &from);
    for (int64_t tile = 0; parts > 1 && tile < tiles; tile++, item++) {
      if (item >= first && item < last) {
        strata_attend whole;
        strata_attention_tile(job, span, row, tile, &whole);
        strata_attention_fold_tile(job, &whole, from, partial);
      }
      partial += parts * job->part_blocks * job->partial_stride;
    }
    row += span->count;
  }
}

static void strata_attention_run(strata_attention_job *job, strata_pool *pool, int32_t head_dim) {
  int64_t total = 0, items = 0, split_tiles = 0, split_items = 0, first;
  for (int64_t i = 0; i < job->span_count; i++) {
    total += strata_span_tiles(&job->spans[i], job->heads) * strata_span_blocks(job, &job->spans[i], &first);
  }
  // Eight items for each thread, were all as long as a part: the last to finish keeps nobody waiting for long.
  int32_t threads = strata_pool_threads(pool);
  job->part_blocks = threads > 1 ? strata_max64(1, total / (8 * threads)) : INT32_MAX;
  for (int64_t i = 0; i < job->span_count; i++) {
    int64_t parts = strata_span_parts(job, &job->spans[i]), tiles = strata_span_tiles(&job->spans[i], job->heads);
    items += tiles * parts;
    if (parts > 1) split_tiles += tiles, split_items += tiles * parts;
  }
  if (split_items > 0) {
    job->partial_stride = (int64_t)STRATA_ATTEND_ROWS * (head_dim + 2);
    job->partial = strata_pool_scratch(
        pool, 2, (size_t)(split_items * job->part_blocks * job->partial_stride) * sizeof(float));
    if (!job->partial) {
      job->part_blocks = INT32_MAX;
      items -= split_items - split_tiles;
      split_tiles = 0;
    }
  }
  strata_region(pool, items, strata_max64(1, items / (8 * threads)), strata_attend_items, job);
  if (split_tiles > 0) strata_region(pool, split_tiles, 1, strata_attention_fold_tiles, job);
}

void strata_attention(
    strata_pool *pool, float *out, int64_t out_stride, const float *q, int64_t q_stride, int32_t heads, int32_t layer,
    const strata_span *spans, int64_t span_count, const strata_attention_options *options) {
  strata_attention_job job = {.out = out, .out_stride = out_stride, .q = q, .q_stride = q_stride, .heads = heads,
                              .layer = layer, .options = *options, .spans = spans, .span_count = span_count};
  int32_t head_dim = 0;
  for (int64_t i = 0; i < span_count; i++) {
    const strata_kv *kv = spans[i].kv;
    if (heads < kv->heads || heads % kv->heads != 0 || layer < 0 || layer >= kv->layers) return;
    if (spans[i].position < 0 || spans[i].count < 0) return;
    if (kv->head_dim > head_dim) head_dim = kv->head_dim;
  }
  pool = strata_pool_enter(pool);
  if (!pool) return;
  strata_attention_run(&job, pool, head_dim);
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
  uint8_t *packed;  // per sequence [heads][page] blocks of half floats, see attention.h
  int64_t units;     // (sequence, head) pairs
} strata_encoder_job;

/// Where unit `unit` lies: its head, first row, length and blocks.
static uint8_t *strata_encoder_unit(const strata_encoder_job *job, int64_t unit, int32_t *head, int64_t *row,
                                    int32_t *length) {
  size_t block = strata_kv_block_bytes(STRATA_KV_F16, job->head_dim);
  uint8_t *packed = job->packed;
  int64_t sequence = unit / job->heads;
  *row = 0;
  for (int64_t i = 0; i < sequence; i++) {
    *row += job->lengths[i];
    packed += (size_t)(job->heads * strata_ceil_div(job->lengths[i], STRATA_KV_PAGE)) * block;
  }
  *head = (int32_t)(unit % job->heads);
  *length = job->lengths[sequence];
  return packed + (size_t)(*head * strata_ceil_div(*length, STRATA_KV_PAGE)) * block;
}

static void strata_encoder_units(void *context, int64_t first, int64_t last) {
  const strata_encoder_job *job = context;
  const strata_family *family = strata_family_current();
  size_t block = strata_kv_block_bytes(STRATA_KV_F16, job->head_dim);
  for (int64_t unit = first; unit < last; unit++) {
    int32_t head, length;
    int64_t row;
    uint8_t *blocks = strata_encoder_unit(job, unit, &head, &row, &length);
    int64_t offset = (int64_t)head * job->head_dim;
    strata_store_head(blocks, NULL, block, STRATA_KV_F16, job->head_dim, 0, length,
                      job->k + row * job->stride + offset, job->stride, job->v + row * job->stride + offset,
                      job->stride);
    strata_attend part = {.first = 0, .last = length, .type = STRATA_KV_F16, .blocks = blocks, .page_bytes = block,
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
  if (heads <= 0 || !strata_head_fits(head_dim)) return;
  strata_encoder_job job = {out, out_stride, q, k, v, qkv_stride, heads, head_dim, scale, lengths, count, NULL,
                            count * heads};
  int64_t pages = 0;
  for (int64_t i = 0; i < count; i++) pages += strata_ceil_div(lengths[i], STRATA_KV_PAGE);
  pool = strata_pool_enter(pool);
  if (!pool) return;
  job.packed = strata_pool_scratch(
      pool, 3, (size_t)(pages * heads) * strata_kv_block_bytes(STRATA_KV_F16, head_dim));
  if (job.packed) strata_region(pool, job.units, 1, strata_encoder_units, &job);
  strata_pool_leave(pool);
}
