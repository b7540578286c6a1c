// The kernel calls of whole forward passes at the shapes of two small models, with weights of random bytes: prefill of
// 512 positions and decoding at a short context, in tokens per second, and where the time goes.
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

typedef struct layer { strata_matrix *q, *k, *v, *o, *gate, *up, *down; } layer;
typedef struct model {
  int layers, width, heads, kv_heads, hidden, vocabulary;
  layer *layer;
  strata_matrix *output;
  strata_rope_style style;
} model;

enum { NORM, QKV, ROPE, STORE, ATTEND, O, GATE_UP, SILU, DOWN, OUTPUT, PARTS };
static const char *names[] = {"norm", "qkv", "rope", "store", "attend", "o", "gate+up", "silu", "down", "output"};
static double spent[PARTS], mark;
static void lap(int part) { double t = now(); spent[part] += t - mark; mark = t; }

static void scale_halves(uint8_t *block, int count) {
  for (int i = 0; i < count; i++) { uint16_t h = 0x1400 | (rand() & 0x83ff); memcpy(block + 2 * i, &h, 2); }
}

static strata_matrix *weights(strata_type type, int rows, int cols, strata_pool *pool) {
  size_t bytes = strata_matrix_source_bytes(type, rows, cols), block = strata_block_bytes(type);
  uint8_t *data = malloc(bytes);
  for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(rand() >> 7);
  for (size_t i = 0; i < bytes; i += block) {
    if (type == STRATA_TYPE_Q6_K) scale_halves(data + i + 208, 1);
    else scale_halves(data + i, type == STRATA_TYPE_Q4_1 || type == STRATA_TYPE_Q4_K ? 2 : 1);
  }
  strata_matrix *matrix = strata_matrix_create(type, data, rows, cols, pool);
  free(data);
  return matrix;
}

static float *x, *n, *q, *k, *v, *a, *g, *u, *norm_weight, *logits, *cosines, *sines;
static int32_t positions[4096], pages[4096 / STRATA_KV_PAGE];

static void forward(model *m, strata_pool *pool, strata_kv *kv, int at, int count) {
  int d = m->width / m->heads, kvw = d * m->kv_heads;
  strata_span span = {kv, pages, at, count};
  strata_attention_options options = {.scale = 1 / sqrtf((float)d)};
  for (int i = 0; i < count; i++) positions[i] = at + i;
  for (int i = 0; i < count * m->width; i++) x[i] = (float)(i % 17 - 8) * 0.1f;
  mark = now();
  for (int l = 0; l < m->layers; l++) {
    layer *w = &m->layer[l];
    strata_rms_norm(pool, n, m->width, x, m->width, count, m->width, norm_weight, 1e-5f); lap(NORM);
    strata_matmul_job qkv[3] = {{w->q, q, m->width, NULL, false}, {w->k, k, kvw, NULL, false}, {w->v, v, kvw, NULL, false}};
    strata_matmul_many(pool, n, m->width, count, qkv, 3); lap(QKV);
    strata_rope(pool, q, m->width, count, m->heads, d, d, cosines, sines, positions, m->style);
    strata_rope(pool, k, kvw, count, m->kv_heads, d, d, cosines, sines, positions, m->style); lap(ROPE);
    strata_kv_store(pool, &span, 1, l, k, kvw, v, kvw); lap(STORE);
    strata_attention(pool, a, m->width, q, m->width, m->heads, l, &span, 1, &options); lap(ATTEND);
    strata_matmul_job o = {w->o, x, m->width, NULL, true};
    strata_matmul_many(pool, a, m->width, count, &o, 1); lap(O);
    strata_rms_norm(pool, n, m->width, x, m->width, count, m->width, norm_weight, 1e-5f); lap(NORM);
    strata_matmul_job gu[2] = {{w->gate, g, m->hidden, NULL, false}, {w->up, u, m->hidden, NULL, false}};
    strata_matmul_many(pool, n, m->width, count, gu, 2); lap(GATE_UP);
    strata_silu_mul(pool, g, m->hidden, g, m->hidden, u, m->hidden, count, m->hidden); lap(SILU);
    strata_matmul_job down = {w->down, x, m->width, NULL, true};
    strata_matmul_many(pool, g, m->hidden, count, &down, 1); lap(DOWN);
  }
  float *last = x + (count - 1) * m->width;
  strata_rms_norm(pool, n, m->width, last, m->width, 1, m->width, norm_weight, 1e-5f);
  strata_matmul(pool, logits, m->vocabulary, n, m->width, 1, m->output, NULL); lap(OUTPUT);
}

