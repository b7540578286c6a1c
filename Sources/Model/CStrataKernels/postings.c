// Lists of chunks that have a word: packing, unpacking, and BM25 scores of 128 chunks at a time.
//
// A full block keeps 128 values in four interleaved streams of 32, one per lane of a vector (Lemire and Boytsov, Decoding
// billions of integers per second through vectorization, 2015); a shorter one is a plain stream of bits.
#include "kernels.h"

#include <string.h>

// Scores must not depend on whether a processor can multiply and add in one rounding.
#pragma STDC FP_CONTRACT OFF

#define STRATA_LANES 4
typedef uint32_t strata_lanes __attribute__((vector_size(16), aligned(4)));

static inline __attribute__((always_inline)) strata_lanes strata_lanes_load(const uint8_t *from) {
  strata_lanes lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

size_t strata_postings_bytes(int32_t count, int32_t width) {
  return ((size_t)count * (size_t)width + 7) / 8;
}

int32_t strata_postings_width(const uint32_t *values, int32_t count) {
  uint32_t all = 0;
  for (int32_t i = 0; i < count; i++) all |= values[i];
  return all == 0 ? 0 : 32 - __builtin_clz(all);
}

void strata_postings_pack(uint8_t *out, const uint32_t *values, int32_t count, int32_t width) {
  memset(out, 0, strata_postings_bytes(count, width));
  if (width == 0) return;
  if (count < STRATA_POSTINGS_BLOCK) {
    for (int32_t i = 0; i < count; i++) {
      size_t bit = (size_t)i * (size_t)width;
      uint64_t value = (uint64_t)values[i] << (bit & 7);
      for (uint8_t *byte = out + (bit >> 3); value != 0; value >>= 8) *byte++ |= (uint8_t)value;
    }
    return;
  }
  for (int32_t i = 0; i < STRATA_POSTINGS_BLOCK; i++) {
    uint32_t bit = (uint32_t)(i / STRATA_LANES) * (uint32_t)width;
    uint8_t *word = out + 4 * (bit / 32 * STRATA_LANES + (uint32_t)i % STRATA_LANES);
    uint64_t value = (uint64_t)values[i] << (bit % 32);
    uint32_t low, high;
    memcpy(&low, word, 4);
    low |= (uint32_t)value;
    memcpy(word, &low, 4);
    if (value >> 32) {
      memcpy(&high, word + 4 * STRATA_LANES, 4);
      high |= (uint32_t)(value >> 32);
      memcpy(word + 4 * STRATA_LANES, &high, 4);
    }
  }
}

/// `width` is a constant in each use, so that all shifts are.
static inline __attribute__((always_inline)) void strata_unpack_full(uint32_t *out, const uint8_t *in, const int width) {
  const strata_lanes mask = {0, 0, 0, 0};
  const strata_lanes low = mask + (uint32_t)((1ull << width) - 1);
#pragma GCC unroll 32
  for (int row = 0; row < STRATA_POSTINGS_BLOCK / STRATA_LANES; row++) {
    int bit = row * width, word = bit / 32, shift = bit % 32;
    strata_lanes lanes = strata_lanes_load(in + 16 * word) >> shift;
    if (shift + width > 32) lanes |= strata_lanes_load(in + 16 * (word + 1)) << (32 - shift);
    lanes &= low;
    memcpy(out + STRATA_LANES * row, &lanes, sizeof lanes);
  }
}

#define STRATA_UNPACK(W) case W: strata_unpack_full(out, in, W); return;
#define STRATA_UNPACK_4(W) STRATA_UNPACK(W) STRATA_UNPACK(W + 1) STRATA_UNPACK(W + 2) STRATA_UNPACK(W + 3)

void strata_postings_unpack(uint32_t *out, const uint8_t *in, int32_t count, int32_t width) {
  if (width <= 0 || width > 32) {
    memset(out, 0, (size_t)count * sizeof *out);
    return;
  }
  if (count < STRATA_POSTINGS_BLOCK) {
    uint64_t mask = (1ull << width) - 1;
    for (int32_t i = 0; i < count; i++) {
      size_t bit = (size_t)i * (size_t)width;
      uint64_t word;
      memcpy(&word, in + (bit >> 3), sizeof word);
      out[i] = (uint32_t)(word >> (bit & 7) & mask);
    }
    return;
  }
  switch (width) {
    STRATA_UNPACK_4(1) STRATA_UNPACK_4(5) STRATA_UNPACK_4(9) STRATA_UNPACK_4(13) STRATA_UNPACK_4(17)
    STRATA_UNPACK_4(21) STRATA_UNPACK_4(25) STRATA_UNPACK_4(29)
    default: return;
  }
}

uint32_t strata_postings_value(const uint8_t *in, int32_t count, int32_t width, int32_t index) {
  if (width <= 0 || width > 32) return 0;
  uint64_t word = 0;
  if (count < STRATA_POSTINGS_BLOCK) {
    size_t bit = (size_t)index * (size_t)width;
    memcpy(&word, in + (bit >> 3), sizeof word);
    word >>= bit & 7;
  } else {
    uint32_t bit = (uint32_t)(index / STRATA_LANES) * (uint32_t)width, low, high = 0;
    const uint8_t *from = in + 4 * (bit / 32 * STRATA_LANES + (uint32_t)index % STRATA_LANES);
    memcpy(&low, from, 4);
    if (bit % 32 + (uint32_t)width > 32) memcpy(&high, from + 4 * STRATA_LANES, 4);
    word = ((uint64_t)high << 32 | low) >> (bit % 32);
  }
  return (uint32_t)(word & ((1ull << width) - 1));
}

void strata_postings_positions(
    uint32_t *out, const uint8_t *in, int32_t count, int32_t width, uint32_t first, uint32_t limit) {
  strata_postings_unpack(out, in, count, width);
  uint32_t next = first;
  int32_t i = 0;
  if (count == STRATA_POSTINGS_BLOCK) {
    strata_lanes sum = {next - 1, next - 1, next - 1, next - 1};
    const strata_lanes zero = {0, 0, 0, 0};
    const strata_lanes most = zero + (limit - 1);
    for (; i < count; i += STRATA_LANES) {
      strata_lanes steps = strata_lanes_load((const uint8_t *)(out + i)) + 1;
      steps += __builtin_shufflevector(zero, steps, 0, 4, 5, 6);
      steps += __builtin_shufflevector(zero, steps, 0, 1, 4, 5);
      sum = steps + __builtin_shufflevector(sum, sum, 3, 3, 3, 3);
      strata_lanes over = (strata_lanes)(sum > most);
      strata_lanes safe = (sum & ~over) | (most & over);
      memcpy(out + i, &safe, sizeof safe);
    }
    return;
  }
  for (; i < count; i++) {
    next += out[i];
    out[i] = next < limit ? next : limit - 1;
    next++;
  }
}

bool strata_postings_rise(const uint32_t *positions, int64_t count) {
  uint32_t falls = 0;
  for (int64_t i = 1; i < count; i++) falls |= positions[i] <= positions[i - 1];
  return falls == 0;
}

int64_t strata_postings_find(const uint32_t *positions, int64_t from, int64_t count, uint32_t least) {
  if (from >= count || positions[from] >= least) return from;
  int64_t step = 1;
  while (from + step < count && positions[from + step] < least) {
    from += step;
    step *= 2;
  }
  // positions[from] is below, positions[from + left] is not, or is none.
  int64_t left = (from + step < count ? step : count - from);
  while (left > 1) {
    int64_t half = left / 2;
    from += positions[from + half] < least ? half : 0;
    left -= half;
  }
  return from + 1;
}

int32_t strata_postings_allowed(
    uint32_t *kept, uint32_t *places, const uint32_t *positions, int32_t count, const uint64_t *allowed) {
  int32_t next = 0;
  for (int32_t i = 0; i < count; i++) {
    uint32_t position = positions[i];
    kept[next] = position;
    places[next] = (uint32_t)i;
    next += (int32_t)(allowed[position >> 6] >> (position & 63) & 1);
  }
  return next;
}

static int32_t strata_meet(
    uint32_t *candidates, uint32_t *own, uint32_t *others, int32_t candidate_count, const uint32_t *positions,
    int32_t count) {
  int32_t next = 0;
  for (int32_t i = 0; i < candidate_count; i++) {
    // Halving without branches, so that searches for several candidates overlap; the compiler would make some if it saw
    // through `mask`.
    uint32_t candidate = candidates[i], at = 0;
    for (uint32_t left = (uint32_t)count; left > 1;) {
      uint32_t half = left / 2, mask = 0 - (uint32_t)(positions[at + half - 1] < candidate);
      __asm__("" : "+r"(mask));
      at += half & mask;
      left -= half;
    }
    candidates[next] = candidate;
    own[next] = own[i];
    others[next] = at;
    next += positions[at] == candidate;
  }
  return next;
}

#if STRATA_X86
#include <immintrin.h>
/// Of 128 positions, all below 2^31: first which 16 of them may have a candidate, then which of these it is.
__attribute__((target("avx2,popcnt"))) static int32_t strata_meet_avx2(
    uint32_t *candidates, uint32_t *own, uint32_t *others, int32_t candidate_count, const uint32_t *positions) {
  __m256i lasts = _mm256_i32gather_epi32(
      (const int *)positions + 15, _mm256_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112), 4);
  int32_t next = 0;
  for (int32_t i = 0; i < candidate_count; i++) {
    uint32_t candidate = candidates[i];
    __m256i wanted = _mm256_set1_epi32((int32_t)candidate);
    uint32_t below = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(wanted, lasts)));
    uint32_t at = 16 * ((uint32_t)__builtin_popcount(below) & 7);
    __m256i low = _mm256_cmpeq_epi32(wanted, _mm256_loadu_si256((const void *)(positions + at)));
    __m256i high = _mm256_cmpeq_epi32(wanted, _mm256_loadu_si256((const void *)(positions + at + 8)));
    uint32_t found = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(low)) |
                     (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(high)) << 8;
    candidates[next] = candidate;
    own[next] = own[i];
    others[next] = at + (uint32_t)__builtin_ctz(found | 0x8000);
    next += found != 0;
  }
  return next;
}
#endif

