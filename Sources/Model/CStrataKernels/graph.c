// Searching a graph (Malkov and Yashunin 2018, algorithms 2 and 5). The candidates and the results of algorithm 2 are
// one list here: a candidate outside the best `breadth` would never be followed.
#include "graph.h"

#include <stdlib.h>
#include <string.h>

int32_t strata_graph_shape(int64_t count, int32_t width, int64_t sizes[STRATA_GRAPH_LEVELS]) {
  int32_t levels = 1;
  for (int32_t level = 0; level < STRATA_GRAPH_LEVELS; level++) sizes[level] = 0;
  sizes[0] = count;
  while (levels < STRATA_GRAPH_LEVELS && width > 1 && sizes[levels - 1] > 2 * (int64_t)width) {
    sizes[levels] = sizes[levels - 1] / width;
    levels++;
  }
  return levels;
}

strata_level strata_graph_level(const strata_graph *graph, int32_t level) {
  if (level == 0) return (strata_level){graph->rows, graph->links, 2 * graph->width};
  strata_level result = {graph->rows, graph->upper_links, graph->width};
  result.rows.bytes = graph->upper_bytes;
  result.rows.count = graph->sizes[level];
  for (int32_t below = 1; below < level; below++) result.links += graph->sizes[below] * graph->width;
  return result;
}

// MARK: Scratch

strata_graph_scratch *strata_graph_scratch_create(int64_t count) {
  strata_graph_scratch *scratch = calloc(1, sizeof *scratch);
  if (!scratch) return NULL;
  scratch->capacity = count;
  bool good = true;
  for (int32_t lane = 0; lane < STRATA_LANES; lane++) {
    strata_probe *probe = &scratch->probes[lane];
    probe->seen = calloc((size_t)(count / 64 + 1), sizeof *probe->seen);
    probe->touched = malloc(STRATA_TOUCHED_MOST * sizeof *probe->touched);
    good = good && probe->seen && probe->touched;
  }
  if (good) return scratch;
  strata_graph_scratch_destroy(scratch);
  return NULL;
}

void strata_graph_scratch_destroy(strata_graph_scratch *scratch) {
  if (!scratch) return;
  for (int32_t lane = 0; lane < STRATA_LANES; lane++) {
    free(scratch->probes[lane].seen);
    free(scratch->probes[lane].touched);
    free(scratch->probes[lane].keys);
    free(scratch->probes[lane].query);
  }
  free(scratch);
}

bool strata_graph_scratch_fit(strata_graph_scratch *scratch, const strata_code_rows *rows, int64_t breadth) {
  size_t bytes = (strata_code_query_bytes(rows->code, rows->dimension) + 63) / 64 * 64;
  if (rows->count > scratch->capacity) return false;
  if (scratch->key_room >= breadth && scratch->query_bytes >= bytes) return true;
  bool good = true;
  for (int32_t lane = 0; lane < STRATA_LANES; lane++) {
    strata_probe *probe = &scratch->probes[lane];
    free(probe->keys);
    free(probe->query);
    probe->keys = malloc((size_t)breadth * sizeof *probe->keys);
    probe->query = aligned_alloc(64, bytes);
    good = good && probe->keys && probe->query;
    if (probe->query) memset(probe->query, 0, bytes);
  }
  scratch->key_room = good ? breadth : 0;
  scratch->query_bytes = good ? bytes : 0;
  return good;
}

// MARK: One search

uint32_t strata_level_descend(
    const strata_level *level, strata_code_scorer scorer, const strata_code_query *query, uint32_t start) {
  const int32_t lines = strata_code_lines(&level->rows);
  float scores[2 * STRATA_GRAPH_LINKS], best;
  scorer(&level->rows, query, &start, 1, &best);
  for (uint32_t current = start;; start = current) {
    const uint32_t *links = level->links + (int64_t)current * level->width;
    int32_t count = 0;
    for (; count < level->width && links[count] != STRATA_NO_ROW; count++) {
      strata_prefetch_row(&level->rows, links[count], lines);
    }
    scorer(&level->rows, query, links, count, scores);
    for (int32_t i = 0; i < count; i++) {
      if (scores[i] > best) {
        best = scores[i];
        current = links[i];
      }
    }
    if (current == start) return current;
  }
}

static inline void strata_prefetch_links(const strata_level *level, uint64_t key) {
  const char *links = (const char *)(level->links + (int64_t)strata_best_row(key) * level->width);
  for (int32_t line = 0; line < (level->width + 15) / 16; line++) __builtin_prefetch(links + 64 * line, 0, 3);
}

