// The driver of products: prepares activations once, then shares the weights' panels among the threads of one region.
#include "amx.h"

#include <stdlib.h>

const strata_product_kernels *strata_products(void) {
  switch (strata_isa_current()) {
#if STRATA_NEON
    case STRATA_ISA_NEON: return &strata_products_neon;
#endif
    case STRATA_ISA_AMX: return strata_amx_products();
#if STRATA_X86
    case STRATA_ISA_AVX512:
      return __builtin_cpu_supports("avx512bf16") ? &strata_products_avx512_bf16 : &strata_products_avx512;
    case STRATA_ISA_AVX2: return &strata_products_avx2;
#endif
    default: return &strata_products_portable;
  }
}

typedef struct strata_product {
  const strata_product_kernels *kernels;
  const strata_matmul_job *jobs;
  int64_t job_count;
  const float *x;
  int64_t x_stride;
  strata_activations activations;
  uint8_t *quantized;
  float *interleaved;
  uint32_t *pairs;
  bool few;
  bool sums;           // some weights have minimums
  int64_t units;       // panels, or pairs of panels, of all jobs
  int64_t item_rows;   // rows of x that one item takes, a multiple of every tile
} strata_product;

// MARK: Activations

static void strata_quantize_tiles(void *context, int64_t first, int64_t last) {
  const strata_product *product = context;
  int64_t m = product->activations.m, cols = product->activations.cols;
  int64_t most = product->activations.tile_rows, tile_bytes = strata_tile_block_bytes(most) * (cols / STRATA_BLOCK);
  for (int64_t tile = first; tile < last; tile++) {
    int64_t row = tile * most;
    product->kernels->quantize_tile(
        product->x + row * product->x_stride, product->x_stride, strata_min64(most, m - row), cols,
        product->quantized + tile * tile_bytes, !product->few, product->sums);
  }
}

static void strata_interleave_tiles(void *context, int64_t first, int64_t last) {
  const strata_product *product = context;
  int64_t m = product->activations.m, cols = product->activations.cols;
  for (int64_t tile = first; tile < last; tile++) {
    int64_t row = tile * STRATA_FLOAT_TILE, rows = strata_min64(STRATA_FLOAT_TILE, m - row);
    float *target = product->interleaved + row * cols;
    for (int64_t i = 0; i < rows; i++) {
      const float *x = product->x + (row + i) * product->x_stride;
      for (int64_t k = 0; k < cols; k++) target[k * rows + i] = x[k];
    }
  }
}

static void strata_pair_tiles(void *context, int64_t first, int64_t last) {
  const strata_product *product = context;
  int64_t m = product->activations.m, cols = product->activations.cols, most = product->kernels->pair_rows;
  for (int64_t tile = first; tile < last; tile++) {
    int64_t row = tile * most;
    product->kernels->pair_tile(product->x + row * product->x_stride, product->x_stride, strata_min64(most, m - row),
                                cols, product->pairs + row * strata_pairs(cols));
  }
}

// MARK: Items

typedef enum strata_way { STRATA_WAY_QUANTIZED, STRATA_WAY_FLOATS, STRATA_WAY_PAIRS } strata_way;

/// How a matrix is multiplied, which decides what form of x it needs.
static strata_way strata_way_of(const strata_product *product, const strata_matrix *weights) {
  if (!strata_flavor_is_float(weights->flavor)) return STRATA_WAY_QUANTIZED;
  return weights->flavor == STRATA_FLAVOR_BF16 && product->kernels->pairs ? STRATA_WAY_PAIRS : STRATA_WAY_FLOATS;
}

/// Panels first..<last (at most two, of a matrix that is not quantized) for rows from..<to.
static void strata_product_floats(const strata_product *product, const strata_matmul_job *job, int64_t first,
                                  int64_t last, int64_t from, int64_t to) {
  bool pairs = strata_way_of(product, job->weights) == STRATA_WAY_PAIRS;
  (pairs ? product->kernels->pairs : product->kernels->floats)(job, &product->activations, first, last, from, to);
}

static void strata_product_panels(void *context, int64_t first, int64_t last) {
  const strata_product *product = context;
  for (int64_t i = 0; i < product->job_count && first < last; i++) {
    const strata_matmul_job *job = &product->jobs[i];
    int64_t panels = job->weights->panels;
    if (job->weights->cols != product->activations.cols) continue;
    if (first < panels) {
      int64_t end = strata_min64(panels, last);
      if (strata_flavor_is_float(job->weights->flavor)) {
        for (int64_t panel = first; panel < end; panel += 2) {
          strata_product_floats(product, job, panel, strata_min64(panel + 2, end), 0, product->activations.m);
        }
      } else {
        product->kernels->few(job, &product->activations, first, end);
      }
    }
    first = strata_max64(first - panels, 0);
    last -= panels;
  }
}

static void strata_product_pair(const strata_product *product, int64_t unit, int64_t from, int64_t to) {
  for (int64_t i = 0; i < product->job_count; i++) {
    const strata_matmul_job *job = &product->jobs[i];
    if (job->weights->cols != product->activations.cols) continue;
    int64_t pairs = strata_ceil_div(job->weights->panels, 2);
    if (unit < pairs) {
      int64_t end = strata_min64(unit * 2 + 2, job->weights->panels);
      if (strata_flavor_is_float(job->weights->flavor)) {
        strata_product_floats(product, job, unit * 2, end, from, to);
      } else {
        product->kernels->many(job, &product->activations, unit * 2, end, from, to);
      }
      return;
    }
    unit -= pairs;
  }
}

