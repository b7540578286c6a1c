// Owns a decoder's weights: found by name, checked by shape, handed to the device. Knows no order of computing.
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
  /// [headDimension], where heads are normalized.
  let queryNorm: FloatBuffer?
  let keyNorm: FloatBuffer?
  /// Where outputs are normalized before they join the stream.
  let attentionOutputNorm: FloatBuffer?
  let feedForwardNorm: FloatBuffer
  let gate: WeightMatrix
  let up: WeightMatrix
  let down: WeightMatrix
  let feedForwardOutputNorm: FloatBuffer?
}

struct DecoderWeights: Sendable {
  let embeddings: EmbeddingTable
  let layers: [DecoderLayer]
  let outputNorm: FloatBuffer
  let output: WeightMatrix
  /// What rotary frequencies are divided by (llama3, LongRoPE).
  let ropeDivisors: [Float]?

  init(gguf: GGUFFile, configuration: DecoderConfiguration, device: any Device) throws(ModelError) {
    let loader = GGUFWeightLoader(file: gguf, device: device)
    let embedding = configuration.embeddingLength
    embeddings = EmbeddingTable(
      file: gguf,
      tensor: try loader.info("token_embd.weight", shape: [embedding, configuration.vocabularySize]),
      width: embedding)
    outputNorm = try loader.vector("output_norm.weight", count: embedding)
    output = try loader.matrix(
      configuration.hasTiedEmbeddings ? "token_embd.weight" : "output.weight",
      inputs: embedding, outputs: configuration.vocabularySize)
    ropeDivisors = try Self.ropeDivisors(loader, configuration)
    var layers: [DecoderLayer] = []
    for index in 0..<configuration.layerCount {
      layers.append(try Self.layer("blk.\(index).", loader, configuration))
    }
    self.layers = layers
  }

  private static func layer(
    _ prefix: String, _ loader: GGUFWeightLoader, _ configuration: DecoderConfiguration
  ) throws(ModelError) -> DecoderLayer {
    let embedding = configuration.embeddingLength
    let queries = configuration.queryLength
    let keys = configuration.keyLength
    let hidden = configuration.feedForwardLength
    let head = configuration.normalizesHeads ? configuration.headDimension : nil
    let joint = configuration.normalizesOutputs ? embedding : nil
    let attention = try loader.matrices(
      [prefix + "attn_q", prefix + "attn_k", prefix + "attn_v"], fused: prefix + "attn_qkv", inputs: embedding,
      outputs: [queries, keys, keys])
    let feedForward = try loader.matrices(
      [prefix + "ffn_gate", prefix + "ffn_up"], fused: prefix + "ffn_up", inputs: embedding,
      outputs: [hidden, hidden])
    return DecoderLayer(
      attentionNorm: try loader.vector(prefix + "attn_norm.weight", count: embedding),
      query: attention[0].weights, key: attention[1].weights, value: attention[2].weights,
      output: try loader.matrix(prefix + "attn_output.weight", inputs: queries, outputs: embedding),
      queryBias: attention[0].bias, keyBias: attention[1].bias, valueBias: attention[2].bias,
      outputBias: try loader.optionalVector(prefix + "attn_output.bias", count: embedding),
      queryNorm: try loader.vector(prefix + "attn_q_norm.weight", countIfAny: head),
      keyNorm: try loader.vector(prefix + "attn_k_norm.weight", countIfAny: head),
      attentionOutputNorm: try loader.vector(prefix + "post_attention_norm.weight", countIfAny: joint),
      feedForwardNorm: try loader.vector(prefix + "ffn_norm.weight", count: embedding),
      gate: feedForward[0].weights, up: feedForward[1].weights,
      down: try loader.matrix(prefix + "ffn_down.weight", inputs: hidden, outputs: embedding),
      feedForwardOutputNorm: try loader.vector(prefix + "post_ffw_norm.weight", countIfAny: joint))
  }

  /// The lists are one for all layers; some converters write them under the first layer.
  private static func ropeDivisors(
    _ loader: GGUFWeightLoader, _ configuration: DecoderConfiguration
  ) throws(ModelError) -> [Float]? {
    var name = "rope_freqs.weight"
    if case .long(let original) = configuration.rope.scaling {
      name = configuration.contextLength > original ? "rope_factors_long.weight" : "rope_factors_short.weight"
    }
    for name in [name, "blk.0." + name] {
      guard let values = try loader.optionalFloats(name, count: configuration.rope.dimension / 2) else { continue }
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
