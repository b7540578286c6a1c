// Checks the products of every family that this machine has against sums in double precision, that a row's result is
// the same to the bit however many rows share the call, and attention of encoders and over pages. One program without Swift, so that it
// also runs under an emulator of another processor (see check.sh). Ends with 0 when all is well.
#define _GNU_SOURCE
#include "CStrataKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static uint32_t state = 1;

static float number(void) {  // -1...1
  state = state * 1664525 + 1013904223;
  return (float)(int32_t)state / 2147483648.0f;
}

static const struct { strata_type type; const char *name; } types[] = {
    {STRATA_TYPE_F32, "F32"},   {STRATA_TYPE_F16, "F16"},   {STRATA_TYPE_BF16, "BF16"}, {STRATA_TYPE_Q4_0, "Q4_0"},
    {STRATA_TYPE_Q4_1, "Q4_1"}, {STRATA_TYPE_Q5_0, "Q5_0"}, {STRATA_TYPE_Q5_1, "Q5_1"}, {STRATA_TYPE_Q8_0, "Q8_0"},
    {STRATA_TYPE_Q4_K, "Q4_K"}, {STRATA_TYPE_Q5_K, "Q5_K"}, {STRATA_TYPE_Q6_K, "Q6_K"}};

/// Random weights: encoded numbers, or for K formats random codes under small scales.
static uint8_t *weights(strata_type type, int64_t rows, int64_t cols) {
  size_t bytes = strata_matrix_source_bytes(type, rows, cols), count = (size_t)(rows * cols);
  uint8_t *data = malloc(bytes);
  float *values = malloc(count * sizeof(float));
  for (size_t i = 0; i < count; i++) values[i] = number();
  if (type != STRATA_TYPE_Q4_K && type != STRATA_TYPE_Q5_K && type != STRATA_TYPE_Q6_K) {
    strata_quantize(type, values, data, count);
  } else {
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(number() * 128 + 128);
    for (size_t at = 0; at < bytes; at += strata_block_bytes(type)) {
      uint16_t scale = 0x1c00 | (uint16_t)((uint32_t)state >> 23);
      memcpy(data + at + (type == STRATA_TYPE_Q6_K ? 208 : 0), &scale, 2);
      if (type != STRATA_TYPE_Q6_K) memcpy(data + at + 2, &scale, 2);
    }
  }
  free(values);
  return data;
}

static void fail(const char *what, const char *type, int64_t rows, int64_t cols, int64_t m, double by) {
  failures++;
  printf("FAILED %s: %s %s %lldx%lld, %lld rows: %g\n", strata_isa_name(strata_isa_current()), what, type,
         (long long)rows, (long long)cols, (long long)m, by);
}

/// x as the kernels see it: rounded to 8 bits by blocks where weights are quantized.
static void rounded(strata_type type, const float *x, double *out, int64_t count) {
  bool quantized = strata_block_values(type) > 1;
  for (int64_t at = 0; at < count; at += quantized ? 32 : 1) {
    float largest = 0;
    for (int64_t i = at; quantized && i < at + 32; i++) largest = fmaxf(largest, fabsf(x[i]));
    for (int64_t i = at; i < at + (quantized ? 32 : 1); i++) {
      bool rounds = quantized && largest > 0;
      out[i] = rounds ? (double)rintf(x[i] * (127 / largest)) * (double)(largest / 127) : (double)x[i];
    }
  }
}

/// Tiles promise the bits of AVX-512 wherever weights are quantized.
static void same_as_avx512(strata_type type, const char *name, const float *x, int64_t rows, int64_t cols, int64_t m,
                           const strata_matrix *w, const float *bias, strata_pool *pool) {
  if (strata_isa_current() != STRATA_ISA_AMX || strata_block_values(type) == 1) return;
  float *tiles = malloc((size_t)(m * rows) * 4), *vectors = malloc((size_t)(m * rows) * 4);
  strata_matmul(pool, tiles, rows, x, cols, m, w, bias);
  if (strata_isa_use(STRATA_ISA_AVX512)) {
    strata_matmul(pool, vectors, rows, x, cols, m, w, bias);
    if (memcmp(tiles, vectors, (size_t)(m * rows) * 4) != 0) fail("tiles beside AVX-512", name, rows, cols, m, 0);
    strata_isa_use(STRATA_ISA_AMX);
  }
  free(tiles), free(vectors);
}