void strata_probe_clear(strata_probe *probe, int64_t rows) {
  if (probe->touched_count <= STRATA_TOUCHED_MOST && probe->touched_count < rows / 256) {
    for (int64_t i = 0; i < probe->touched_count; i++) probe->seen[probe->touched[i] / 64] = 0;
  } else {
    memset(probe->seen, 0, (size_t)(rows / 64 + 1) * sizeof *probe->seen);
  }
  probe->touched_count = 0;
}

void strata_probe_begin(
    strata_probe *probe, const strata_level *level, strata_code_scorer scorer, uint32_t entry, int64_t breadth) {
  probe->batch[0] = entry;
  strata_probe_begin_many(probe, level, scorer, 1, breadth);
}

void strata_probe_begin_many(
    strata_probe *probe, const strata_level *level, strata_code_scorer scorer, int32_t count, int64_t breadth) {
  float scores[STRATA_BATCH_MOST];
  scorer(&level->rows, probe->query, probe->batch, count, scores);
  probe->touched_count = probe->count = probe->next = 0;
  for (int32_t i = 0; i < count; i++) {
    uint32_t row = probe->batch[i];
    if (probe->seen[row / 64] >> row % 64 & 1) continue;
    probe->seen[row / 64] |= 1ull << row % 64;
    probe->touched[probe->touched_count++] = row;
    strata_best_insert(probe->keys, &probe->count, breadth, strata_best_key(scores[i], row));
  }
  probe->breadth = breadth;
  probe->is_active = true;
  probe->stage = STRATA_PROBE_GATHER;
  probe->effort = (strata_graph_effort){.near = 1, .complete = true};
  strata_prefetch_links(level, probe->keys[0]);
}

static inline bool strata_bit(const uint64_t *words, uint32_t row) { return words[row / 64] >> row % 64 & 1; }

/// Marks a row as seen.
/// - Returns: whether it was not.
static inline bool strata_probe_see(strata_probe *probe, uint32_t row) {
  uint64_t word = probe->seen[row / 64];
  probe->seen[row / 64] = word | 1ull << row % 64;
  return !(word >> row % 64 & 1);
}

static inline void strata_probe_touch(strata_probe *probe, const uint32_t *rows, int32_t count) {
  if (probe->touched_count + count <= STRATA_TOUCHED_MOST) {
    memcpy(probe->touched + probe->touched_count, rows, (size_t)count * sizeof *rows);
    probe->touched_count += count;
  } else {
    probe->touched_count = STRATA_TOUCHED_MOST + 1;
  }
}

/// Collects the unseen neighbours of the next row and asks for their codes.
static inline void strata_probe_gather(strata_probe *probe, const strata_level *level, int32_t lines) {
  uint64_t *const key = &probe->keys[probe->next++];
  *key |= 1;
  const uint32_t *links = level->links + (int64_t)strata_best_row(*key) * level->width;
  int32_t fresh = 0;
  for (int32_t i = 0; i < level->width && links[i] != STRATA_NO_ROW; i++) {
    probe->batch[fresh] = links[i];
    fresh += strata_probe_see(probe, links[i]);  // without a branch: it would be mispredicted half the time
  }
  for (int32_t i = 0; i < fresh; i++) strata_prefetch_row(&level->rows, probe->batch[i], lines);
  probe->fresh = fresh;
  probe->effort.visited++;
  strata_probe_touch(probe, probe->batch, fresh);
  probe->stage = STRATA_PROBE_SCORE;
}

/// The same of allowed neighbours. Where those are few, asks for the links of the others.
static inline void strata_probe_gather_allowed(
    strata_probe *probe, const strata_level *level, int32_t lines, const uint64_t *allowed) {
  uint64_t *const key = &probe->keys[probe->next++];
  *key |= 1;
  const uint32_t *links = level->links + (int64_t)strata_best_row(*key) * level->width;
  int32_t fresh = 0, bridges = 0, passing = 0;
  for (int32_t i = 0; i < level->width && links[i] != STRATA_NO_ROW; i++) {
    uint32_t row = links[i];
    bool passes = strata_bit(allowed, row), is_new = !strata_bit(probe->seen, row);
    probe->batch[fresh] = row;
    probe->bridge[bridges] = row;
    fresh += passes && is_new;
    bridges += !passes && is_new;
    passing += passes;
  }
  for (int32_t i = 0; i < fresh; i++) {
    (void)strata_probe_see(probe, probe->batch[i]);
    strata_prefetch_row(&level->rows, probe->batch[i], lines);
  }
  probe->fresh = fresh;
  probe->passing = passing;
  probe->bridges = passing < level->width / 2 ? bridges : 0;
  probe->effort.visited++;
  strata_probe_touch(probe, probe->batch, fresh);
  for (int32_t i = 0; i < probe->bridges; i++) {
    strata_prefetch_links(level, (uint64_t)(0x7fffffffu - probe->bridge[i]) << 1);
  }
  probe->stage = probe->bridges ? STRATA_PROBE_BRIDGE : STRATA_PROBE_SCORE;
}

