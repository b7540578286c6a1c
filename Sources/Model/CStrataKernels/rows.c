// Operations on rows of activations that are not products: norms, rotary embedding, activations, softmax, argmax.
// Drivers split the rows over the pool; the arithmetic is portable C.
#include "kernels.h"

#include <math.h>

// A region costs about a microsecond: smaller work runs on the caller alone.
static const int64_t strata_values_worth_sharing = 32768;

static void strata_rows_for(strata_pool *pool, int64_t rows, int64_t row_values, strata_body body, void *context) {
  if (!pool || rows * row_values < strata_values_worth_sharing) {
    if (rows > 0) body(context, 0, rows);
    return;
  }
  strata_parallel_for(pool, rows, strata_max64(1, rows / (4 * strata_pool_threads(pool))), body, context);
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

static float strata_sum_squares(const float *x, int64_t n) {
  float sums[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int lane = 0; lane < 16; lane++) sums[lane] += x[i + lane] * x[i + lane];
  }
  for (; i < n; i++) sums[0] += x[i] * x[i];
  float sum = 0;
  for (int lane = 0; lane < 16; lane++) sum += sums[lane];
  return sum;
}

static void strata_rms_rows(void *context, int64_t first, int64_t last) {
  const strata_norm_job *job = context;
  for (int64_t row = first; row < last; row++) {
    const float *x = job->x + row * job->x_stride;
    float *y = job->y + row * job->y_stride;
    float scale = 1 / sqrtf(strata_sum_squares(x, job->n) / (float)job->n + job->epsilon);
    for (int64_t i = 0; i < job->n; i++) y[i] = x[i] * scale * job->weight[i];
  }
}

void strata_rms_norm(
    strata_pool *pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m, int64_t n,
    const float *weight, float epsilon) {
  strata_norm_job job = {y, y_stride, x, x_stride, n, weight, NULL, epsilon};
  strata_rows_for(pool, m, n, strata_rms_rows, &job);
}

static void strata_layer_norm_rows(void *context, int64_t first, int64_t last) {
  const strata_norm_job *job = context;
  for (int64_t row = first; row < last; row++) {
    const float *x = job->x + row * job->x_stride;
    float *y = job->y + row * job->y_stride;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < job->n; i++) sum += x[i];
    float mean = (float)(sum / (double)job->n);
    for (int64_t i = 0; i < job->n; i++) squares += (double)(x[i] - mean) * (double)(x[i] - mean);
    float scale = 1 / sqrtf((float)(squares / (double)job->n) + job->epsilon);
    for (int64_t i = 0; i < job->n; i++) {
      y[i] = (x[i] - mean) * scale * job->weight[i] + (job->bias ? job->bias[i] : 0);
    }
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
  int64_t half = job->rotary_dim / 2;
  for (int64_t row = first; row < last; row++) {
    const float *cosines = job->cos_table + job->positions[row] * half;
    const float *sines = job->sin_table + job->positions[row] * half;
    for (int64_t head = 0; head < job->heads; head++) {
      float *x = job->x + row * job->x_stride + head * job->head_dim;
      if (job->style == STRATA_ROPE_HALVES) {
        for (int64_t i = 0; i < half; i++) {
          float a = x[i], b = x[i + half];
          x[i] = a * cosines[i] - b * sines[i];
          x[i + half] = a * sines[i] + b * cosines[i];
        }
      } else {
        for (int64_t i = 0; i < half; i++) {
          float a = x[2 * i], b = x[2 * i + 1];
          x[2 * i] = a * cosines[i] - b * sines[i];
          x[2 * i + 1] = a * sines[i] + b * cosines[i];
        }
      }
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

typedef struct strata_silu_job {
  float *y;
  int64_t y_stride;
  const float *gate;
  int64_t gate_stride;
  const float *up;
  int64_t up_stride, n;
} strata_silu_job;

static void strata_silu_rows(void *context, int64_t first, int64_t last) {
  const strata_silu_job *job = context;
  for (int64_t row = first; row < last; row++) {
    float *y = job->y + row * job->y_stride;
    const float *gate = job->gate + row * job->gate_stride, *up = job->up + row * job->up_stride;
    for (int64_t i = 0; i < job->n; i++) y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
  }
}

void strata_silu_mul(
    strata_pool *pool, float *y, int64_t y_stride, const float *gate, int64_t gate_stride, const float *up,
    int64_t up_stride, int64_t m, int64_t n) {
  strata_silu_job job = {y, y_stride, gate, gate_stride, up, up_stride, n};
  strata_rows_for(pool, m, n, strata_silu_rows, &job);
}

static void strata_gelu_range(void *context, int64_t first, int64_t last) {
  float *x = context;
  for (int64_t i = first; i < last; i++) x[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f));
}

void strata_gelu(strata_pool *pool, float *x, int64_t count) {
  strata_parallel_for(pool, count, 4096, strata_gelu_range, x);
}

// MARK: Vectors of scores

strata_log_sum strata_softmax_sum(const float *x, int64_t count, float scale) {
  strata_log_sum result = {-INFINITY, 0};
  for (int64_t i = 0; i < count; i++) {
    if (x[i] > result.maximum) result.maximum = x[i];
  }
  for (int64_t i = 0; i < count; i++) result.sum += expf((x[i] - result.maximum) * scale);
  return result;
}

void strata_softmax(float *x, int64_t count, float scale) {
  strata_log_sum total = strata_softmax_sum(x, count, scale);
  for (int64_t i = 0; i < count; i++) x[i] = expf((x[i] - total.maximum) * scale) / total.sum;
}

void strata_add(float *y, const float *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

void strata_axpy(float *y, float a, const float *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += a * x[i];
}

int64_t strata_argmax(const float *x, int64_t count) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; i++) {
    if (x[i] > (best < 0 ? -INFINITY : x[best]) || (best < 0 && x[i] == -INFINITY)) best = i;
  }
  return best;
}
