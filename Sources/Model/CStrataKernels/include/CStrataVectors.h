// Nearest neighbours: rows of coded vectors, their scores, and graphs over them. Included by CStrataKernels.h, whose
// conventions hold. Nothing here knows about files, filters' meaning or Swift.
#ifndef CSTRATAVECTORS_H
#define CSTRATAVECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

// MARK: Coded vectors

/// How a vector is kept.
typedef enum strata_code {
  STRATA_CODE_F32 = 0,  // floats
  STRATA_CODE_F16 = 1,  // IEEE halves
  STRATA_CODE_I8 = 2,   // 8 bits a value and a scale per vector
  STRATA_CODE_BIT = 3,  // a sign a value (RaBitQ, Gao and Long 2024), of rotated vectors less their mean
} strata_code;

/// What a score is: greater is nearer in both.
typedef enum strata_metric {
  STRATA_METRIC_DOT = 0,  // q · v
  STRATA_METRIC_L2 = 1,   // -|q - v|² for floats; for I8 and BIT that plus |q|², which ranks the same
} strata_metric;

/// Rows of coded vectors, one after another. Rows of I8 and BIT end with two floats: the scale of the integer sum, and
/// what is added after scaling.
typedef struct strata_code_rows {
  const uint8_t *STRATA_NULLABLE bytes;  // count * stride
  int64_t count;         // below 2^31
  int32_t stride;        // bytes; strata_code_stride, or for F32 any multiple of 4
  int32_t dimension;     // values of a vector; a multiple of 64 for BIT
  strata_code code;
  strata_metric metric;
} strata_code_rows;

/// Bytes from one row to the next: a row of 8-bit codes that fits a cache line has one of its own.
int32_t strata_code_stride(strata_code code, int32_t dimension);

/// Codes `count` finite vectors [count, dimension] into `out` [count * stride], as `shape` says (its bytes and count are
/// not looked at). For BIT they have been rotated and centred.
void strata_code_encode(
    strata_pool *STRATA_NULLABLE pool, const strata_code_rows *shape, const float *vectors, int64_t count,
    uint8_t *out);

/// out[dimension] = what row `row` stands for; for BIT, signs times the scale.
void strata_code_decode(const strata_code_rows *rows, int64_t row, float *out);

/// Turns x [dimension, a multiple of 64] by a random rotation that `seed` alone decides: four rounds of random signs
/// and a Walsh-Hadamard transform over as many values as are a power of two, from the front and from the back in turn.
void strata_code_rotate(float *x, int32_t dimension, uint64_t seed);

/// Bytes of a prepared query, 64-byte aligned.
size_t strata_code_query_bytes(strata_code code, int32_t dimension);

/// Prepares a finite query [dimension] for scoring rows of this shape; for BIT it has been rotated (and centred, for
/// L2). Integer codes round it to 8 bits.
void strata_code_query_prepare(const strata_code_rows *shape, const float *query, void *prepared);

/// scores[i] = score of row ids[i]. Within integer codes all instruction sets give the same bits.
void strata_code_scores(
    const strata_code_rows *rows, const void *prepared, const uint32_t *ids, int64_t count, float *scores);

/// The best `limit` of the rows whose bits are set in `allowed` [(count + 63) / 64] (all when NULL), best first, the
/// lower row among equals. Looks at each.
/// - Returns: how many there are, at most `limit`.
int64_t strata_code_scan(
    const strata_code_rows *rows, const void *prepared, const uint64_t *STRATA_NULLABLE allowed, int64_t limit,
    uint32_t *ids, float *scores);

// MARK: Graphs

/// No row: fills the unused places of a row of links.
#define STRATA_NO_ROW UINT32_MAX

/// Most levels of a graph, and the most links of a row above level 0 (twice as many there).
enum { STRATA_GRAPH_LEVELS = 16, STRATA_GRAPH_LINKS = 64 };

/// A hierarchical navigable small world (Malkov and Yashunin 2018). Levels above 0 are nested: level l has the first
/// `sizes[l]` of `uppers`, and its links are places in `uppers`; links of level 0 are rows. A row of links is filled
/// from its front.
typedef struct strata_graph {
  strata_code_rows rows;
  const uint32_t *STRATA_NULLABLE links;         // [rows.count, 2 * width]
  int32_t width;                       // links of a row above level 0
  int32_t levels;                      // at least 1, level 0 being one
  int64_t sizes[STRATA_GRAPH_LEVELS];  // rows in each level, falling; sizes[0] rows have links
  uint32_t entry;                      // where searches begin: a place in the highest level, a row when that is level 0
  const uint32_t *STRATA_NULLABLE uppers;        // [sizes[1]] rows
  const uint8_t *STRATA_NULLABLE upper_bytes;    // [sizes[1] * rows.stride] copies of their codes
  const uint32_t *STRATA_NULLABLE upper_links;   // level 1's [sizes[1], width], then level 2's …
} strata_graph;