/// Collects the unseen allowed neighbours of neighbours that are not allowed, until a row's worth has been looked at.
static inline void strata_probe_bridge(
    strata_probe *probe, const strata_level *level, int32_t lines, const uint64_t *allowed) {
  int32_t fresh = probe->fresh, passing = probe->passing;
  const int32_t first = fresh, most = STRATA_BATCH_MOST - level->width;
  for (int32_t i = 0; i < probe->bridges && passing < level->width && fresh < most; i++) {
    uint32_t bridge = probe->bridge[i];
    (void)strata_probe_see(probe, bridge);
    strata_probe_touch(probe, &bridge, 1);
    probe->effort.visited++;
    const uint32_t *links = level->links + (int64_t)bridge * level->width;
    for (int32_t j = 0; j < level->width && links[j] != STRATA_NO_ROW; j++) {
      if (!strata_bit(allowed, links[j])) continue;
      passing++;
      probe->batch[fresh] = links[j];
      fresh += strata_probe_see(probe, links[j]);
    }
  }
  for (int32_t i = first; i < fresh; i++) strata_prefetch_row(&level->rows, probe->batch[i], lines);
  strata_probe_touch(probe, probe->batch + first, fresh - first);
  probe->fresh = fresh;
  probe->stage = STRATA_PROBE_SCORE;
}

/// Scores what was collected and asks for the links of the row that comes next.
/// - Returns: false when the search has ended.
static inline bool strata_probe_score(strata_probe *probe, const strata_level *level, strata_code_scorer scorer) {
  float scores[STRATA_BATCH_MOST];
  uint64_t *const keys = probe->keys;
  const int64_t breadth = probe->breadth;
  scorer(&level->rows, probe->query, probe->batch, probe->fresh, scores);
  probe->effort.scored += probe->fresh;
  int64_t count = probe->count, next = probe->next;
  for (int32_t i = 0; i < probe->fresh; i++) {
    uint64_t key = strata_best_key(scores[i], probe->batch[i]);
    if (count == breadth && key <= keys[breadth - 1]) continue;
    int64_t place = strata_best_insert(keys, &count, breadth, key);
    next = strata_min64(next, place);
  }
  while (next < count && keys[next] & 1) next++;
  probe->count = count;
  probe->next = next;
  probe->stage = STRATA_PROBE_GATHER;
  if (next == count) return false;
  strata_prefetch_links(level, keys[next]);
  return true;
}

void strata_probe_run_one(const strata_level *level, strata_code_scorer scorer, strata_probe *probe) {
  const int32_t lines = strata_code_lines(&level->rows);
  do strata_probe_gather(probe, level, lines);
  while (strata_probe_score(probe, level, scorer));
  strata_probe_clear(probe, level->rows.count);
}

/// Takes a turn.
/// - Returns: false when the search has ended.
static inline bool strata_probe_advance(
    strata_probe *probe, const strata_level *level, strata_code_scorer scorer, int32_t lines,
    const strata_probe_filter *filter) {
  switch (probe->stage) {
    case STRATA_PROBE_GATHER:
      if (filter->allowed) strata_probe_gather_allowed(probe, level, lines, filter->allowed);
      else strata_probe_gather(probe, level, lines);
      return true;
    case STRATA_PROBE_BRIDGE: strata_probe_bridge(probe, level, lines, filter->allowed); return true;
    case STRATA_PROBE_SCORE: break;
  }
  bool goes_on = strata_probe_score(probe, level, scorer);
  if (goes_on && filter->allowed && probe->effort.scored + probe->effort.visited > filter->budget) {
    probe->effort.complete = false;
    return false;
  }
  return goes_on;
}

