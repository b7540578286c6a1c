// The compute kernels of the model engine and the index: a C11 interface with run-time dispatch over instruction
// sets. Nothing here knows about model files, architectures, tokens or Swift.
//
// Conventions, unless a function says otherwise
// - Matrices of activations are row-major float; a `stride` counts floats from one row to the next.
// - Input and output may not overlap; sizes of zero are allowed and do nothing.
// - A `pool` may be NULL: the call then runs on the calling thread alone. Calls that share a pool from several
//   threads take turns; each is still correct.
// - Nothing keeps a pointer that it was given, except handles made by a `_create` function, which the caller owns and
//   ends with the matching `_destroy` (NULL is allowed there).
// - Sizes are trusted: the caller has checked that buffers are as large as shapes say. Contents never trap.
#ifndef CSTRATAKERNELS_H
#define CSTRATAKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#define STRATA_NULLABLE _Nullable
#else
#define STRATA_NULLABLE
#endif

// MARK: Instruction sets

/// Families of instructions that kernels are written for.
typedef enum strata_isa {
  STRATA_ISA_PORTABLE = 0,
  STRATA_ISA_AVX2 = 1,    // AVX2, FMA, F16C
  STRATA_ISA_AVX512 = 2,  // AVX-512 F, BW, DQ, VL and VNNI; BF16 where there
  STRATA_ISA_AMX = 3,     // AVX-512 and AMX tiles of 8 bits and bfloat16
  STRATA_ISA_NEON = 4,    // Armv8.2 with SDOT
} strata_isa;

/// The family in use. The best one the processor has is chosen on the first call; the environment variable
/// STRATA_ISA (`portable`, `avx2`, `avx512`, `amx`, `neon`) lowers it.
strata_isa strata_isa_current(void);

/// The family's name: `portable`, `avx2`, `avx512`, `amx` or `neon`.
const char *strata_isa_name(strata_isa isa);

/// Uses a family from now on, for all threads. Handles made before stay valid. For tests and benchmarks; not while
/// other calls run.
/// - Returns: false, changing nothing, when the processor lacks it.
bool strata_isa_use(strata_isa isa);

/// Lets `strata_isa_use` take STRATA_ISA_AMX with tiles in software, which give the same bits, very slowly. For tests.
void strata_amx_allow_software(bool allow);

// MARK: Quantized formats

/// Storage formats of weights, with the numbers GGML gives them in files.
typedef enum strata_type {
  STRATA_TYPE_F32 = 0,
  STRATA_TYPE_F16 = 1,
  STRATA_TYPE_Q4_0 = 2,
  STRATA_TYPE_Q4_1 = 3,
  STRATA_TYPE_Q5_0 = 6,
  STRATA_TYPE_Q5_1 = 7,
  STRATA_TYPE_Q8_0 = 8,
  STRATA_TYPE_Q4_K = 12,
  STRATA_TYPE_Q5_K = 13,
  STRATA_TYPE_Q6_K = 14,
  STRATA_TYPE_BF16 = 30,
} strata_type;

/// Bytes in one block of a format; 0 when the format is not supported.
size_t strata_block_bytes(strata_type type);

/// Values in one block of a format; 0 when the format is not supported.
size_t strata_block_values(strata_type type);

/// Bytes that a row-major [rows, cols] matrix takes in a format; 0 when the format is not supported, a row is not a
/// whole number of blocks, a size is negative or the result does not fit.
size_t strata_matrix_source_bytes(strata_type type, int64_t rows, int64_t cols);

/// Decodes `count` values (a whole number of blocks) from `src` to `dst`.
/// - Returns: 0, or -1 when the format is not supported or `count` is not a whole number of blocks.
int32_t strata_dequantize(strata_type type, const void *src, float *dst, size_t count);

/// Encodes `count` values (a whole number of blocks) by rounding to a scale taken from the largest value: F32, F16,
/// BF16, Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 only. `strata_convert` loses less and knows all formats.
/// - Returns: 0, or -1 when the format is not supported or `count` is not a whole number of blocks.
int32_t strata_quantize(strata_type type, const float *src, void *dst, size_t count);

// MARK: Threads

/// Threads that run one kernel call together; the calling thread is one of them.
typedef struct strata_pool strata_pool;

