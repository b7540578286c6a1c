// Attention of encoders in bfloat16: shares the heads of all sequences among the threads.
#include "encoder.h"

typedef struct strata_encoder_batch {
  float *out;
  int64_t out_stride;
  const float *q, *k, *v;
  int64_t stride;
  int32_t heads, head_dim;
  float scale;
  const int32_t *lengths;
} strata_encoder_batch;

static bool strata_encoder_rounds(int32_t head_dim, const int32_t *lengths, int64_t count) {
#if STRATA_X86
  if (strata_isa_current() < STRATA_ISA_AVX512 || !__builtin_cpu_supports("avx512bf16")) return false;
  if (head_dim % 32 != 0 || head_dim > STRATA_ENCODER_HEAD) return false;
  for (int64_t i = 0; i < count; i++) {
    if (lengths[i] > STRATA_ENCODER_LENGTH) return false;
  }
  return true;
#else
  (void)head_dim, (void)lengths, (void)count;
  return false;
#endif
}

static void strata_encoder_heads(void *context, int64_t first, int64_t last) {
#if STRATA_X86
  const strata_encoder_batch *batch = context;
  int64_t row = 0, sequence = 0;
  for (int64_t unit = first; unit < last; unit++) {
    for (; sequence < unit / batch->heads; sequence++) row += batch->lengths[sequence];
    if (batch->lengths[sequence] <= 0) continue;
    int64_t at = unit % batch->heads * batch->head_dim, in = row * batch->stride + at;
    strata_encoder_head head = {
        batch->out + row * batch->out_stride + at, batch->out_stride, batch->q + in, batch->k + in, batch->v + in,
        batch->stride, batch->head_dim, batch->lengths[sequence], batch->scale};
    strata_encoder_attend_bf16(&head);
  }
#else
  (void)context, (void)first, (void)last;
#endif
}

void strata_attention_bidirectional_bf16(
    strata_pool *pool, float *out, int64_t out_stride, const float *q, const float *k, const float *v,
    int64_t qkv_stride, int32_t heads, int32_t head_dim, float scale, const int32_t *lengths, int64_t count) {
  if (heads <= 0 || head_dim <= 0) return;
  if (!strata_encoder_rounds(head_dim, lengths, count)) {
    strata_attention_bidirectional(
        pool, out, out_stride, q, k, v, qkv_stride, heads, head_dim, scale, lengths, count);
    return;
  }
  strata_encoder_batch batch = {out, out_stride, q, k, v, qkv_stride, heads, head_dim, scale, lengths};
  strata_parallel_for(pool, count * heads, 1, strata_encoder_heads, &batch);
}
