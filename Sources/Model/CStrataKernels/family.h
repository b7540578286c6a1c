// The kernels that are written once over vectors of 16 floats (lanes.h) and compiled for each instruction-set family:
// rows of activations, attention, vector products. Products with weights have their own tables (matrix.h).
#ifndef STRATA_FAMILY_PRIVATE_H
#define STRATA_FAMILY_PRIVATE_H

#include "kernels.h"

/// Up to STRATA_ATTEND_ROWS rows of queries that share one head of a cache. Positions are taken in blocks of
/// STRATA_ATTEND_BLOCK that begin at multiples of it; a row's result is its blocks' results, folded in order. It is
/// therefore the same to the bit however rows are grouped and positions are cut into parts.
enum { STRATA_ATTEND_ROWS = 12, STRATA_ATTEND_BLOCK = 128 };

typedef struct strata_attend {
  int32_t rows;
  const float *q[STRATA_ATTEND_ROWS];      // [head_dim] each
  float *out[STRATA_ATTEND_ROWS];          // [head_dim] each
  int32_t from[STRATA_ATTEND_ROWS];        // positions from..<limit are seen; both ascend with the row
  int32_t limit[STRATA_ATTEND_ROWS];
  int32_t first, last;                     // positions of this part; first is a multiple of STRATA_ATTEND_BLOCK
  strata_kv_type type;
  const uint8_t *blocks;                   // page 0's block of this layer and head; see attention.h
  const int32_t *pages;                    // NULL: page i is i
  size_t page_bytes;                       // from a page to the next
  int32_t head_dim;
  float scale, softcap;
  /// When not NULL, results are left unfolded and `out` untouched. Of each block of positions: [row][head_dim] sums,
  /// then for each row its largest score (in powers of two) and its sum of weights; blocks are `partial_stride` apart.
  float *partial;
  int64_t partial_stride;
  const struct strata_attend *next;  // what this thread will attend to then, or NULL
} strata_attend;

/// What a row has seen so far: `out` holds sums relative to 2^largest, and `sum` their weights.
typedef struct strata_fold {
  float largest, sum;
} strata_fold;

/// Finite, so that a block without a seen position weighs 0 and not NaN.
static const strata_fold strata_fold_nothing = {-1e30f, 0};

typedef struct strata_family {
  void (*rms_norm)(float *y, const float *x, int64_t n, const float *weight, float epsilon);
  void (*rms_norm_add)(float *y, const float *x, int64_t n, const float *weight, float epsilon);
  void (*layer_norm)(float *y, const float *x, int64_t n, const float *weight, const float *bias, float epsilon);
  void (*rope)(float *x, int64_t half, const float *cosines, const float *sines, strata_rope_style style);
  void (*silu_mul)(float *y, const float *gate, const float *up, int64_t n);
  void (*gelu_mul)(float *y, const float *gate, const float *up, int64_t n);
  void (*softcap)(float *x, int64_t n, float cap);
  void (*gelu)(float *x, int64_t n);
  strata_log_sum (*softmax_sum)(const float *x, int64_t n, float scale);
  void (*softmax)(float *x, int64_t n, float scale);
  void (*add)(float *y, const float *x, int64_t n);
  void (*axpy)(float *y, float a, const float *x, int64_t n);
  int64_t (*argmax)(const float *x, int64_t n);
  float (*dot)(const float *a, const float *b, int64_t n);
  float (*l2)(const float *a, const float *b, int64_t n);
  void (*halves)(uint16_t *y, const float *x, int64_t n);
  /// Stores `count` rows of keys and values [head_dim], the first at position `lane` of a block; see attention.h.
  void (*cache_rows)(uint8_t *block, strata_kv_type type, int64_t lane, int64_t count, const float *keys,
                     int64_t k_stride, const float *values, int64_t v_stride, int64_t head_dim);
  void (*attend)(const strata_attend *part);
  /// Adds a block's sums to what a row has seen.
  void (*fold)(strata_fold *fold, float *out, const float *sums, strata_fold block, int64_t head_dim);
} strata_family;

extern const strata_family strata_family_portable;
#if STRATA_X86
extern const strata_family strata_family_avx2;
extern const strata_family strata_family_avx512;
extern const strata_family strata_family_avx512_bf16;
#endif

const strata_family *strata_family_current(void);

#endif
