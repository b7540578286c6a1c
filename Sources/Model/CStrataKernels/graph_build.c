// Building a graph in rounds: rows of a round are linked to rows of earlier rounds (searching in parallel a graph that
// does not change), then those are linked back, each by one thread, in an order that threads do not decide.
#include "graph.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { STRATA_ROUND_MOST = 8192, STRATA_BUILD_THREADS = 256 };

typedef struct strata_build {
  const strata_graph *graph;
  int32_t breadth;
  const uint32_t *order;  // [count] rows in the order in which they are added; the first of them are `uppers`
  int64_t first, last;    // places in `order` of this round
  strata_graph_scratch *scratches[STRATA_BUILD_THREADS];
  atomic_bool taken[STRATA_BUILD_THREADS];
  int32_t threads;
  uint64_t *pairs[STRATA_GRAPH_LEVELS];  // target << 32 | source; unused ones are UINT64_MAX
  int64_t pair_count;                    // of the level whose rows are being linked back
  int32_t level;
  int64_t *groups;                       // where each target's pairs begin
  atomic_bool failed;
} strata_build;

static int32_t strata_build_take(strata_build *build) {
  for (int32_t i = 0;; i = (i + 1) % build->threads) {
    bool expected = false;
    if (atomic_compare_exchange_strong(&build->taken[i], &expected, true)) return i;
  }
}

/// Keeps those of `keys` (best first, scores relative to `row` as the query) that are nearer to the row than to any kept
/// before: algorithm 4 of the paper, without extending or filling up.
/// - Returns: how many were kept in `kept`, at most `most`.
static int32_t strata_choose_links(
    const strata_level *level, strata_code_scorer scorer, const uint8_t *row, const uint64_t *keys, int64_t count,
    int32_t most, uint32_t *kept, strata_code_query *room) {
  const strata_code_rows *rows = &level->rows;
  float own[2];
  strata_code_trailer(rows, row, own);
  int32_t chosen = 0;
  float scores[STRATA_CODE_BATCH];
  for (int64_t i = 0; i < count && chosen < most; i++) {
    uint32_t candidate = strata_best_row(keys[i]);
    const uint8_t *bytes = strata_code_row(rows, candidate);
    float other[2];
    strata_code_trailer(rows, bytes, other);
    // As the candidate sees the row: squared norms of the two change places (zero for dot products).
    float near = strata_best_score(keys[i]) - other[1] + own[1];
    bool good = true;
    if (chosen > 0) strata_code_query_of_row(rows, bytes, room);
    for (int32_t from = 0; from < chosen && good; from += STRATA_CODE_BATCH) {
      int32_t some = (int32_t)strata_min64(STRATA_CODE_BATCH, chosen - from);
      scorer(rows, room, kept + from, some, scores);
      for (int32_t j = 0; j < some; j++) good = good && scores[j] < near;
    }
    if (good) kept[chosen++] = candidate;
  }
  return chosen;
}

/// Links a row of a level to the best of what was found, and notes the links back.
static void strata_build_choose(
    strata_build *build, int32_t l, const strata_level *level, strata_code_scorer scorer, strata_probe *probe) {
  const int32_t width = build->graph->width;
  uint32_t self = l == 0 ? build->order[probe->place] : (uint32_t)probe->place;
  uint32_t *links = (uint32_t *)level->links + (int64_t)self * level->width;
  const uint8_t *code = strata_code_row(&level->rows, self);
  int32_t chosen = strata_choose_links(level, scorer, code, probe->keys, probe->count, width, links, probe->query);
  for (int32_t i = 0; i < width; i++) {
    build->pairs[l][(probe->place - build->first) * width + i] = i < chosen ? (uint64_t)links[i] << 32 | self : UINT64_MAX;
  }
}

typedef struct strata_link_job {
  strata_build *build;
  strata_level level;
  strata_code_scorer scorer;
  int64_t next, last;  // places in the order
} strata_link_job;

