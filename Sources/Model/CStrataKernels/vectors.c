// Products and distances of float vectors, for vector search.
#include "kernels.h"

float strata_dot_f32(const float *a, const float *b, int64_t d) {
  float sums[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= d; i += 16) {
    for (int lane = 0; lane < 16; lane++) sums[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (; i < d; i++) sum += a[i] * b[i];
  for (int lane = 0; lane < 16; lane++) sum += sums[lane];
  return sum;
}

void strata_dots_f32(const float *query, const float *rows, int64_t n, int64_t d, float *out) {
  for (int64_t i = 0; i < n; i++) out[i] = strata_dot_f32(query, rows + i * d, d);
}

float strata_l2_f32(const float *a, const float *b, int64_t d) {
  float sums[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= d; i += 16) {
    for (int lane = 0; lane < 16; lane++) {
      float difference = a[i + lane] - b[i + lane];
      sums[lane] += difference * difference;
    }
  }
  float sum = 0;
  for (; i < d; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  for (int lane = 0; lane < 16; lane++) sum += sums[lane];
  return sum;
}
