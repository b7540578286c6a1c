// What the files about lists of product-quantized vectors share: a scan in flight, and the kernels that a family of
// instructions provides.
#ifndef STRATA_LISTS_PRIVATE_H
#define STRATA_LISTS_PRIVATE_H

#include "codes.h"

enum { STRATA_LANES_FLOATS = 16 };

/// One query in the lists: its table, and the best rows so far.
typedef struct strata_list_scan {
  const strata_lists *lists;
  const uint8_t *table;  // [parts rounded up to 4, 16], 64-byte aligned; zero beyond the parts
  float scale;           // of a sum of table entries
  float bias;            // what is added then, in the list at hand
  float threshold;       // only better scores are kept
  const uint64_t *allowed;
  uint64_t *keys;        // [room], in no order
  int64_t kept, limit, room;
  int64_t passed;        // rows looked at that are allowed
} strata_list_scan;

/// Kernels of a family.
typedef struct strata_list_kernels {
  /// out[n, 16 * groups] = x_i · c_j - |c_j|²/2 of packed centroids.
  void (*scores)(const float *x, int64_t n, int64_t d, const float *packed, int64_t groups, float *out);
  /// best[n] = the first j with the greatest of these.
  void (*nearest)(const float *x, int64_t n, int64_t d, const float *packed, int64_t groups, uint32_t *best);
  /// table[parts, 16] = q · word, by part; q is [parts * part_width].
  void (*products)(const strata_lists *lists, const float *q, float *table);
  /// Looks at all rows of a list.
  void (*scan)(strata_list_scan *scan, int64_t list);
} strata_list_kernels;

extern const strata_list_kernels strata_list_kernels_portable;
#if STRATA_X86
extern const strata_list_kernels strata_list_kernels_avx2;
extern const strata_list_kernels strata_list_kernels_avx512;
#endif
#if STRATA_NEON
extern const strata_list_kernels strata_list_kernels_neon;
#endif

const strata_list_kernels *strata_list_kernels_current(void);

/// Moves the `limit` greatest of `count` keys, all different, to the front, in no order.
void strata_select_greatest(uint64_t *keys, int64_t count, int64_t limit);

/// Keeps the best `limit` of what a scan has and raises its threshold to the worst of them.
void strata_list_scan_prune(strata_list_scan *scan);

/// |c|²/2 of a packed centroid, and its value number i.
static inline float strata_centroid_half(const float *packed, int64_t d, int64_t c) {
  return packed[(c / 16 * (d + 1) + d) * 16 + c % 16];
}
static inline float strata_centroid_value(const float *packed, int64_t d, int64_t c, int64_t i) {
  return packed[(c / 16 * (d + 1) + i) * 16 + c % 16];
}

#endif
