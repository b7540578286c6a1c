// Learning centroids and books, and coding vectors. Sums are made in the order of rows, whatever the threads.
#include "lists.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// MARK: Centroids

typedef struct strata_nearest_job {
  const strata_list_kernels *kernels;
  const float *x, *packed;
  int64_t d, groups;
  uint32_t *best;
} strata_nearest_job;

static void strata_nearest_range(void *context, int64_t first, int64_t last) {
  const strata_nearest_job *job = context;
  job->kernels->nearest(job->x + first * job->d, last - first, job->d, job->packed, job->groups, job->best + first);
}

void strata_centroids_nearest(
    strata_pool *pool, const float *x, int64_t n, int64_t dimension, const float *packed, int64_t count,
    uint32_t *best) {
  strata_nearest_job job = {strata_list_kernels_current(), x, packed, dimension, strata_ceil_div(count, 16), best};
  strata_parallel_for(pool, n, 64, strata_nearest_range, &job);
}

static uint64_t strata_next(uint64_t *state) {  // SplitMix64
  uint64_t value = *state += 0x9e3779b97f4a7c15u;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  value = (value ^ value >> 27) * 0x94d049bb133111ebu;
  return value ^ value >> 31;
}

typedef struct strata_means_job {
  const float *x;
  int64_t d;
  const uint32_t *members;  // rows by centroid
  const int64_t *starts;    // [k + 1]
  float *centroids;
} strata_means_job;

static void strata_means_range(void *context, int64_t first, int64_t last) {
  const strata_means_job *job = context;
  for (int64_t c = first; c < last; c++) {
    int64_t size = job->starts[c + 1] - job->starts[c];
    float *out = job->centroids + c * job->d;
    if (size == 0) continue;
    memset(out, 0, (size_t)job->d * sizeof *out);
    for (int64_t i = job->starts[c]; i < job->starts[c + 1]; i++) {
      const float *row = job->x + (int64_t)job->members[i] * job->d;
      for (int64_t j = 0; j < job->d; j++) out[j] += row[j];
    }
    for (int64_t j = 0; j < job->d; j++) out[j] /= (float)size;
  }
}

/// Gives every empty centroid half of the fullest: both move apart a little, and the next round divides the rows.
static void strata_centroids_halve(float *centroids, int64_t k, int64_t d, const int64_t *starts, int64_t *sizes) {
  for (int64_t c = 0; c < k; c++) sizes[c] = starts[c + 1] - starts[c];
  for (int64_t empty = 0; empty < k; empty++) {
    if (sizes[empty] > 0) continue;
    int64_t fullest = 0;
    for (int64_t c = 1; c < k; c++) fullest = sizes[c] > sizes[fullest] ? c : fullest;
    if (sizes[fullest] < 2) return;
    for (int64_t j = 0; j < d; j++) {
      float value = centroids[fullest * d + j], step = value * 0x1p-10f;
      centroids[empty * d + j] = j % 2 ? value + step : value - step;
      centroids[fullest * d + j] = j % 2 ? value - step : value + step;
    }
    sizes[empty] = sizes[fullest] / 2;
    sizes[fullest] -= sizes[empty];
  }
}

int32_t strata_kmeans(
    strata_pool *pool, const float *x, int64_t n, int64_t d, int64_t k, int32_t rounds, uint64_t seed,
    float *centroids) {
  float *packed = aligned_alloc(64, (size_t)strata_centroids_floats(k, d) * 4);
  uint32_t *best = malloc((size_t)n * 4), *members = malloc((size_t)n * 4);
  int64_t *starts = malloc((size_t)(k + 1) * 8), *sizes = malloc((size_t)k * 8);
  int32_t status = packed && best && members && starts && sizes ? 0 : -1;
  if (status == 0) {
    for (int64_t i = 0; i < n; i++) members[i] = (uint32_t)i;  // the first k of a shuffle
    for (int64_t c = 0; c < k; c++) {
      if (c < n) {
        int64_t other = c + (int64_t)(strata_next(&seed) % (uint64_t)(n - c));
        uint32_t row = members[other];
        members[other] = members[c];
        members[c] = row;
      }
      memcpy(centroids + c * d, x + (int64_t)members[c % n] * d, (size_t)d * 4);
    }
  }
  for (int32_t round = 0; status == 0 && round < rounds; round++) {
    strata_centroids_pack(centroids, k, d, packed);
    strata_centroids_nearest(pool, x, n, d, packed, k, best);
    memset(starts, 0, (size_t)(k + 1) * 8);
    for (int64_t i = 0; i < n; i++) starts[best[i] + 1]++;
    for (int64_t c = 0; c < k; c++) {
      starts[c + 1] += starts[c];
      sizes[c] = starts[c];
    }
    for (int64_t i = 0; i < n; i++) members[sizes[best[i]]++] = (uint32_t)i;
    strata_means_job job = {x, d, members, starts, centroids};
    strata_parallel_for(pool, k, 16, strata_means_range, &job);
    if (round + 1 < rounds) strata_centroids_halve(centroids, k, d, starts, sizes);
  }
  free(packed);
  free(best);
  free(members);
  free(starts);
  free(sizes);
  return status;
}