void strata_probe_run(
    const strata_level *level, strata_code_scorer scorer, const strata_probe_filter *filter, strata_probe *probes,
    int32_t lanes, strata_probe_turn turn, void *context) {
  const int32_t lines = strata_code_lines(&level->rows);
  int32_t running = 0;
  for (int32_t lane = 0; lane < lanes; lane++) {
    probes[lane].is_active = false;
    probes[lane].is_active = turn(context, &probes[lane]);
    running += probes[lane].is_active;
  }
  while (running > 0) {
    for (int32_t lane = 0; lane < lanes; lane++) {
      strata_probe *probe = &probes[lane];
      if (!probe->is_active || strata_probe_advance(probe, level, scorer, lines, filter)) continue;
      strata_probe_clear(probe, level->rows.count);
      probe->is_active = turn(context, probe);
      running -= !probe->is_active;
    }
  }
}

// MARK: The graph

enum {
  STRATA_SEEDS = 96,   // allowed rows spread over all that a search with a filter begins at
  STRATA_AROUND = 64,  // and those around the query
};

typedef struct strata_search_job {
  const strata_graph *graph;
  strata_level level;
  strata_code_scorer scorer;
  const float *queries;
  int64_t count, next;
  int32_t breadth;
  uint32_t *ids;
  float *scores;
  int64_t *found;
  strata_graph_effort *effort;
  strata_probe_filter filter;
  float least;                   // share of the rows around a query
  int64_t reach;                 // how many of those are looked at, at most
  uint32_t seeds[STRATA_SEEDS];  // allowed rows to begin at, when there is a filter
  int32_t seed_count;
} strata_search_job;

static uint32_t strata_graph_entry(
    const strata_graph *graph, strata_code_scorer scorer, const strata_code_query *query) {
  uint32_t entry = graph->entry;
  for (int32_t l = graph->levels - 1; l > 0; l--) {
    strata_level level = strata_graph_level(graph, l);
    entry = strata_level_descend(&level, scorer, query, entry);
  }
  return graph->levels > 1 ? graph->uppers[entry] : entry;
}

/// Collects allowed rows in `probe->batch`, in order of their links' distance from a row, STRATA_AROUND at most. Looks at
/// links and bits only.
/// - Returns: which share of the rows on the way they are.
static float strata_search_around(const strata_search_job *job, strata_probe *probe, uint32_t row, int32_t *count) {
  const strata_level *level = &job->level;
  uint32_t *rows = probe->touched;  // those seen, in order
  int64_t seen = 0, followed = 0;
  int32_t found = 0;
  (void)strata_probe_see(probe, row);
  rows[seen++] = row;
  if (strata_bit(job->filter.allowed, row)) probe->batch[found++] = row;
  for (; followed < seen && found < STRATA_AROUND && seen < job->reach; followed++) {
    const uint32_t *links = level->links + (int64_t)rows[followed] * level->width;
    for (int32_t i = 0; i < level->width && links[i] != STRATA_NO_ROW && seen < job->reach; i++) {
      if (!strata_probe_see(probe, links[i])) continue;
      rows[seen++] = links[i];
      strata_prefetch_links(level, (uint64_t)(0x7fffffffu - links[i]) << 1);
      if (found < STRATA_AROUND && strata_bit(job->filter.allowed, links[i])) probe->batch[found++] = links[i];
    }
  }
  probe->touched_count = seen;
  strata_probe_clear(probe, level->rows.count);
  *count = found;
  return (float)found / (float)seen;
}

static bool strata_search_turn(void *context, strata_probe *probe) {
  strata_search_job *job = context;
  if (probe->is_active) {
    int64_t at = probe->place * job->breadth;
    for (int64_t i = 0; i < probe->count; i++) {
      job->ids[at + i] = strata_best_row(probe->keys[i]);
      job->scores[at + i] = strata_best_score(probe->keys[i]);
    }
    job->found[probe->place] = probe->count;
    if (job->effort) job->effort[probe->place] = probe->effort;
  }
  const strata_code_rows *rows = &job->graph->rows;
  float near;
  int32_t count = 0;
  do {
    if (job->next == job->count) return false;
    probe->place = job->next++;
    strata_code_query_prepare(rows, job->queries + probe->place * rows->dimension, probe->query);
    uint32_t entry = strata_graph_entry(job->graph, job->scorer, probe->query);
    if (!job->filter.allowed) {
      strata_probe_begin(probe, &job->level, job->scorer, entry, job->breadth);
      return true;
    }
    near = strata_search_around(job, probe, entry, &count);
    if (job->effort) job->effort[probe->place] = (strata_graph_effort){.near = near, .complete = false};
  } while (near < job->least);
  memcpy(probe->batch + count, job->seeds, (size_t)job->seed_count * sizeof *job->seeds);
  strata_probe_begin_many(probe, &job->level, job->scorer, count + job->seed_count, job->breadth);
  probe->effort.near = near;
  return true;
}