int32_t strata_postings_meet(
    uint32_t *candidates, uint32_t *own, uint32_t *others, int32_t candidate_count, const uint32_t *positions,
    int32_t count) {
  if (count <= 0) return 0;
#if STRATA_X86
  if (count == STRATA_POSTINGS_BLOCK && strata_isa_current() >= STRATA_ISA_AVX2) {
    return strata_meet_avx2(candidates, own, others, candidate_count, positions);
  }
#endif
  return strata_meet(candidates, own, others, candidate_count, positions, count);
}

int64_t strata_postings_follow(
    uint32_t *starts, int64_t start_count, const uint32_t *places, int64_t count, uint32_t offset) {
  int64_t kept = 0, next = 0;
  for (int64_t i = 0; i < start_count; i++) {
    uint32_t place = starts[i] + offset;
    while (next < count && places[next] < place) next++;
    if (next == count) break;
    starts[kept] = starts[i];
    kept += places[next] == place && place >= offset;
  }
  return kept;
}

/// Bytes without their high bit end a number. The `count`-th end is in what follows `at`, or nowhere.
static int64_t strata_skip(const uint8_t *bytes, int64_t size, int64_t at, int64_t count) {
  while (size - at >= 8) {
    uint64_t word;
    memcpy(&word, bytes + at, sizeof word);
    uint64_t ends = ~word & 0x8080808080808080ull;
    int32_t found = __builtin_popcountll(ends);
    if (found >= count) {
      for (; count > 1; count--) ends &= ends - 1;
      return at + __builtin_ctzll(ends) / 8 + 1;
    }
    count -= found;
    at += 8;
  }
  while (count > 0 && at < size) count -= bytes[at++] < 0x80;
  return at;
}

