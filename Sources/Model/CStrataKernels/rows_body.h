// Rows of activations and vector products, over lanes.h; compiled once per family.

STRATA_INLINE float v_dot(const float *a, const float *b, int64_t n) {
  v16 s0 = v_set(0), s1 = s0, s2 = s0, s3 = s0;
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    s0 = v_load(a + i) * v_load(b + i) + s0;
    s1 = v_load(a + i + 16) * v_load(b + i + 16) + s1;
    s2 = v_load(a + i + 32) * v_load(b + i + 32) + s2;
    s3 = v_load(a + i + 48) * v_load(b + i + 48) + s3;
  }
  for (; i + 16 <= n; i += 16) s0 = v_load(a + i) * v_load(b + i) + s0;
  if (i < n) s1 = v_load_part(a + i, n - i, 0) * v_load_part(b + i, n - i, 0) + s1;
  return v_sum(s0 + s1 + (s2 + s3));
}

static float family_dot(const float *a, const float *b, int64_t n) { return v_dot(a, b, n); }

static float family_l2(const float *a, const float *b, int64_t n) {
  v16 s0 = v_set(0), s1 = s0;
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    v16 d0 = v_load(a + i) - v_load(b + i), d1 = v_load(a + i + 16) - v_load(b + i + 16);
    s0 = d0 * d0 + s0;
    s1 = d1 * d1 + s1;
  }
  for (; i < n; i += 16) {
    int64_t used = strata_min64(16, n - i);
    v16 d = used == 16 ? v_load(a + i) - v_load(b + i) : v_load_part(a + i, used, 0) - v_load_part(b + i, used, 0);
    s0 = d * d + s0;
  }
  return v_sum(s0 + s1);
}

static void family_rms_norm(float *y, const float *x, int64_t n, const float *weight, float epsilon) {
  float factor = 1 / sqrtf(v_dot(x, x, n) / (float)n + epsilon);
  v16 factors = v_set(factor);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(y + i, v_load(x + i) * factors * v_load(weight + i));
  for (; i < n; i++) y[i] = x[i] * factor * weight[i];
}

static void family_rms_norm_add(float *y, const float *x, int64_t n, const float *weight, float epsilon) {
  float factor = 1 / sqrtf(v_dot(x, x, n) / (float)n + epsilon);
  v16 factors = v_set(factor);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(y + i, v_load(y + i) + v_load(x + i) * factors * v_load(weight + i));
  for (; i < n; i++) y[i] += x[i] * factor * weight[i];
}

static void family_layer_norm(
    float *y, const float *x, int64_t n, const float *weight, const float *bias, float epsilon) {
  v16 sum = v_set(0), squares = v_set(0);
  int64_t whole = n / 16 * 16;
  for (int64_t i = 0; i < whole; i += 16) sum += v_load(x + i);
  if (whole < n) sum += v_load_part(x + whole, n - whole, 0);
  float mean = v_sum(sum) / (float)n;
  for (int64_t i = 0; i < whole; i += 16) {
    v16 d = v_load(x + i) - v_set(mean);
    squares = d * d + squares;
  }
  if (whole < n) {
    v16 d = v_load_part(x + whole, n - whole, mean) - v_set(mean);
    squares = d * d + squares;
  }
  float factor = 1 / sqrtf(v_sum(squares) / (float)n + epsilon);
  for (int64_t i = 0; i < whole; i += 16) {
    v16 shift = bias ? v_load(bias + i) : v_set(0);
    v_store(y + i, (v_load(x + i) - v_set(mean)) * v_set(factor) * v_load(weight + i) + shift);
  }
  for (int64_t i = whole; i < n; i++) y[i] = (x[i] - mean) * factor * weight[i] + (bias ? bias[i] : 0);
}

