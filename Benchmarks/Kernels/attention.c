// Attention alone, over pages in order and in random order: prefill of chunks of 512 positions, and decoding by several
// sequences at once, for each type of keys and values. Operations are 4 * head_dim per (head, position seen), bytes are
// the keys and values that a batch must read once. BENCH_CPU=1 measures processor time, for loaded machines.
// attention [threads] [shapes] [types]
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

typedef struct shape { const char *name; int layers, heads, kv_heads, dim; } shape;
static const char *type_names[] = {"f16", "bf16", "q8"};
enum { ROUNDS = 7, MOST = 64 };

static float *random_floats(size_t count) {
  float *x = malloc(count * sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = (float)(rand() % 2001 - 1000) * 1e-3f;
  return x;
}

static int compare(const void *a, const void *b) { return *(double *)a < *(double *)b ? -1 : 1; }

/// `sequences` spans of `rows` rows that end at position `length`, in all layers: the median time of one layer.
static void measure(strata_pool *pool, shape s, strata_kv_type type, int sequences, int length, int rows, int shuffled) {
  int pages = (length + 15) / 16, width = s.heads * s.dim, kv_width = s.kv_heads * s.dim;
  strata_kv *kv = strata_kv_create(s.layers, s.kv_heads, s.dim, pages * sequences, type);
  int32_t *table = malloc(sizeof(int32_t) * pages * sequences);
  for (int i = 0; i < pages * sequences; i++) table[i] = i;
  for (int i = pages * sequences - 1; shuffled && i > 0; i--) {
    int j = rand() % (i + 1), swap = table[i];
    table[i] = table[j], table[j] = swap;
  }
  strata_span spans[MOST];
  float *k = random_floats((size_t)length * kv_width), *q = random_floats((size_t)rows * sequences * width);
  float *out = malloc(sizeof(float) * rows * sequences * width);
  for (int i = 0; i < sequences; i++) {
    spans[i] = (strata_span){kv, table + i * pages, 0, length};
    for (int l = 0; l < s.layers; l++) strata_kv_store(pool, &spans[i], 1, l, k, kv_width, k, kv_width);
    spans[i] = (strata_span){kv, table + i * pages, length - rows, rows};
  }
  strata_attention_options options = {.scale = 1 / sqrtf((float)s.dim)};
  double times[ROUNDS];
  int repeats = rows == 1 ? 4 : 1;
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    for (int repeat = 0; repeat < repeats; repeat++) {
      for (int l = 0; l < s.layers; l++) {
        strata_attention(pool, out, width, q, width, s.heads, l, spans, sequences, &options);
      }
    }
    times[round] = (now() - start) / s.layers / repeats;
  }
  qsort(times, ROUNDS, sizeof *times, compare);
  double seen = (double)rows * sequences * (length - (rows - 1) * 0.5);
  double operations = 4.0 * s.dim * s.heads * seen;
  double bytes = (double)strata_kv_page_bytes(kv) / s.layers * pages * sequences;
  double median = times[ROUNDS / 2];
  printf("  %-8s %-4s %2d x %4d rows at %5d %-6s %9.1f us a layer %7.1f GFLOP/s %6.1f GB/s\n", s.name, type_names[type],
         sequences, rows, length, shuffled ? "random" : "order", median * 1e6, operations / median * 1e-9,
         bytes / median * 1e-9);
  strata_kv_destroy(kv);
  free(table), free(k), free(q), free(out);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 2;
  strata_pool *pool = strata_pool_create(threads);
  printf("attention, %s, %d threads\n", strata_isa_name(strata_isa_current()), threads);
  shape shapes[] = {{"smollm2", 30, 9, 3, 64}, {"qwen0.5b", 24, 14, 2, 64}, {"llama8b", 8, 32, 8, 128}};
  for (int i = 0; i < 3; i++) {
    for (int type = 0; type < 3; type++) {
      if (argc > 2 && !strstr(argv[2], shapes[i].name)) continue;
      if (argc > 3 && !strstr(argv[3], type_names[type])) continue;
      measure(pool, shapes[i], type, 1, 512, 512, 0);
      measure(pool, shapes[i], type, 1, 2048, 512, 0);
      measure(pool, shapes[i], type, 1, 512, 1, 0);
      measure(pool, shapes[i], type, 1, 2048, 1, 0);
      measure(pool, shapes[i], type, 1, 2048, 1, 1);
      measure(pool, shapes[i], type, 8, 512, 1, 1);
      measure(pool, shapes[i], type, 16, 512, 1, 1);
      measure(pool, shapes[i], type, 32, 256, 1, 1);
    }
  }
  return 0;
}