#if STRATA_X86
__attribute__((target("avx2,popcnt"))) static int64_t strata_skip_avx2(
    const uint8_t *bytes, int64_t size, int64_t count) {
  int64_t at = 0;
  while (size - at >= 32) {
    uint32_t ends = ~(uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const void *)(bytes + at)));
    int32_t found = __builtin_popcount(ends);
    if (found >= count) {
      for (; count > 1; count--) ends &= ends - 1;
      return at + __builtin_ctz(ends) + 1;
    }
    count -= found;
    at += 32;
  }
  return strata_skip(bytes, size, at, count);
}
#endif

int64_t strata_postings_skip(const uint8_t *bytes, int64_t size, int64_t count) {
  if (count <= 0) return 0;
#if STRATA_X86
  if (strata_isa_current() >= STRATA_ISA_AVX2) return strata_skip_avx2(bytes, size, count);
#endif
  return strata_skip(bytes, size, 0, count);
}

int64_t strata_postings_places(uint32_t *out, const uint8_t *bytes, int64_t size, int64_t count) {
  uint32_t place = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t value = 0, shift = 0;
    for (;;) {
      if (at == size) return i;
      uint8_t byte = bytes[at++];
      if (shift < 32) value |= (uint32_t)(byte & 0x7F) << shift;
      shift += 7;
      if (byte < 0x80) break;
    }
    place += value;
    out[i] = place;
  }
  return count;
}

