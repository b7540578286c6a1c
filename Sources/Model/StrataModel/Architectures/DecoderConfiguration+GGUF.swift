// Owns the table from GGUF metadata to the shape of a decoder. Knows nothing about weights or computing.
import StrataCore

extension DecoderConfiguration {
  /// Which layers of an architecture see a window only, when the metadata give one.
  private enum WindowRule {
    case never
    case everywhere
    /// The last of each `period` layers sees everything; the metadata may say otherwise.
    case allButLast(period: Int)
  }

  /// What sets one architecture apart; a new member of the family is one more row.
  private struct Traits {
    var ropeStyle: RopeStyle = .halves
    var windows: WindowRule = .never
    /// The base of windowed layers' rotation; nil: as everywhere.
    var localRopeBase: Double?
    /// The last of each `period` layers does not rotate.
    var unrotatedPeriod: Int?
    var activation: GateActivation = .silu
    var normalizesHeads = false
    var normalizesOutputs = false
    var scalesEmbeddings = false
    /// The model of this many layers scales attention by its embedding's share per head.
    var embeddingScaledLayerCount: Int?
    var attentionSoftcap: Float?
    var logitSoftcap: Float?
  }

  private static let table: [String: Traits] = [
    "llama": Traits(ropeStyle: .interleaved, windows: .everywhere),
    "smollm3": Traits(ropeStyle: .interleaved, unrotatedPeriod: 4),
    "qwen2": Traits(),
    "qwen3": Traits(normalizesHeads: true),
    "phi3": Traits(windows: .everywhere),
    "gemma2": Traits(
      windows: .allButLast(period: 2), activation: .gelu, normalizesOutputs: true, scalesEmbeddings: true,
      embeddingScaledLayerCount: 46, attentionSoftcap: 50, logitSoftcap: 30),
    "gemma3": Traits(
      windows: .allButLast(period: 6), localRopeBase: 10_000, activation: .gelu, normalizesHeads: true,
      normalizesOutputs: true, scalesEmbeddings: true, embeddingScaledLayerCount: 62),
  ]

  /// Values of `general.architecture` that can be run.
  public static var supportedArchitectures: [String] { table.keys.sorted() }

  /// Reads and checks the configuration.
  /// - Parameter contextLength: the most positions that will be used, when fewer than the model was made for. Models
  ///   with LongRoPE choose their frequencies by it.
  /// - Throws: ``ModelError``: `unsupported_architecture`, `metadata_missing`, `metadata_invalid`, `tensor_missing`
  ///   or `tensor_shape`.
  public init(gguf: GGUFFile, contextLength limit: Int? = nil) throws(ModelError) {
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
    let heads = try Self.heads(reader, embeddingLength: embedding)
    let layerCount = try reader.integer("block_count", in: 1...4096)
    let trained = try reader.integer("context_length", in: 1...Int(Int32.max / 2))
    self.architecture = architecture
    name = gguf.string("general.name") ?? ""
    embeddingLength = embedding
    feedForwardLength = try reader.integer("feed_forward_length", in: 1...1 << 22)
    headCount = heads.queries
    keyValueHeadCount = heads.keyValues
    headDimension = heads.dimension
    layers = try Self.layers(reader, traits, count: layerCount)
    rope = RopeConfiguration(
      dimension: heads.rotary, style: traits.ropeStyle,
      base: try reader.number("rope.freq_base", in: 1...1e12, default: 10_000),
      scaling: try Self.ropeScaling(reader, contextLength: trained),
      magnitude: try reader.number("rope.scaling.attn_factor", in: 1e-3...1e3, default: 1))
    localRope = rope
    if let base = traits.localRopeBase {
      localRope.base = try reader.number("rope.freq_base_swa", in: 1...1e12, default: base)
      localRope.scaling = .none
      localRope.magnitude = 1
    }
    rmsEpsilon = Float(try reader.number("attention.layer_norm_rms_epsilon", in: 0...1, default: 1e-5))
    activation = traits.activation
    normalizesHeads = traits.normalizesHeads
    normalizesOutputs = traits.normalizesOutputs
    embeddingScale = traits.scalesEmbeddings ? Float(embedding).squareRoot() : 1
    let scaledLength =
      traits.embeddingScaledLayerCount == layerCount ? max(1, embedding / heads.queries) : heads.dimension
    attentionScale = 1 / Float(scaledLength).squareRoot()
    attentionSoftcap = try Self.softcap("attn_logit_softcapping", reader, default: traits.attentionSoftcap)
    logitSoftcap = try Self.softcap("final_logit_softcapping", reader, default: traits.logitSoftcap)
    contextLength = min(trained, max(1, limit ?? trained))
    vocabularySize = try Self.vocabularySize(gguf, embeddingLength: embedding)
    hasTiedEmbeddings = gguf.tensor("output.weight") == nil
    parameterCount = gguf.tensors.reduce(0) { $0 &+ $1.elementCount }
  }

