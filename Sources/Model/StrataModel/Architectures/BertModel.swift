// Owns the BERT encoder: token ids in, one vector per text out. Knows nothing about text.
import CStrataKernels
import StrataCore
import Synchronization

/// A BERT encoder with mean pooling and normalization, loaded and immutable.
///
/// Texts of one call are packed one after another, without padding. Calls from several threads take turns.
public final class BertModel: Sendable {
  public let configuration: BertConfiguration
  public let precision: EncoderPrecision
  public let pool: ComputePool
  private let weights: BertWeights
  private let workspace: Mutex<BertWorkspace>

  /// Rows that are computed together: as many as keep the activations in the second-level cache or near it.
  private static let rowsPerPass = 512

  /// Loads the weights from an opened safetensors file in the layout of Hugging Face's BertModel.
  /// - Throws: ``ModelError``: `tensor_missing`, `tensor_shape`, `unsupported_tensor_type` or `out_of_memory`.
  public init(
    safetensors file: SafetensorsFile, configuration: BertConfiguration, precision: EncoderPrecision = .int8,
    pool: ComputePool
  ) throws(ModelError) {
    try SystemMemory.require(2 * file.storage.bytes.count, for: "The encoder")
    self.configuration = configuration
    self.precision = precision
    self.pool = pool
    weights = try BertWeights(file: file, configuration: configuration, precision: precision, pool: pool)
    workspace = Mutex(BertWorkspace(configuration: configuration))
  }

  /// Vectors [texts][embeddingLength] of length 1, for token ids that include the special tokens.
  /// - Throws: ``ModelError`` `invalid_argument` for a text without tokens, `context_overflow` or
  ///   `token_out_of_range`.
  public func embed(tokenIDs texts: [[Int32]]) throws(ModelError) -> [[Float]] {
    try check(texts)
    // Similar lengths share a pass, so that threads finish together.
    let order = texts.indices.sorted { texts[$0].count > texts[$1].count }
    var result = [[Float]](repeating: [], count: texts.count)
    var start = 0
    while start < order.count {
      var end = start
      var rows = 0
      while end < order.count, end == start || rows + texts[order[end]].count <= Self.rowsPerPass {
        rows += texts[order[end]].count
        end += 1
      }
      let group = order[start..<end]
      let vectors = workspace.withLock { workspace in
        workspace.run(group.map { texts[$0] }, rows: rows, weights: weights, pool: pool.handle)
      }
      for (index, vector) in zip(group, vectors) { result[index] = vector }
      start = end
    }
    return result
  }

  private func check(_ texts: [[Int32]]) throws(ModelError) {
    for text in texts {
      guard !text.isEmpty else {
        throw ModelError(
          ModelError.invalidArgument, "A text has no tokens.", remedy: "Encode texts with their special tokens.")
      }
      guard text.count <= configuration.contextLength else {
        throw ModelError(
          ModelError.contextOverflow,
          "A text has \(text.count) tokens; the encoder reads at most \(configuration.contextLength).",
          remedy: "Cut the text, or split it into chunks.")
      }
      if let token = text.first(where: { $0 < 0 || $0 >= configuration.vocabularySize }) {
        throw ModelError(
          ModelError.tokenOutOfRange, "The token \(token) is none of the encoder's \(configuration.vocabularySize).",
          remedy: "Encode the text with the tokenizer of this model.")
      }
    }
  }
}

/// Activations of one pass, row-major, all texts after one another.
private struct BertWorkspace: ~Copyable {
  private let configuration: BertConfiguration
  private var rowCapacity = 0
  private var stream = FloatBuffer(count: 0)
  private var queries = FloatBuffer(count: 0)
  private var keys = FloatBuffer(count: 0)
  private var values = FloatBuffer(count: 0)
  private var attended = FloatBuffer(count: 0)
  private var hidden = FloatBuffer(count: 0)

  init(configuration: BertConfiguration) { self.configuration = configuration }