// Each step is written once, for every family of instructions; the compiler makes the vectors.
#define STRATA_STEP static inline __attribute__((always_inline)) void

STRATA_STEP strata_share(
    float *restrict shares, const uint32_t *restrict positions, const uint32_t *restrict counts, int32_t count,
    const uint32_t *restrict lengths, strata_bm25 weights) {
  // Gathered first, so that the division is over whole vectors.
  float of[STRATA_POSTINGS_BLOCK];
  for (int32_t first = 0; first < count; first += STRATA_POSTINGS_BLOCK) {
    int32_t end = count - first < STRATA_POSTINGS_BLOCK ? count - first : STRATA_POSTINGS_BLOCK;
    for (int32_t i = 0; i < end; i++) of[i] = (float)(int32_t)lengths[positions[first + i]];
    for (int32_t i = 0; i < end; i++) {
      float frequency = (float)(int32_t)counts[first + i];
      float scaled = weights.factor * of[i];
      float norm = weights.offset + scaled;
      shares[first + i] = frequency / (frequency + norm);
    }
  }
}

/// The one place where a share becomes an integer.
static inline __attribute__((always_inline)) int32_t strata_weighed(float share, float weight) {
  float score = weight * share;
  return (int32_t)score + 1;
}

STRATA_STEP strata_score(
    int32_t *restrict scores, const uint32_t *restrict positions, const uint32_t *restrict counts, int32_t count,
    const uint32_t *restrict lengths, strata_bm25 weights) {
  float shares[STRATA_POSTINGS_BLOCK];
  strata_share(shares, positions, counts, count, lengths, weights);
  for (int32_t i = 0; i < count; i++) scores[i] = strata_weighed(shares[i], weights.weight);
}

STRATA_STEP strata_add_shares(
    int32_t *restrict window, uint32_t start, const uint64_t *restrict allowed, const uint32_t *restrict positions,
    const float *restrict shares, int64_t count, float weight) {
  enum { step = 64 };
  uint32_t scores[step];
  for (int64_t first = 0; first < count; first += step) {
    const uint32_t *at = positions + first;
    int32_t end = count - first < step ? (int32_t)(count - first) : step;
    for (int32_t i = 0; i < end; i++) scores[i] = (uint32_t)strata_weighed(shares[first + i], weight);
    // Without a branch, since who may read what follows no pattern; the compiler would make one if it saw through `mask`.
#pragma clang loop unroll_count(4)
    for (int32_t i = 0; i < end; i++) {
      uint32_t position = at[i];
      uint32_t mask = 0 - (uint32_t)(allowed[position >> 6] >> (position & 63) & 1);
      __asm__("" : "+r"(mask));
      window[position - start] += (int32_t)(scores[i] & mask);
    }
  }
}

STRATA_STEP strata_add_dense(
    int32_t *restrict window, const uint64_t *restrict bits, const uint64_t *restrict allowed,
    const float *restrict shares, int32_t words, float weight) {
  for (int32_t word = 0; word < words; word++) {
    int32_t *slots = window + 64 * word;
    uint64_t may = allowed[word];
    for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
      int32_t slot = __builtin_ctzll(rest);
      slots[slot] += strata_weighed(*shares++, weight) & -(int32_t)(may >> slot & 1);
    }
  }
}

