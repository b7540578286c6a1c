// Searching lists of product-quantized vectors: which lists, a query's table, and the best few of what is found.
#include "lists.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const strata_list_kernels *strata_list_kernels_current(void) {
  switch (strata_isa_current()) {
#if STRATA_X86
    case STRATA_ISA_AMX:
      return __builtin_cpu_supports("avx512vnni") ? &strata_list_kernels_avx512 : &strata_list_kernels_portable;
    case STRATA_ISA_AVX512: return &strata_list_kernels_avx512;
    case STRATA_ISA_AVX2: return &strata_list_kernels_avx2;
#endif
#if STRATA_NEON
    case STRATA_ISA_NEON: return &strata_list_kernels_neon;
#endif
    default: return &strata_list_kernels_portable;
  }
}

int64_t strata_centroids_floats(int64_t count, int64_t dimension) {
  return strata_ceil_div(count, 16) * 16 * (dimension + 1);
}

void strata_centroids_pack(const float *centroids, int64_t count, int64_t dimension, float *packed) {
  for (int64_t group = 0; group < strata_ceil_div(count, 16); group++) {
    float *out = packed + group * 16 * (dimension + 1);
    for (int64_t lane = 0; lane < 16; lane++) {
      int64_t c = group * 16 + lane;
      float half = c < count ? 0 : INFINITY;  // never the nearest
      for (int64_t i = 0; i < dimension; i++) {
        float value = c < count ? centroids[c * dimension + i] : 0;
        out[16 * i + lane] = value;
        half += value * value / 2;
      }
      out[16 * dimension + lane] = half;
    }
  }
}

// MARK: The best few

void strata_select_greatest(uint64_t *keys, int64_t count, int64_t limit) {
  int64_t low = 0, high = count - 1;
  if (limit <= 0 || limit >= count) return;
  while (low < high) {
    uint64_t a = keys[low], b = keys[low + (high - low) / 2], c = keys[high];
    uint64_t pivot = a > b ? (b > c ? b : a > c ? c : a) : (a > c ? a : b > c ? c : b);
    int64_t i = low - 1, j = high + 1;
    while (true) {
      do i++;
      while (keys[i] > pivot);
      do j--;
      while (keys[j] < pivot);
      if (i >= j) break;
      uint64_t key = keys[i];
      keys[i] = keys[j];
      keys[j] = key;
    }
    if (limit - 1 <= j) high = j;
    else low = j + 1;
  }
}

void strata_list_scan_prune(strata_list_scan *scan) {
  if (scan->kept <= scan->limit) return;
  strata_select_greatest(scan->keys, scan->kept, scan->limit);
  scan->kept = scan->limit;
  uint64_t least = scan->keys[0];
  for (int64_t i = 1; i < scan->limit; i++) least = scan->keys[i] < least ? scan->keys[i] : least;
  scan->threshold = strata_best_score(least);
}

