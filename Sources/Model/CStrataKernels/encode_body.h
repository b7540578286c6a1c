// Encoding weights by a search for the scales with the least weighted squared error; compiled once per family.
//
// For given codes the best scale (and minimum) is a linear least-squares problem; for given scales the best codes are
// the nearest ones. Alternating the two descends to a local optimum (Lloyd 1982; for weighted scales of quantized
// networks e.g. Nagel et al. 2021, "A White Paper on Neural Network Quantization", section 3). Sixteen starting points
// descend side by side, one in each lane, so that nothing is reduced across lanes until the best one is taken.

enum { E_ROUNDS = 3 };

STRATA_INLINE v16 e_min(v16 a, v16 b) {
#if STRATA_FAMILY_ISA == 2
  return (v16)_mm512_min_ps((__m512)a, (__m512)b);
#else
  return v_select(a < b, a, b);
#endif
}

/// To the nearest integer, for values below 2^22.
STRATA_INLINE v16 e_round(v16 v) {
#if STRATA_FAMILY_ISA == 2
  return (v16)_mm512_roundscale_ps((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  return v + v_set(0x1.8p23f) - v_set(0x1.8p23f);
#endif
}

STRATA_INLINE v16 e_code(v16 value, v16 low, v16 high) { return e_round(e_min(v_max(value, low), high)); }

/// 1 / v, or 0 where v is 0 or too small to be inverted.
STRATA_INLINE v16 e_inverse(v16 v) {
  v16i usable = (v > v_set(1e-37f)) | (v < v_set(-1e-37f));
  return v_select(usable, v_set(1) / v_select(usable, v, v_set(1)), v_set(0));
}

STRATA_INLINE v16 e_abs(v16 v) { return v_max(v, -v); }

/// Stores sixteen codes (whole numbers from -128 to 255) as bytes.
STRATA_INLINE void e_put_bytes(uint8_t *bytes, v16 codes) {
  typedef uint8_t v16b __attribute__((vector_size(16)));
  v16b narrow = __builtin_convertvector(__builtin_convertvector(codes, v16i), v16b);
  memcpy(bytes, &narrow, sizeof narrow);
}

STRATA_INLINE v16 e_bytes(const uint8_t *bytes) {
  typedef uint8_t v16b __attribute__((vector_size(16)));
  v16b narrow;
  memcpy(&narrow, bytes, sizeof narrow);
  return __builtin_convertvector(__builtin_convertvector(narrow, v16i), v16);
}

/// The value of largest magnitude among n (a multiple of 16).
STRATA_INLINE float e_extreme(const float *x, int n) {
  v16 most = v_load(x), least = most;
  for (int i = 16; i < n; i += 16) {
    most = v_max(most, v_load(x + i));
    least = e_min(least, v_load(x + i));
  }
  float high = v_largest(most), low = v_largest(-least);
  return low > high ? -low : high;
}

static int e_best_lane(v16 v) {
  float values[16];
  v_store(values, v);
  int best = 0;
  for (int i = 1; i < 16; i++) best = values[i] > values[best] ? i : best;
  return best;
}

static float e_half(float value) { return strata_half_to_float(strata_float_to_half(value)); }

static bool e_fits(float scale) { return fabsf(scale) < 65520; }

// MARK: One scale

/// The scale s that makes Σ w (x - s·q)² least for codes q in low...high, over n values. `tops` are sixteen values of
/// the code that the value of largest magnitude gets in a starting point.
STRATA_INLINE float e_fit_scale(const float *x, const float *w, int n, float low, float high, v16 tops) {
  float extreme = e_extreme(x, n);
  if (fabsf(extreme) < 1e-30f) return 0;
  v16 inverse = tops * v_set(1 / extreme), scale = v_set(0), gain = v_set(-1);
  v16 lows = v_set(low), highs = v_set(high);
  for (int round = 0; round < E_ROUNDS; round++) {
    // Two sets of sums, so that an addition need not wait for the one before.
    v16 xq = v_set(0), qq = v_set(0), xq2 = xq, qq2 = qq;
    for (int i = 0; i < n; i += 2) {
      v16 q = e_code(v_set(x[i]) * inverse, lows, highs), q2 = e_code(v_set(x[i + 1]) * inverse, lows, highs);
      v16 wq = v_set(w[i]) * q, wq2 = v_set(w[i + 1]) * q2;
      xq = v_set(x[i]) * wq + xq;
      xq2 = v_set(x[i + 1]) * wq2 + xq2;
      qq = q * wq + qq;
      qq2 = q2 * wq2 + qq2;
    }
    xq += xq2;
    qq += qq2;
    v16 next = xq * e_inverse(qq), next_gain = next * xq;
    v16i better = next_gain > gain;
    scale = v_select(better, next, scale);
    gain = v_select(better, next_gain, gain);
    inverse = e_inverse(scale);
  }
  return scale[e_best_lane(gain)];
}

// MARK: A scale and a minimum

typedef struct e_affine {
  float scale, minimum;
} e_affine;

/// The scale s and minimum m with the least Σ w (x - s·q - m)² for codes 0...high, over n values; with `below`, m is
/// at most 0.
STRATA_INLINE e_affine e_fit_affine(const float *x, const float *w, int n, float high, bool below) {
  v16 lowest = v_load(x), highest = lowest, all_w = v_set(0), all_x = all_w;
  for (int i = 0; i < n; i += 16) {
    lowest = e_min(lowest, v_load(x + i));
    highest = v_max(highest, v_load(x + i));
    all_w += v_load(w + i);
    all_x = v_load(w + i) * v_load(x + i) + all_x;
  }
  float least = -v_largest(-lowest), most = v_largest(highest), sum_w = v_sum(all_w), sum_x = v_sum(all_x);
  if (below && least > 0) least = 0;
  if (!(most - least > 1e-30f) || !(sum_w > 0)) return (e_affine){0, below ? fminf(least, 0) : least};
  // Starting points cut up to a sixth of the range off, at either end.
  static const float cut_low[16] = {0, 0, 0, 0, .04f, .04f, .04f, .09f, .09f, .09f, .15f, .15f, .04f, 0, -.02f, -.03f};
  static const float cut_high[16] = {0, .04f, .09f, .15f, 0, .04f, .09f, 0, .04f, .09f, 0, .04f, .15f, -.03f, -.02f, 0};
  float width = most - least;
  v16 minimum = v_set(least) + v_set(width) * v_load(cut_low);
  if (below) minimum = e_min(minimum, v_set(0));
  v16 scale = (v_set(most) - v_set(width) * v_load(cut_high) - minimum) * v_set(1 / high);
  v16 gain = v_set(-3e38f), best_scale = scale, best_minimum = minimum;
  v16 highs = v_set(high), zero = v_set(0);
  for (int round = 0; round < E_ROUNDS; round++) {
    v16 inverse = e_inverse(scale), offset = minimum * inverse;
    v16 sq = zero, qq = zero, xq = zero, sq2 = zero, qq2 = zero, xq2 = zero;
    for (int i = 0; i < n; i += 2) {
      v16 q = e_code(v_set(x[i]) * inverse - offset, zero, highs);
      v16 q2 = e_code(v_set(x[i + 1]) * inverse - offset, zero, highs);
      v16 wq = v_set(w[i]) * q, wq2 = v_set(w[i + 1]) * q2;
      sq += wq;
      sq2 += wq2;
      qq = q * wq + qq;
      qq2 = q2 * wq2 + qq2;
      xq = v_set(x[i]) * wq + xq;
      xq2 = v_set(x[i + 1]) * wq2 + xq2;
    }
    sq += sq2;
    qq += qq2;
    xq += xq2;
    v16 determinant = v_set(sum_w) * qq - sq * sq;
    v16i solvable = determinant > v_set(1e-6f) * v_set(sum_w) * qq;
    v16 inverted = e_inverse(determinant);
    v16 s = (v_set(sum_w) * xq - v_set(sum_x) * sq) * inverted;
    v16 m = (qq * v_set(sum_x) - sq * xq) * inverted;
    if (below) {
      v16i above = m > zero;
      s = v_select(above, xq * e_inverse(qq), s);
      m = v_select(above, zero, m);
    }
    solvable &= s > zero;
    scale = v_select(solvable, s, scale);
    minimum = v_select(solvable, m, minimum);
    v16 next_gain = s * xq + m * v_set(sum_x);
    v16i better = solvable & (next_gain > gain);
    gain = v_select(better, next_gain, gain);
    best_scale = v_select(better, s, best_scale);
    best_minimum = v_select(better, m, best_minimum);
  }
  int lane = e_best_lane(gain);
  return (e_affine){best_scale[lane], best_minimum[lane]};
}

// MARK: Blocks of 32

static bool e_symmetric(strata_type type, const float *x, const float *w, uint8_t *block) {
  bool five = type == STRATA_TYPE_Q5_0;
  float low = five ? -16 : -8, high = -low - 1, ends[16];
  for (int i = 0; i < 16; i++) {
    // The extreme value may be clipped by up to a fifth of the range, at the longer (negative) end or the shorter one.
    float clip = 1 + (five ? 0.02f : 0.035f) * (float)(i % 8 - 1);
    ends[i] = i < 8 ? low * clip : (high + 0.4f) * clip;
  }
  float scale = e_half(e_fit_scale(x, w, 32, low, high, v_load(ends)));
  if (!e_fits(scale)) return false;
  v16 inverse = v_set(scale != 0 ? 1 / scale : 0);
  uint8_t codes[32];
  for (int i = 0; i < 32; i += 16) {
    e_put_bytes(codes + i, e_code(v_load(x + i) * inverse, v_set(low), v_set(high)) - v_set(low));
  }
  strata_put_half(block, strata_float_to_half(scale));
  strata_put_codes(codes, block + (five ? 6 : 2), five ? block + 2 : NULL);
  return true;
}

/// Eight bits lose so little that a search would gain nothing: one fit to the codes of the plain scale.
static bool e_eight(const float *x, const float *w, uint8_t *block) {
  float extreme = fabsf(e_extreme(x, 32)), scale = extreme / 127;
  if (!e_fits(scale)) return false;
  v16 limit = v_set(127), inverse = v_set(scale > 1e-30f ? 1 / scale : 0), xq = v_set(0), qq = xq;
  for (int i = 0; i < 32; i += 16) {
    v16 q = e_code(v_load(x + i) * inverse, -limit, limit), wq = v_load(w + i) * q;
    xq = v_load(x + i) * wq + xq;
    qq = q * wq + qq;
  }
  float squares = v_sum(qq);
  if (squares > 1e-30f) scale = v_sum(xq) / squares;
  scale = e_half(scale);
  inverse = v_set(scale > 0 ? 1 / scale : 0);
  strata_put_half(block, strata_float_to_half(scale));
  for (int i = 0; i < 32; i += 16) e_put_bytes(block + 2 + i, e_code(v_load(x + i) * inverse, -limit, limit));
  return true;
}

static bool e_affine_block(strata_type type, const float *x, const float *w, uint8_t *block) {
  bool five = type == STRATA_TYPE_Q5_1;
  float high = five ? 31 : 15;
  e_affine fit = e_fit_affine(x, w, 32, high, false);
  if (!e_fits(fit.scale) || !e_fits(fit.minimum)) return false;
  float scale = e_half(fit.scale), minimum = e_half(fit.minimum);
  v16 inverse = v_set(scale != 0 ? 1 / scale : 0);
  uint8_t codes[32];
  for (int i = 0; i < 32; i += 16) {
    e_put_bytes(codes + i, e_code((v_load(x + i) - v_set(minimum)) * inverse, v_set(0), v_set(high)));
  }
  strata_put_half(block, strata_float_to_half(scale));
  strata_put_half(block + 2, strata_float_to_half(minimum));
  strata_put_codes(codes, block + (five ? 8 : 4), five ? block + 4 : NULL);
  return true;
}

// MARK: Q4_K and Q5_K

/// What a block of 256 is encoded with; weights are d · scales · code - m · minimums.
typedef struct e_k_block {
  float d, m;
  uint8_t scales[8], minimums[8];
} e_k_block;

/// For one sub-block and given d and m: the best of sixteen pairs of 6-bit numbers around the wanted scale and minimum.
/// - Returns: the weighted squared error.
STRATA_INLINE float e_k_choose(const float *x, const float *w, float high, e_affine wanted, float d, float m,
                               uint8_t *scale, uint8_t *minimum) {
  static const float around[4] = {-1, 0, 1, 2};
  float s = d > 0 ? floorf(wanted.scale / d) : 0, n = m > 0 ? floorf(-wanted.minimum / m) : 0;
  float scales[16], minimums[16];
  for (int i = 0; i < 16; i++) {
    scales[i] = fminf(fmaxf(s + around[i / 4], 0), 63);
    minimums[i] = fminf(fmaxf(n + around[i % 4], 0), 63);
  }
  v16 step = v_load(scales) * v_set(d), offset = v_load(minimums) * v_set(m);
  v16 inverse = e_inverse(step), error = v_set(0), highs = v_set(high), zero = v_set(0);
  for (int i = 0; i < 32; i++) {
    v16 shifted = v_set(x[i]) + offset;
    v16 difference = shifted - step * e_code(shifted * inverse, zero, highs);
    error = v_set(w[i]) * difference * difference + error;
  }
  int lane = e_best_lane(-error);
  *scale = (uint8_t)scales[lane];
  *minimum = (uint8_t)minimums[lane];
  return error[lane];
}

STRATA_INLINE float e_k_choose_all(const float *x, const float *w, float high, const e_affine *wanted, e_k_block *b) {
  float error = 0;
  for (int j = 0; j < 8; j++) {
    error += e_k_choose(x + 32 * j, w + 32 * j, high, wanted[j], b->d, b->m, &b->scales[j], &b->minimums[j]);
  }
  return error;
}

/// Codes of a block under its scales.
STRATA_INLINE void e_k_codes(const float *x, float high, const e_k_block *b, uint8_t *codes) {
  for (int j = 0; j < 8; j++) {
    float step = b->d * b->scales[j], offset = b->m * b->minimums[j], inverse = step > 0 ? 1 / step : 0;
    for (int i = 32 * j; i < 32 * j + 32; i += 16) {
      e_put_bytes(codes + i, e_code((v_load(x + i) + v_set(offset)) * v_set(inverse), v_set(0), v_set(high)));
    }
  }
}

/// The d and m that are best for a block's codes, or those it has when there is no such pair.
static void e_k_refit(const float *x, const float *w, const uint8_t *codes, e_k_block *b) {
  double a11 = 0, a12 = 0, a22 = 0, b1 = 0, b2 = 0;
  for (int j = 0; j < 8; j++) {
    v16 qq = v_set(0), sq = qq, xq = qq, sx = qq, sw = qq;
    for (int i = 32 * j; i < 32 * j + 32; i += 16) {
      v16 q = e_bytes(codes + i), weights = v_load(w + i), wq = weights * q;
      sw += weights;
      sx = weights * v_load(x + i) + sx;
      sq += wq;
      qq = wq * q + qq;
      xq = wq * v_load(x + i) + xq;
    }
    double s = b->scales[j], m = b->minimums[j];
    a11 += s * s * (double)v_sum(qq);
    a12 -= s * m * (double)v_sum(sq);
    a22 += m * m * (double)v_sum(sw);
    b1 += s * (double)v_sum(xq);
    b2 -= m * (double)v_sum(sx);
  }
  double determinant = a11 * a22 - a12 * a12;
  if (determinant > 1e-9 * a11 * a22) {
    double d = (a22 * b1 - a12 * b2) / determinant, m = (a11 * b2 - a12 * b1) / determinant;
    if (d > 0 && m > 0) {
      b->d = (float)d;
      b->m = (float)m;
    }
  } else if (a11 > 0 && a22 == 0 && b1 > 0) {
    b->d = (float)(b1 / a11);
  }
}

static bool e_k(strata_type type, const float *x, const float *w, uint8_t *super) {
  bool five = type == STRATA_TYPE_Q5_K;
  float high = five ? 31 : 15;
  e_affine wanted[8];
  float most = 0, deepest = 0;
  for (int j = 0; j < 8; j++) {
    wanted[j] = e_fit_affine(x + 32 * j, w + 32 * j, 32, high, true);
    most = fmaxf(most, wanted[j].scale);
    deepest = fmaxf(deepest, -wanted[j].minimum);
  }
  if (!e_fits(most / 63) || !e_fits(deepest / 63)) return false;
  e_k_block best = {0}, block = {.d = e_half(most / 63), .m = e_half(deepest / 63)};
  uint8_t codes[256];
  float least = INFINITY;
  for (int round = 0; round < E_ROUNDS; round++) {
    float error = e_k_choose_all(x, w, high, wanted, &block);
    if (!(error < least)) break;
    least = error;
    best = block;
    e_k_codes(x, high, &block, codes);
    e_k_refit(x, w, codes, &block);
    if (!e_fits(block.d) || !e_fits(block.m)) break;
    block.d = e_half(block.d);
    block.m = e_half(block.m);
  }
  e_k_codes(x, high, &best, codes);
  strata_put_half(super, strata_float_to_half(best.d));
  strata_put_half(super + 2, strata_float_to_half(best.m));
  strata_put_k(super, best.scales, best.minimums, codes, five);
  return true;
}

// MARK: Q6_K

/// For one sub-block of 16 and given d: the best of sixteen whole numbers around the wanted scale.
STRATA_INLINE float e_6k_choose(const float *x, const float *w, float wanted, float d, int8_t *scale) {
  float near = d != 0 ? rintf(wanted / d) : 0, scales[16];
  for (int i = 0; i < 16; i++) scales[i] = fminf(fmaxf(near + (float)(i - 8), -128), 127);
  v16 step = v_load(scales) * v_set(d), inverse = e_inverse(step), error = v_set(0);
  for (int i = 0; i < 16; i++) {
    v16 difference = v_set(x[i]) - step * e_code(v_set(x[i]) * inverse, v_set(-32), v_set(31));
    error = v_set(w[i]) * difference * difference + error;
  }
  int lane = e_best_lane(-error);
  *scale = (int8_t)scales[lane];
  return error[lane];
}

STRATA_INLINE void e_6k_codes(const float *x, float d, const int8_t *scales, uint8_t *codes) {
  for (int j = 0; j < 16; j++) {
    float step = d * scales[j], inverse = step != 0 ? 1 / step : 0;
    v16 q = e_code(v_load(x + 16 * j) * v_set(inverse), v_set(-32), v_set(31));
    e_put_bytes(codes + 16 * j, q + v_set(32));
  }
}

static float e_6k_refit(const float *x, const float *w, const uint8_t *codes, const int8_t *scales) {
  double xq = 0, qq = 0;
  for (int j = 0; j < 16; j++) {
    v16 q = e_bytes(codes + 16 * j) - v_set(32), wq = v_load(w + 16 * j) * q;
    xq += (double)v_sum(wq * v_load(x + 16 * j)) * scales[j];
    qq += (double)v_sum(wq * q) * scales[j] * scales[j];
  }
  return qq > 0 ? (float)(xq / qq) : 0;
}

static bool e_6k(const float *x, const float *w, uint8_t *super) {
  float ends[16];
  for (int i = 0; i < 16; i++) ends[i] = (i < 8 ? -32 : 31.4f) * (1 + 0.012f * (float)(i % 8 - 1));
  float wanted[16], extreme = 0;
  for (int j = 0; j < 16; j++) {
    wanted[j] = e_fit_scale(x + 16 * j, w + 16 * j, 16, -32, 31, v_load(ends));
    extreme = fabsf(wanted[j]) > fabsf(extreme) ? wanted[j] : extreme;
  }
  if (!e_fits(extreme / 128)) return false;
  float d = e_half(extreme / -128), best_d = 0, least = INFINITY;
  int8_t scales[16] = {0}, best[16] = {0};
  uint8_t codes[256];
  for (int round = 0; round < E_ROUNDS; round++) {
    float error = 0;
    for (int j = 0; j < 16; j++) error += e_6k_choose(x + 16 * j, w + 16 * j, wanted[j], d, &scales[j]);
    if (!(error < least)) break;
    least = error;
    best_d = d;
    memcpy(best, scales, sizeof best);
    e_6k_codes(x, d, scales, codes);
    d = e_6k_refit(x, w, codes, scales);
    if (!e_fits(d)) break;
    d = e_half(d);
  }
  e_6k_codes(x, best_d, best, codes);
  strata_put_6k(super, codes);
  memcpy(super + 192, best, sizeof best);
  strata_put_half(super + 208, strata_float_to_half(best_d));
  return true;
}

// MARK: Rows

/// How much each value's squared error counts. The output's expected squared error is a quadratic form of the weights'
/// errors; its diagonal is the mean square of each column's inputs, which is what `importance` holds. Large values count
/// more, as they stand in for the rest of that form.
/// - Returns: false when a value is larger than any scale can express.
STRATA_INLINE bool e_weights(const float *x, const float *importance, int64_t n, float *w) {
  v16 squares = v_set(0), sums = squares, largest = squares;
  for (int64_t i = 0; i < n; i += 16) {
    v16 v = v_load(x + i);
    squares = v * v + squares;
    largest = v_max(largest, e_abs(v));
    if (importance) sums += v_load(importance + i);
  }
  if (!(v_largest(largest) < 1e9f)) return false;
  float sum = v_sum(sums);
  v16 spread = v_set(sqrtf(v_sum(squares) / (float)n)), least = v_set(1e-3f * sum / (float)n);
  for (int64_t i = 0; i < n; i += 16) {
    v16 weight = spread + e_abs(v_load(x + i));
    if (sum > 0) weight *= v_load(importance + i) + least;
    v_store(w + i, weight);
  }
  return true;
}

static bool e_row(strata_type type, const float *x, const float *importance, int64_t cols, uint8_t *out) {
  int64_t values = (int64_t)strata_block_values(type);
  size_t bytes = strata_block_bytes(type);
  float w[256];
  for (int64_t first = 0; first < cols; first += values, out += bytes) {
    const float *block = x + first;
    if (!e_weights(block, importance ? importance + first : NULL, values, w)) return false;
    bool fits = true;
    switch (type) {
      case STRATA_TYPE_Q4_0:
      case STRATA_TYPE_Q5_0: fits = e_symmetric(type, block, w, out); break;
      case STRATA_TYPE_Q8_0: fits = e_eight(block, w, out); break;
      case STRATA_TYPE_Q4_1:
      case STRATA_TYPE_Q5_1: fits = e_affine_block(type, block, w, out); break;
      case STRATA_TYPE_Q4_K:
      case STRATA_TYPE_Q5_K: fits = e_k(type, block, w, out); break;
      case STRATA_TYPE_Q6_K: fits = e_6k(block, w, out); break;
      default: return false;
    }
    if (!fits) return false;
  }
  return true;
}

static int64_t e_first_not_finite(const float *x, int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 v = v_load(x + i), none = v - v;  // infinities and NaN become NaN
    if (v_sum(none) != 0) break;
  }
  for (; i < count; i++) {
    if (!isfinite(x[i])) return i;
  }
  return -1;
}

#define STRATA_ENCODERS_TABLE {e_row, e_first_not_finite}
