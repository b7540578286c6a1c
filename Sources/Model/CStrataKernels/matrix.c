// Weight matrices and their products.
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

struct strata_matrix {
  strata_type type;
  int64_t rows, cols;
  size_t row_bytes, bytes;
  uint8_t *data;
};

strata_matrix *strata_matrix_create(
    strata_type type, const void *data, int64_t rows, int64_t cols, strata_pool *pool) {
  (void)pool;
  size_t bytes = strata_matrix_source_bytes(type, rows, cols);
  if (bytes == 0) return NULL;
  strata_matrix *matrix = calloc(1, sizeof *matrix);
  if (!matrix) return NULL;
  *matrix = (strata_matrix){type, rows, cols, bytes / (size_t)rows, bytes, strata_memory_map(bytes, true)};
  if (!matrix->data) {
    free(matrix);
    return NULL;
  }
  memcpy(matrix->data, data, bytes);
  return matrix;
}

void strata_matrix_destroy(strata_matrix *matrix) {
  if (!matrix) return;
  strata_memory_unmap(matrix->data, matrix->bytes);
  free(matrix);
}

int64_t strata_matrix_rows(const strata_matrix *matrix) { return matrix->rows; }
int64_t strata_matrix_cols(const strata_matrix *matrix) { return matrix->cols; }
strata_type strata_matrix_type(const strata_matrix *matrix) { return matrix->type; }
size_t strata_matrix_byte_count(const strata_matrix *matrix) { return matrix->bytes; }

typedef struct strata_product {
  const float *x;
  int64_t x_stride, m;
  const strata_matmul_job *job;
} strata_product;

static void strata_product_rows(void *context, int64_t first, int64_t last) {
  const strata_product *product = context;
  const strata_matmul_job *job = product->job;
  const strata_matrix *weights = job->weights;
  float *row_values = malloc((size_t)weights->cols * sizeof(float));
  if (!row_values) return;
  for (int64_t row = first; row < last; row++) {
    const uint8_t *source = weights->data + (size_t)row * weights->row_bytes;
    strata_dequantize(weights->type, source, row_values, (size_t)weights->cols);
    for (int64_t i = 0; i < product->m; i++) {
      float value = strata_dot_f32(product->x + i * product->x_stride, row_values, weights->cols);
      if (job->bias) value += job->bias[row];
      float *y = job->y + i * job->y_stride + row;
      *y = job->accumulate ? *y + value : value;
    }
  }
  free(row_values);
}

void strata_matmul_many(
    strata_pool *pool, const float *x, int64_t x_stride, int64_t m, const strata_matmul_job *jobs,
    int64_t job_count) {
  for (int64_t i = 0; i < job_count; i++) {
    strata_product product = {x, x_stride, m, &jobs[i]};
    strata_parallel_for(pool, jobs[i].weights->rows, 16, strata_product_rows, &product);
  }
}

void strata_matmul(
    strata_pool *pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m,
    const strata_matrix *weights, const float *bias) {
  strata_matmul_job job = {weights, y, y_stride, bias, false};
  strata_matmul_many(pool, x, x_stride, m, &job, 1);
}
