// What building and searching a graph share: a search in flight, and running several of them in turn.
#ifndef STRATA_GRAPH_PRIVATE_H
#define STRATA_GRAPH_PRIVATE_H

#include "codes.h"

/// One level: rows and links in the same numbers.
typedef struct strata_level {
  strata_code_rows rows;
  const uint32_t *links;  // [rows.count, width]
  int32_t width;
} strata_level;

enum {
  STRATA_LANES = 8,           // searches that one thread runs in turn
  STRATA_TOUCHED_MOST = 8192,
  STRATA_BATCH_MOST = 4 * STRATA_GRAPH_LINKS,
};

/// What a search does when its turn comes; what that needs has been asked for in the turn before.
typedef enum strata_probe_stage {
  STRATA_PROBE_GATHER,  // collect the neighbours of the next row
  STRATA_PROBE_BRIDGE,  // collect the neighbours of those of them that are not allowed
  STRATA_PROBE_SCORE,   // score what was collected
} strata_probe_stage;

/// A best-first search of one level in flight.
typedef struct strata_probe {
  strata_code_query *query;
  uint64_t *keys;       // the best rows so far, best first
  int64_t count, breadth;
  int64_t next;         // keys before it have been followed
  uint64_t *seen;       // a bit per row
  uint32_t *touched;    // rows whose bits are set, while there are few
  int64_t touched_count;
  int64_t place;        // what it searches for: a query's or a row's number
  bool is_active;
  strata_probe_stage stage;
  int32_t fresh;        // rows to be scored
  int32_t bridges;      // rows that are not allowed
  int32_t passing;      // neighbours of the row that are allowed, seen before or not
  uint32_t batch[STRATA_BATCH_MOST];
  uint32_t bridge[2 * STRATA_GRAPH_LINKS + 1];
  strata_graph_effort effort;
} strata_probe;

/// Rows that a search may find, and how much it may do; NULL in `allowed` stands for all.
typedef struct strata_probe_filter {
  const uint64_t *allowed;
  int64_t budget;  // rows looked at
} strata_probe_filter;

struct strata_graph_scratch {
  int64_t capacity;  // rows that `seen` has room for
  int64_t key_room;
  size_t query_bytes;
  strata_probe probes[STRATA_LANES];
};

/// Level l, above 0, or 0 itself.
strata_level strata_graph_level(const strata_graph *graph, int32_t level);

/// Makes room for `breadth` keys and for queries of the rows in every probe.
/// - Returns: false when there is none.
bool strata_graph_scratch_fit(strata_graph_scratch *scratch, const strata_code_rows *rows, int64_t breadth);

/// The row nearest to the query that going to the nearest neighbour, from `start`, leads to.
uint32_t strata_level_descend(
    const strata_level *level, strata_code_scorer scorer, const strata_code_query *query, uint32_t start);

/// Begins a search for `probe->query` at a row.
void strata_probe_begin(
    strata_probe *probe, const strata_level *level, strata_code_scorer scorer, uint32_t entry, int64_t breadth);

/// Begins a search at several rows (1...STRATA_BATCH_MOST), in `probe->batch`, of which some may be the same.
void strata_probe_begin_many(
    strata_probe *probe, const strata_level *level, strata_code_scorer scorer, int32_t count, int64_t breadth);

/// Ends a search that has begun, alone; what it has seen is forgotten.
void strata_probe_run_one(const strata_level *level, strata_code_scorer scorer, strata_probe *probe);

/// Forgets what the probe has seen.
void strata_probe_clear(strata_probe *probe, int64_t rows);

/// Takes what a finished search found (none the first time: `is_active` is false) and begins another.
/// - Returns: false when there is no other.
typedef bool (*strata_probe_turn)(void *context, strata_probe *probe);

/// Runs searches on `lanes` probes in turn, so that the memory one waits for arrives while the others compute.
void strata_probe_run(
    const strata_level *level, strata_code_scorer scorer, const strata_probe_filter *filter, strata_probe *probes,
    int32_t lanes, strata_probe_turn turn, void *context);

#endif