/// Up to STRATA_SEEDS allowed rows, spread over all rows.
static int32_t strata_graph_seeds(const uint64_t *allowed, int64_t rows, uint32_t seeds[STRATA_SEEDS]) {
  const int64_t words = (rows + 63) / 64;
  int32_t count = 0;
  for (int64_t word = 0; count < STRATA_SEEDS && word < words; word++) {
    word = strata_max64(word, words * count / STRATA_SEEDS);
    uint64_t bits = allowed[word];
    if (word == words - 1 && rows % 64) bits &= (1ull << rows % 64) - 1;
    if (bits) seeds[count++] = (uint32_t)(word * 64 + __builtin_ctzll(bits));
  }
  return count;
}

bool strata_graph_search(
    const strata_graph *graph, const float *queries, int64_t count, strata_graph_scratch *scratch, int32_t breadth,
    const uint64_t *allowed, int64_t budget, float least, uint32_t *ids, float *scores, int64_t *found,
    strata_graph_effort *effort) {
  for (int64_t i = 0; i < count; i++) {
    found[i] = 0;
    if (effort) effort[i] = (strata_graph_effort){.near = 1, .complete = true};
  }
  if (graph->sizes[0] == 0 || breadth <= 0) return true;
  if (!strata_graph_scratch_fit(scratch, &graph->rows, breadth)) return false;
  strata_search_job job = {
      .graph = graph, .level = strata_graph_level(graph, 0),
      .scorer = strata_code_scorer_for(graph->rows.code, graph->rows.metric), .queries = queries, .count = count,
      .breadth = breadth, .ids = ids, .scores = scores, .found = found, .effort = effort,
      .filter = {allowed, budget}, .least = least,
      .reach = least > 0 ? strata_min64(STRATA_TOUCHED_MOST, (int64_t)(STRATA_AROUND / least) + 1)
                         : STRATA_TOUCHED_MOST};
  if (allowed) job.seed_count = strata_graph_seeds(allowed, graph->rows.count, job.seeds);
  if (allowed && job.seed_count == 0) return true;
  strata_probe_run(&job.level, job.scorer, &job.filter, scratch->probes, (int32_t)strata_min64(STRATA_LANES, count),
                   strata_search_turn, &job);
  return true;
}

bool strata_graph_is_sound(const strata_graph *graph) {
  int64_t count = graph->rows.count;
  for (int32_t l = 0; l < graph->levels; l++) {
    strata_level level = strata_graph_level(graph, l);
    uint32_t greatest = 0;  // without branches, so that it runs at the speed of memory
    for (int64_t i = 0; i < level.rows.count * level.width; i++) {
      uint32_t link = level.links[i] == STRATA_NO_ROW ? 0 : level.links[i];
      greatest = link > greatest ? link : greatest;
    }
    if (level.rows.count > 0 && greatest >= level.rows.count) return false;
  }
  int64_t highest = graph->levels > 1 ? graph->sizes[graph->levels - 1] : count;
  if (graph->sizes[0] > 0 && graph->entry >= highest) return false;
  for (int64_t i = 0; graph->levels > 1 && i < graph->sizes[1]; i++) {
    if (graph->uppers[i] >= count) return false;
  }
  return true;
}

#if STRATA_X86
__attribute__((target("popcnt")))
static int64_t strata_bits_count_popcnt(const uint64_t *a, const uint64_t *b, int64_t words) {
  int64_t count = 0;
  for (int64_t i = 0; i < words; i++) count += __builtin_popcountll(b ? a[i] & b[i] : a[i]);
  return count;
}
#endif

int64_t strata_bits_count(const uint64_t *a, const uint64_t *b, int64_t words) {
#if STRATA_X86
  if (__builtin_cpu_supports("popcnt")) return strata_bits_count_popcnt(a, b, words);
#endif
  int64_t count = 0;
  for (int64_t i = 0; i < words; i++) count += __builtin_popcountll(b ? a[i] & b[i] : a[i]);
  return count;
}
