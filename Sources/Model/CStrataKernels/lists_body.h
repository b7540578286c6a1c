// Centroids and scanning over lanes.h and the family's `list_block`; compiled once per family.

#if STRATA_FAMILY_ISA == 2
enum { LIST_ROWS = 8 };
#else
enum { LIST_ROWS = 4 };  // as many sums as there are registers
#endif

/// Sums of up to LIST_ROWS rows with the sixteen centroids of a group.
STRATA_INLINE void list_group(
    const float *const x[LIST_ROWS], int64_t d, const float *group, v16 sums[LIST_ROWS]) {
  v16 half = v_load(group + 16 * d);
  STRATA_UNROLL for (int i = 0; i < LIST_ROWS; i++) sums[i] = -half;
  for (int64_t k = 0; k < d; k++) {
    v16 c = v_load(group + 16 * k);
    STRATA_UNROLL for (int i = 0; i < LIST_ROWS; i++) sums[i] = v_set(x[i][k]) * c + sums[i];
  }
}

STRATA_INLINE int list_rows(const float *x, int64_t at, int64_t n, int64_t d, const float *rows[LIST_ROWS]) {
  int some = (int)strata_min64(LIST_ROWS, n - at);
  for (int i = 0; i < LIST_ROWS; i++) rows[i] = x + (at + (i < some ? i : 0)) * d;
  return some;
}

static void list_scores(const float *x, int64_t n, int64_t d, const float *packed, int64_t groups, float *out) {
  for (int64_t at = 0; at < n; at += LIST_ROWS) {
    const float *rows[LIST_ROWS];
    int some = list_rows(x, at, n, d, rows);
    for (int64_t g = 0; g < groups; g++) {
      v16 sums[LIST_ROWS];
      list_group(rows, d, packed + g * 16 * (d + 1), sums);
      for (int i = 0; i < some; i++) v_store(out + ((at + i) * groups + g) * 16, sums[i]);
    }
  }
}

static void list_nearest(
    const float *x, int64_t n, int64_t d, const float *packed, int64_t groups, uint32_t *best) {
  for (int64_t at = 0; at < n; at += LIST_ROWS) {
    const float *rows[LIST_ROWS];
    int some = list_rows(x, at, n, d, rows);
    v16 greatest[LIST_ROWS];
    v16i place[LIST_ROWS];
    for (int i = 0; i < LIST_ROWS; i++) {
      greatest[i] = v_set(-INFINITY);
      place[i] = (v16i)v_set(0);
    }
    for (int64_t g = 0; g < groups; g++) {
      v16 sums[LIST_ROWS];
      list_group(rows, d, packed + g * 16 * (d + 1), sums);
      v16i here = (v16i)v_set(0) + (int32_t)g;
      STRATA_UNROLL for (int i = 0; i < LIST_ROWS; i++) {
        v16i better = sums[i] > greatest[i];
        greatest[i] = v_select(better, sums[i], greatest[i]);
        place[i] = (here & better) | (place[i] & ~better);
      }
    }
    for (int i = 0; i < some; i++) {
      int lane = 0;
      for (int j = 1; j < 16; j++) {
        bool better = greatest[i][j] > greatest[i][lane];
        if (better || (greatest[i][j] == greatest[i][lane] && place[i][j] < place[i][lane])) lane = j;
      }
      best[at + i] = (uint32_t)place[i][lane] * 16 + (uint32_t)lane;
    }
  }
}

static void list_products(const strata_lists *lists, const float *q, float *table) {
  int64_t width = lists->part_width;
  for (int64_t part = 0; part < lists->parts; part++) {
    v16 sum = v_set(0);
    for (int64_t k = 0; k < width; k++) {
      sum = v_set(q[part * width + k]) * v_load(lists->books + (part * width + k) * 16) + sum;
    }
    v_store(table + 16 * part, sum);
  }
}

/// Which of the 32 rows of a block are allowed.
STRATA_INLINE uint32_t list_allowed(const uint32_t *ids, const uint64_t *allowed, int64_t rows) {
  uint32_t mask = 0, last = (uint32_t)(rows - 1);
  for (int i = 0; i < 32; i++) {
    uint32_t id = ids[i] <= last ? ids[i] : last;  // read somewhere that is there, then left out
    uint32_t bit = (uint32_t)(allowed[id / 64] >> id % 64) & 1 & (uint32_t)(ids[i] <= last);
    mask |= bit << i;
  }
  return mask;
}

static void list_scan(strata_list_scan *scan, int64_t list) {
  const strata_lists *lists = scan->lists;
  const int64_t bytes = (int64_t)lists->parts * 16;
  const bool squares = lists->squares != NULL;
  for (uint64_t block = lists->starts[list]; block < lists->starts[list + 1]; block++) {
    const uint32_t *ids = lists->ids + block * 32;
    uint32_t allowed = ~0u;
    if (scan->allowed) {
      allowed = list_allowed(ids, scan->allowed, lists->rows);
      if (!allowed) continue;
      scan->passed += __builtin_popcount(allowed);
    }
    _Alignas(64) float scores[32];
    uint32_t hits = list_block(
        lists->codes + block * (uint64_t)bytes, scan->table, lists->parts, scan->scale, scan->bias,
        squares ? lists->squares + block * 32 : NULL, scan->threshold, scores);
    for (hits &= allowed; hits; hits &= hits - 1) {
      int i = __builtin_ctz(hits);
      if (ids[i] >= lists->rows || !(scores[i] > scan->threshold)) continue;
      scan->keys[scan->kept++] = strata_best_key(scores[i], ids[i]);
      if (scan->kept == scan->room) strata_list_scan_prune(scan);
    }
  }
  if (!scan->allowed) scan->passed += 32 * (int64_t)(lists->starts[list + 1] - lists->starts[list]);
}

#define STRATA_LIST_KERNELS {list_scores, list_nearest, list_products, list_scan}
