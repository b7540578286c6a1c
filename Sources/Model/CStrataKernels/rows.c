// Operations on rows of activations that are not products: norms, rotary embedding, activations, softmax, argmax, and
// vector products. This file checks sizes and splits rows over the pool; the family does the arithmetic.
#include "family.h"

// A region costs about a microsecond: smaller work runs on the caller alone.
static const int64_t strata_values_worth_sharing = 16384;

static void strata_rows_for(strata_pool *pool, int64_t rows, int64_t row_values, strata_body body, void *context) {
  if (!pool || rows * row_values < strata_values_worth_sharing) {
    if (rows > 0) body(context, 0, rows);
    return;
  }
  strata_parallel_for(pool, rows, strata_max64(1, rows / (4 * strata_pool_threads(pool))), body, context);
}

const strata_family *strata_family_current(void) {
  switch (strata_isa_current()) {
#if STRATA_X86
    case STRATA_ISA_AMX:
      if (!__builtin_cpu_supports("avx512vnni")) return &strata_family_portable;  // tiles in software
      return __builtin_cpu_supports("avx512bf16") ? &strata_family_avx512_bf16 : &strata_family_avx512;
    case STRATA_ISA_AVX512:
      return __builtin_cpu_supports("avx512bf16") ? &strata_family_avx512_bf16 : &strata_family_avx512;
    case STRATA_ISA_AVX2: return &strata_family_avx2;
#endif
    default: return &strata_family_portable;
  }
}

// MARK: Norms

typedef struct strata_norm_job {
  float *y;
  int64_t y_stride;
  const float *x;
  int64_t x_stride, n;
  const float *weight, *bias;
  float epsilon;
} strata_norm_job;

static void strata_rms_rows(void *context, int64_t first, int64_t last) {
  const strata_norm_job *job = context;
  const strata_family *family = strata_family_current();
  for (int64_t row = first; row < last; row++) {
    family->rms_norm(
        job->y + row * job->y_stride, job->x + row * job->x_stride, job->n, job->weight, job->epsilon);
  }
}

void strata_rms_norm(
    strata_pool *pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m, int64_t n,
    const float *weight, float epsilon) {
  strata_norm_job job = {y, y_stride, x, x_stride, n, weight, NULL, epsilon};
  strata_rows_for(pool, m, n, strata_rms_rows, &job);
}

static void strata_rms_add_rows(void *context, int64_t first, int64_t last) {
  const strata_norm_job *job = context;
  const strata_family *family = strata_family_current();
  for (int64_t row = first; row < last; row++) {
    family->rms_norm_add(
        job->y + row * job->y_stride, job->x + row * job->x_stride, job->n, job->weight, job->epsilon);
  }
}

void strata_rms_norm_add(
    strata_pool *pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m, int64_t n,
    const float *weight, float epsilon) {
  strata_norm_job job = {y, y_stride, x, x_stride, n, weight, NULL, epsilon};
  strata_rows_for(pool, m, n, strata_rms_add_rows, &job);
}

static void strata_layer_norm_rows(void *context, int64_t first, int64_t last) {
  const strata_norm_job *job = context;
  const strata_family *family = strata_family_current();
  for (int64_t row = first; row < last; row++) {
    family->layer_norm(
        job->y + row * job->y_stride, job->x + row * job->x_stride, job->n, job->weight, job->bias, job->epsilon);
  }
}

void strata_layer_norm(
    strata_pool *pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m, int64_t n,
    const float *weight, const float *bias, float epsilon) {
  strata_norm_job job = {y, y_stride, x, x_stride, n, weight, bias, epsilon};
  strata_rows_for(pool, m, n, strata_layer_norm_rows, &job);
}

// MARK: Rotary embedding

typedef struct strata_rope_job {
  float *x;
  int64_t x_stride, heads, head_dim, rotary_dim;
  const float *cos_table, *sin_table;
  const int32_t *positions;
  strata_rope_style style;
} strata_rope_job;

