// Owns a decoder's weights: found by name, checked by shape, repacked. Knows nothing about the order of computing.
import CStrataKernels
import StrataCore

struct DecoderLayer: Sendable {
  let attentionNorm: FloatBuffer
  let query: WeightMatrix
  let key: WeightMatrix
  let value: WeightMatrix
  let output: WeightMatrix
  let queryBias: FloatBuffer?
  let keyBias: FloatBuffer?
  let valueBias: FloatBuffer?
  let outputBias: FloatBuffer?
  let feedForwardNorm: FloatBuffer
  let gate: WeightMatrix
  let up: WeightMatrix
  let down: WeightMatrix
}

struct DecoderWeights: Sendable {
  /// Rows of the embedding table are decoded from the mapped file as tokens need them.
  let embeddings: TensorInfo
  let layers: [DecoderLayer]
  let outputNorm: FloatBuffer
  let output: WeightMatrix
  /// What llama3's scaling divides the rotary frequencies by.
  let ropeFactors: [Float]?

  init(gguf: GGUFFile, configuration: DecoderConfiguration, pool: ComputePool) throws(ModelError) {
    let loader = GGUFWeightLoader(file: gguf, pool: pool)
    let embedding = configuration.embeddingLength
    embeddings = try loader.info("token_embd.weight", shape: [embedding, configuration.vocabularySize])
    outputNorm = try loader.vector("output_norm.weight", count: embedding)
    output = try loader.matrix(
      configuration.hasTiedEmbeddings ? "token_embd.weight" : "output.weight",
      inputs: embedding, outputs: configuration.vocabularySize)
    ropeFactors = try loader.ropeFactors(count: configuration.rotaryDimension / 2)
    var layers: [DecoderLayer] = []
    for index in 0..<configuration.layerCount {
      layers.append(try Self.layer(index, loader, configuration))
    }
    self.layers = layers
  }

  private static func layer(
    _ index: Int, _ loader: GGUFWeightLoader, _ configuration: DecoderConfiguration
  ) throws(ModelError) -> DecoderLayer {
    let prefix = "blk.\(index)."
    let embedding = configuration.embeddingLength
    let queries = configuration.queryLength
    let keys = configuration.keyLength
    let hidden = configuration.feedForwardLength
    return DecoderLayer(
      attentionNorm: try loader.vector(prefix + "attn_norm.weight", count: embedding),
      query: try loader.matrix(prefix + "attn_q.weight", inputs: embedding, outputs: queries),
      key: try loader.matrix(prefix + "attn_k.weight", inputs: embedding, outputs: keys),
      value: try loader.matrix(prefix + "attn_v.weight", inputs: embedding, outputs: keys),
      output: try loader.matrix(prefix + "attn_output.weight", inputs: queries, outputs: embedding),
      queryBias: try loader.optionalVector(prefix + "attn_q.bias", count: queries),
      keyBias: try loader.optionalVector(prefix + "attn_k.bias", count: keys),
      valueBias: try loader.optionalVector(prefix + "attn_v.bias", count: keys),
      outputBias: try loader.optionalVector(prefix + "attn_output.bias", count: embedding),
      feedForwardNorm: try loader.vector(prefix + "ffn_norm.weight", count: embedding),
      gate: try loader.matrix(prefix + "ffn_gate.weight", inputs: embedding, outputs: hidden),
      up: try loader.matrix(prefix + "ffn_up.weight", inputs: embedding, outputs: hidden),
      down: try loader.matrix(prefix + "ffn_down.weight", inputs: hidden, outputs: embedding))
  }
}

/// Finds tensors by name and checks their shapes before anything reads them.
private struct GGUFWeightLoader {
  let file: GGUFFile
  let pool: ComputePool

  func info(_ name: String, shape: [Int]) throws(ModelError) -> TensorInfo {
    guard let tensor = file.tensor(name) else {
      throw ModelError(
        ModelError.tensorMissing, "The tensor `\(name)` is missing.", remedy: ModelError.downloadAgain,
        location: file.path)
    }
    guard tensor.shape == shape else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `\(name)` has the shape \(tensor.shape); the metadata ask for \(shape).",
        remedy: ModelError.downloadAgain, location: file.path)
    }
    return tensor
  }

  func matrix(_ name: String, inputs: Int, outputs: Int) throws(ModelError) -> WeightMatrix {
    let tensor = try info(name, shape: [inputs, outputs])
    return try WeightMatrix(
      type: tensor.type, bytes: file.bytes(of: tensor), rows: outputs, columns: inputs, name: name, pool: pool)
  }

  func vector(_ name: String, count: Int) throws(ModelError) -> FloatBuffer {
    let tensor = try info(name, shape: [count])
    let buffer = FloatBuffer(count: count)
    guard let source = file.bytes(of: tensor).baseAddress,
      strata_dequantize(strata_type(tensor.type.rawValue), source, buffer.pointer, count) == 0
    else {
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(name)` of type \(tensor.type.name) cannot be decoded.",
        remedy: ModelError.downloadAgain)
    }
    return buffer
  }

  func optionalVector(_ name: String, count: Int) throws(ModelError) -> FloatBuffer? {
    file.tensor(name) == nil ? nil : try vector(name, count: count)
  }

  /// `rope_freqs.weight` is one for all layers; some converters write it under the first layer.
  func ropeFactors(count: Int) throws(ModelError) -> [Float]? {
    for name in ["rope_freqs.weight", "blk.0.rope_freqs.weight"] {
      guard let factors = try optionalVector(name, count: count) else { continue }
      let values = Array(UnsafeBufferPointer(start: factors.pointer, count: count))
      guard values.allSatisfy({ $0.isFinite && $0 > 0 }) else {
        throw ModelError(
          ModelError.metadataInvalid, "The tensor `\(name)` holds a factor that is not positive.",
          remedy: ModelError.downloadAgain)
      }
      return values
    }
    return nil
  }
}