/// Starts `threads - 1` workers (clamped to 1...256 threads). Idle workers spin for some tens of microseconds, then
/// sleep.
/// - Returns: the pool, or NULL when threads or memory could not be had.
strata_pool *STRATA_NULLABLE strata_pool_create(int32_t threads);
void strata_pool_destroy(strata_pool *STRATA_NULLABLE pool);
int32_t strata_pool_threads(const strata_pool *STRATA_NULLABLE pool);

/// Calls `body(context, first, last)` for chunks that cover 0..<count, each of at most `chunk` items, on all threads;
/// returns when all are done. Not to be called from inside `body`.
void strata_parallel_for(
    strata_pool *STRATA_NULLABLE pool, int64_t count, int64_t chunk,
    void (*body)(void *STRATA_NULLABLE context, int64_t first, int64_t last), void *STRATA_NULLABLE context);

// MARK: Conversion

typedef enum strata_conversion_status {
  STRATA_CONVERSION_DONE = 0,
  STRATA_CONVERSION_UNSUPPORTED = 1,  // a format is unknown, or a row is no whole number of its blocks
  STRATA_CONVERSION_NOT_FINITE = 2,   // the source holds an infinity or NaN
  STRATA_CONVERSION_TOO_LARGE = 3,    // a value is beyond what the target's scales or floats can hold
  STRATA_CONVERSION_NO_MEMORY = 4,
} strata_conversion_status;

typedef struct strata_conversion_result {
  strata_conversion_status status;
  int64_t place;  // for a value that stopped the conversion: its index, or that of its row's first value; else -1
} strata_conversion_result;

/// Converts a row-major [rows, cols] matrix from one format to another. Scales of quantized targets are searched for
/// the least squared error, weighted by `importance` [cols] (the mean square of what each column is multiplied with)
/// when given. `errors` [rows], when given, gets the sum of squared differences of each row. Results do not depend on
/// the number of threads. After a failure the target's contents are undefined.
strata_conversion_result strata_convert(
    strata_pool *STRATA_NULLABLE pool, strata_type from, const void *source, strata_type to, void *target,
    int64_t rows, int64_t cols, const float *STRATA_NULLABLE importance, double *STRATA_NULLABLE errors);

// MARK: Weights and products

/// A weight matrix W [rows, cols] (out × in), repacked for the kernels.
typedef struct strata_matrix strata_matrix;

/// Repacks a row-major [rows, cols] matrix; `data` (`strata_matrix_source_bytes` long, any alignment) is not needed
/// afterwards.
/// - Returns: the matrix, or NULL when the format or shape is not supported or memory could not be had.
strata_matrix *STRATA_NULLABLE strata_matrix_create(
    strata_type type, const void *data, int64_t rows, int64_t cols, strata_pool *STRATA_NULLABLE pool);
void strata_matrix_destroy(strata_matrix *STRATA_NULLABLE matrix);

int64_t strata_matrix_rows(const strata_matrix *matrix);
int64_t strata_matrix_cols(const strata_matrix *matrix);
strata_type strata_matrix_type(const strata_matrix *matrix);
/// Bytes of memory held.
size_t strata_matrix_byte_count(const strata_matrix *matrix);

/// One product of `strata_matmul_many`.
typedef struct strata_matmul_job {
  const strata_matrix *weights;         // [rows, cols]
  float *y;                             // [m, rows]
  int64_t y_stride;                     // floats between rows of y
  const float *STRATA_NULLABLE bias;    // [rows]
  bool accumulate;                      // y += x · Wᵀ + bias instead of y =
} strata_matmul_job;

/// y [m, rows] = x [m, cols] · Wᵀ + bias. Activations are rounded to 8 bits per block of 32 values where the weights
/// are quantized, and to bfloat16 where weights are that and the processor multiplies such. Within a family of instructions, a row of y is the same to the bit however many rows share the call.
void strata_matmul(
    strata_pool *STRATA_NULLABLE pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m,
    const strata_matrix *weights, const float *STRATA_NULLABLE bias);

/// Several products of one x [m, cols] (q, k and v; gate and up): x is quantized once, all threads share one region.
/// Jobs of other than the first job's `cols` are skipped.
void strata_matmul_many(
    strata_pool *STRATA_NULLABLE pool, const float *x, int64_t x_stride, int64_t m, const strata_matmul_job *jobs,
    int64_t job_count);

