// Owns the BERT encoder: token ids in, one vector per text out. Knows nothing about text.
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

  /// Labels that the model scores pairs of texts by; 0 for an encoder that gives vectors only.
  public var labelCount: Int { weights.head?.classifier.weights.rows ?? 0 }

  /// Loads the weights from an opened safetensors file in the layout of Hugging Face's BertModel or
  /// BertForSequenceClassification.
  /// - Throws: ``ModelError``: `tensor_missing`, `tensor_shape`, `unsupported_tensor_type` or `out_of_memory`.
  public convenience init(
    safetensors file: SafetensorsFile, configuration: BertConfiguration, precision: EncoderPrecision = .int8,
    pool: ComputePool
  ) throws(ModelError) {
    try self.init(
      tensors: SafetensorsBertTensors(file: file), configuration: configuration, precision: precision, pool: pool)
  }

  /// Loads an opened GGUF file of the architecture `bert`.
  /// - Throws: as above, and `unsupported_architecture`, `metadata_missing` or `metadata_invalid`.
  public convenience init(
    gguf file: GGUFFile, precision: EncoderPrecision = .int8, pool: ComputePool
  ) throws(ModelError) {
    try self.init(
      tensors: GGUFBertTensors(file: file), configuration: try BertConfiguration(gguf: file), precision: precision,
      pool: pool)
  }

  private init(
    tensors: any BertTensors, configuration: BertConfiguration, precision: EncoderPrecision, pool: ComputePool
  ) throws(ModelError) {
    try SystemMemory.require(2 * tensors.byteCount, for: "The encoder")
    self.configuration = configuration
    self.precision = precision
    self.pool = pool
    let device = CPUDevice(pool: pool)
    weights = try BertWeights(tensors: tensors, configuration: configuration, precision: precision, device: device)
    tensors.finish()
    workspace = Mutex(BertWorkspace(configuration: configuration, precision: precision, device: device))
  }

  /// Vectors [texts][embeddingLength] of length 1, for token ids that include the special tokens.
  /// - Throws: ``ModelError`` `invalid_argument` for a text without tokens, `context_overflow` or
  ///   `token_out_of_range`.
  public func embed(tokenIDs texts: [[Int32]]) throws(ModelError) -> [[Float]] {
    try check(texts)
    return run(texts.map { BertInput(tokens: $0, secondStart: $0.count) }, giving: .vectors)
  }

  /// The last layer's states [texts][tokens · embeddingLength], as they come, special tokens included.
  /// - Throws: as ``embed(tokenIDs:)``.
  public func states(tokenIDs texts: [[Int32]]) throws(ModelError) -> [[Float]] {
    try check(texts)
    return run(texts.map { BertInput(tokens: $0, secondStart: $0.count) }, giving: .states)
  }

  /// Scores [pairs][labelCount], before any activation.
  /// - Parameter pairs: token ids of both texts with the special tokens, and where the second text begins.
  /// - Throws: as ``embed(tokenIDs:)``, and `invalid_argument` for a model without a classification head.
  public func scores(
    pairs: [(tokenIDs: [Int32], secondStart: Int)]
  ) throws(ModelError) -> [[Float]] {
    guard let head = weights.head, configuration.typeCount > 1 else {
      throw ModelError(
        ModelError.invalidArgument, "The encoder has no classification head for pairs of texts.",
        remedy: "Use a cross-encoder, such as ms-marco-MiniLM-L6-v2.")
    }
    try check(pairs.map(\.tokenIDs))
    return run(pairs.map { BertInput(tokens: $0.tokenIDs, secondStart: $0.secondStart) }, giving: .scores(head))
  }

  private func run(_ texts: [BertInput], giving output: BertOutput) -> [[Float]] {
    // Similar lengths share a pass, so that threads finish together.
    let order = texts.indices.sorted { texts[$0].tokens.count > texts[$1].tokens.count }
    var result = [[Float]](repeating: [], count: texts.count)
    var start = 0
    while start < order.count {
      var end = start
      var rows = 0
      while end < order.count, end == start || rows + texts[order[end]].tokens.count <= Self.rowsPerPass {
        rows += texts[order[end]].tokens.count
        end += 1
      }
      let group = order[start..<end]
      let vectors = workspace.withLock { workspace in
        workspace.run(group.map { texts[$0] }, rows: rows, weights: weights, giving: output)
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

/// One text, or two that are read together: tokens from `secondStart` on are of the second kind.
private struct BertInput {
  let tokens: [Int32]
  let secondStart: Int
}

/// What a pass gives for each text.
private enum BertOutput {
  case vectors
  case states
  case scores(BertHead)
}

/// Activations of one pass, row-major, all texts after one another.
private struct BertWorkspace: ~Copyable {
  private let configuration: BertConfiguration
  private let device: any Device
  private let roundsAttention: Bool
  private var rowCapacity = 0
  /// [rows, embedding] each
  private var stream: FloatBuffer
  private var queries: FloatBuffer
  private var keys: FloatBuffer
  private var values: FloatBuffer
  private var attended: FloatBuffer
  /// [rows, hidden]
  private var hidden: FloatBuffer

  init(configuration: BertConfiguration, precision: EncoderPrecision, device: any Device) {
    self.configuration = configuration
    self.device = device
    roundsAttention = precision != .float32
    let empty = device.makeFloats(count: 0)
    (stream, queries, keys, values, attended, hidden) = (empty, empty, empty, empty, empty, empty)
  }

  mutating func run(_ texts: [BertInput], rows: Int, weights: BertWeights, giving output: BertOutput) -> [[Float]] {
    reserve(rows)
    let places = texts.flatMap { text in
      text.tokens.indices.map { Int32($0 < text.secondStart ? $0 : $0 + configuration.contextLength) }
    }
    device.embed(
      texts.flatMap(\.tokens), positions: places, from: weights.words, adding: weights.places,
      width: configuration.embeddingLength, into: stream)
    normalize(weights.embeddingNorm, rows)
    let lengths = texts.map { Int32($0.tokens.count) }
    for layer in weights.layers { compute(layer, lengths: lengths, rows: rows) }
    switch output {
    case .scores(let head):
      keepFirstTokens(lengths)
      return scored(by: head, count: texts.count)
    case .states:
      device.synchronize()
      return states(lengths)
    case .vectors where configuration.pooling == .mean:
      device.synchronize()
      return means(lengths)
    case .vectors:
      keepFirstTokens(lengths)
      device.synchronize()
      return firstTokens(count: texts.count)
    }
  }

  private mutating func reserve(_ rows: Int) {
    guard rows > rowCapacity else { return }
    rowCapacity = rows
    let width = configuration.embeddingLength
    stream = device.makeFloats(count: rows * width)
    queries = device.makeFloats(count: rows * width)
    keys = device.makeFloats(count: rows * width)
    values = device.makeFloats(count: rows * width)
    attended = device.makeFloats(count: rows * width)
    hidden = device.makeFloats(count: rows * configuration.feedForwardLength)
  }

  private func compute(_ layer: BertLayer, lengths: [Int32], rows: Int) {
    let shape = AttentionShape(
      heads: configuration.headCount, headDimension: configuration.headDimension,
      scale: 1 / Float(configuration.headDimension).squareRoot(), roundsToBFloat16: roundsAttention)
    device.multiply(
      stream, rows: rows,
      by: [
        Product(layer.query.weights, bias: layer.query.bias, into: queries),
        Product(layer.key.weights, bias: layer.key.bias, into: keys),
        Product(layer.value.weights, bias: layer.value.bias, into: values),
      ])
    device.attendBothWays(
      queries: queries, keys: keys, values: values, shape: shape, lengths: lengths, into: attended)
    accumulate(layer.output, from: attended, rows)
    normalize(layer.attentionNorm, rows)
    device.multiply(stream, rows: rows, by: [Product(layer.up.weights, bias: layer.up.bias, into: hidden)])
    device.gelu(hidden, count: rows * configuration.feedForwardLength)
    accumulate(layer.down, from: hidden, rows)
    normalize(layer.outputNorm, rows)
  }

  private func normalize(_ norm: BertNorm, _ rows: Int) {
    device.normalizeLayer(
      stream, rows: rows, weight: norm.weight, bias: norm.bias, epsilon: configuration.layerNormEpsilon)
  }

  private func accumulate(_ linear: BertLinear, from input: FloatBuffer, _ rows: Int) {
    device.multiply(
      input, rows: rows, by: [Product(linear.weights, bias: linear.bias, into: stream, accumulates: true)])
  }

  /// Row i becomes the vector of text i's first token.
  private func keepFirstTokens(_ lengths: [Int32]) {
    var first = 0
    var rows: [Int] = []
    for length in lengths {
      rows.append(first)
      first += Int(length)
    }
    device.gather(rows, of: stream, width: configuration.embeddingLength)
  }

  private func scored(by head: BertHead, count: Int) -> [[Float]] {
    device.multiply(stream, rows: count, by: [Product(head.pooler.weights, bias: head.pooler.bias, into: queries)])
    device.softcap(queries, count: count * configuration.embeddingLength, cap: 1)
    device.multiply(
      queries, rows: count, by: [Product(head.classifier.weights, bias: head.classifier.bias, into: values)])
    device.synchronize()
    return rows(of: values, count: count, width: head.classifier.weights.rows)
  }

  private func firstTokens(count: Int) -> [[Float]] {
    rows(of: stream, count: count, width: configuration.embeddingLength).map(HostMath.normalized)
  }

  private func rows(of buffer: FloatBuffer, count: Int, width: Int) -> [[Float]] {
    (0..<count).map { Array(UnsafeBufferPointer(start: buffer.pointer + $0 * width, count: width)) }
  }

  private func states(_ lengths: [Int32]) -> [[Float]] {
    let width = configuration.embeddingLength
    var row = 0
    return lengths.map { length in
      defer { row += Int(length) }
      return Array(UnsafeBufferPointer(start: stream.pointer + row * width, count: Int(length) * width))
    }
  }

  /// The mean over each text's tokens, scaled to length 1.
  private func means(_ lengths: [Int32]) -> [[Float]] {
    let width = configuration.embeddingLength
    var row = 0
    return lengths.map { length in
      var sum = [Float](repeating: 0, count: width)
      for _ in 0..<length {
        HostMath.add(stream.pointer + row * width, to: &sum, count: width)
        row += 1
      }
      return HostMath.normalized(sum)
    }
  }
}