/// Fills `sizes` for `count` rows.
/// - Returns: how many levels a graph of them has.
int32_t strata_graph_shape(int64_t count, int32_t width, int64_t *sizes);

/// Links the rows of I8 codes whose bits are set in `included` (all when NULL), as many as sizes[0] says. `graph` has its rows, width, levels and sizes set; the memory that its pointers name is
/// written, and its entry set. Each row is linked to at most `width` of the `breadth` nearest that a search finds (at most 2 * width by
/// later rows at level 0), chosen so that none is nearer to another chosen than to the row (the paper's algorithm 4).
/// Rows are added in rounds that do not see each other (Manohar et al. 2024, ParlayANN), so the result depends on
/// `seed` but not on threads.
/// - Returns: 0, or -1 when memory could not be had or the codes are not I8.
int32_t strata_graph_build(
    strata_pool *STRATA_NULLABLE pool, strata_graph *graph, const uint64_t *STRATA_NULLABLE included,
    int32_t breadth, uint64_t seed);


/// What one search at a time needs beside the graph.
typedef struct strata_graph_scratch strata_graph_scratch;

/// - Returns: scratch for graphs of up to `count` rows, or NULL when memory could not be had.
strata_graph_scratch *STRATA_NULLABLE strata_graph_scratch_create(int64_t count);
void strata_graph_scratch_destroy(strata_graph_scratch *STRATA_NULLABLE scratch);

/// What a search looked at, at level 0.
typedef struct strata_graph_effort {
  int64_t scored;   // rows that were scored
  int64_t visited;  // rows whose links were read
  float near;       // share of the allowed among the rows around the query
  bool complete;    // false: it ran into its budget, or did not begin
} strata_graph_effort;

/// Searches for `count` queries [count, dimension] (as `strata_code_query_prepare` takes them): the `breadth` nearest
/// rows that a best-first search of level 0 finds, best first. Several searches run in turn on the calling thread, so
/// that one computes while others wait for memory; each finds what it would find alone.
///
/// With `allowed` [(rows + 63) / 64 words], only rows whose bits are set are scored and found. Where few neighbours of a
/// row are allowed, the search goes on through the links of the others (ACORN-1: Patel et al. 2024). It begins at the
/// allowed rows that are fewest links from where the levels above lead, and at some spread over all. A search that has
/// scored and read links of more than `budget` rows ends with what it has. One does not begin where less than the share
/// `least` of the rows that so few links lead to are allowed: the nearest that are may lie anywhere then.
///
/// `ids` and `scores` are [count, breadth], of which query i has `found[i]`; `effort` is [count].
/// - Returns: false when memory could not be had.
bool strata_graph_search(
    const strata_graph *graph, const float *queries, int64_t count, strata_graph_scratch *scratch, int32_t breadth,
    const uint64_t *STRATA_NULLABLE allowed, int64_t budget, float least, uint32_t *ids, float *scores,
    int64_t *found, strata_graph_effort *STRATA_NULLABLE effort);

/// Whether every link of the graph names a row (or place) that is there, and every level's entry too: a graph of such
/// links can be searched whatever else it says.
bool strata_graph_is_sound(const strata_graph *graph);

// MARK: Lists

/// Rows of a block, and codes of a part.
enum { STRATA_LIST_BLOCK = 32, STRATA_PART_CODES = 16 };

/// Vectors in lists, each in that of its nearest centroid and as 4 bits for each part of its difference from it: the
/// number of the nearest of 16 words of that part's book (Jégou et al. 2011, "Product quantization for nearest neighbor
/// search"; 4 bits so that a book's products with a query fit a register: André et al. 2015, "Cache locality is not
/// enough"). Lists lie one after another in blocks of 32 rows; only those that a search looks into are touched.
typedef struct strata_lists {
  int32_t dimension;   // values of a vector
  int32_t parts;       // even; 4096 at most
  int32_t part_width;  // values of a part; parts * part_width >= dimension, zeros beyond
  strata_metric metric;
  float length;        // DOT: of the vectors, which are equally long; 0 for L2
  int64_t rows;        // ids from here on are passed over
  int64_t count;       // lists
  const float *STRATA_NULLABLE centroids;   // strata_centroids_pack
  const float *STRATA_NULLABLE books;       // [parts, part_width, 16]
  const uint64_t *STRATA_NULLABLE starts;   // [count + 1] blocks, not falling
  const uint8_t *STRATA_NULLABLE codes;     // [blocks, parts, 16]: row i's code, and row i + 16's in the upper half
  const uint32_t *STRATA_NULLABLE ids;      // [blocks, 32]; STRATA_NO_ROW where a block is not full
  const float *STRATA_NULLABLE squares;     // L2: [blocks, 32] squared lengths of the vectors as they are coded
} strata_lists;

