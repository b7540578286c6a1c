// Owns a BERT encoder's weights: found by name, checked by shape, handed to the device. Knows no order of computing.
import StrataCore

/// How an encoder's matrices are kept.
public enum EncoderPrecision: String, Sendable, Hashable, CaseIterable {
  /// 32-bit floats, as in the file.
  case float32
  /// bfloat16 weights and activations: the vectors keep a cosine of 0.9999 with those of `float32`. Faster than that
  /// where the processor multiplies bfloat16 (AVX-512 BF16, AMX), elsewhere it only halves the memory.
  case bfloat16
  /// 8-bit integers with a scale per 32 values, and 8-bit activations: the default, the fastest, in a quarter of the
  /// memory. Vectors keep a cosine of 0.999 with those of `float32`. The projection to values, whose errors nothing
  /// averages away, stays in bfloat16.
  case int8
}

struct BertLinear: Sendable {
  let weights: WeightMatrix
  let bias: FloatBuffer
}

struct BertNorm: Sendable {
  let weight: FloatBuffer
  let bias: FloatBuffer
}

struct BertLayer: Sendable {
  let query: BertLinear
  let key: BertLinear
  let value: BertLinear
  let output: BertLinear
  let attentionNorm: BertNorm
  let up: BertLinear
  let down: BertLinear
  let outputNorm: BertNorm
}

/// What turns the first token's vector into scores: a dense layer with tanh (BERT's pooler), then a linear one.
struct BertHead: Sendable {
  let pooler: BertLinear
  let classifier: BertLinear
}

struct BertWeights: Sendable {
  /// [vocabulary, embedding]
  let words: FloatBuffer
  /// [types · context, embedding]: row type · context + position is the sum of both embeddings.
  let places: FloatBuffer
  let embeddingNorm: BertNorm
  let layers: [BertLayer]

  /// Nil for an encoder that gives vectors only.
  let head: BertHead?

  init(
    tensors: any BertTensors, configuration: BertConfiguration, precision: EncoderPrecision, device: any Device
  ) throws(ModelError) {
    let loader = BertWeightLoader(tensors: tensors, precision: precision, device: device)
    let width = configuration.embeddingLength
    words = device.makeFloats(
      try loader.floats("embeddings.word_embeddings.weight", shape: [configuration.vocabularySize, width]))
    places = device.makeFloats(try Self.places(loader, configuration))
    embeddingNorm = try loader.norm("embeddings.LayerNorm", width: width)
    var layers: [BertLayer] = []
    for index in 0..<configuration.layerCount { layers.append(try Self.layer(index, loader, configuration)) }
    self.layers = layers
    head = try Self.head(loader, width: width)
  }

  private static func places(
    _ loader: BertWeightLoader, _ configuration: BertConfiguration
  ) throws(ModelError) -> [Float] {
    let width = configuration.embeddingLength
    let positions = try loader.floats(
      "embeddings.position_embeddings.weight", shape: [configuration.contextLength, width])
    let name = "embeddings.token_type_embeddings.weight"
    guard loader.tensors.shape(of: name) != nil else { return positions }
    let types = try loader.floats(name, shape: [configuration.typeCount, width])
    var places: [Float] = []
    places.reserveCapacity(positions.count * configuration.typeCount)
    for type in 0..<configuration.typeCount {
      for (index, value) in positions.enumerated() { places.append(value + types[type * width + index % width]) }
    }
    return places
  }

  private static func head(_ loader: BertWeightLoader, width: Int) throws(ModelError) -> BertHead? {
    guard let shape = loader.tensors.shape(of: "classifier.weight") else { return nil }
    guard shape.count == 2, 1...width ~= shape[0], shape[1] == width else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `classifier.weight` has the shape \(shape), not [labels, \(width)].",
        remedy: ModelError.downloadAgain)
    }
    return BertHead(
      pooler: try loader.linear("pooler.dense", inputs: width, outputs: width),
      classifier: try loader.linear("classifier", inputs: width, outputs: shape[0]))
  }

  private static func layer(
    _ index: Int, _ loader: BertWeightLoader, _ configuration: BertConfiguration
  ) throws(ModelError) -> BertLayer {
    let prefix = "encoder.layer.\(index)."
    let width = configuration.embeddingLength
    let hidden = configuration.feedForwardLength
    return BertLayer(
      query: try loader.linear(prefix + "attention.self.query", inputs: width, outputs: width),
      key: try loader.linear(prefix + "attention.self.key", inputs: width, outputs: width),
      value: try loader.linear(prefix + "attention.self.value", inputs: width, outputs: width, sensitive: true),
      output: try loader.linear(prefix + "attention.output.dense", inputs: width, outputs: width),
      attentionNorm: try loader.norm(prefix + "attention.output.LayerNorm", width: width),
      up: try loader.linear(prefix + "intermediate.dense", inputs: width, outputs: hidden),
      down: try loader.linear(prefix + "output.dense", inputs: hidden, outputs: width),
      outputNorm: try loader.norm(prefix + "output.LayerNorm", width: width))
  }
}

private struct BertWeightLoader {
  let tensors: any BertTensors
  let precision: EncoderPrecision
  let device: any Device

  func floats(_ name: String, shape: [Int]) throws(ModelError) -> [Float] { try tensors.floats(name, shape: shape) }

  func norm(_ name: String, width: Int) throws(ModelError) -> BertNorm {
    BertNorm(
      weight: device.makeFloats(try floats(name + ".weight", shape: [width])),
      bias: device.makeFloats(try floats(name + ".bias", shape: [width])))
  }

  /// The format for a matrix of `inputs` columns; widths that are no whole number of blocks are not cut to 8 bits.
  private func type(inputs: Int, sensitive: Bool) -> TensorType {
    switch precision {
    case .float32: .f32
    case .bfloat16: .bf16
    case .int8: sensitive || inputs % TensorType.q8_0.blockElementCount != 0 ? .bf16 : .q8_0
    }
  }

  func linear(
    _ name: String, inputs: Int, outputs: Int, sensitive: Bool = false
  ) throws(ModelError) -> BertLinear {
    let values = try floats(name + ".weight", shape: [outputs, inputs])
    let bias = device.makeFloats(try floats(name + ".bias", shape: [outputs]))
    let type = type(inputs: inputs, sensitive: sensitive)
    guard let encoded = type.encode(values) else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `\(name)` cannot be kept as \(type.name).",
        remedy: ModelError.downloadAgain)
    }
    let weights = try device.makeMatrix(
      type: type, bytes: encoded, rows: outputs, columns: inputs, name: name)
    return BertLinear(weights: weights, bias: bias)
  }
}