STRATA_STEP strata_ranks(uint32_t *restrict ranks, const uint64_t *restrict bits, int32_t words, uint32_t first) {
  ranks[0] = first;
  for (int32_t i = 0; i < words; i++) ranks[i + 1] = ranks[i] + (uint32_t)__builtin_popcountll(bits[i]);
}

STRATA_STEP strata_look_up_dense(
    int32_t *restrict kept, uint32_t *restrict candidates, int32_t *restrict scores, int32_t candidate_count,
    const uint64_t *restrict bits, const uint32_t *restrict ranks, const float *restrict shares, float weight,
    int32_t least) {
  int32_t next = 0;
  for (int32_t i = 0; i < candidate_count; i++) {
    uint32_t position = candidates[i];
    uint64_t word = bits[position >> 6], before = word & ((1ull << (position & 63)) - 1);
    int32_t score = scores[i];
    if (word >> (position & 63) & 1) {
      score += strata_weighed(shares[ranks[position >> 6] + (uint32_t)__builtin_popcountll(before)], weight);
    }
    candidates[next] = position;
    scores[next] = score;
    next += score >= least;
  }
  *kept = next;
}

STRATA_STEP strata_largest(int32_t *restrict found, const float *restrict shares, int64_t count) {
  // Floats that are not negative rise as their bits do.
  int32_t most = 0;
  for (int64_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, shares + i, sizeof bits);
    most = bits > most ? bits : most;
  }
  *found = most;
}

STRATA_STEP strata_maxima(int32_t *restrict maxima, const int32_t *restrict window, uint32_t size) {
  for (uint32_t block = 0; block < size / 64; block++) {
    int32_t most = 0;
    for (uint32_t i = 0; i < 64; i++) most = window[64 * block + i] > most ? window[64 * block + i] : most;
    maxima[block] = most;
  }
}

STRATA_STEP strata_nearly_kth(int32_t *restrict found, const int32_t *restrict values, int32_t count, int32_t k) {
  int32_t most = 0, least = 0;
  for (int32_t i = 0; i < count; i++) most = values[i] > most ? values[i] : most;
  int32_t top = most == 0 ? -1 : 31 - __builtin_clz((uint32_t)most);
  for (int32_t bit = top; bit >= 0 && bit > top - 11; bit--) {
    int32_t tried = least | 1 << bit, above = 0;
    for (int32_t i = 0; i < count; i++) above += values[i] >= tried;
    if (above >= k) least = tried;
  }
  *found = least;
}

#if STRATA_X86
#define STRATA_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2"))) static void
#define STRATA_AVX2 __attribute__((target("avx2"))) static void
/// A step for each family, and `STEP_any`, which chooses.
#define STRATA_FAMILIES(STEP, PARAMETERS, ARGUMENTS)         \
  STRATA_AVX512 STEP##_avx512 PARAMETERS { STEP ARGUMENTS; } \
  STRATA_AVX2 STEP##_avx2 PARAMETERS { STEP ARGUMENTS; }     \
  STRATA_STEP STEP##_any PARAMETERS {                        \
    strata_isa isa = strata_isa_current();                   \
    if (isa >= STRATA_ISA_AVX512) STEP##_avx512 ARGUMENTS;   \
    else if (isa == STRATA_ISA_AVX2) STEP##_avx2 ARGUMENTS;  \
    else STEP ARGUMENTS;                                     \
  }
#else
#define STRATA_FAMILIES(STEP, PARAMETERS, ARGUMENTS) \
  STRATA_STEP STEP##_any PARAMETERS { STEP ARGUMENTS; }
#endif

STRATA_FAMILIES(
    strata_share,
    (float *shares, const uint32_t *positions, const uint32_t *counts, int32_t count, const uint32_t *lengths,
     strata_bm25 weights),
    (shares, positions, counts, count, lengths, weights))
STRATA_FAMILIES(
    strata_score,
    (int32_t *scores, const uint32_t *positions, const uint32_t *counts, int32_t count, const uint32_t *lengths,
     strata_bm25 weights),
    (scores, positions, counts, count, lengths, weights))