static bool strata_link_turn(void *context, strata_probe *probe) {
  strata_link_job *job = context;
  strata_build *build = job->build;
  const strata_graph *graph = build->graph;
  if (probe->is_active) strata_build_choose(build, 0, &job->level, job->scorer, probe);
  if (job->next == job->last) return false;
  int64_t place = job->next++;
  const uint8_t *code = strata_code_row(&graph->rows, build->order[place]);
  strata_code_query_of_row(&graph->rows, code, probe->query);
  // Levels are nested: all rows of a level come before the others, and the entry point is the very first row.
  uint32_t entry = 0;
  for (int32_t l = graph->levels - 1; l > 0; l--) {
    strata_level level = strata_graph_level(graph, l);
    if (place >= graph->sizes[l]) {
      entry = strata_level_descend(&level, job->scorer, probe->query, entry);
      continue;
    }
    strata_probe_begin(probe, &level, job->scorer, entry, build->breadth);
    probe->place = place;
    strata_probe_run_one(&level, job->scorer, probe);
    entry = strata_best_row(probe->keys[0]);
    strata_build_choose(build, l, &level, job->scorer, probe);
    strata_code_query_of_row(&graph->rows, code, probe->query);
  }
  entry = graph->levels > 1 ? graph->uppers[entry] : build->order[0];
  strata_probe_begin(probe, &job->level, job->scorer, entry, build->breadth);
  probe->place = place;
  return true;
}

static void strata_build_link(void *context, int64_t first, int64_t last) {
  strata_build *build = context;
  const strata_graph *graph = build->graph;
  int32_t slot = strata_build_take(build);
  strata_link_job job = {build, strata_graph_level(graph, 0),
                         strata_code_scorer_for(graph->rows.code, graph->rows.metric), build->first + first,
                         build->first + last};
  strata_probe_filter all = {NULL, 0};
  strata_probe_run(&job.level, job.scorer, &all, build->scratches[slot]->probes,
                   (int32_t)strata_min64(STRATA_LANES, last - first), strata_link_turn, &job);
  atomic_store(&build->taken[slot], false);
}