static void strata_rope_rows(void *context, int64_t first, int64_t last) {
  const strata_rope_job *job = context;
  const strata_family *family = strata_family_current();
  int64_t half = job->rotary_dim / 2;
  for (int64_t row = first; row < last; row++) {
    const float *cosines = job->cos_table + job->positions[row] * half;
    const float *sines = job->sin_table + job->positions[row] * half;
    for (int64_t head = 0; head < job->heads; head++) {
      family->rope(job->x + row * job->x_stride + head * job->head_dim, half, cosines, sines, job->style);
    }
  }
}

void strata_rope(
    strata_pool *pool, float *x, int64_t x_stride, int64_t m, int64_t heads, int64_t head_dim, int64_t rotary_dim,
    const float *cos_table, const float *sin_table, const int32_t *positions, strata_rope_style style) {
  strata_rope_job job = {x, x_stride, heads, head_dim, rotary_dim, cos_table, sin_table, positions, style};
  strata_rows_for(pool, m, heads * rotary_dim, strata_rope_rows, &job);
}

// MARK: Activations

typedef struct strata_gate_job {
  float *y;
  int64_t y_stride;
  const float *gate;
  int64_t gate_stride;
  const float *up;
  int64_t up_stride, n;
  void (*multiply)(float *y, const float *gate, const float *up, int64_t n);
} strata_gate_job;

static void strata_gate_rows(void *context, int64_t first, int64_t last) {
  const strata_gate_job *job = context;
  for (int64_t row = first; row < last; row++) {
    job->multiply(
        job->y + row * job->y_stride, job->gate + row * job->gate_stride, job->up + row * job->up_stride, job->n);
  }
}

void strata_silu_mul(
    strata_pool *pool, float *y, int64_t y_stride, const float *gate, int64_t gate_stride, const float *up,
    int64_t up_stride, int64_t m, int64_t n) {
  strata_gate_job job = {y, y_stride, gate, gate_stride, up, up_stride, n, strata_family_current()->silu_mul};
  strata_rows_for(pool, m, n, strata_gate_rows, &job);
}

void strata_gelu_mul(
    strata_pool *pool, float *y, int64_t y_stride, const float *gate, int64_t gate_stride, const float *up,
    int64_t up_stride, int64_t m, int64_t n) {
  strata_gate_job job = {y, y_stride, gate, gate_stride, up, up_stride, n, strata_family_current()->gelu_mul};
  strata_rows_for(pool, m, n, strata_gate_rows, &job);
}

typedef struct strata_factor_job {
  float *x;
  float factor;
} strata_factor_job;

static void strata_softcap_range(void *context, int64_t first, int64_t last) {
  const strata_factor_job *job = context;
  strata_family_current()->softcap(job->x + first, last - first, job->factor);
}

void strata_softcap(strata_pool *pool, float *x, int64_t count, float cap) {
  strata_factor_job job = {x, cap};
  strata_parallel_for(pool, count, 8192, strata_softcap_range, &job);
}

void strata_scale(float *x, float factor, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] *= factor;
}

static void strata_gelu_range(void *context, int64_t first, int64_t last) {
  strata_family_current()->gelu((float *)context + first, last - first);
}

void strata_gelu(strata_pool *pool, float *x, int64_t count) {
  strata_parallel_for(pool, count, 8192, strata_gelu_range, x);
}

// MARK: Vectors

strata_log_sum strata_softmax_sum(const float *x, int64_t count, float scale) {
  return strata_family_current()->softmax_sum(x, count, scale);
}

void strata_softmax(float *x, int64_t count, float scale) {
  if (count > 0) strata_family_current()->softmax(x, count, scale);
}

void strata_add(float *y, const float *x, int64_t count) { strata_family_current()->add(y, x, count); }

void strata_axpy(float *y, float a, const float *x, int64_t count) { strata_family_current()->axpy(y, a, x, count); }

int64_t strata_argmax(const float *x, int64_t count) { return strata_family_current()->argmax(x, count); }

float strata_dot_f32(const float *a, const float *b, int64_t d) { return strata_family_current()->dot(a, b, d); }

void strata_dots_f32(const float *query, const float *rows, int64_t n, int64_t d, float *out) {
  const strata_family *family = strata_family_current();
  for (int64_t i = 0; i < n; i++) out[i] = family->dot(query, rows + i * d, d);
}

float strata_l2_f32(const float *a, const float *b, int64_t d) { return strata_family_current()->l2(a, b, d); }
