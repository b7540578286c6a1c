// The kernels that are written once over vectors of 16 floats (lanes.h) and compiled for each instruction-set family:
// rows of activations, attention, vector products. Products with weights have their own tables (matrix.h).
#ifndef STRATA_FAMILY_PRIVATE_H
#define STRATA_FAMILY_PRIVATE_H

#include "kernels.h"

/// Up to STRATA_ATTEND_ROWS rows of queries that share one head of a cache.
enum { STRATA_ATTEND_ROWS = 12, STRATA_KEY_PANEL = 16 };

typedef struct strata_attend {
  int32_t rows;
  const float *q[STRATA_ATTEND_ROWS];      // [head_dim] each
  float *out[STRATA_ATTEND_ROWS];          // [head_dim] each
  int32_t limit[STRATA_ATTEND_ROWS];       // positions 0..<limit are seen
  int32_t first, last;                     // positions of this part; first is a multiple of 16
  const uint16_t *keys;                    // [position / 16][head_dim][16] half floats
  const uint16_t *values;                  // [position][head_dim] half floats
  int32_t head_dim;
  float scale;
  /// When not NULL, results are left unfinished: `out` holds sums not yet divided, and row i's largest score (in
  /// powers of two) and sum of weights go to partial[2 * i] and partial[2 * i + 1].
  float *partial;
} strata_attend;

typedef struct strata_family {
  void (*rms_norm)(float *y, const float *x, int64_t n, const float *weight, float epsilon);
  void (*layer_norm)(float *y, const float *x, int64_t n, const float *weight, const float *bias, float epsilon);
  void (*rope)(float *x, int64_t half, const float *cosines, const float *sines, strata_rope_style style);
  void (*silu_mul)(float *y, const float *gate, const float *up, int64_t n);
  void (*gelu)(float *x, int64_t n);
  strata_log_sum (*softmax_sum)(const float *x, int64_t n, float scale);
  void (*softmax)(float *x, int64_t n, float scale);
  void (*add)(float *y, const float *x, int64_t n);
  void (*axpy)(float *y, float a, const float *x, int64_t n);
  int64_t (*argmax)(const float *x, int64_t n);
  float (*dot)(const float *a, const float *b, int64_t n);
  float (*l2)(const float *a, const float *b, int64_t n);
  void (*halves)(uint16_t *y, const float *x, int64_t n);
  /// Stores `count` rows of keys [head_dim], the first at lane `lane` of a panel; see strata_attend.
  void (*key_lanes)(uint16_t *panel, int64_t lane, int64_t count, const float *keys, int64_t stride, int64_t head_dim);
  void (*attend)(const strata_attend *part);
} strata_family;

extern const strata_family strata_family_portable;
#if STRATA_X86
extern const strata_family strata_family_avx2;
extern const strata_family strata_family_avx512;
#endif

const strata_family *strata_family_current(void);

#endif
