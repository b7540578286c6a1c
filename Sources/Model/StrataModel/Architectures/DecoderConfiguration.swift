// Owns the table from GGUF metadata to the shape of a decoder. Knows nothing about weights or computing.
import StrataCore

/// How positions beyond the trained context are squeezed into it.
public enum RopeScaling: Sendable, Hashable {
  case none
  /// Positions are divided by `factor` (Chen et al. 2023, Position Interpolation).
  case linear(factor: Double)
  /// Low frequencies are interpolated, high ones kept (Peng et al. 2023, YaRN, section 3).
  case yarn(factor: Double, originalContextLength: Int, attentionFactor: Double, betaFast: Double, betaSlow: Double)
}

/// Which values of a head rotate together.
public enum RopeStyle: Sendable, Hashable {
  /// (0, 1), (2, 3), …: files of the llama family are permuted for this.
  case interleaved
  /// (0, d/2), (1, d/2 + 1), …
  case halves
}

/// The shape of a decoder-only transformer.
public struct DecoderConfiguration: Sendable, Hashable {
  public var architecture: String
  /// `general.name`, or empty.
  public var name: String
  public var layerCount: Int
  public var embeddingLength: Int
  public var feedForwardLength: Int
  public var headCount: Int
  /// Query heads share key-value heads in groups (Ainslie et al. 2023, GQA); divides `headCount`.
  public var keyValueHeadCount: Int
  public var headDimension: Int
  /// The first values of a head that rotate; even.
  public var rotaryDimension: Int
  public var ropeStyle: RopeStyle
  public var ropeBase: Double
  public var ropeScaling: RopeScaling
  public var rmsEpsilon: Float
  /// Most positions the model was made for.
  public var contextLength: Int
  public var vocabularySize: Int
  /// The output layer is the embedding table.
  public var hasTiedEmbeddings: Bool
  public var parameterCount: Int

  /// Values of all query heads together.
  public var queryLength: Int { headCount * headDimension }
  /// Values of all key heads together; those of all value heads are as many.
  public var keyLength: Int { keyValueHeadCount * headDimension }
}

extension DecoderConfiguration {
  /// What sets one architecture apart; a new member of the family is one more row.
  private struct Traits {
    var ropeStyle: RopeStyle
  }

  private static let table: [String: Traits] = [
    "llama": Traits(ropeStyle: .interleaved),
    "qwen2": Traits(ropeStyle: .halves),
  ]

  /// Values of `general.architecture` that can be run.
  public static var supportedArchitectures: [String] { table.keys.sorted() }

  /// Reads and checks the configuration.
  /// - Throws: ``ModelError``: `unsupported_architecture`, `metadata_missing`, `metadata_invalid`, `tensor_missing`
  ///   or `tensor_shape`.
  public init(gguf: GGUFFile) throws(ModelError) {
    guard let architecture = gguf.string("general.architecture") else {
      throw ModelError(
        ModelError.metadataMissing, "The file does not say its architecture.",
        remedy: "Give a GGUF file of a language model.", location: "general.architecture")
    }
    guard let traits = Self.table[architecture] else { throw Self.unsupported(architecture) }
    let reader = MetadataReader(file: gguf, prefix: architecture)
    if try reader.integer("expert_count", in: 0...65_536, default: 0) > 0 {
      throw Self.unsupported("\(architecture) with experts")
    }
    let embedding = try reader.integer("embedding_length", in: 1...1 << 20)
    let heads = try reader.integer("attention.head_count", in: 1...4096)
    let keyValueHeads = try reader.integer("attention.head_count_kv", in: 1...4096, default: heads)
    let headDimension = try reader.integer("attention.key_length", in: 1...4096, default: max(1, embedding / heads))
    let valueDimension = try reader.integer("attention.value_length", in: 1...4096, default: headDimension)
    let rotary = try reader.integer("rope.dimension_count", in: 2...4096, default: headDimension)
    guard heads % keyValueHeads == 0, valueDimension == headDimension, rotary <= headDimension, rotary % 2 == 0 else {
      throw ModelError(
        ModelError.metadataInvalid,
        "The attention heads do not fit together: \(heads) query and \(keyValueHeads) key-value heads of "
          + "\(headDimension) and \(valueDimension) values, of which \(rotary) rotate.",
        remedy: ModelError.downloadAgain, location: "\(architecture).attention")
    }
    let vocabulary = try Self.vocabularySize(gguf, embeddingLength: embedding)
    self.architecture = architecture
    name = gguf.string("general.name") ?? ""
    layerCount = try reader.integer("block_count", in: 1...4096)
    embeddingLength = embedding
    feedForwardLength = try reader.integer("feed_forward_length", in: 1...1 << 22)
    headCount = heads
    keyValueHeadCount = keyValueHeads
    self.headDimension = headDimension
    rotaryDimension = rotary
    ropeStyle = traits.ropeStyle
    ropeBase = try reader.number("rope.freq_base", in: 1...1e12, default: 10_000)
    contextLength = try reader.integer("context_length", in: 1...Int(Int32.max / 2))
    ropeScaling = try Self.ropeScaling(reader, contextLength: contextLength)
    rmsEpsilon = Float(try reader.number("attention.layer_norm_rms_epsilon", in: 0...1, default: 1e-5))
    vocabularySize = vocabulary
    hasTiedEmbeddings = gguf.tensor("output.weight") == nil
    parameterCount = gguf.tensors.reduce(0) { $0 &+ $1.elementCount }
  }

