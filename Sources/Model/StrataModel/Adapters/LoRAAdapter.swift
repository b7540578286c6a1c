// Owns an adapter that is ready to run: its matrices packed for the kernels. Knows nothing about files.
import StrataCore

/// A LoRA adapter, packed and immutable. It belongs to models of one shape and may be in use by any number of sequences
/// and threads at once; its memory goes when the last of them lets go of it.
public final class LoRAAdapter: Sendable {
  public let name: String
  /// SHA-256 of what the adapter computes: equal for equal weights, whatever they are called. Keys and values computed
  /// with one adapter serve no other.
  public let id: String
  /// Ranks that occur, ascending.
  public let ranks: [Int]
  public let modules: [LoRAModule]
  public let parameterCount: Int
  /// Bytes of memory held.
  public let byteCount: Int
  private let shape: Shape
  /// [layer · modules + module]
  private let matrices: [LowRankMatrix?]

  /// What a model must have in common with the one that the adapter was loaded for.
  private struct Shape: Hashable {
    var layers: Int
    var sizes: [Int]

    init(_ configuration: DecoderConfiguration) {
      layers = configuration.layerCount
      sizes = LoRAModule.allCases.flatMap { [configuration.inputCount(of: $0), configuration.outputCount(of: $0)] }
    }
  }

  /// Packs the matrices for a model's device; `weights` are not needed afterwards.
  /// - Throws: ``ModelError`` `out_of_memory`, or `adapter_mismatch` when the weights were read for another model.
  public init(_ weights: LoRAWeights, for model: DecoderModel) throws(ModelError) {
    let configuration = model.configuration
    for pair in weights.pairs { try LoRAWeights.check(pair, configuration) }
    // Both matrices of a pair become 16-bit values.
    try SystemMemory.require(weights.parameterCount * 2, for: "The adapter")
    let modules = LoRAModule.allCases.count
    var matrices = [LowRankMatrix?](repeating: nil, count: configuration.layerCount * modules)
    for pair in weights.pairs {
      matrices[pair.order] = try model.device.makeLowRank(
        a: pair.a, b: pair.b, rank: pair.rank, scale: pair.scale, name: pair.label)
    }
    self.matrices = matrices
    name = weights.name
    id = Self.fingerprint(weights)
    ranks = weights.ranks
    self.modules = weights.modules
    parameterCount = weights.parameterCount
    byteCount = matrices.reduce(0) { $0 + ($1?.byteCount ?? 0) }
    shape = Shape(configuration)
  }

  /// Reads and packs a GGUF adapter or a PEFT folder.
  /// - Throws: ``ModelError``; see ``LoRAWeights/init(path:configuration:)``.
  public convenience init(path: String, for model: DecoderModel) throws(ModelError) {
    try self.init(LoRAWeights(path: path, configuration: model.configuration), for: model)
  }

  private static func fingerprint(_ weights: LoRAWeights) -> String {
    var hash = SHA256()
    for pair in weights.pairs {
      withUnsafeBytes(of: (pair.order, pair.rank, pair.scale.bitPattern)) { hash.update($0) }
      pair.a.withUnsafeBytes { hash.update($0) }
      pair.b.withUnsafeBytes { hash.update($0) }
    }
    return hash.finish()
  }

  /// Whether the adapter can run with a model of this shape.
  public func fits(_ configuration: DecoderConfiguration) -> Bool { shape == Shape(configuration) }

  /// The update of a linear layer, if the adapter has one.
  func matrix(of module: LoRAModule, layer: Int) -> LowRankMatrix? {
    matrices[layer * LoRAModule.allCases.count + module.index]
  }
}

extension LoRAModule {
  /// Position in `allCases`.
  var index: Int {
    switch self {
    case .query: 0
    case .key: 1
    case .value: 2
    case .output: 3
    case .gate: 4
    case .up: 5
    case .down: 6
    }
  }
}
