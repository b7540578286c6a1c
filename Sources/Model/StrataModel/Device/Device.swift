// Owns the seam between architectures and hardware: memory, a queue of work, and the operations that models are made
// of. Knows no architecture. docs/decisions/001-device-seam.md tells how a backend for GPUs fits behind it.
import StrataCore

/// Where a model's weights and activations are and its operations run.
///
/// Matrices are row-major without gaps: a buffer of `rows` × `width` floats. Operations are queued in the order of the
/// calls, each sees what the ones before it wrote, and `synchronize` waits for them; the processor runs each before it
/// returns. Sizes are trusted: a caller has checked that buffers are as large as its shapes say. One caller at a time
/// uses the buffers of a step; calls from several threads take turns.
protocol Device: AnyObject, Sendable {
  // MARK: Memory

  /// Zeros.
  func makeFloats(count: Int) -> FloatBuffer

  /// Takes over a weight matrix [rows, columns] (outputs × inputs); `bytes`, in the layout of files, are not needed
  /// afterwards.
  /// - Throws: ``ModelError`` `tensor_shape` or `out_of_memory`.
  func makeMatrix(
    type: TensorType, bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, name: String
  ) throws(ModelError) -> WeightMatrix

  /// Called by handles when the last user lets go.
  func release(matrix handle: OpaquePointer)

  /// Takes over scale · B · A, with A [rank, inputs] and B [outputs, rank].
  /// - Throws: ``ModelError`` `out_of_memory`.
  func makeLowRank(
    a: [Float], b: [Float], rank: Int, scale: Float, name: String
  ) throws(ModelError) -> LowRankMatrix

  func release(lowRank handle: OpaquePointer)

  /// Memory for keys and values [layers, heads, headDimension] of `pageCount` pages, taken as they are written.
  /// - Throws: ``ModelError`` `invalid_argument` or `out_of_memory`.
  func makeStore(
    layers: Int, heads: Int, headDimension: Int, pageCount: Int, type: KVType
  ) throws(ModelError) -> KVStore

  func release(store handle: OpaquePointer)

  /// Copies a page of all layers; false when there is no such page, or the stores' shapes or types differ.
  func copyPage(_ page: Int32, of source: KVStore, to target: Int32, of store: KVStore) -> Bool

  /// Gives the memory of pages back until they are written again.
  func release(pages: Range<Int32>, of store: KVStore)

  // MARK: Linear layers

  /// Writes a row [width] of the table per token to `output`, times `scale`.
  func embed(_ tokens: [Int32], from table: EmbeddingTable, scale: Float, into output: FloatBuffer)

  /// Writes words[token] + places[position] per token to `output`, rows of `width` values.
  func embed(
    _ tokens: [Int32], positions: [Int32], from words: FloatBuffer, adding places: FloatBuffer, width: Int,
    into output: FloatBuffer)

  /// Several products of one `input` [rows, columns]; all have the same number of columns.
  func multiply(_ input: FloatBuffer, rows: Int, by products: [Product])

  /// Adds each update of one `input` [_, inputs] to its output, in the rows that `rows[update.rows]` names.
  func add(_ updates: [LowRankUpdate], to rows: [Int32], from input: FloatBuffer)

  // MARK: Rows

  /// output [rows, width] = input / rms(input) · weight, row by row; the weight has the width. `output` may be `input`.
  func normalize(_ input: FloatBuffer, rows: Int, by weight: FloatBuffer, epsilon: Float, into output: FloatBuffer)

  /// output [rows, width] += input / rms(input) · weight, row by row.
  func addNormalized(_ input: FloatBuffer, rows: Int, by weight: FloatBuffer, epsilon: Float, to output: FloatBuffer)

  /// Normalizes the mean and variance of each row of `x` [rows, width] in place.
  func normalizeLayer(
    _ x: FloatBuffer, rows: Int, weight: FloatBuffer, bias: FloatBuffer, epsilon: Float)

  /// Rotates `heads` heads of each row of `x` in place; row i stands at `positions[i]`, which `table` covers.
  func rotate(_ x: FloatBuffer, heads: Int, headDimension: Int, positions: [Int32], by table: RopeTable)

  /// gate [rows, width] = activation(gate) · up.
  func activate(_ gate: FloatBuffer, times up: FloatBuffer, rows: Int, width: Int, by activation: GateActivation)

  /// x = x · Φ(x), the exact form, of `count` values in place.
  func gelu(_ x: FloatBuffer, count: Int)

  /// x = cap · tanh(x / cap), of `count` values in place.
  func softcap(_ x: FloatBuffer, count: Int, cap: Float)

  /// Keeps the given rows of `x` [_, width], which ascend: the first of them becomes row 0 and so on.
  func gather(_ rows: [Int], of x: FloatBuffer, width: Int)

  // MARK: Attention

  /// Stores the keys and values [Σ count, keyLength] of the spans' rows in one layer.
  func store(keys: FloatBuffer, values: FloatBuffer, width: Int, of spans: SpanTable, layer: Int)

  /// Each row of `queries` [Σ count, heads · headDimension] attends to what its span has stored up to its own position.
  func attend(
    _ queries: FloatBuffer, shape: AttentionShape, to spans: SpanTable, layer: Int, into output: FloatBuffer)

  /// Attention without a mask inside each of the sequences that follow one another in the rows.
  func attendBothWays(
    queries: FloatBuffer, keys: FloatBuffer, values: FloatBuffer, shape: AttentionShape, lengths: [Int32],
    into output: FloatBuffer)

  // MARK: Queue

  /// Waits until all work is done and its results can be read from here.
  func synchronize()
}

extension Device {
  func makeFloats(_ values: [Float]) -> FloatBuffer {
    let buffer = makeFloats(count: values.count)
    buffer.write(values)
    return buffer
  }

  func makeMatrix(
    type: TensorType, bytes: [UInt8], rows: Int, columns: Int, name: String
  ) throws(ModelError) -> WeightMatrix {
    let result = bytes.withUnsafeBytes { raw in
      Result { () throws(ModelError) in
        try makeMatrix(type: type, bytes: raw, rows: rows, columns: columns, name: name)
      }
    }
    return try result.get()
  }
}

/// y [rows, outputs] = x [rows, inputs] · Wᵀ + bias, or y += that.
struct Product {
  let weights: WeightMatrix
  let bias: FloatBuffer?
  let output: FloatBuffer
  let accumulates: Bool

  init(_ weights: WeightMatrix, bias: FloatBuffer? = nil, into output: FloatBuffer, accumulates: Bool = false) {
    self.weights = weights
    self.bias = bias
    self.output = output
    self.accumulates = accumulates
  }
}

/// output[row] += scale · B (A input[row]), for rows of a list that many updates share.
struct LowRankUpdate {
  let matrix: LowRankMatrix
  let output: FloatBuffer
  /// The part of the list.
  let rows: Range<Int>
}

/// How attention weighs; heads and their size belong to the queries.
struct AttentionShape {
  let heads: Int
  let headDimension: Int
  /// Of products of queries and keys.
  let scale: Float
  /// The latest positions that a row sees; nil: all.
  var window: Int?
  var softcap: Float?
  /// Whether operands may be rounded to bfloat16 where that is faster; only `attendBothWays` heeds it.
  var roundsToBFloat16 = false
}