/// Floats of `count` packed centroids.
int64_t strata_centroids_floats(int64_t count, int64_t dimension);

/// Packs centroids [count, dimension] for the kernels: sixteen side by side, half their squares behind them.
void strata_centroids_pack(const float *centroids, int64_t count, int64_t dimension, float *packed);

/// Centroids [k, dimension] of x [n, dimension] by Lloyd's algorithm from rows that `seed` chooses; an empty one
/// halves the fullest. Depends on `seed`, not on threads. n >= 1.
/// - Returns: 0, or -1 when memory could not be had.
int32_t strata_kmeans(
    strata_pool *STRATA_NULLABLE pool, const float *x, int64_t n, int64_t dimension, int64_t k, int32_t rounds,
    uint64_t seed, float *centroids);

/// best[n] = the nearest of the packed centroids to each x [n, dimension], the first among equals.
void strata_centroids_nearest(
    strata_pool *STRATA_NULLABLE pool, const float *x, int64_t n, int64_t dimension, const float *packed,
    int64_t count, uint32_t *best);

/// Learns the books [parts, part_width, 16] of `lists` from differences [n, dimension]. n >= 1.
/// - Returns: 0, or -1 when memory could not be had.
int32_t strata_books_train(
    strata_pool *STRATA_NULLABLE pool, const strata_lists *lists, const float *differences, int64_t n, int32_t rounds,
    uint64_t seed, float *books);

/// Codes x [n, dimension], of the lists `best` [n]: codes [n, parts / 2], a part of even number in the lower half of a
/// byte; squares [n] for L2. x is changed.
/// - Returns: 0, or -1 when memory could not be had.
int32_t strata_lists_encode(
    strata_pool *STRATA_NULLABLE pool, const strata_lists *lists, float *x, int64_t n, const uint32_t *best,
    uint8_t *codes, float *STRATA_NULLABLE squares);

/// Puts rows so coded into places (block * 32 + row of the block) from `place` on of `blocks` [blocks, parts, 16], where
/// there are zeros.
void strata_lists_place(int32_t parts, const uint8_t *codes, int64_t n, int64_t place, uint8_t *blocks);

/// What searches of lists looked at.
typedef struct strata_lists_effort {
  int64_t lists;
  int64_t rows;  // allowed ones; without a filter all in those lists
} strata_lists_effort;

/// Searches for `count` queries [count, dimension]: the `limit` best rows, as their codes tell, of the `probes` lists
/// whose centroids are nearest. With `allowed` [(rows + 63) / 64 words] only rows whose bits are set are scored, and
/// more lists are looked into until `enough` such rows have been.
///
/// `ids` and `scores` are [count, limit], of which query i has `found[i]`, in no order. Instruction sets differ in
/// rounding of the query's products only.
/// - Returns: 0, or -1 when memory could not be had.
int32_t strata_lists_search(
    const strata_lists *lists, const float *queries, int64_t count, int64_t probes, int64_t enough, int64_t limit,
    const uint64_t *STRATA_NULLABLE allowed, uint32_t *ids, float *scores, int64_t *found,
    strata_lists_effort *STRATA_NULLABLE effort);

/// Says that memory of a file will be read here and there, so that the system reads no more than is asked for.
void strata_memory_read_randomly(const void *memory, size_t bytes);

/// Asks the system to read memory of a file that will be read soon.
void strata_memory_read_ahead(const void *memory, size_t bytes);

// MARK: Bits and memory

/// How many bits are set in both, or in `a` alone when `b` is NULL.
int64_t strata_bits_count(const uint64_t *a, const uint64_t *STRATA_NULLABLE b, int64_t words);

/// Asks for a cache line that will be read soon; any address will do.
static inline void strata_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Asks the system for huge pages under the whole pages of some memory: fewer misses of the table of pages.
void strata_memory_prefer_huge(const void *memory, size_t bytes);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