  private static func vocabularySize(_ gguf: GGUFFile, embeddingLength: Int) throws(ModelError) -> Int {
    guard let embeddings = gguf.tensor("token_embd.weight") else {
      throw ModelError(
        ModelError.tensorMissing, "The tensor `token_embd.weight` is missing.",
        remedy: "Give a file with weights; this one may hold the vocabulary only.")
    }
    guard embeddings.shape.count == 2, embeddings.shape[0] == embeddingLength,
      1...(1 << 24) ~= embeddings.shape[1]
    else {
      throw ModelError(
        ModelError.tensorShape,
        "The tensor `token_embd.weight` has the shape \(embeddings.shape), not [\(embeddingLength), vocabulary].",
        remedy: ModelError.downloadAgain)
    }
    return embeddings.shape[1]
  }

  private static func ropeScaling(_ reader: MetadataReader, contextLength: Int) throws(ModelError) -> RopeScaling {
    let legacy = try reader.number("rope.scale_linear", in: 1e-3...1e6, default: 1)
    let factor = try reader.number("rope.scaling.factor", in: 0...1e6, default: legacy)
    let type = reader.file.string("\(reader.prefix).rope.scaling.type") ?? (factor > 1 ? "linear" : "none")
    guard factor > 0, factor != 1 else { return .none }
    switch type {
    case "none": return .none
    case "linear": return .linear(factor: factor)
    case "yarn":
      return .yarn(
        factor: factor,
        originalContextLength: try reader.integer(
          "rope.scaling.original_context_length", in: 1...Int(Int32.max), default: contextLength),
        attentionFactor: try reader.number("rope.scaling.attn_factor", in: 0...1e3, default: 1),
        betaFast: try reader.number("rope.scaling.yarn_beta_fast", in: 1e-3...1e6, default: 32),
        betaSlow: try reader.number("rope.scaling.yarn_beta_slow", in: 1e-3...1e6, default: 1))
    default:
      throw ModelError(
        ModelError.unsupportedArchitecture, "The RoPE scaling `\(type)` is not supported.",
        remedy: "Supported are none, linear, yarn, and llama3 through `rope_freqs.weight`.",
        location: "\(reader.prefix).rope.scaling.type")
    }
  }

  private static func unsupported(_ architecture: String) -> ModelError {
    ModelError(
      ModelError.unsupportedArchitecture, "The architecture `\(architecture)` is not supported.",
      remedy: "Supported are: \(supportedArchitectures.joined(separator: ", ")).", location: "general.architecture")
  }
}

/// Reads metadata of one architecture, each value with its allowed range.
private struct MetadataReader {
  let file: GGUFFile
  let prefix: String

  func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws(ModelError) -> Int {
    let full = "\(prefix).\(key)"
    guard let value = file.metadata[full] else {
      if let fallback { return fallback }
      throw ModelError(
        ModelError.metadataMissing, "The metadata key `\(full)` is missing.", remedy: ModelError.downloadAgain)
    }
    guard let number = value.intValue, range.contains(number) else { throw invalid(full, value, "\(range)") }
    return number
  }

  func number(
    _ key: String, in range: ClosedRange<Double>, default fallback: Double
  ) throws(ModelError) -> Double {
    let full = "\(prefix).\(key)"
    guard let value = file.metadata[full] else { return fallback }
    guard let number = value.doubleValue, range.contains(number) else { throw invalid(full, value, "\(range)") }
    return number
  }

  private func invalid(_ key: String, _ value: GGUFValue, _ range: String) -> ModelError {
    let shown = value.doubleValue.map { "\($0)" } ?? value.stringValue?.prefix(40).description ?? "no number"
    return ModelError(
      ModelError.metadataInvalid, "The metadata key `\(key)` is \(shown); it must be a number in \(range).",
      remedy: ModelError.downloadAgain)
  }
}
