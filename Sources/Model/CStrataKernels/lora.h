// Low-rank updates: how a pair of matrices lies in memory, shared by packing and driving (lora.c) and the kernels of
// each instruction-set family (lora_body.h).
#ifndef STRATA_LORA_PRIVATE_H
#define STRATA_LORA_PRIVATE_H

#include "kernels.h"

// Values are half floats relative to a power of two per matrix that puts the largest near 2^14: what came from halves
// or bfloats keeps every bit over 28 binades, and memory traffic, which bounds decoding, is half that of floats.
//   down  A: [rank, a multiple of 4][inputs, a multiple of 16]
//   up    B: [outputs / 64, rounded up][rank][64], so that a panel of outputs is read in one piece
// Padding is zero.
enum { STRATA_LORA_RANKS = 4, STRATA_LORA_PANEL = 64, STRATA_LORA_MOST_RANK = 1024 };

struct strata_lora {
  int64_t rank, inputs, outputs;
  int64_t down_pitch;     // values from one row of A to the next
  int64_t down_rows;      // rank, rounded up
  int64_t panels;
  float factor;           // scale times both powers of two
  uint16_t *down, *up;    // 64-byte aligned, one allocation
  size_t bytes;
};

/// Adds the update to rows `rows[0..<count]` of the job's y.
typedef void (*strata_lora_kernel)(const strata_lora_job *job, const int32_t *rows, int64_t count);

extern const strata_lora_kernel strata_lora_portable;
#if STRATA_X86
extern const strata_lora_kernel strata_lora_avx2;
extern const strata_lora_kernel strata_lora_avx512;
#endif

#endif