// MARK: Low-rank updates

/// An update of a linear layer, scale · B · A (Hu et al. 2021, LoRA), packed for the kernels. Values are kept as half
/// floats relative to the largest of their matrix.
typedef struct strata_lora strata_lora;

/// Packs A [rank, inputs] and B [outputs, rank], both finite; neither is needed afterwards.
/// - Returns: the pair, or NULL when rank is not in 1...1024, a size is not in 1...2^24 or memory could not be had.
strata_lora *STRATA_NULLABLE strata_lora_create(
    const float *a, const float *b, int64_t rank, int64_t inputs, int64_t outputs, float scale);
void strata_lora_destroy(strata_lora *STRATA_NULLABLE pair);
/// Bytes of memory held.
size_t strata_lora_byte_count(const strata_lora *pair);

/// One pair and the rows of a batch that use it.
typedef struct strata_lora_job {
  const strata_lora *pair;
  const float *x;            // row i at x + i * x_stride: [inputs]
  int64_t x_stride;
  float *y;                  // row i at y + i * y_stride: [outputs]
  int64_t y_stride;
  const int32_t *rows;       // [row_count] row numbers, each at most once
  int64_t row_count;
} strata_lora_job;

/// y[row] += scale · B (A x[row]) for the rows of every job, in one parallel region. No row of one y is in two jobs.
/// Within a family of instructions a row's result is the same to the bit whatever other rows and jobs there are.
void strata_lora_add(strata_pool *STRATA_NULLABLE pool, const strata_lora_job *jobs, int64_t job_count);

// MARK: Elementwise and rows

/// y[m, n] = x / sqrt(mean(x²) + epsilon) * weight, row by row. y may be x.
void strata_rms_norm(
    strata_pool *STRATA_NULLABLE pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m,
    int64_t n, const float *weight, float epsilon);

/// y[m, n] += x / sqrt(mean(x²) + epsilon) * weight, row by row.
void strata_rms_norm_add(
    strata_pool *STRATA_NULLABLE pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m,
    int64_t n, const float *weight, float epsilon);

/// y[m, n] = (x - mean) / sqrt(variance + epsilon) * weight + bias, row by row. y may be x.
void strata_layer_norm(
    strata_pool *STRATA_NULLABLE pool, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t m,
    int64_t n, const float *weight, const float *STRATA_NULLABLE bias, float epsilon);

/// How rotary embedding pairs the values of a head.
typedef enum strata_rope_style {
  STRATA_ROPE_INTERLEAVED = 0,  // (0, 1), (2, 3) … : llama files
  STRATA_ROPE_HALVES = 1,       // (0, d/2), (1, d/2 + 1) … : "neox", qwen2 files
} strata_rope_style;

/// Rotates, in place, the first `rotary_dim` (even) values of each of `heads` consecutive heads in m rows of x.
/// `cos_table` and `sin_table` are [positions, rotary_dim / 2]; row i uses table row `positions[i]`.
void strata_rope(
    strata_pool *STRATA_NULLABLE pool, float *x, int64_t x_stride, int64_t m, int64_t heads, int64_t head_dim,
    int64_t rotary_dim, const float *cos_table, const float *sin_table, const int32_t *positions,
    strata_rope_style style);

/// y[m, n] = silu(gate) * up. y may be gate or up.
void strata_silu_mul(
    strata_pool *STRATA_NULLABLE pool, float *y, int64_t y_stride, const float *gate, int64_t gate_stride,
    const float *up, int64_t up_stride, int64_t m, int64_t n);

/// y[m, n] = gelu(gate) * up, gelu in the tanh form. y may be gate or up.
void strata_gelu_mul(
    strata_pool *STRATA_NULLABLE pool, float *y, int64_t y_stride, const float *gate, int64_t gate_stride,
    const float *up, int64_t up_stride, int64_t m, int64_t n);

/// x[i] = cap * tanh(x[i] / cap), in place; `cap` is positive.
void strata_softcap(strata_pool *STRATA_NULLABLE pool, float *x, int64_t count, float cap);

/// x[i] = x[i] * factor, in place, on the calling thread.
void strata_scale(float *x, float factor, int64_t count);