static void family_rope(float *x, int64_t half, const float *cosines, const float *sines, strata_rope_style style) {
  int64_t i = 0;
  if (style == STRATA_ROPE_HALVES) {
    for (; i + 16 <= half; i += 16) {
      v16 a = v_load(x + i), b = v_load(x + half + i), c = v_load(cosines + i), s = v_load(sines + i);
      v_store(x + i, a * c - b * s);
      v_store(x + half + i, a * s + b * c);
    }
    for (; i < half; i++) {
      float a = x[i], b = x[i + half];
      x[i] = a * cosines[i] - b * sines[i];
      x[i + half] = a * sines[i] + b * cosines[i];
    }
    return;
  }
  for (; i + 16 <= half; i += 16) {
    v16 low = v_load(x + 2 * i), high = v_load(x + 2 * i + 16), c = v_load(cosines + i), s = v_load(sines + i);
    v16 a = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    v16 b = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    v16 p = a * c - b * s, q = a * s + b * c;
    v_store(x + 2 * i, __builtin_shufflevector(p, q, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    v16 upper = __builtin_shufflevector(p, q, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    v_store(x + 2 * i + 16, upper);
  }
  for (; i < half; i++) {
    float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

STRATA_INLINE v16 v_silu_mul(v16 gate, v16 up) { return gate * up / (v_set(1) + v_exp(-gate)); }

static void family_silu_mul(float *y, const float *gate, const float *up, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(y + i, v_silu_mul(v_load(gate + i), v_load(up + i)));
  if (i < n) v_store_part(y + i, v_silu_mul(v_load_part(gate + i, n - i, 0), v_load_part(up + i, n - i, 0)), n - i);
}

// gelu's tanh form (Hendrycks and Gimpel 2016) is x · σ(2u) with u = √(2/π) (x + 0.044715 x³), as
// (1 + tanh(u)) / 2 = σ(2u).
STRATA_INLINE v16 v_gelu_mul(v16 gate, v16 up) {
  v16 twice = gate * (v_set(0.0713548163f) * gate * gate + v_set(1.59576912f));
  return gate * up / (v_set(1) + v_exp(-twice));
}

static void family_gelu_mul(float *y, const float *gate, const float *up, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(y + i, v_gelu_mul(v_load(gate + i), v_load(up + i)));
  if (i < n) v_store_part(y + i, v_gelu_mul(v_load_part(gate + i, n - i, 0), v_load_part(up + i, n - i, 0)), n - i);
}

static void family_softcap(float *x, int64_t n, float cap) {
  v16 caps = v_set(cap), inverse = v_set(1 / cap);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(x + i, caps * v_tanh(v_load(x + i) * inverse));
  if (i < n) v_store_part(x + i, caps * v_tanh(v_load_part(x + i, n - i, 0) * inverse), n - i);
}

// erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: absolute error at most 1.5e-7.
STRATA_INLINE v16 v_gelu(v16 x) {
  v16i sign = (v16i)x & (v16i)v_set(-0.0f);
  v16 z = (v16)((v16i)(x * v_set(0.70710678f)) & ~(v16i)v_set(-0.0f));
  v16 t = v_set(1) / (v_set(0.3275911f) * z + v_set(1));
  v16 p = v_set(1.061405429f);
  p = p * t + v_set(-1.453152027f);
  p = p * t + v_set(1.421413741f);
  p = p * t + v_set(-0.284496736f);
  p = p * t + v_set(0.254829592f);
  v16 erf = v_set(1) - p * t * v_exp(-(z * z));
  erf = (v16)((v16i)erf | sign);
  return x * v_set(0.5f) * (v_set(1) + erf);
}

static void family_gelu(float *x, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(x + i, v_gelu(v_load(x + i)));
  if (i < n) v_store_part(x + i, v_gelu(v_load_part(x + i, n - i, 0)), n - i);
}

static float family_maximum(const float *x, int64_t n) {
  v16 largest = v_set(-INFINITY), second = largest;
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    largest = v_max(v_load(x + i), largest);  // in this order a NaN never wins
    second = v_max(v_load(x + i + 16), second);
  }
  for (; i < n; i += 16) {
    v16 v = n - i >= 16 ? v_load(x + i) : v_load_part(x + i, n - i, -INFINITY);
    largest = v_max(v, largest);
  }
  return v_largest(v_max(largest, second));
}

static strata_log_sum family_softmax_sum(const float *x, int64_t n, float scale) {
  strata_log_sum result = {family_maximum(x, n), 0};
  v16 maximum = v_set(result.maximum), factor = v_set(scale * 1.44269504f), sum = v_set(0);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) sum += v_exp2((v_load(x + i) - maximum) * factor);
  if (i < n) sum += v_exp2((v_load_part(x + i, n - i, -INFINITY) - maximum) * factor);
  result.sum = v_sum(sum);
  return result;
}

static void family_softmax(float *x, int64_t n, float scale) {
  v16 maximum = v_set(family_maximum(x, n)), factor = v_set(scale * 1.44269504f), sum = v_set(0);
  int64_t whole = n / 16 * 16;
  for (int64_t i = 0; i < whole; i += 16) {
    v16 weight = v_exp2((v_load(x + i) - maximum) * factor);
    sum += weight;
    v_store(x + i, weight);
  }
  if (whole < n) {
    v16 weight = v_exp2((v_load_part(x + whole, n - whole, -INFINITY) - maximum) * factor);
    sum += weight;
    v_store_part(x + whole, weight, n - whole);
  }
  float inverse = 1 / v_sum(sum);
  for (int64_t i = 0; i < whole; i += 16) v_store(x + i, v_load(x + i) * v_set(inverse));
  for (int64_t i = whole; i < n; i++) x[i] *= inverse;
}

static void family_add(float *y, const float *x, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(y + i, v_load(y + i) + v_load(x + i));
  for (; i < n; i++) y[i] += x[i];
}

static void family_axpy(float *y, float a, const float *x, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_store(y + i, v_set(a) * v_load(x + i) + v_load(y + i));
  for (; i < n; i++) y[i] += a * x[i];
}

static int64_t family_argmax(const float *x, int64_t n) {
  float largest = family_maximum(x, n);
  for (int64_t i = 0; i < n; i++) {
    if (x[i] == largest) return i;
  }
  return -1;
}

static void family_halves(uint16_t *y, const float *x, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) v_to_halves(y + i, v_load(x + i));
  for (; i < n; i++) y[i] = strata_float_to_half(x[i]);
}