static int strata_compare_pairs(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void strata_build_link_back(void *context, int64_t first, int64_t last) {
  strata_build *build = context;
  const strata_graph *graph = build->graph;
  strata_level level = strata_graph_level(graph, build->level);
  strata_code_scorer scorer = strata_code_scorer_for(graph->rows.code, graph->rows.metric);
  size_t bytes = strata_code_query_bytes(graph->rows.code, graph->rows.dimension);
  bytes = (bytes + 63) / 64 * 64;
  uint8_t *memory = aligned_alloc(64, 2 * bytes);
  int64_t room = 0;
  uint32_t *ids = NULL;
  uint64_t *keys = NULL;
  float *scores = NULL;
  if (!memory) {
    atomic_store(&build->failed, true);
    return;
  }
  memset(memory, 0, 2 * bytes);
  for (int64_t group = first; group < last; group++) {
    const uint64_t *pairs = build->pairs[build->level] + build->groups[group];
    int64_t arriving = build->groups[group + 1] - build->groups[group];
    uint32_t target = (uint32_t)(pairs[0] >> 32);
    uint32_t *links = (uint32_t *)level.links + (int64_t)target * level.width;
    int64_t count = 0;
    while (count < level.width && links[count] != STRATA_NO_ROW) count++;
    if (count + arriving <= level.width) {
      for (int64_t i = 0; i < arriving; i++) links[count + i] = (uint32_t)pairs[i];
      continue;
    }
    if (room < count + arriving) {
      room = 2 * (count + arriving);
      free(ids);
      free(keys);
      free(scores);
      ids = malloc((size_t)room * sizeof *ids);
      keys = malloc((size_t)room * sizeof *keys);
      scores = malloc((size_t)room * sizeof *scores);
      if (!ids || !keys || !scores) {
        atomic_store(&build->failed, true);
        break;
      }
    }
    memcpy(ids, links, (size_t)count * sizeof *ids);
    for (int64_t i = 0; i < arriving; i++) ids[count + i] = (uint32_t)pairs[i];
    const uint8_t *row = strata_code_row(&level.rows, target);
    strata_code_query *query = (strata_code_query *)(void *)memory;
    strata_code_query_of_row(&level.rows, row, query);
    scorer(&level.rows, query, ids, count + arriving, scores);
    int64_t sorted = 0;
    for (int64_t i = 0; i < count + arriving; i++) {
      strata_best_insert(keys, &sorted, count + arriving, strata_best_key(scores[i], ids[i]));
    }
    uint32_t chosen[2 * STRATA_GRAPH_LINKS];
    int32_t kept = strata_choose_links(
        &level, scorer, row, keys, sorted, level.width, chosen, (strata_code_query *)(void *)(memory + bytes));
    for (int32_t i = 0; i < level.width; i++) links[i] = i < kept ? chosen[i] : STRATA_NO_ROW;
  }
  free(ids);
  free(keys);
  free(scores);
  free(memory);
}

/// Links the rows of a round back, level by level.
static void strata_build_round(strata_pool *pool, strata_build *build) {
  const strata_graph *graph = build->graph;
  strata_parallel_for(pool, build->last - build->first, 128, strata_build_link, build);
  for (int32_t l = 0; l < graph->levels; l++) {
    int64_t members = strata_min64(build->last, graph->sizes[l]) - build->first, used = 0, groups = 0;
    if (members <= 0) break;
    uint64_t *pairs = build->pairs[l];
    for (int64_t i = 0; i < members * graph->width; i++) {
      if (pairs[i] != UINT64_MAX) pairs[used++] = pairs[i];
    }
    qsort(pairs, (size_t)used, sizeof *pairs, strata_compare_pairs);
    for (int64_t i = 0; i < used; i++) {
      if (i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32) build->groups[groups++] = i;
    }
    build->groups[groups] = used;
    build->level = l;
    strata_parallel_for(pool, groups, 64, strata_build_link_back, build);
  }
}

/// The rows that are included, in random order.
static void strata_shuffle(uint32_t *order, const uint64_t *included, int64_t rows, int64_t count, uint64_t seed) {
  int64_t filled = 0;
  for (int64_t i = 0; i < rows && filled < count; i++) {
    if (!included || included[i / 64] >> i % 64 & 1) order[filled++] = (uint32_t)i;
  }
  for (int64_t i = count - 1; i > 0; i--) {
    uint64_t value = seed += 0x9e3779b97f4a7c15u;  // SplitMix64
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    value ^= value >> 31;
    int64_t other = (int64_t)(value % (uint64_t)(i + 1));
    uint32_t kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
}

int32_t strata_graph_build(
    strata_pool *pool, strata_graph *graph, const uint64_t *included, int32_t breadth, uint64_t seed) {
  const int64_t count = graph->sizes[0];
  if (graph->rows.code != STRATA_CODE_I8 || graph->width < 1 || graph->width > STRATA_GRAPH_LINKS) return -1;
  memset((void *)graph->links, 0xff, (size_t)graph->rows.count * 2 * (size_t)graph->width * sizeof(uint32_t));
  if (count == 0) return 0;
  strata_build build = {.graph = graph, .breadth = breadth > graph->width ? breadth : graph->width};
  build.threads = strata_pool_threads(pool);
  uint32_t *order = malloc((size_t)count * sizeof *order);
  int64_t most = strata_min64(count, STRATA_ROUND_MOST);
  build.groups = malloc(((size_t)most * (size_t)graph->width + 1) * sizeof *build.groups);
  bool good = order && build.groups;
  for (int32_t l = 0; l < graph->levels; l++) {
    build.pairs[l] = malloc((size_t)most * (size_t)graph->width * sizeof(uint64_t));
    good = good && build.pairs[l];
  }
  for (int32_t i = 0; i < build.threads; i++) {
    build.scratches[i] = strata_graph_scratch_create(graph->rows.count);
    good = good && build.scratches[i] && strata_graph_scratch_fit(build.scratches[i], &graph->rows, build.breadth);
  }
  if (good) {
    strata_shuffle(order, included, graph->rows.count, count, seed);
    build.order = order;
    graph->entry = graph->levels > 1 ? 0 : order[0];
    uint32_t *uppers = (uint32_t *)graph->uppers;
    for (int64_t i = 0; graph->levels > 1 && i < graph->sizes[1]; i++) {
      uppers[i] = order[i];
      memcpy((uint8_t *)graph->upper_bytes + i * graph->rows.stride, strata_code_row(&graph->rows, order[i]),
             (size_t)graph->rows.stride);
    }
    int64_t above = 0;
    for (int32_t l = 1; l < graph->levels; l++) above += graph->sizes[l] * graph->width;
    if (above) memset((void *)graph->upper_links, 0xff, (size_t)above * sizeof(uint32_t));
    for (build.first = 1; build.first < count && !atomic_load(&build.failed); build.first = build.last) {
      int64_t round = strata_min64(STRATA_ROUND_MOST, strata_max64(1, build.first / 32));
      build.last = strata_min64(count, build.first + round);
      strata_build_round(pool, &build);
    }
  }
  for (int32_t i = 0; i < build.threads; i++) strata_graph_scratch_destroy(build.scratches[i]);
  for (int32_t l = 0; l < graph->levels; l++) free(build.pairs[l]);
  free(build.groups);
  free(order);
  return good && !atomic_load(&build.failed) ? 0 : -1;
}
