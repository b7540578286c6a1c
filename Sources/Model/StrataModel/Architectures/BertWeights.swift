// Owns a BERT encoder's weights: found by name in safetensors, checked by shape, repacked. Knows no order of computing.
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

struct BertWeights: Sendable {
  /// [vocabulary, embedding]
  let words: FloatBuffer
  /// [context, embedding]: positions plus the embedding of token type 0, which all tokens have.
  let positions: FloatBuffer
  let embeddingNorm: BertNorm
  let layers: [BertLayer]

  init(
    file: SafetensorsFile, configuration: BertConfiguration, precision: EncoderPrecision, device: any Device
  ) throws(ModelError) {
    let loader = SafetensorsWeightLoader(file: file, precision: precision, device: device)
    let width = configuration.embeddingLength
    words = device.makeFloats(
      try loader.floats("embeddings.word_embeddings.weight", shape: [configuration.vocabularySize, width]))
    var table = try loader.floats(
      "embeddings.position_embeddings.weight", shape: [configuration.contextLength, width])
    let type = try loader.firstRow("embeddings.token_type_embeddings.weight", width: width)
    for index in table.indices { table[index] += type[index % width] }
    positions = device.makeFloats(table)
    embeddingNorm = try loader.norm("embeddings.LayerNorm", width: width)
    var layers: [BertLayer] = []
    for index in 0..<configuration.layerCount { layers.append(try Self.layer(index, loader, configuration)) }
    self.layers = layers
  }

  private static func layer(
    _ index: Int, _ loader: SafetensorsWeightLoader, _ configuration: BertConfiguration
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

private struct SafetensorsWeightLoader {
  let file: SafetensorsFile
  let precision: EncoderPrecision
  let device: any Device

  /// Finds `name`, alone or under the prefix that classes with a head on top write.
  func tensor(_ name: String) throws(ModelError) -> SafetensorsFile.Tensor {
    guard let tensor = file.tensor(name) ?? file.tensor("bert." + name) else {
      throw ModelError(
        ModelError.tensorMissing, "The tensor `\(name)` is missing.", remedy: ModelError.downloadAgain)
    }
    return tensor
  }

  func floats(_ name: String, shape: [Int]) throws(ModelError) -> [Float] {
    let tensor = try tensor(name)
    guard tensor.shape == shape else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `\(name)` has the shape \(tensor.shape); config.json asks for \(shape).",
        remedy: ModelError.downloadAgain)
    }
    return try file.floats(of: tensor)
  }

  func firstRow(_ name: String, width: Int) throws(ModelError) -> [Float] {
    let tensor = try tensor(name)
    guard tensor.shape.count == 2, tensor.shape[0] >= 1, tensor.shape[1] == width else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `\(name)` has the shape \(tensor.shape), not [types, \(width)].",
        remedy: ModelError.downloadAgain)
    }
    return Array(try file.floats(of: tensor).prefix(width))
  }

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