static void products(strata_type type, const char *name, int64_t rows, int64_t cols, strata_pool *pool) {
  enum { MOST = 113 };
  static const int64_t counts[] = {1, 2, 3, 5, 6, 7, 12, 13, 16, 17, 33, 48, 49, 97, MOST};
  uint8_t *data = weights(type, rows, cols);
  strata_matrix *w = strata_matrix_create(type, data, rows, cols, pool);
  float *values = malloc((size_t)(rows * cols) * 4), *x = malloc((size_t)(MOST * cols) * 4);
  float *bias = malloc((size_t)rows * 4), *y = malloc((size_t)(MOST * rows) * 4);
  float *one = malloc((size_t)(MOST * rows) * 4);
  double *exact = malloc((size_t)(MOST * cols) * 8);
  strata_dequantize(type, data, values, (size_t)(rows * cols));
  for (int64_t i = 0; i < MOST * cols; i++) x[i] = number();
  for (int64_t i = 0; i < rows; i++) bias[i] = number();
  rounded(type, x, exact, MOST * cols);
  for (int64_t i = 0; i < MOST; i++) strata_matmul(pool, one + i * rows, rows, x + i * cols, cols, 1, w, bias);
  double error = 0, size = 0;
  for (int64_t i = 0; i < MOST; i++) {
    for (int64_t r = 0; r < rows; r++) {
      double sum = bias[r];
      for (int64_t k = 0; k < cols; k++) sum += exact[i * cols + k] * (double)values[r * cols + k];
      error += (sum - one[i * rows + r]) * (sum - one[i * rows + r]);
      size += sum * sum;
    }
  }
  error = sqrt(error / size);
  if (!(error < (type == STRATA_TYPE_BF16 ? 3e-3 : 1e-3))) fail("product", name, rows, cols, 1, error);
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    int64_t m = counts[c];
    memset(y, 0xff, (size_t)(m * rows) * 4);
    strata_matmul(pool, y, rows, x, cols, m, w, bias);
    if (memcmp(y, one, (size_t)(m * rows) * 4) != 0) fail("rows together", name, rows, cols, m, 0);
    same_as_avx512(type, name, x, rows, cols, m, w, bias, pool);
  }
  strata_matrix_destroy(w);
  free(data), free(values), free(x), free(bias), free(y), free(one), free(exact);
}

/// Attention without a mask, in double precision, against both ways of the kernels.
static void encoder(int32_t heads, int32_t dim, const int32_t *lengths, int64_t count, strata_pool *pool) {
  int64_t rows = 0, width = heads * dim;
  for (int64_t i = 0; i < count; i++) rows += lengths[i];
  float *q = malloc((size_t)(rows * width) * 4), *k = malloc((size_t)(rows * width) * 4);
  float *v = malloc((size_t)(rows * width) * 4), *out = malloc((size_t)(rows * width) * 4);
  float *near = malloc((size_t)(rows * width) * 4);
  for (int64_t i = 0; i < rows * width; i++) q[i] = number() * 3, k[i] = number() * 3, v[i] = number();
  float scale = 1 / sqrtf((float)dim);
  strata_attention_bidirectional(pool, out, width, q, k, v, width, heads, dim, scale, lengths, count);
  strata_attention_bidirectional_bf16(pool, near, width, q, k, v, width, heads, dim, scale, lengths, count);
  double error = 0, error_near = 0, size = 0, sums[512];
  for (int64_t s = 0, start = 0; s < count; start += lengths[s++]) {
    for (int64_t unit = 0; unit < lengths[s] * heads; unit++) {
      int64_t row = start + unit / heads, at = unit % heads * dim;
      double total = 0;
      memset(sums, 0, sizeof sums);
      for (int64_t p = start; p < start + lengths[s]; p++) {
        double score = 0;
        for (int64_t d = 0; d < dim; d++) score += (double)q[row * width + at + d] * (double)k[p * width + at + d];
        double weight = exp(score * (double)scale);
        total += weight;
        for (int64_t d = 0; d < dim; d++) sums[d] += weight * (double)v[p * width + at + d];
      }
      for (int64_t d = 0; d < dim; d++) {
        double wanted = sums[d] / total, a = out[row * width + at + d], b = near[row * width + at + d];
        error += (a - wanted) * (a - wanted), error_near += (b - wanted) * (b - wanted), size += wanted * wanted;
      }
    }
  }
  if (!(sqrt(error / size) < 2e-3)) fail("encoder attention", "", heads, dim, rows, sqrt(error / size));
  if (!(sqrt(error_near / size) < 1e-2)) fail("encoder attention, bf16", "", heads, dim, rows, sqrt(error_near / size));
  free(q), free(k), free(v), free(out), free(near);
}