static int strata_falling(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

// MARK: Queries

/// Rounds products with the words to 8 bits, of one scale for all parts and few enough that sums fit 16 bits.
/// - Returns: the scale; `base` gets what is added to scaled sums.
static float strata_table_round(const float *products, int32_t parts, uint8_t *table, float *base) {
  float widest = 0, sum = 0;
  for (int32_t part = 0; part < parts; part++) {
    float least = products[16 * part], greatest = least;
    for (int i = 1; i < 16; i++) {
      float value = products[16 * part + i];
      least = value < least ? value : least;
      greatest = value > greatest ? value : greatest;
    }
    widest = greatest - least > widest ? greatest - least : widest;
    sum += least;
  }
  *base = sum;
  float most = (float)(parts > 257 ? 65535 / parts : 255), scale = widest / most;
  bool rounds = scale >= 0x1p-120f && scale <= 0x1p120f;  // else its inverse is not to be had, or there is no scale
  float inverse = rounds ? 1 / scale : 0;
  for (int32_t part = 0; part < parts; part++) {
    float least = products[16 * part];
    for (int i = 1; i < 16; i++) least = products[16 * part + i] < least ? products[16 * part + i] : least;
    for (int i = 0; i < 16; i++) {
      float value = (products[16 * part + i] - least) * inverse + 0.5f;
      value = value < most ? value : most;
      value = value > 0 ? value : 0;  // what is no number too
      table[16 * part + i] = (uint8_t)(int32_t)value;
    }
  }
  return rounds ? scale : 0;
}

/// Memory of a search, in one piece.
typedef struct strata_lists_scratch {
  float *coarse;     // [batch, 16 * groups]
  float *scaled;     // [batch, dimension]
  uint64_t *order;   // [count]
  float *query;      // [parts * part_width]
  float *products;   // [parts, 16]
  uint8_t *table;    // [parts rounded up to 4, 16]
  uint64_t *keys;    // [room]
} strata_lists_scratch;

enum { STRATA_LIST_QUERIES = 16 };  // whose nearest centroids are found together

static void *strata_lists_scratch_make(
    const strata_lists *lists, int64_t batch, int64_t room, strata_lists_scratch *out) {
  int64_t groups = strata_ceil_div(lists->count, 16), parts = lists->parts;
  size_t sizes[7] = {
      (size_t)(batch * groups * 16) * 4, (size_t)(batch * lists->dimension) * 4, (size_t)lists->count * 8,
      (size_t)(parts * lists->part_width) * 4, (size_t)parts * 64, (size_t)(parts + 3) / 4 * 64, (size_t)room * 8};
  void **places[7] = {
      (void **)&out->coarse, (void **)&out->scaled, (void **)&out->order, (void **)&out->query,
      (void **)&out->products, (void **)&out->table, (void **)&out->keys};
  size_t total = 0;
  for (int i = 0; i < 7; i++) total += (sizes[i] + 63) / 64 * 64;
  uint8_t *memory = aligned_alloc(64, total + 64);
  if (!memory) return NULL;
  total = 0;
  for (int i = 0; i < 7; i++) {
    *places[i] = memory + total;
    total += (sizes[i] + 63) / 64 * 64;
  }
  memset(out->table, 0, sizes[5]);
  return memory;
}

/// Puts the `probes` nearest lists first, the `sorted` nearest of them in order; the rest follow in no order, or are
/// left out when `is_cut`.
/// - Returns: how many there are.
static int64_t strata_lists_order(
    const float *coarse, int64_t count, int64_t probes, int64_t sorted, bool is_cut, uint64_t *order) {
  int64_t kept = 0;
  enum { STEP = 16 };
  if (is_cut && count >= 512 && probes < count / 4) {
    // A score that some more than are wanted beat, from a sample, so that few need be put in order.
    int64_t some = 0;
    for (int64_t i = 0; i < count; i += STEP) order[some++] = strata_best_key(coarse[i], (uint32_t)i);
    int64_t rank = strata_min64(some - 1, probes / STEP + probes / (2 * STEP) + 4);
    strata_select_greatest(order, some, rank);
    uint64_t least = order[0];
    for (int64_t i = 1; i < rank; i++) least = order[i] < least ? order[i] : least;
    for (int64_t i = 0; i < count; i++) {
      uint64_t key = strata_best_key(coarse[i], (uint32_t)i);
      order[kept] = key;
      kept += key >= least;
    }
  }
  if (kept < probes) {
    for (int64_t i = 0; i < count; i++) order[i] = strata_best_key(coarse[i], (uint32_t)i);
    kept = count;
  }
  strata_select_greatest(order, kept, probes);
  strata_select_greatest(order, strata_min64(probes, kept), sorted);
  qsort(order, (size_t)strata_min64(sorted, kept), sizeof *order, strata_falling);
  return kept;
}

/// Asks for the codes of a list that will be scanned soon: lists are too short for the processor to see it coming.
static inline void strata_list_prefetch(const strata_lists *lists, int64_t list) {
  const int64_t block = (int64_t)lists->parts * 16;
  const uint8_t *codes = lists->codes + lists->starts[list] * (uint64_t)block;
  int64_t bytes = strata_min64((int64_t)(lists->starts[list + 1] - lists->starts[list]) * block, 4096);
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(codes + at, 0, 3);
}

static void strata_lists_search_one(
    const strata_lists *lists, const strata_list_kernels *kernels, strata_lists_scratch *scratch, const float *coarse,
    float stretch, int64_t probes, int64_t enough, strata_list_scan *scan, strata_lists_effort *effort) {
  const int64_t d = lists->dimension;
  float base, scale = strata_table_round(scratch->products, lists->parts, scratch->table, &base);
  const float twice = lists->metric == STRATA_METRIC_L2 ? 2 : 1;
  scan->table = scratch->table;
  scan->scale = scale * twice;
  // With a filter, how many lists it takes shows on the way; without one, the nearest come first so that little is kept
  // of the others.
  const bool is_filtered = scan->allowed != NULL;
  int64_t sorted = is_filtered ? strata_min64(lists->count, 4 * probes) : strata_min64(16, probes);
  int64_t count = strata_lists_order(
      coarse, lists->count, is_filtered ? sorted : probes, sorted, !is_filtered, scratch->order);
  count = is_filtered ? count : strata_min64(count, probes);
  for (int64_t i = 0; i < count && (i < probes || scan->passed < enough); i++) {
    if (is_filtered && i == sorted) {  // it takes more than was thought: sort all
      sorted = count;
      qsort(scratch->order + i, (size_t)(sorted - i), sizeof *scratch->order, strata_falling);
    }
    int64_t list = strata_best_row(scratch->order[i]);
    if (i + 2 < count) strata_list_prefetch(lists, strata_best_row(scratch->order[i + 2]));
    float product = (coarse[list] + strata_centroid_half(lists->centroids, d, list)) / stretch;
    scan->bias = (product + base) * twice;
    kernels->scan(scan, list);
    if (effort) effort->lists++;
  }
  strata_list_scan_prune(scan);
  if (effort) effort->rows += scan->passed;
}

int32_t strata_lists_search(
    const strata_lists *lists, const float *queries, int64_t count, int64_t probes, int64_t enough, int64_t limit,
    const uint64_t *allowed, uint32_t *ids, float *scores, int64_t *found, strata_lists_effort *effort) {
  const int64_t d = lists->dimension, groups = strata_ceil_div(lists->count, 16);
  const strata_list_kernels *kernels = strata_list_kernels_current();
  if (effort) *effort = (strata_lists_effort){0, 0};
  for (int64_t i = 0; i < count; i++) found[i] = 0;
  if (limit <= 0 || lists->count == 0 || lists->rows == 0) return 0;
  probes = strata_max64(1, strata_min64(probes, lists->count));
  int64_t batch = strata_min64(count, strata_max64(1, strata_min64(STRATA_LIST_QUERIES, (1 << 20) / (groups * 16))));
  int64_t room = limit + strata_max64(limit, 256);
  strata_lists_scratch scratch;
  void *memory = strata_lists_scratch_make(lists, batch, room, &scratch);
  if (!memory) return -1;
  for (int64_t at = 0; at < count; at += batch) {
    int64_t some = strata_min64(batch, count - at);
    float stretch[STRATA_LIST_QUERIES];
    for (int64_t i = 0; i < some; i++) {
      const float *query = queries + (at + i) * d;
      float squares = strata_dot_f32(query, query, d);
      // As long as the vectors, so that the nearest centroids are those of the nearest vectors.
      stretch[i] = lists->length > 0 && squares > 0 ? lists->length / sqrtf(squares) : 1;
      if (!(stretch[i] >= 0x1p-60f && stretch[i] <= 0x1p60f)) stretch[i] = 1;
      for (int64_t j = 0; j < d; j++) scratch.scaled[i * d + j] = query[j] * stretch[i];
    }
    kernels->scores(scratch.scaled, some, d, lists->centroids, groups, scratch.coarse);
    for (int64_t i = 0; i < some; i++) {
      memset(scratch.query, 0, (size_t)(lists->parts * lists->part_width) * 4);
      memcpy(scratch.query, queries + (at + i) * d, (size_t)d * 4);
      kernels->products(lists, scratch.query, scratch.products);
      strata_list_scan scan = {
          .lists = lists, .threshold = -INFINITY, .allowed = allowed, .keys = scratch.keys, .limit = limit,
          .room = room};
      strata_lists_search_one(
          lists, kernels, &scratch, scratch.coarse + i * groups * 16, stretch[i], probes, enough, &scan, effort);
      found[at + i] = scan.kept;
      for (int64_t j = 0; j < scan.kept; j++) {
        ids[(at + i) * limit + j] = strata_best_row(scan.keys[j]);
        scores[(at + i) * limit + j] = strata_best_score(scan.keys[j]);
      }
    }
  }
  free(memory);
  return 0;
}