STRATA_FAMILIES(
    strata_add_shares,
    (int32_t *window, uint32_t start, const uint64_t *allowed, const uint32_t *positions, const float *shares,
     int64_t count, float weight),
    (window, start, allowed, positions, shares, count, weight))
STRATA_FAMILIES(
    strata_ranks, (uint32_t *ranks, const uint64_t *bits, int32_t words, uint32_t first), (ranks, bits, words, first))
STRATA_FAMILIES(
    strata_look_up_dense,
    (int32_t *kept, uint32_t *candidates, int32_t *scores, int32_t candidate_count, const uint64_t *bits,
     const uint32_t *ranks, const float *shares, float weight, int32_t least),
    (kept, candidates, scores, candidate_count, bits, ranks, shares, weight, least))
STRATA_FAMILIES(strata_largest, (int32_t *found, const float *shares, int64_t count), (found, shares, count))
STRATA_FAMILIES(strata_maxima, (int32_t *maxima, const int32_t *window, uint32_t size), (maxima, window, size))
STRATA_FAMILIES(
    strata_nearly_kth, (int32_t *found, const int32_t *values, int32_t count, int32_t k), (found, values, count, k))

void strata_bm25_scores(
    int32_t *scores, const uint32_t *positions, const uint32_t *counts, int32_t count, const uint32_t *lengths,
    strata_bm25 weights) {
  strata_score_any(scores, positions, counts, count, lengths, weights);
}

void strata_bm25_shares(
    float *shares, const uint32_t *positions, const uint32_t *counts, int32_t count, const uint32_t *lengths,
    strata_bm25 weights) {
  strata_share_any(shares, positions, counts, count, lengths, weights);
}

void strata_bm25_ranks(uint32_t *ranks, const uint64_t *bits, int32_t words, uint32_t first) {
  strata_ranks_any(ranks, bits, words, first);
}

int32_t strata_bm25_look_up_dense(
    uint32_t *candidates, int32_t *scores, int32_t candidate_count, const uint64_t *bits, const uint32_t *ranks,
    const float *shares, float weight, int32_t least) {
  int32_t kept = 0;
  strata_look_up_dense_any(&kept, candidates, scores, candidate_count, bits, ranks, shares, weight, least);
  return kept;
}

int32_t strata_bm25_look_up(
    uint32_t *candidates, int32_t *scores, int32_t candidate_count, const uint32_t *positions, const float *shares,
    int64_t count, float weight, int32_t least) {
  int32_t next = 0;
  int64_t at = 0;
  for (int32_t i = 0; i < candidate_count; i++) {
    at = strata_postings_find(positions, at, count, candidates[i]);
    int32_t score = scores[i];
    if (at < count && positions[at] == candidates[i]) score += strata_weighed(shares[at], weight);
    candidates[next] = candidates[i];
    scores[next] = score;
    next += score >= least;
  }
  return next;
}

int32_t strata_bm25_score(float share, float weight) { return strata_weighed(share, weight); }

float strata_bm25_largest_share(const float *shares, int64_t count) {
  int32_t bits = 0;
  float share;
  strata_largest_any(&bits, shares, count);
  memcpy(&share, &bits, sizeof share);
  return share;
}

void strata_bm25_add_shares(
    int32_t *window, uint32_t start, const uint64_t *allowed, const uint32_t *positions, const float *shares,
    int64_t count, float weight) {
  strata_add_shares_any(window, start, allowed, positions, shares, count, weight);
}

void strata_bm25_maxima(int32_t *maxima, const int32_t *window, uint32_t size) {
  strata_maxima_any(maxima, window, size);
}

int32_t strata_bm25_nearly_kth(const int32_t *values, int32_t count, int32_t k) {
  int32_t found = 0;
  strata_nearly_kth_any(&found, values, count, k);
  return found;
}

int32_t strata_bm25_add(
    int32_t *window, uint32_t start, uint32_t size, const uint64_t *allowed, const uint32_t *positions,
    const int32_t *scores, int32_t from, int32_t count) {
  int32_t i = from;
  for (; i < count; i++) {
    uint32_t position = positions[i], slot = position - start;
    if (slot >= size) break;
    if (allowed[position >> 6] >> (position & 63) & 1) window[slot] += scores[i];
  }
  return i;
}

