// Owns the shape of a BERT encoder, from its config.json. Knows nothing about weights.
import Foundation
import StrataCore

/// The shape of a BERT encoder (Devlin et al. 2019) with absolute positions and exact GELU.
public struct BertConfiguration: Sendable, Hashable {
  public var layerCount: Int
  public var embeddingLength: Int
  public var feedForwardLength: Int
  public var headCount: Int
  public var vocabularySize: Int
  /// Most tokens of one text that the position table covers.
  public var contextLength: Int
  public var layerNormEpsilon: Float

  public var headDimension: Int { embeddingLength / headCount }

  /// - Throws: ``ModelError`` `unsupported_architecture` or `metadata_invalid`.
  public init(json: JSON) throws(ModelError) {
    let type = json["model_type"]?.stringValue ?? "unknown"
    let activation = json["hidden_act"]?.stringValue ?? "gelu"
    let positions = json["position_embedding_type"]?.stringValue ?? "absolute"
    guard type == "bert", activation == "gelu", positions == "absolute" else {
      throw ModelError(
        ModelError.unsupportedArchitecture,
        "The encoder `\(type)` with activation `\(activation)` and `\(positions)` positions is not supported.",
        remedy: "Supported is bert with gelu and absolute positions, such as all-MiniLM-L6-v2.")
    }
    layerCount = try Self.integer("num_hidden_layers", in: 1...256, json)
    embeddingLength = try Self.integer("hidden_size", in: 1...16_384, json)
    feedForwardLength = try Self.integer("intermediate_size", in: 1...65_536, json)
    headCount = try Self.integer("num_attention_heads", in: 1...1024, json)
    vocabularySize = try Self.integer("vocab_size", in: 1...1 << 24, json)
    contextLength = try Self.integer("max_position_embeddings", in: 1...65_536, json)
    let epsilon = json["layer_norm_eps"]?.doubleValue ?? 1e-12
    guard embeddingLength % headCount == 0, epsilon >= 0, epsilon < 1 else {
      throw ModelError(
        ModelError.metadataInvalid,
        "\(headCount) heads do not divide \(embeddingLength) values, or layer_norm_eps (\(epsilon)) is out of range.",
        remedy: ModelError.downloadAgain, location: "config.json")
    }
    layerNormEpsilon = Float(epsilon)
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
