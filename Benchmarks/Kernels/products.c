// Micro-benchmark of products: weights of random bytes at the shapes of two small models.
// Build and run: see Benchmarks/Kernels/run.sh.
#define _GNU_SOURCE
#include "CStrataKernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(getenv("BENCH_CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill(strata_type type, uint8_t *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(rand() >> 7);
  if (type == STRATA_TYPE_F32) for (size_t i = 0; i < bytes / 4; i++) ((float *)data)[i] = (float)(rand() % 200 - 100) / 100;
  if (type == STRATA_TYPE_F16) for (size_t i = 0; i < bytes / 2; i++) ((uint16_t *)data)[i] = 0x3000 | (rand() & 0x83ff);
  if (type == STRATA_TYPE_BF16) for (size_t i = 0; i < bytes / 2; i++) ((uint16_t *)data)[i] = 0x3f00 | (rand() & 0x807f);
}

// Products over several copies of the weights, so that small matrices come from memory as in a model; the caches
// still hold what a real model would leave there.
static void bench(strata_pool *pool, const char *name, strata_type type, int64_t rows, int64_t cols, int64_t copies) {
  size_t bytes = strata_matrix_source_bytes(type, rows, cols);
  uint8_t *data = malloc(bytes);
  fill(type, data, bytes);
  strata_matrix **w = malloc((size_t)copies * sizeof *w);
  double t = now();
  for (int64_t i = 0; i < copies; i++) w[i] = strata_matrix_create(type, data, rows, cols, pool);
  t = now() - t;
  printf("%-8s %7lldx%-5lld pack %5.2f GB/s x%.2f |", name, (long long)rows, (long long)cols,
         (double)bytes * copies / t / 1e9, (double)strata_matrix_byte_count(w[0]) / bytes);
  int64_t ms[] = {1, 4, 8, 32, 128, 512};
  for (int i = 0; i < 6; i++) {
    int64_t m = ms[i];
    if (rows > 20000 && m > 32) break;
    float *x = malloc(m * cols * 4), *y = malloc(m * rows * 4);
    for (int64_t k = 0; k < m * cols; k++) x[k] = (float)(rand() % 2000 - 1000) / 1000;
    memset(y, 0, m * rows * 4);
    double best = 1e9;
    for (int rep = 0; rep < (m > 100 ? 3 : 7); rep++) {
      double start = now();
      for (int64_t c = 0; c < copies; c++) strata_matmul(pool, y, rows, x, cols, m, w[c], NULL);
      double took = (now() - start) / copies;
      if (took < best) best = took;
    }
    if (m == 1) printf(" m=1 %6.1f us %5.1f GB/s |", best * 1e6, (double)strata_matrix_byte_count(w[0]) / best / 1e9);
    else printf(" m=%lld %6.0f GOP/s", (long long)m, 2.0 * m * rows * cols / best / 1e9);
    free(x);
    free(y);
  }
  printf("\n");
  for (int64_t i = 0; i < copies; i++) strata_matrix_destroy(w[i]);
  free(w);
  free(data);
}

int main(int argc, char **argv) {
  strata_pool *pool = strata_pool_create(argc > 1 ? atoi(argv[1]) : 2);
  printf("%s, %d threads\n", strata_isa_name(strata_isa_current()), strata_pool_threads(pool));
  bench(pool, "Q4_1", STRATA_TYPE_Q4_1, 576, 576, 60);
  bench(pool, "Q4_1", STRATA_TYPE_Q4_1, 192, 576, 60);
  bench(pool, "Q4_1", STRATA_TYPE_Q4_1, 1536, 576, 60);
  bench(pool, "Q4_1", STRATA_TYPE_Q4_1, 576, 1536, 60);
  bench(pool, "Q8_0", STRATA_TYPE_Q8_0, 49152, 576, 2);
  bench(pool, "Q5_0", STRATA_TYPE_Q5_0, 896, 896, 40);
  bench(pool, "Q5_0", STRATA_TYPE_Q5_0, 128, 896, 40);
  bench(pool, "Q5_0", STRATA_TYPE_Q5_0, 4864, 896, 20);
  bench(pool, "Q4_K", STRATA_TYPE_Q4_K, 896, 4864, 20);
  bench(pool, "Q6_K", STRATA_TYPE_Q6_K, 896, 4864, 20);
  bench(pool, "Q8_0", STRATA_TYPE_Q8_0, 151936, 896, 1);
  bench(pool, "F32", STRATA_TYPE_F32, 1536, 384, 10);
  bench(pool, "F32", STRATA_TYPE_F32, 384, 1536, 10);
  bench(pool, "F16", STRATA_TYPE_F16, 1536, 576, 20);
  bench(pool, "BF16", STRATA_TYPE_BF16, 1536, 576, 20);
  strata_pool_destroy(pool);
  return 0;
}