static inline __attribute__((always_inline)) void strata_at_least(
    uint64_t *bits, const int32_t *window, uint32_t size, int32_t least) {
  for (uint32_t word = 0; word < size / 64; word++) {
    uint64_t found = 0;
    for (uint32_t i = 0; i < 64; i++) found |= (uint64_t)(window[64 * word + i] >= least) << i;
    bits[word] = found;
  }
}

#if STRATA_X86
__attribute__((target("avx512f,popcnt"))) static void strata_add_dense_avx512(
    int32_t *window, const uint64_t *bits, const uint64_t *allowed, const float *shares, int32_t words, float weight) {
  __m512 factor = _mm512_set1_ps(weight);
  __m512i one = _mm512_set1_epi32(1);
  for (int32_t word = 0; word < words; word++) {
    uint64_t some = bits[word], may = allowed[word];
    // Where the shares of each part start, known before any is read.
    const float *from[4] = {
        shares, shares + __builtin_popcountll(some & 0xFFFF), shares + __builtin_popcountll(some & 0xFFFFFFFF),
        shares + __builtin_popcountll(some & 0xFFFFFFFFFFFF)};
    shares += __builtin_popcountll(some);
#pragma GCC unroll 4
    for (int32_t part = 0; part < 4; part++) {
      __mmask16 mask = (__mmask16)(some >> (16 * part)), kept = mask & (__mmask16)(may >> (16 * part));
      int32_t *slots = window + 64 * word + 16 * part;
      // From a register: expanding what is read at the same time takes several times as long on some processors.
      __m512 packed = _mm512_loadu_ps(from[part]);
      __asm__("" : "+v"(packed));
      __m512 share = _mm512_maskz_expand_ps(mask, packed);
      __m512i score = _mm512_add_epi32(_mm512_cvttps_epi32(_mm512_mul_ps(factor, share)), one);
      __m512i sum = _mm512_loadu_si512(slots);
      _mm512_storeu_si512(slots, _mm512_mask_add_epi32(sum, kept, sum, score));
    }
  }
}
__attribute__((target("avx512f"))) static void strata_at_least_avx512(
    uint64_t *bits, const int32_t *window, uint32_t size, int32_t least) {
  __m512i bound = _mm512_set1_epi32(least);
  for (uint32_t word = 0; word < size / 64; word++) {
    const int32_t *from = window + 64 * word;
    uint64_t found = 0;
    for (uint32_t part = 0; part < 4; part++) {
      found |= (uint64_t)_mm512_cmpge_epi32_mask(_mm512_loadu_si512(from + 16 * part), bound) << (16 * part);
    }
    bits[word] = found;
  }
}
__attribute__((target("avx2"))) static void strata_at_least_avx2(
    uint64_t *bits, const int32_t *window, uint32_t size, int32_t least) {
  __m256i bound = _mm256_set1_epi32(least - 1);
  for (uint32_t word = 0; word < size / 64; word++) {
    const int32_t *from = window + 64 * word;
    uint64_t found = 0;
    for (uint32_t part = 0; part < 8; part++) {
      __m256i above = _mm256_cmpgt_epi32(_mm256_loadu_si256((const void *)(from + 8 * part)), bound);
      found |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(above)) << (8 * part);
    }
    bits[word] = found;
  }
}
#endif

void strata_bm25_at_least(uint64_t *bits, const int32_t *window, uint32_t size, int32_t least) {
#if STRATA_X86
  strata_isa isa = strata_isa_current();
  if (isa >= STRATA_ISA_AVX512) {
    strata_at_least_avx512(bits, window, size, least);
    return;
  }
  if (isa == STRATA_ISA_AVX2) {
    strata_at_least_avx2(bits, window, size, least);
    return;
  }
#endif
  strata_at_least(bits, window, size, least);
}

void strata_bm25_add_dense(
    int32_t *window, const uint64_t *bits, const uint64_t *allowed, const float *shares, int32_t words, float weight) {
#if STRATA_X86
  if (strata_isa_current() >= STRATA_ISA_AVX512) {
    strata_add_dense_avx512(window, bits, allowed, shares, words, weight);
    return;
  }
#endif
  strata_add_dense(window, bits, allowed, shares, words, weight);
}