static void strata_product_items(void *context, int64_t first, int64_t last) {
  const strata_product *product = context;
  for (int64_t item = first; item < last; item++) {
    int64_t from = item / product->units * product->item_rows;
    int64_t to = strata_min64(from + product->item_rows, product->activations.m);
    strata_product_pair(product, item % product->units, from, to);
  }
}

// MARK: Calls

static void strata_product_run(strata_product *product, strata_pool *pool) {
  int64_t m = product->activations.m;
  int32_t threads = strata_pool_threads(pool);
  if (product->quantized) {
    int64_t tiles = strata_ceil_div(m, product->activations.tile_rows);
    strata_region(pool, tiles, strata_max64(1, tiles / (threads * 4)), strata_quantize_tiles, product);
  }
  if (product->interleaved) {
    int64_t tiles = strata_ceil_div(m, STRATA_FLOAT_TILE);
    strata_region(pool, tiles, strata_max64(1, tiles / (threads * 4)), strata_interleave_tiles, product);
  }
  if (product->pairs) {
    int64_t tiles = strata_ceil_div(m, product->kernels->pair_rows);
    strata_region(pool, tiles, strata_max64(1, tiles / (threads * 4)), strata_pair_tiles, product);
  }
  product->activations.quantized = product->quantized;
  product->activations.interleaved = product->interleaved;
  product->activations.pairs = product->pairs;
  if (product->few) {
    int64_t chunk = strata_max64(2, product->units / (threads * 8));
    strata_region(pool, product->units, chunk, strata_product_panels, product);
    return;
  }
  // Unpacking a pair's weights is paid once per item, so items span many rows unless threads would idle.
  product->item_rows = 768;
  while (product->item_rows > 48 && product->units * strata_ceil_div(m, product->item_rows) < threads * 4) {
    product->item_rows /= 2;
  }
  int64_t items = product->units * strata_ceil_div(m, product->item_rows);
  strata_region(pool, items, 1, strata_product_items, product);
}

void strata_matmul_with(
    const strata_product_kernels *kernels, strata_pool *pool, const float *x, int64_t x_stride, int64_t m,
    const strata_matmul_job *jobs, int64_t job_count) {
  enum { BEHIND = 1024 };  // what kernels of whole tiles may read behind the last row
  if (m <= 0 || job_count <= 0) return;
  int64_t cols = jobs[0].weights->cols;
  strata_product product = {
      .kernels = kernels, .jobs = jobs, .job_count = job_count, .x = x, .x_stride = x_stride,
      .activations = {.m = m, .cols = cols, .tile_rows = kernels->many_rows}, .few = m <= kernels->few_limit};
  // As few tiles as can be, of equal height: unpacking weights is paid once per tile.
  if (product.few) product.activations.tile_rows = strata_ceil_div(m, strata_ceil_div(m, kernels->few_rows));
  bool quantized = false, floats = false, pairs = false;
  for (int64_t i = 0; i < job_count; i++) {
    if (jobs[i].weights->cols != cols) continue;
    switch (strata_way_of(&product, jobs[i].weights)) {
      case STRATA_WAY_QUANTIZED: quantized = true; break;
      case STRATA_WAY_FLOATS: floats = true; break;
      case STRATA_WAY_PAIRS: pairs = true; break;
    }
    if (strata_flavor_has_min(jobs[i].weights->flavor)) product.sums = true;
    product.units += product.few ? jobs[i].weights->panels : strata_ceil_div(jobs[i].weights->panels, 2);
  }
  size_t quantized_bytes = (size_t)(strata_tile_block_bytes(1) * (cols / STRATA_BLOCK) * m) + BEHIND;
  size_t float_bytes = (size_t)(m * cols) * sizeof(float) + BEHIND;
  size_t pair_bytes = (size_t)(m * strata_pairs(cols)) * sizeof(uint32_t) + BEHIND;
  pool = strata_pool_enter(pool);
  if (!pool) return;
  if (quantized) product.quantized = strata_pool_scratch(pool, 0, quantized_bytes);
  if (floats) product.interleaved = strata_pool_scratch(pool, 1, float_bytes);
  if (pairs) product.pairs = strata_pool_scratch(pool, 4, pair_bytes);
  if ((!quantized || product.quantized) && (!floats || product.interleaved) && (!pairs || product.pairs)) {
    strata_product_run(&product, pool);
  }
  strata_pool_leave(pool);
}

void strata_matmul_many(
    strata_pool *pool, const float *x, int64_t x_stride, int64_t m, const strata_matmul_job *jobs,
    int64_t job_count) {
  strata_matmul_with(strata_products(), pool, x, x_stride, m, jobs, job_count);
}

void strata_matmul(
    strata_pool *pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m,
    const strata_matrix *weights, const float *bias) {
  strata_matmul_job job = {weights, y, y_stride, bias, false};
  strata_matmul_many(pool, x, x_stride, m, &job, 1);
}