  private static func heads(
    _ reader: MetadataReader, embeddingLength: Int
  ) throws(ModelError) -> (queries: Int, keyValues: Int, dimension: Int, rotary: Int) {
    let heads = try reader.integer("attention.head_count", in: 1...4096)
    let keyValueHeads = try reader.integer("attention.head_count_kv", in: 1...4096, default: heads)
    let dimension = try reader.integer("attention.key_length", in: 1...4096, default: max(1, embeddingLength / heads))
    let valueDimension = try reader.integer("attention.value_length", in: 1...4096, default: dimension)
    let rotary = try reader.integer("rope.dimension_count", in: 2...4096, default: dimension)
    guard heads % keyValueHeads == 0, valueDimension == dimension, rotary <= dimension, rotary % 2 == 0 else {
      throw ModelError(
        ModelError.metadataInvalid,
        "The attention heads do not fit together: \(heads) query and \(keyValueHeads) key-value heads of "
          + "\(dimension) and \(valueDimension) values, of which \(rotary) rotate.",
        remedy: ModelError.downloadAgain, location: "\(reader.prefix).attention")
    }
    return (heads, keyValueHeads, dimension, rotary)
  }

  private static func layers(
    _ reader: MetadataReader, _ traits: Traits, count: Int
  ) throws(ModelError) -> [LayerAttention] {
    let window = try reader.integer("attention.sliding_window", in: 0...Int(Int32.max), default: 0)
    let windowed = try window > 0 ? windowedLayers(reader, traits, count: count) : Array(repeating: false, count: count)
    return windowed.enumerated().map { index, isWindowed in
      let rotates = traits.unrotatedPeriod.map { (index + 1) % $0 != 0 } ?? true
      return LayerAttention(
        window: isWindowed ? window : nil,
        rotation: !rotates ? .none : isWindowed && traits.localRopeBase != nil ? .local : .global)
    }
  }

  private static func windowedLayers(
    _ reader: MetadataReader, _ traits: Traits, count: Int
  ) throws(ModelError) -> [Bool] {
    guard case .allButLast(let usual) = traits.windows else {
      if case .everywhere = traits.windows { return Array(repeating: true, count: count) }
      return Array(repeating: false, count: count)
    }
    let key = "attention.sliding_window_pattern"
    if let pattern = reader.value(key)?.arrayValue {
      guard let flags = pattern.integers, flags.count == count else {
        throw ModelError(
          ModelError.metadataInvalid, "`\(reader.prefix).\(key)` has \(pattern.count) values for \(count) layers.",
          remedy: ModelError.downloadAgain)
      }
      return flags.map { $0 != 0 }
    }
    let period = try reader.integer(key, in: 1...4096, default: usual)
    return (0..<count).map { ($0 + 1) % period != 0 }
  }

  private static func softcap(
    _ key: String, _ reader: MetadataReader, default fallback: Float?
  ) throws(ModelError) -> Float? {
    guard let value = try reader.optionalNumber(key, in: 0...1e6) else { return fallback }
    return value > 0 ? Float(max(value, 1e-3)) : nil
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
    let original = try reader.integer(
      "rope.scaling.original_context_length", in: 1...Int(Int32.max), default: contextLength)
    // Writers of phi3 leave the type out; the tensors tell.
    if reader.file.tensor("rope_factors_long.weight") != nil { return .long(originalContextLength: original) }
    let legacy = try reader.number("rope.scale_linear", in: 1e-3...1e6, default: 1)
    let factor = try reader.number("rope.scaling.factor", in: 0...1e6, default: legacy)
    let type = reader.value("rope.scaling.type")?.stringValue ?? (factor > 1 ? "linear" : "none")
    guard factor > 0, factor != 1 else { return .none }
    switch type {
    case "none": return .none
    case "linear": return .linear(factor: factor)
    case "yarn":
      return .yarn(
        factor: factor, originalContextLength: original,
        betaFast: try reader.number("rope.scaling.yarn_beta_fast", in: 1e-3...1e6, default: 32),
        betaSlow: try reader.number("rope.scaling.yarn_beta_slow", in: 1e-3...1e6, default: 1))
    default:
      throw ModelError(
        ModelError.unsupportedArchitecture, "The RoPE scaling `\(type)` is not supported.",
        remedy: "Supported are none, linear, yarn, llama3 through `rope_freqs.weight` and longrope through "
          + "`rope_factors_long.weight`.",
        location: "\(reader.prefix).rope.scaling.type")
    }
  }

  private static func unsupported(_ architecture: String) -> ModelError {
    ModelError(
      ModelError.unsupportedArchitecture, "The architecture `\(architecture)` is not supported.",
      remedy: "Supported are: \(supportedArchitectures.joined(separator: ", ")).", location: "general.architecture")
  }
}
