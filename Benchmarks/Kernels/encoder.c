// The kernel calls of a BERT encoder at the shapes of all-MiniLM-L6-v2 with random weights: documents of 224 to 256
// tokens per second, and where the time goes, for each way that matrices may be kept.
#define _GNU_SOURCE
#include "CStrataKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(getenv("BENCH_CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

enum { LAYERS = 6, WIDTH = 384, HEADS = 12, HIDDEN = 1536, TEXTS = 64, ROWS_PER_PASS = 512 };
enum { QKV, ATTEND, O, NORM, UP, GELU, DOWN, PARTS };
static const char *names[] = {"qkv", "attend", "o", "norm", "up", "gelu", "down"};
static double spent[PARTS], mark;
static void lap(int part) { double t = now(); spent[part] += t - mark; mark = t; }

static strata_matrix *weights(strata_type type, int rows, int cols, strata_pool *pool) {
  float *values = malloc((size_t)rows * cols * 4);
  for (int i = 0; i < rows * cols; i++) values[i] = (float)(rand() % 2001 - 1000) / 30000;
  uint8_t *data = malloc(strata_matrix_source_bytes(type, rows, cols));
  strata_quantize(type, values, data, (size_t)rows * cols);
  strata_matrix *matrix = strata_matrix_create(type, data, rows, cols, pool);
  free(data), free(values);
  return matrix;
}

static void run(strata_type type, const char *name, strata_pool *pool) {
  strata_matrix *q[LAYERS], *k[LAYERS], *v[LAYERS], *o[LAYERS], *up[LAYERS], *down[LAYERS];
  for (int l = 0; l < LAYERS; l++) {
    q[l] = weights(type, WIDTH, WIDTH, pool), k[l] = weights(type, WIDTH, WIDTH, pool);
    v[l] = weights(type, WIDTH, WIDTH, pool), o[l] = weights(type, WIDTH, WIDTH, pool);
    up[l] = weights(type, HIDDEN, WIDTH, pool), down[l] = weights(type, WIDTH, HIDDEN, pool);
  }
  int rows_max = ROWS_PER_PASS + 256;
  float *x = calloc(rows_max * WIDTH, 4), *qs = calloc(rows_max * WIDTH, 4), *ks = calloc(rows_max * WIDTH, 4);
  float *vs = calloc(rows_max * WIDTH, 4), *a = calloc(rows_max * WIDTH, 4), *h = calloc(rows_max * HIDDEN, 4);
  float *ones = malloc(WIDTH * 4), *zeros = calloc(HIDDEN, 4);
  for (int i = 0; i < WIDTH; i++) ones[i] = 1;
  double best = 1e9, parts[PARTS];
  for (int rep = 0; rep < 3; rep++) {
    memset(spent, 0, sizeof spent);
    double start = now();
    for (int text = 0; text < TEXTS;) {
      int32_t lengths[8], rows = 0, count = 0;
      while (text < TEXTS && (rows == 0 || rows + 224 + text % 33 <= ROWS_PER_PASS)) {
        rows += lengths[count++] = 224 + text++ % 33;
      }
      for (int i = 0; i < rows * WIDTH; i++) x[i] = (float)(i % 17 - 8) * 0.1f;
      mark = now();
      for (int l = 0; l < LAYERS; l++) {
        strata_matmul_job qkv[3] = {{q[l], qs, WIDTH, zeros, false}, {k[l], ks, WIDTH, zeros, false},
                                    {v[l], vs, WIDTH, zeros, false}};
        strata_matmul_many(pool, x, WIDTH, rows, qkv, 3); lap(QKV);
        (type == STRATA_TYPE_F32 ? strata_attention_bidirectional : strata_attention_bidirectional_bf16)(
            pool, a, WIDTH, qs, ks, vs, WIDTH, HEADS, WIDTH / HEADS, 1 / sqrtf(WIDTH / HEADS), lengths, count);
        lap(ATTEND);
        strata_matmul_job out = {o[l], x, WIDTH, zeros, true};
        strata_matmul_many(pool, a, WIDTH, rows, &out, 1); lap(O);
        strata_layer_norm(pool, x, WIDTH, x, WIDTH, rows, WIDTH, ones, zeros, 1e-12f); lap(NORM);
        strata_matmul(pool, h, HIDDEN, x, WIDTH, rows, up[l], zeros); lap(UP);
        strata_gelu(pool, h, (int64_t)rows * HIDDEN); lap(GELU);
        strata_matmul_job second = {down[l], x, WIDTH, zeros, true};
        strata_matmul_many(pool, h, HIDDEN, rows, &second, 1); lap(DOWN);
        strata_layer_norm(pool, x, WIDTH, x, WIDTH, rows, WIDTH, ones, zeros, 1e-12f); lap(NORM);
      }
    }
    double took = now() - start;
    if (took < best) best = took, memcpy(parts, spent, sizeof spent);
  }
  printf("%-5s %7.1f documents/s |", name, TEXTS / best);
  for (int i = 0; i < PARTS; i++) printf(" %s %.2f ms", names[i], parts[i] / TEXTS * 1e3);
  printf("\n");
}

int main(int argc, char **argv) {
  strata_pool *pool = strata_pool_create(argc > 1 ? atoi(argv[1]) : 2);
  printf("%s, %d threads\n", strata_isa_name(strata_isa_current()), strata_pool_threads(pool));
  run(STRATA_TYPE_F32, "F32", pool);
  run(STRATA_TYPE_BF16, "BF16", pool);
  run(STRATA_TYPE_Q8_0, "Q8_0", pool);
  strata_pool_destroy(pool);
  return 0;
}