/// x[i] = x · Φ(x), the exact (erf) form, in place.
void strata_gelu(strata_pool *STRATA_NULLABLE pool, float *x, int64_t count);

/// Softmax of x[count] in place, after multiplying by `scale`.
void strata_softmax(float *x, int64_t count, float scale);

/// y[i] += x[i].
void strata_add(float *y, const float *x, int64_t count);

/// y[i] += a * x[i].
void strata_axpy(float *y, float a, const float *x, int64_t count);

/// Index of the largest value, the first of equals; NaN never wins. -1 when `count` is 0 or all are NaN.
int64_t strata_argmax(const float *x, int64_t count);

/// Largest value, and the sum of exp((x - largest) * scale) over all.
typedef struct strata_log_sum {
  float maximum;
  float sum;
} strata_log_sum;

/// What a sampler needs to turn logits into probabilities: exp((x[i] - maximum) * scale) / sum.
strata_log_sum strata_softmax_sum(const float *x, int64_t count, float scale);

// MARK: Attention

/// How keys and values are kept. Arithmetic is in floats, except that processors with AVX-512 BF16 multiply pairs of
/// bfloat16 for BF16 (sums are floats).
typedef enum strata_kv_type {
  STRATA_KV_F16 = 0,   // IEEE half: 2 bytes a value
  STRATA_KV_BF16 = 1,  // bfloat16: 2 bytes a value
  STRATA_KV_Q8 = 2,    // 8 bits, with a float scale per position, head, and keys or values
} strata_kv_type;

/// Positions of a page.
enum { STRATA_KV_PAGE = 16 };

/// Keys and values of many sequences in all layers, in pages of STRATA_KV_PAGE positions. Memory is reserved for
/// `page_count` pages and taken from the system as they are written. Which sequence has which page is the caller's to
/// know: sequences may share pages that none of them writes. The layout is private.
typedef struct strata_kv strata_kv;

/// - Returns: an empty store, or NULL when a size is not positive, a head has more than 512 values or an odd number of
///   them, or memory could not be had.
strata_kv *STRATA_NULLABLE strata_kv_create(
    int32_t layers, int32_t kv_heads, int32_t head_dim, int32_t page_count, strata_kv_type type);
void strata_kv_destroy(strata_kv *STRATA_NULLABLE kv);
int32_t strata_kv_page_count(const strata_kv *kv);
/// Bytes that one page takes in all layers.
size_t strata_kv_page_bytes(const strata_kv *kv);

/// Copies a page of all layers, within a store (copy on write) or from one to another of the same shape and type.
/// - Returns: false, copying nothing, when shapes or types differ or there is no such page.
bool strata_kv_copy_page(strata_kv *destination, int32_t to, const strata_kv *source, int32_t from);

/// Gives the memory of pages first..<first + count back to the system until they are written again; nothing may read
/// them before. Does nothing when there are no such pages. A call costs a microsecond or more.
void strata_kv_release_pages(strata_kv *kv, int32_t first, int32_t count);

/// Consecutive rows of a batch that belong to one sequence: its store, its pages, and the position of the first row.
/// Page `pages[i]` holds positions 16 i ... 16 i + 15. Pages are valid numbers up to position + count - 1, except those
/// that no row sees (`window`): they are not looked at. Rows of one batch write different positions.
typedef struct strata_span {
  strata_kv *kv;
  const int32_t *pages;
  int32_t position;
  int32_t count;
} strata_span;

/// Stores the keys and values [Σ count, kv_heads * head_dim] (rotated already) of a batch of spans in one layer. What
/// the last page of a span had at later positions is forgotten.
void strata_kv_store(
    strata_pool *STRATA_NULLABLE pool, const strata_span *spans, int64_t span_count, int32_t layer, const float *keys,
    int64_t k_stride, const float *values, int64_t v_stride);

typedef struct strata_attention_options {
  float scale;     // of q · k
  int32_t window;  // positions that a row sees, its own being the last; 0: all
  float softcap;   // scores become softcap * tanh(score / softcap); 0: they stay
} strata_attention_options;

