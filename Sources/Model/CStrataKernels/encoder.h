// One head of one sequence of an encoder, as its attention kernels take it.
#ifndef STRATA_ENCODER_PRIVATE_H
#define STRATA_ENCODER_PRIVATE_H

#include "kernels.h"

/// The longest sequences and widest heads that a kernel keeps on the stack, 184 KB.
enum { STRATA_ENCODER_LENGTH = 512, STRATA_ENCODER_HEAD = 64 };

typedef struct strata_encoder_head {
  float *out;  // [length, head_dim]
  int64_t out_stride;
  const float *q, *k, *v;  // [length, head_dim]
  int64_t stride;
  int64_t head_dim;  // a multiple of 32
  int64_t length;
  float scale;
} strata_encoder_head;

#if STRATA_X86
void strata_encoder_attend_bf16(const strata_encoder_head *head);
#endif

#endif