static void report(const char *what, double tokens, double seconds) {
  double all = 0;
  for (int i = 0; i < PARTS; i++) all += spent[i];
  printf("  %-16s %8.1f tokens/s |", what, tokens / seconds);
  for (int i = 0; i < PARTS; i++) printf(" %s %.1f%%", names[i], 100 * spent[i] / all);
  printf("\n");
}

static void run(model *m, strata_pool *pool, const char *name, int (*build)(model *, strata_pool *)) {
  double t = now();
  build(m, pool);
  printf("%s: %s\n", name, strata_isa_name(strata_isa_current()));
  (void)t;
  int rows = 2048;
  x = calloc(rows * m->width, 4), n = calloc(rows * m->width, 4), q = calloc(rows * m->width, 4);
  k = calloc(rows * m->width, 4), v = calloc(rows * m->width, 4), a = calloc(rows * m->width, 4);
  g = calloc(rows * m->hidden, 4), u = calloc(rows * m->hidden, 4), norm_weight = malloc(m->width * 4);
  logits = calloc(m->vocabulary, 4), cosines = malloc(4096 * 32 * 4), sines = malloc(4096 * 32 * 4);
  for (int i = 0; i < m->width; i++) norm_weight[i] = 1;
  for (int i = 0; i < 4096 * 32; i++) cosines[i] = cosf((float)i), sines[i] = sinf((float)i);
  strata_kv *kv = strata_kv_create(m->layers, m->kv_heads, m->width / m->heads, 4096 / STRATA_KV_PAGE, STRATA_KV_F16);
  for (int i = 0; i < 4096 / STRATA_KV_PAGE; i++) pages[i] = i;
  int sizes[] = {512, 2048};
  for (int s = 0; s < 2; s++) {
    double best = 1e9;
    for (int rep = 0; rep < 4; rep++) {
      double copy[PARTS];
      memcpy(copy, spent, sizeof spent);
      memset(spent, 0, sizeof spent);
      t = now();
      for (int at = 0; at < sizes[s]; at += 512) forward(m, pool, kv, at, 512);
      t = now() - t;
      if (t < best) best = t; else memcpy(spent, copy, sizeof spent);
    }
    report(s ? "pp2048" : "pp512", sizes[s], best);
  }
  int starts[] = {0, 1024};
  for (int s = 0; s < 2; s++) {
    double best = 1e9;
    for (int rep = 0; rep < 4; rep++) {
      double copy[PARTS];
      memcpy(copy, spent, sizeof spent);
      memset(spent, 0, sizeof spent);
      t = now();
      for (int i = 0; i < 64; i++) forward(m, pool, kv, starts[s] + i, 1);
      t = now() - t;
      if (t < best) best = t; else memcpy(spent, copy, sizeof spent);
    }
    report(s ? "tg64 @1024" : "tg64", 64, best);
  }
}

static int build_smol(model *m, strata_pool *pool) {
  *m = (model){30, 576, 9, 3, 1536, 49152, malloc(30 * sizeof(layer)), NULL, STRATA_ROPE_INTERLEAVED};
  for (int l = 0; l < 30; l++) {
    strata_type t = STRATA_TYPE_Q4_1;
    m->layer[l] = (layer){weights(t, 576, 576, pool), weights(t, 192, 576, pool), weights(t, 192, 576, pool),
                          weights(t, 576, 576, pool), weights(t, 1536, 576, pool), weights(t, 1536, 576, pool),
                          weights(t, 576, 1536, pool)};
  }
  m->output = weights(STRATA_TYPE_Q8_0, 49152, 576, pool);
  return 0;
}

static int build_qwen(model *m, strata_pool *pool) {
  *m = (model){24, 896, 14, 2, 4864, 151936, malloc(24 * sizeof(layer)), NULL, STRATA_ROPE_HALVES};
  for (int l = 0; l < 24; l++) {
    strata_type t = STRATA_TYPE_Q5_0;
    m->layer[l] = (layer){weights(t, 896, 896, pool), weights(t, 128, 896, pool),
                          weights(l % 2 ? STRATA_TYPE_Q8_0 : t, 128, 896, pool), weights(t, 896, 896, pool),
                          weights(t, 4864, 896, pool), weights(t, 4864, 896, pool),
                          weights(l % 2 ? STRATA_TYPE_Q6_K : STRATA_TYPE_Q4_K, 896, 4864, pool)};
  }
  m->output = weights(STRATA_TYPE_Q8_0, 151936, 896, pool);
  return 0;
}

int main(int argc, char **argv) {
  strata_pool *pool = strata_pool_create(argc > 1 ? atoi(argv[1]) : 2);
  model m;
  run(&m, pool, "SmolLM2-135M Q4_1 shapes", build_smol);
  run(&m, pool, "Qwen2.5-Coder-0.5B shapes", build_qwen);
  return 0;
}