  mutating func run(_ texts: [[Int32]], rows: Int, weights: BertWeights, pool: OpaquePointer) -> [[Float]] {
    reserve(rows)
    embed(texts, weights)
    normalize(weights.embeddingNorm, rows, pool)
    let lengths = texts.map { Int32($0.count) }
    for layer in weights.layers { compute(layer, lengths: lengths, rows: rows, pool: pool) }
    return pooled(lengths)
  }

  private mutating func reserve(_ rows: Int) {
    guard rows > rowCapacity else { return }
    rowCapacity = rows
    let width = configuration.embeddingLength
    stream = FloatBuffer(count: rows * width)
    queries = FloatBuffer(count: rows * width)
    keys = FloatBuffer(count: rows * width)
    values = FloatBuffer(count: rows * width)
    attended = FloatBuffer(count: rows * width)
    hidden = FloatBuffer(count: rows * configuration.feedForwardLength)
  }

  private func embed(_ texts: [[Int32]], _ weights: BertWeights) {
    let width = configuration.embeddingLength
    var target = stream.pointer
    for text in texts {
      for (position, token) in text.enumerated() {
        target.update(from: weights.words.pointer + Int(token) * width, count: width)
        strata_add(target, weights.positions.pointer + position * width, Int64(width))
        target += width
      }
    }
  }

  private func compute(_ layer: BertLayer, lengths: [Int32], rows: Int, pool: OpaquePointer) {
    let width = Int64(configuration.embeddingLength)
    project(rows, pool, [(layer.query, queries), (layer.key, keys), (layer.value, values)])
    lengths.withUnsafeBufferPointer { all in
      guard let first = all.baseAddress else { return }
      strata_attention_bidirectional(
        pool, attended.pointer, width, queries.pointer, keys.pointer, values.pointer, width,
        Int32(configuration.headCount), Int32(configuration.headDimension),
        1 / Float(configuration.headDimension).squareRoot(), first, Int64(all.count))
    }
    accumulate(layer.output, from: attended, rows, pool)
    normalize(layer.attentionNorm, rows, pool)
    project(rows, pool, [(layer.up, hidden)])
    strata_gelu(pool, hidden.pointer, Int64(rows * configuration.feedForwardLength))
    accumulate(layer.down, from: hidden, rows, pool)
    normalize(layer.outputNorm, rows, pool)
  }

  private func normalize(_ norm: BertNorm, _ rows: Int, _ pool: OpaquePointer) {
    let width = Int64(configuration.embeddingLength)
    strata_layer_norm(
      pool, stream.pointer, width, stream.pointer, width, Int64(rows), width, norm.weight.pointer, norm.bias.pointer,
      configuration.layerNormEpsilon)
  }

  private func project(_ rows: Int, _ pool: OpaquePointer, _ targets: [(linear: BertLinear, output: FloatBuffer)]) {
    let jobs = targets.map { target in
      strata_matmul_job(
        weights: target.linear.weights.handle, y: target.output.pointer, y_stride: Int64(target.linear.weights.rows),
        bias: target.linear.bias.pointer, accumulate: false)
    }
    strata_matmul_many(
      pool, stream.pointer, Int64(configuration.embeddingLength), Int64(rows), jobs, Int64(jobs.count))
  }

  private func accumulate(_ linear: BertLinear, from input: FloatBuffer, _ rows: Int, _ pool: OpaquePointer) {
    var job = strata_matmul_job(
      weights: linear.weights.handle, y: stream.pointer, y_stride: Int64(linear.weights.rows),
      bias: linear.bias.pointer, accumulate: true)
    strata_matmul_many(pool, input.pointer, Int64(linear.weights.columns), Int64(rows), &job, 1)
  }

  /// The mean over each text's tokens, scaled to length 1.
  private func pooled(_ lengths: [Int32]) -> [[Float]] {
    let width = configuration.embeddingLength
    var source = stream.pointer
    return lengths.map { length in
      var sum = [Float](repeating: 0, count: width)
      for _ in 0..<length {
        strata_add(&sum, source, Int64(width))
        source += width
      }
      let norm = strata_dot_f32(sum, sum, Int64(width)).squareRoot()
      return norm > 0 ? sum.map { $0 / norm } : sum
    }
  }
}
