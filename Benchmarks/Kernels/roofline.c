// What each kernel could reach on this machine, and what it reaches: a table in Markdown. The ceilings are measured
// first, on the same threads: reading memory, and the multiply instruction of the family in a loop of registers. A
// kernel's limit is the slower of its operations at that rate and its bytes at that bandwidth (Williams, Waterman and
// Patterson, "Roofline", 2009); bytes are what must be read and written at least once.
#define _GNU_SOURCE
#include "CStrataKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static strata_pool *pool;
static int threads;

static double now(void) {
  struct timespec t;
  clock_gettime(getenv("BENCH_CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// MARK: Ceilings

enum { TURNS = 2000000, SUMS = 12, READ_BYTES = 256 << 20 };
static volatile float sink;

#if defined(__x86_64__)
#define LOOP(NAME, TARGET, TYPE, ZERO, STEP, SINK)                                                                  \
  __attribute__((target(TARGET))) static void NAME(void *context, int64_t first, int64_t last) {                    \
    (void)context, (void)first, (void)last;                                                                         \
    TYPE s[SUMS];                                                                                                   \
    for (int i = 0; i < SUMS; i++) s[i] = ZERO;                                                                     \
    for (int n = 0; n < TURNS; n++) {                                                                               \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) { __asm__ volatile("" : "+v"(s[i])); STEP; }  \
    }                                                                                                               \
    for (int i = 1; i < SUMS; i++) s[0] += s[i];                                                                    \
    sink = SINK;                                                                                                    \
  }
#define V512 "avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16,avx2,fma"
LOOP(bytes_avx512, V512, __m512i, _mm512_setzero_si512(), s[i] = _mm512_dpbusd_epi32(s[i], s[i], s[i]), (float)s[0][0])
LOOP(pairs_avx512, V512, __m512, _mm512_setzero_ps(), s[i] = _mm512_dpbf16_ps(s[i], (__m512bh)s[i], (__m512bh)s[i]),
     s[0][0])
LOOP(floats_avx512, V512, __m512, _mm512_setzero_ps(), s[i] = _mm512_fmadd_ps(s[i], s[i], s[i]), s[0][0])
LOOP(bytes_avx2, "avx2,fma", __m256i, _mm256_setzero_si256(),
     s[i] = _mm256_add_epi16(s[i], _mm256_maddubs_epi16(s[i], s[i])), (float)s[0][0])
LOOP(floats_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), s[i] = _mm256_fmadd_ps(s[i], s[i], s[i]), s[0][0])
LOOP(floats_sse, "sse2", __m128, _mm_setzero_ps(), s[i] = _mm_add_ps(s[i], _mm_mul_ps(s[i], s[i])), s[0][0])
#endif

static double rate(void (*body)(void *, int64_t, int64_t), double per_step) {
  if (!body) return 0;
  double best = 1e9;
  for (int rep = 0; rep < 3; rep++) {
    double start = now();
    strata_parallel_for(pool, threads, 1, body, NULL);
    if (now() - start < best) best = now() - start;
  }
  return per_step * SUMS * TURNS * threads / best;
}

static void read_range(void *context, int64_t first, int64_t last) {
  const uint64_t *words = context;
  uint64_t sums[8] = {0};
  for (int64_t i = first * 512; i < last * 512; i += 8) {
    __builtin_prefetch(words + i + 384);  // as the kernels do: 3 KB ahead
    for (int j = 0; j < 8; j++) sums[j] += words[i + j];
  }
  for (int j = 1; j < 8; j++) sums[0] += sums[j];
  sink = (float)sums[0];
}

static double bandwidth(void) {
  uint64_t *memory = aligned_alloc(1 << 21, READ_BYTES);
  memset(memory, 1, READ_BYTES);
  double best = 1e9;
  for (int rep = 0; rep < 5; rep++) {
    double start = now();
    strata_parallel_for(pool, READ_BYTES / 4096, 256, read_range, memory);
    if (now() - start < best) best = now() - start;
  }
  free(memory);
  return READ_BYTES / best;
}

typedef struct ceilings { double bytes, pairs, floats, memory; } ceilings;

static ceilings measure(strata_isa isa) {
  ceilings c = {0, 0, 0, 0};
#if defined(__x86_64__)
  if (isa >= STRATA_ISA_AVX512) {
    c.bytes = rate(bytes_avx512, 128), c.floats = rate(floats_avx512, 32);
    if (__builtin_cpu_supports("avx512bf16")) c.pairs = rate(pairs_avx512, 64);
  } else if (isa == STRATA_ISA_AVX2) {
    c.bytes = rate(bytes_avx2, 64), c.floats = rate(floats_avx2, 16);
  } else {
    c.bytes = c.floats = rate(floats_sse, 8);
  }
  if (c.pairs == 0) c.pairs = c.floats;
#endif
  c.memory = bandwidth();
  return c;
}

// MARK: Kernels

static void row(const char *kernel, const char *shape, double bytes, double operations, double peak, double memory,
                double took) {
  double compute = peak > 0 ? operations / peak : 0, transfer = bytes / memory, limit = fmax(compute, transfer);
  printf("| %s | %s | %.2f | %.1f | %s | %.1f | %.1f | %.0f %% |\n", kernel, shape, bytes / 1e6, operations / 1e6,
         compute > transfer ? "arithmetic" : "memory", limit * 1e6, took * 1e6, 100 * limit / took);
}

static float *floats(int64_t count) {
  float *values = malloc((size_t)count * sizeof(float));
  for (int64_t i = 0; i < count; i++) values[i] = (float)(rand() % 2001 - 1000) / 1000;
  return values;
}

static void product(const char *name, strata_type type, int64_t rows, int64_t cols, const ceilings *c) {
  static const int64_t counts[] = {1, 8, 32, 512};
  size_t bytes = strata_matrix_source_bytes(type, rows, cols), held = 0;
  uint8_t *data = malloc(bytes);
  for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(rand() >> 7 & 0x3b);  // all floats finite
  // As many copies as do not fit the caches, so that weights come from memory as they do in a model.
  int copies = (int)(96e6 / (double)bytes) + 1;
  strata_matrix **w = malloc((size_t)copies * sizeof *w);
  for (int i = 0; i < copies; i++) w[i] = strata_matrix_create(type, data, rows, cols, pool);
  held = strata_matrix_byte_count(w[0]);
  double peak = type == STRATA_TYPE_F32 || type == STRATA_TYPE_F16 ? c->floats
      : type == STRATA_TYPE_BF16                                   ? c->pairs
                                                                   : c->bytes;
  float *x = floats(512 * cols), *y = floats(512 * rows);
  for (int i = 0; i < 4; i++) {
    int64_t m = counts[i];
    if (m > 32 && rows > 20000) continue;
    int used = m > 100 && copies > 8 ? 8 : copies;
    double best = 1e9;
    for (int rep = 0; rep < 4; rep++) {
      double start = now();
      for (int n = 0; n < used; n++) strata_matmul(pool, y, rows, x, cols, m, w[n], NULL);
      double took = (now() - start) / used;
      if (took < best) best = took;
    }
    char shape[64];
    snprintf(shape, sizeof shape, "%lld × %lld × %lld", (long long)m, (long long)cols, (long long)rows);
    row(name, shape, (double)held + 4.0 * m * (rows + cols), 2.0 * m * rows * cols, peak, c->memory, best);
  }
  for (int i = 0; i < copies; i++) strata_matrix_destroy(w[i]);
  free(w), free(data), free(x), free(y);
}

static void encoder(const ceilings *c) {
  enum { TEXTS = 4, LENGTH = 240, HEADS = 12, DIM = 32, WIDTH = HEADS * DIM, ROWS = TEXTS * LENGTH };
  int32_t lengths[TEXTS];
  for (int i = 0; i < TEXTS; i++) lengths[i] = LENGTH;
  float *q = floats(ROWS * WIDTH), *k = floats(ROWS * WIDTH), *v = floats(ROWS * WIDTH), *y = floats(ROWS * WIDTH);
  for (int way = 0; way < 2; way++) {
    double best = 1e9;
    for (int rep = 0; rep < 5; rep++) {
      double start = now();
      (way ? strata_attention_bidirectional_bf16 : strata_attention_bidirectional)(
          pool, y, WIDTH, q, k, v, WIDTH, HEADS, DIM, 0.17f, lengths, TEXTS);
      if (now() - start < best) best = now() - start;
    }
    row(way ? "encoder attention, bf16" : "encoder attention", "4 × 240 × 12 × 32", 16.0 * ROWS * WIDTH,
        4.0 * TEXTS * LENGTH * LENGTH * WIDTH, way ? c->pairs : c->floats, c->memory, best);
  }
  free(q), free(k), free(v), free(y);
}

static void rows(const ceilings *c) {
  enum { M = 512, N = 1536 };
  float *x = floats(M * N), *y = floats(M * N), *z = floats(M * N), *w = floats(N);
  double best[3] = {1e9, 1e9, 1e9};
  for (int rep = 0; rep < 7; rep++) {
    double t0 = now();
    strata_rms_norm(pool, y, N, x, N, M, N, w, 1e-5f);
    double t1 = now();
    strata_silu_mul(pool, z, N, x, N, y, N, M, N);
    double t2 = now();
    strata_gelu(pool, y, M * N);
    double t3 = now();
    best[0] = fmin(best[0], t1 - t0), best[1] = fmin(best[1], t2 - t1), best[2] = fmin(best[2], t3 - t2);
  }
  row("RMS norm", "512 × 1536", 8.0 * M * N, 4.0 * M * N, c->floats, c->memory, best[0]);
  row("SiLU · up", "512 × 1536", 12.0 * M * N, 20.0 * M * N, c->floats, c->memory, best[1]);
  row("GELU", "512 × 1536", 8.0 * M * N, 40.0 * M * N, c->floats, c->memory, best[2]);
  free(x), free(y), free(z), free(w);
}

int main(int argc, char **argv) {
  threads = argc > 1 ? atoi(argv[1]) : 2;
  pool = strata_pool_create(threads);
  for (int isa = STRATA_ISA_PORTABLE; isa <= STRATA_ISA_AMX; isa++) {
    if (argc > 2 ? strcmp(argv[2], strata_isa_name((strata_isa)isa)) != 0 : isa == STRATA_ISA_PORTABLE) continue;
    if (!strata_isa_use((strata_isa)isa)) continue;
    ceilings c = measure((strata_isa)isa);
    printf("\n%s, %d threads: memory %.1f GB/s; 8 bits %.0f, bfloat16 %.0f, float %.0f G operations/s\n\n",
           strata_isa_name((strata_isa)isa), threads, c.memory / 1e9, c.bytes / 1e9, c.pairs / 1e9, c.floats / 1e9);
    printf("| kernel | shape (m × k × n) | MB | M operations | limited by | limit, us | took, us | share |\n");
    printf("|---|---|---|---|---|---|---|---|\n");
    product("Q4_1", STRATA_TYPE_Q4_1, 1536, 576, &c);
    product("Q5_0", STRATA_TYPE_Q5_0, 4864, 896, &c);
    product("Q4_K", STRATA_TYPE_Q4_K, 896, 4864, &c);
    product("Q6_K", STRATA_TYPE_Q6_K, 896, 4864, &c);
    product("Q8_0", STRATA_TYPE_Q8_0, 49152, 576, &c);
    product("BF16", STRATA_TYPE_BF16, 1536, 384, &c);
    product("F32", STRATA_TYPE_F32, 1536, 384, &c);
    encoder(&c);
    rows(&c);
  }
  strata_pool_destroy(pool);
  return 0;
}