/// Causal attention with grouped heads: each row of q [Σ count, heads * head_dim] attends to positions 0...its own of
/// its span, or to the last `window` of those, where the span's keys and values have been stored already. `heads` is a
/// multiple of each store's. out has q's shape. A span may be a prompt's chunk or a single new token; one call serves a
/// mixed batch and may mix stores. Within a family of instructions, a row is the same to the bit however rows are
/// batched and chunked, whatever pages hold its positions, and however many threads there are.
void strata_attention(
    strata_pool *STRATA_NULLABLE pool, float *out, int64_t out_stride, const float *q, int64_t q_stride, int32_t heads,
    int32_t layer, const strata_span *spans, int64_t span_count, const strata_attention_options *options);

/// Attention without a mask inside each of `count` sequences that follow each other in the rows of q, k and v
/// [Σ lengths, heads * head_dim] (encoders).
void strata_attention_bidirectional(
    strata_pool *STRATA_NULLABLE pool, float *out, int64_t out_stride, const float *q, const float *k, const float *v,
    int64_t qkv_stride, int32_t heads, int32_t head_dim, float scale, const int32_t *lengths, int64_t count);

/// The same with q, k, v and weights rounded to bfloat16 where the processor multiplies such (AVX-512 BF16), in about
/// half the time; elsewhere, and for sequences above 512 rows or heads above 64 values, exactly the same.
void strata_attention_bidirectional_bf16(
    strata_pool *STRATA_NULLABLE pool, float *out, int64_t out_stride, const float *q, const float *k, const float *v,
    int64_t qkv_stride, int32_t heads, int32_t head_dim, float scale, const int32_t *lengths, int64_t count);

// MARK: Postings

enum { STRATA_POSTINGS_BLOCK = 128 };

/// Bytes that `count` values of `width` bits take, packed.
size_t strata_postings_bytes(int32_t count, int32_t width);

/// Bits that the largest of the values needs: 0...32.
int32_t strata_postings_width(const uint32_t *values, int32_t count);

/// Packs at most STRATA_POSTINGS_BLOCK values. A full block is laid out for vectors.
void strata_postings_pack(uint8_t *out, const uint32_t *values, int32_t count, int32_t width);

/// The values again. Up to 8 bytes after the packed ones are read as well. A width outside 1...32 gives zeros.
void strata_postings_unpack(uint32_t *out, const uint8_t *in, int32_t count, int32_t width);

/// One of the values, without unpacking the others.
uint32_t strata_postings_value(const uint8_t *in, int32_t count, int32_t width, int32_t index);

/// Rising positions from packed gaps: the first is `first` + gap, each next one the one before + 1 + gap. Whatever the
/// bytes are, results are below `limit`, which is at least 1.
void strata_postings_positions(
    uint32_t *out, const uint8_t *in, int32_t count, int32_t width, uint32_t first, uint32_t limit);

/// Whether each of `count` positions is above the one before.
bool strata_postings_rise(const uint32_t *positions, int64_t count);

/// Which of rising positions is the first from place `from` that is at least `least`; `count` if none is. Fast when it is
/// near.
int64_t strata_postings_find(const uint32_t *positions, int64_t from, int64_t count, uint32_t least);

/// The positions that are allowed, one bit each, and which of `positions` they are.
/// - Returns: how many.
int32_t strata_postings_allowed(
    uint32_t *kept, uint32_t *places, const uint32_t *positions, int32_t count, const uint64_t *allowed);

/// Keeps the candidates that are among `count` rising positions below 2^31: each with its `own`, and its place in
/// `positions` in `others`. Candidates are at most the last position.
/// - Returns: how many.
int32_t strata_postings_meet(
    uint32_t *candidates, uint32_t *own, uint32_t *others, int32_t candidate_count, const uint32_t *positions,
    int32_t count);

/// Keeps the starts that `offset` places after which one of the places is. Both rise.
/// - Returns: how many.
int64_t strata_postings_follow(
    uint32_t *starts, int64_t start_count, const uint32_t *places, int64_t count, uint32_t offset);

/// Where in `size` bytes of LEB128 numbers what follows the first `count` numbers starts; `size` if there are fewer.
int64_t strata_postings_skip(const uint8_t *bytes, int64_t size, int64_t count);

