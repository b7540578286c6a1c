// What busy neighbours cost: the products of decoding one token of a small model (a region every few microseconds),
// with 0, 2 and 6 processes beside that only burn time. The share is of what the same threads reach alone, times what
// a fair system would leave them.
#define _GNU_SOURCE
#include "CStrataKernels.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LAYERS = 30, WIDTH = 576, HIDDEN = 1536, VOCABULARY = 49152 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static strata_matrix *weights(strata_type type, int64_t rows, int64_t cols) {
  size_t bytes = strata_matrix_source_bytes(type, rows, cols);
  uint8_t *data = calloc(bytes, 1);
  for (size_t i = 0; i < bytes; i += 3) data[i] = (uint8_t)(i * 7 % 41);
  strata_matrix *matrix = strata_matrix_create(type, data, rows, cols, NULL);
  free(data);
  return matrix;
}

static strata_matrix *qkv[LAYERS], *out[LAYERS], *up[LAYERS], *down[LAYERS], *last;
static float x[HIDDEN], y[VOCABULARY];

static void token(strata_pool *pool) {
  for (int l = 0; l < LAYERS; l++) {
    strata_matmul(pool, y, 960, x, WIDTH, 1, qkv[l], NULL);
    strata_matmul(pool, y, WIDTH, x, WIDTH, 1, out[l], NULL);
    strata_matmul(pool, y, 2 * HIDDEN, x, WIDTH, 1, up[l], NULL);
    strata_matmul(pool, y, WIDTH, x, HIDDEN, 1, down[l], NULL);
  }
  strata_matmul(pool, y, VOCABULARY, x, WIDTH, 1, last, NULL);
}

static double speed(int threads, double seconds) {
  strata_pool *pool = strata_pool_create(threads);
  int tokens = 0;
  for (int i = 0; i < 5; i++) token(pool);
  double start = now(), end;
  do token(pool), tokens++;
  while ((end = now()) - start < seconds);
  strata_pool_destroy(pool);
  return tokens / (end - start);
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 2;
  int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
  for (int l = 0; l < LAYERS; l++) {
    qkv[l] = weights(STRATA_TYPE_Q4_1, 960, WIDTH), out[l] = weights(STRATA_TYPE_Q4_1, WIDTH, WIDTH);
    up[l] = weights(STRATA_TYPE_Q4_1, 2 * HIDDEN, WIDTH), down[l] = weights(STRATA_TYPE_Q4_1, WIDTH, HIDDEN);
  }
  last = weights(STRATA_TYPE_Q8_0, VOCABULARY, WIDTH);
  for (int i = 0; i < HIDDEN; i++) x[i] = (float)(i % 13 - 6) / 6;
  double alone[3] = {0};
  for (int busy = 0; busy <= 6; busy += busy ? 4 : 2) {
    pid_t children[8];
    for (int i = 0; i < busy; i++) {
      if ((children[i] = fork()) == 0) for (volatile unsigned n = 0;; n++) continue;
    }
    for (int threads = 1; threads <= 2; threads++) {
      double tokens = speed(threads, seconds);
      if (busy == 0) alone[threads] = tokens;
      int wanted = busy + threads;
      double fair = wanted <= processors ? 1 : (double)processors / wanted;
      printf("%d busy, %d threads: %7.1f tokens/s, %3.0f %% of a fair share\n", busy, threads, tokens,
             100 * tokens / (alone[threads] * fair));
    }
    for (int i = 0; i < busy; i++) kill(children[i], SIGKILL), waitpid(children[i], NULL, 0);
  }
  return 0;
}
