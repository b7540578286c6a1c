// Owns the shape of a BERT encoder, from its config.json or GGUF metadata. Knows nothing about weights.
import Foundation
import StrataCore

/// How the vectors of a text's tokens become one.
public enum EncoderPooling: String, Sendable, Hashable, CaseIterable {
  case mean
  /// The first token's, [CLS].
  case firstToken
}

/// The shape of a BERT encoder (Devlin et al. 2019) with absolute positions and exact GELU.
public struct BertConfiguration: Sendable, Hashable {
  public var layerCount: Int
  public var embeddingLength: Int
  public var feedForwardLength: Int
  public var headCount: Int
  public var vocabularySize: Int
  /// Kinds of text that one input may hold: 2 where a query and a document are read together.
  public var typeCount: Int
  /// Most tokens of one input that the position table covers.
  public var contextLength: Int
  public var layerNormEpsilon: Float
  public var pooling: EncoderPooling = .mean

  public var headDimension: Int { embeddingLength / headCount }

  /// - Throws: ``ModelError`` `unsupported_architecture` or `metadata_invalid`.
  public init(json: JSON) throws(ModelError) {
    let type = json["model_type"]?.stringValue ?? "unknown"
    let activation = json["hidden_act"]?.stringValue ?? "gelu"
    let positions = json["position_embedding_type"]?.stringValue ?? "absolute"
    guard type == "bert", activation == "gelu", positions == "absolute" else {
      throw Self.unsupported("`\(type)` with activation `\(activation)` and `\(positions)` positions")
    }
    layerCount = try Self.integer("num_hidden_layers", in: 1...256, json)
    embeddingLength = try Self.integer("hidden_size", in: 1...16_384, json)
    feedForwardLength = try Self.integer("intermediate_size", in: 1...65_536, json)
    headCount = try Self.integer("num_attention_heads", in: 1...1024, json)
    vocabularySize = try Self.integer("vocab_size", in: 1...1 << 24, json)
    typeCount = json["type_vocab_size"] == nil ? 2 : try Self.integer("type_vocab_size", in: 1...64, json)
    contextLength = try Self.integer("max_position_embeddings", in: 1...65_536, json)
    let epsilon = json["layer_norm_eps"]?.doubleValue ?? 1e-12
    layerNormEpsilon = Float(epsilon)
    try check(epsilon, location: "config.json")
  }

  /// - Throws: ``ModelError`` `unsupported_architecture`, `metadata_missing`, `metadata_invalid` or `tensor_missing`.
  public init(gguf: GGUFFile) throws(ModelError) {
    let architecture = gguf.string("general.architecture") ?? "unknown"
    guard architecture == "bert" else { throw Self.unsupported("`\(architecture)`") }
    let reader = MetadataReader(file: gguf, prefix: architecture)
    guard let words = gguf.tensor("token_embd.weight"), words.shape.count == 2, 1...(1 << 24) ~= words.shape[1] else {
      throw ModelError(
        ModelError.tensorMissing, "The tensor `token_embd.weight` is missing or no matrix.",
        remedy: ModelError.downloadAgain)
    }
    layerCount = try reader.integer("block_count", in: 1...256)
    embeddingLength = try reader.integer("embedding_length", in: 1...16_384)
    feedForwardLength = try reader.integer("feed_forward_length", in: 1...65_536)
    headCount = try reader.integer("attention.head_count", in: 1...1024)
    vocabularySize = words.shape[1]
    let types = gguf.tensor("token_types.weight")?.shape
    typeCount = types?.count == 2 ? min(64, max(1, types?[1] ?? 1)) : 1
    contextLength = try reader.integer("context_length", in: 1...65_536)
    let epsilon = try reader.number("attention.layer_norm_epsilon", in: 0...1, default: 1e-12)
    layerNormEpsilon = Float(epsilon)
    // 1 and 2 are GGUF's numbers of mean and first token; 0 (none), 3 (last) and 4 (rank) have no vector of a text.
    pooling = try reader.integer("pooling_type", in: 0...64, default: 1) == 2 ? .firstToken : .mean
    try check(epsilon, location: gguf.path)
  }

  private func check(_ epsilon: Double, location: String?) throws(ModelError) {
    guard embeddingLength % headCount == 0, epsilon >= 0, epsilon < 1 else {
      throw ModelError(
        ModelError.metadataInvalid,
        "\(headCount) heads do not divide \(embeddingLength) values, or layer_norm_eps (\(epsilon)) is out of range.",
        remedy: ModelError.downloadAgain, location: location)
    }
  }

  private static func unsupported(_ what: String) -> ModelError {
    ModelError(
      ModelError.unsupportedArchitecture, "The encoder \(what) is not supported.",
      remedy: "Supported is bert with gelu and absolute positions, such as all-MiniLM-L6-v2.")
  }

  private static func integer(_ key: String, in range: ClosedRange<Int>, _ json: JSON) throws(ModelError) -> Int {
    guard let value = json[key]?.intValue, range.contains(value) else {
      throw ModelError(
        ModelError.metadataInvalid, "`\(key)` must be an integer in \(range).", remedy: ModelError.downloadAgain,
        location: "config.json")
    }
    return value
  }
}