/// Adds up `count` LEB128 numbers from `size` bytes: out[i] is the sum of the first i + 1, modulo 2^32.
/// - Returns: how many there were, at most `count`.
int64_t strata_postings_places(uint32_t *out, const uint8_t *bytes, int64_t size, int64_t count);

/// BM25 of a word: weight * f / (f + offset + factor * length).
typedef struct strata_bm25 {
  float weight;  // at most 2^30
  float offset;
  float factor;
} strata_bm25;

/// Scores of postings, rounded down and plus 1; the same to the bit with every family of instructions.
void strata_bm25_scores(
    int32_t *scores, const uint32_t *positions, const uint32_t *counts, int32_t count, const uint32_t *lengths,
    strata_bm25 weights);

/// Adds scores[i] to window[positions[i] - start] for the positions that are allowed, up to the first that is `size` or
/// more after `start`.
/// - Returns: which that is, or `count`.
int32_t strata_bm25_add(
    int32_t *window, uint32_t start, uint32_t size, const uint64_t *allowed, const uint32_t *positions,
    const int32_t *scores, int32_t from, int32_t count);

/// f / (f + offset + factor * length) of postings, what strata_bm25_scores multiplies with the weight.
void strata_bm25_shares(
    float *shares, const uint32_t *positions, const uint32_t *counts, int32_t count, const uint32_t *lengths,
    strata_bm25 weights);

/// What strata_bm25_scores gives for a share.
int32_t strata_bm25_score(float share, float weight);

/// The largest of shares, or 0 of none.
float strata_bm25_largest_share(const float *shares, int64_t count);

/// Adds to window[positions[i] - start] what strata_bm25_scores gives for shares[i], where the position is allowed.
void strata_bm25_add_shares(
    int32_t *window, uint32_t start, const uint64_t *allowed, const uint32_t *positions, const float *shares,
    int64_t count, float weight);

/// The same for positions that are bits: slot i of the window is bit i of `bits` and of `allowed`, 64 * `words` of them. Up to
/// 64 bytes after the shares are read as well.
void strata_bm25_add_dense(
    int32_t *window, const uint64_t *bits, const uint64_t *allowed, const float *shares, int32_t words, float weight);

/// ranks[i] = first + how many bits of the words before i are set, for i up to `words`.
void strata_bm25_ranks(uint32_t *ranks, const uint64_t *bits, int32_t words, uint32_t first);

/// Adds to scores[i] what the share of candidates[i] gives, if it is one of `count` positions, and keeps candidates of at
/// least `least`. Candidates and positions rise.
/// - Returns: how many are kept.
int32_t strata_bm25_look_up(
    uint32_t *candidates, int32_t *scores, int32_t candidate_count, const uint32_t *positions, const float *shares,
    int64_t count, float weight, int32_t least);

/// The same for positions that are bits; shares[ranks[i]] is that of the first of bits[i].
int32_t strata_bm25_look_up_dense(
    uint32_t *candidates, int32_t *scores, int32_t candidate_count, const uint64_t *bits, const uint32_t *ranks,
    const float *shares, float weight, int32_t least);

/// The largest of each 64 slots of a window; `size` is a multiple of 64.
void strata_bm25_maxima(int32_t *maxima, const int32_t *window, uint32_t size);

/// At most the k-th largest of values from 0 to below 2^31, and below it by less than a thousandth of the largest; `k`
/// is 1...count.
int32_t strata_bm25_nearly_kth(const int32_t *values, int32_t count, int32_t k);

/// Sets the bits of the slots of a window that are at least `least`; `size` is a multiple of 64.
void strata_bm25_at_least(uint64_t *bits, const int32_t *window, uint32_t size, int32_t least);

// MARK: Vectors

/// Dot product of two vectors.
float strata_dot_f32(const float *a, const float *b, int64_t d);

/// out[i] = query · rows[i], rows being row-major [n, d].
void strata_dots_f32(const float *query, const float *rows, int64_t n, int64_t d, float *out);

/// Squared Euclidean distance.
float strata_l2_f32(const float *a, const float *b, int64_t d);

// MARK: Checksums

/// CRC-32C of `count` bytes, going on from the `crc` of those before them (0 at the start).
uint32_t strata_crc32c(uint32_t crc, const void *STRATA_NULLABLE bytes, size_t count);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#include "CStrataVectors.h"

#endif