// MARK: Books

int32_t strata_books_train(
    strata_pool *pool, const strata_lists *lists, const float *differences, int64_t n, int32_t rounds, uint64_t seed,
    float *books) {
  const int64_t d = lists->dimension, width = lists->part_width;
  float *part_rows = malloc((size_t)(n * width) * 4), *words = malloc((size_t)width * 16 * 4);
  int32_t status = part_rows && words ? 0 : -1;
  for (int64_t part = 0; status == 0 && part < lists->parts; part++) {
    for (int64_t i = 0; i < n; i++) {
      for (int64_t j = 0; j < width; j++) {
        int64_t at = part * width + j;
        part_rows[i * width + j] = at < d ? differences[i * d + at] : 0;
      }
    }
    status = strata_kmeans(pool, part_rows, n, width, STRATA_PART_CODES, rounds, seed + (uint64_t)part, words);
    for (int64_t word = 0; status == 0 && word < STRATA_PART_CODES; word++) {
      for (int64_t j = 0; j < width; j++) books[(part * width + j) * 16 + word] = words[word * width + j];
    }
  }
  free(part_rows);
  free(words);
  return status;
}

// MARK: Coding

typedef struct strata_encode_job {
  const strata_lists *lists;
  const strata_list_kernels *kernels;
  float *x;
  const uint32_t *best;
  const float *packed;  // books as centroids, by part
  uint8_t *codes;       // [n, parts / 2]
  float *squares;       // [n] or NULL
} strata_encode_job;

static void strata_encode_range(void *context, int64_t first, int64_t last) {
  const strata_encode_job *job = context;
  const strata_lists *lists = job->lists;
  const int64_t d = lists->dimension, width = lists->part_width, book = 16 * (width + 1);
  enum { MOST = 64 };
  float *values = calloc((size_t)(MOST * width), sizeof *values);
  uint32_t words[MOST];
  for (int64_t row = first; row < last; row++) {
    for (int64_t j = 0; j < d; j++) {
      job->x[row * d + j] -= strata_centroid_value(lists->centroids, d, job->best[row], j);
    }
    if (job->squares) job->squares[row] = 0;
  }
  for (int64_t part = 0; values && part < lists->parts; part++) {
    for (int64_t start = first; start < last; start += MOST) {
      int64_t some = strata_min64(MOST, last - start);
      for (int64_t i = 0; i < some; i++) {
        for (int64_t j = 0; j < width; j++) {
          int64_t at = part * width + j;
          values[i * width + j] = at < d ? job->x[(start + i) * d + at] : 0;
        }
      }
      job->kernels->nearest(values, some, width, job->packed + part * book, 1, words);
      for (int64_t i = 0; i < some; i++) {
        uint8_t *code = job->codes + (start + i) * (lists->parts / 2) + part / 2;
        *code = (uint8_t)(part % 2 ? *code | words[i] << 4 : words[i]);
        for (int64_t j = 0; job->squares && j < width && part * width + j < d; j++) {
          float value = strata_centroid_value(lists->centroids, d, job->best[start + i], part * width + j) +
              lists->books[(part * width + j) * 16 + words[i]];
          job->squares[start + i] += value * value;
        }
      }
    }
  }
  free(values);
}

int32_t strata_lists_encode(
    strata_pool *pool, const strata_lists *lists, float *x, int64_t n, const uint32_t *best, uint8_t *codes,
    float *squares) {
  const int64_t width = lists->part_width, book = 16 * (width + 1), parts = lists->parts;
  float *packed = aligned_alloc(64, (size_t)(parts * book) * 4), *words = malloc((size_t)width * 16 * 4);
  int32_t status = packed && words ? 0 : -1;
  if (status == 0) {
    for (int64_t part = 0; part < parts; part++) {
      for (int64_t i = 0; i < 16 * width; i++) {
        words[i % 16 * width + i / 16] = lists->books[part * width * 16 + i];
      }
      strata_centroids_pack(words, 16, width, packed + part * book);
    }
    memset(codes, 0, (size_t)(n * parts / 2));
    strata_encode_job job = {lists, strata_list_kernels_current(), x, best, packed, codes, squares};
    strata_parallel_for(pool, n, 256, strata_encode_range, &job);
  }
  free(packed);
  free(words);
  return status;
}

void strata_lists_place(int32_t parts, const uint8_t *codes, int64_t n, int64_t place, uint8_t *blocks) {
  for (int64_t i = 0; i < n; i++, place++) {
    uint8_t *out = blocks + place / STRATA_LIST_BLOCK * parts * 16 + place % 16;
    const int shift = place % STRATA_LIST_BLOCK < 16 ? 0 : 4;
    for (int32_t part = 0; part < parts; part += 2, codes++) {
      out[16 * part] |= (uint8_t)((*codes & 15) << shift);
      out[16 * part + 16] |= (uint8_t)(*codes >> 4 << shift);
    }
  }
}