/// Causal attention over pages in another order than positions, in double precision, for chunks and single rows; each
/// single row is to the bit what it was in its chunk.
static void paged(int32_t heads, int32_t kv_heads, int32_t dim, strata_attention_options options, strata_kv_type type,
                  strata_pool *pool) {
  enum { COUNT = 300, PAGES = (COUNT + 15) / 16 };
  int64_t width = heads * dim, kv_width = kv_heads * dim, group = heads / kv_heads;
  int32_t table[PAGES];
  for (int32_t i = 0; i < PAGES; i++) table[i] = (i * 7 + 3) % PAGES;
  strata_kv *kv = strata_kv_create(2, kv_heads, dim, PAGES, type);
  float *q = malloc((size_t)(COUNT * width) * 4), *out = malloc((size_t)(COUNT * width) * 4);
  float *k = malloc((size_t)(COUNT * kv_width) * 4), *v = malloc((size_t)(COUNT * kv_width) * 4);
  float *one = malloc((size_t)width * 4);
  for (int64_t i = 0; i < COUNT * width; i++) q[i] = number() * 2;
  for (int64_t i = 0; i < COUNT * kv_width; i++) k[i] = number() * 2, v[i] = number();
  options.scale = 1 / sqrtf((float)dim);
  for (int32_t start = 0, step = 1; start < COUNT; start += step, step = 1 + step * 3 % 70) {
    if (step > COUNT - start) step = COUNT - start;
    strata_span span = {kv, table, start, step};
    strata_kv_store(pool, &span, 1, 1, k + start * kv_width, kv_width, v + start * kv_width, kv_width);
    strata_attention(pool, out + start * width, width, q + start * width, width, heads, 1, &span, 1, &options);
  }
  double error = 0, size = 0, sums[512];
  for (int64_t unit = 0; unit < COUNT * heads; unit++) {
    int64_t row = unit / heads, at = unit % heads * dim, kv_at = unit % heads / group * dim;
    double total = 0;
    memset(sums, 0, sizeof sums);
    for (int64_t p = options.window > 0 && row >= options.window ? row + 1 - options.window : 0; p <= row; p++) {
      double score = 0;
      for (int64_t d = 0; d < dim; d++) score += (double)q[row * width + at + d] * (double)k[p * kv_width + kv_at + d];
      score *= (double)options.scale;
      if (options.softcap > 0) score = (double)options.softcap * tanh(score / (double)options.softcap);
      total += exp(score);
      for (int64_t d = 0; d < dim; d++) sums[d] += exp(score) * (double)v[p * kv_width + kv_at + d];
    }
    for (int64_t d = 0; d < dim; d++) {
      double wanted = sums[d] / total, got = out[row * width + at + d];
      error += (got - wanted) * (got - wanted), size += wanted * wanted;
    }
  }
  error = sqrt(error / size);
  const char *names[] = {"f16", "bf16", "q8"};
  const double allowed[] = {1e-3, 6e-3, 2e-2};
  if (getenv("CHECK_VERBOSE")) printf("paged %s %d: %.2e\n", names[type], dim, error);
  if (!(error < allowed[type])) fail("paged attention", names[type], heads, dim, kv_heads, error);
  for (int32_t row = 0; row < COUNT; row += 13) {
    strata_span span = {kv, table, row, 1};
    strata_attention(row % 2 ? pool : NULL, one, width, q + row * width, width, heads, 1, &span, 1, &options);
    if (memcmp(one, out + row * width, (size_t)width * 4) != 0) fail("row alone", names[type], heads, dim, row, 0);
  }
  strata_kv_destroy(kv);
  free(q), free(out), free(k), free(v), free(one);
}

int main(void) {
  strata_pool *pool = strata_pool_create(2);
  if (!strata_isa_use(STRATA_ISA_AMX)) strata_amx_allow_software(true);
  for (int isa = 0; isa < 8; isa++) {
    if (!strata_isa_use((strata_isa)isa)) continue;
    int before = failures;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
      products(types[t].type, types[t].name, 1, 256, pool);
      products(types[t].type, types[t].name, 33, 1792, pool);
      products(types[t].type, types[t].name, 64, 512, pool);
      if (strata_block_values(types[t].type) == 32) products(types[t].type, types[t].name, 20, 32, pool);
      if (strata_block_values(types[t].type) == 1) products(types[t].type, types[t].name, 47, 37, pool);
    }
    encoder(3, 32, (int32_t[]){5, 40, 1, 0, 17}, 5, pool);
    encoder(2, 64, (int32_t[]){31, 512, 12}, 3, pool);
    encoder(1, 32, (int32_t[]){600}, 1, pool);
    encoder(2, 48, (int32_t[]){33}, 1, pool);
    for (int type = STRATA_KV_F16; type <= STRATA_KV_Q8; type++) {
      paged(9, 3, 64, (strata_attention_options){0}, (strata_kv_type)type, pool);
      paged(7, 1, 64, (strata_attention_options){.window = 50}, (strata_kv_type)type, pool);
      paged(4, 1, 256, (strata_attention_options){.window = 1, .softcap = 30}, (strata_kv_type)type, pool);
      paged(4, 2, 80, (strata_attention_options){.window = 128, .softcap = 2}, (strata_kv_type)type, pool);
      paged(2, 2, 20, (strata_attention_options){0}, (strata_kv_type)type, pool);
      paged(4, 4, 96, (strata_attention_options){0}, (strata_kv_type)type, pool);
      paged(8, 2, 128, (strata_attention_options){0}, (strata_kv_type)type, pool);
    }
    printf("%-9s %s\n", strata_isa_name((strata_isa)isa), failures == before ? "ok" : "FAILED");
  }
  strata_pool_destroy(pool);
  return failures > 0;
}
