// Owns the values of a LoRA adapter as files hold them, checked against a model. Knows nothing about computing with
// them.
import StrataCore

/// The matrices of a low-rank adapter (Hu et al. 2021, LoRA): a linear layer W becomes W + scale · B · A.
///
/// Rows of B are in the order of GGUF files, whichever file they came from: the llama family's query and key rows are
/// permuted there, and reading and writing PEFT files turns them around.
public struct LoRAWeights: Sendable {
  /// The update of one linear layer.
  public struct Pair: Sendable, Hashable {
    public var layer: Int
    public var module: LoRAModule
    /// 1...1024
    public var rank: Int
    /// [rank, inputs], row-major
    public var a: [Float]
    /// [outputs, rank], row-major
    public var b: [Float]
    /// What B · A is multiplied by: alpha / rank, or alpha / √rank where the file asks for it.
    public var scale: Float

    public init(layer: Int, module: LoRAModule, rank: Int, a: [Float], b: [Float], scale: Float) {
      self.layer = layer
      self.module = module
      self.rank = rank
      self.a = a
      self.b = b
      self.scale = scale
    }
  }

  /// Ranks beyond this are refused; a file that claims more is no low-rank adapter.
  public static let mostRank = 1024

  /// `general.name` of a GGUF file, or the name of the folder.
  public var name: String
  /// `general.architecture` of the model.
  public let architecture: String
  /// At most one per layer and module, in their order.
  public let pairs: [Pair]

  /// Checks pairs against the model that they are for.
  /// - Throws: ``ModelError``: `adapter_mismatch` when a layer or a size is not the model's, `adapter_invalid` when
  ///   there are no pairs, two for one linear layer, or values that are not finite.
  public init(name: String, pairs: [Pair], configuration: DecoderConfiguration) throws(ModelError) {
    guard !pairs.isEmpty else {
      throw ModelError(
        ModelError.adapterInvalid, "The adapter changes no linear layer.",
        remedy: "Give an adapter that was trained for this architecture.")
    }
    var seen = Set<Int>()
    for pair in pairs {
      try Self.check(pair, configuration)
      guard seen.insert(pair.order).inserted else {
        throw ModelError(
          ModelError.adapterInvalid, "The adapter changes \(pair.label) twice.", remedy: ModelError.exportAgain)
      }
    }
    self.name = name
    architecture = configuration.architecture
    self.pairs = pairs.sorted { $0.order < $1.order }
  }

  static func check(_ pair: Pair, _ configuration: DecoderConfiguration) throws(ModelError) {
    guard (0..<configuration.layerCount).contains(pair.layer) else {
      throw ModelError(
        ModelError.adapterMismatch,
        "The adapter changes layer \(pair.layer); the model has \(configuration.layerCount) layers.",
        remedy: ModelError.otherBase)
    }
    guard (1...mostRank).contains(pair.rank) else {
      throw ModelError(
        ModelError.adapterInvalid, "The adapter's rank in \(pair.label) is \(pair.rank), not in 1...\(mostRank).",
        remedy: ModelError.exportAgain)
    }
    let inputs = configuration.inputCount(of: pair.module)
    let outputs = configuration.outputCount(of: pair.module)
    guard pair.a.count == pair.rank * inputs, pair.b.count == outputs * pair.rank else {
      throw ModelError(
        ModelError.adapterMismatch,
        "The adapter's matrices of \(pair.label) have \(pair.a.count) and \(pair.b.count) values; with rank "
          + "\(pair.rank) this model needs \(pair.rank * inputs) and \(outputs * pair.rank).",
        remedy: ModelError.otherBase)
    }
    guard pair.scale.isFinite, pair.a.allSatisfy(\.isFinite), pair.b.allSatisfy(\.isFinite) else {
      throw ModelError(
        ModelError.adapterInvalid, "The adapter holds values of \(pair.label) that are not finite.",
        remedy: "The training diverged or the file is damaged; use an earlier checkpoint.")
    }
  }

  /// Reads a GGUF adapter, or a PEFT folder (or the `adapter_model.safetensors` in it).
  /// - Throws: ``ModelError``: those of the formats, and `adapter_unsupported`, `adapter_mismatch`, `adapter_invalid`.
  public init(path: String, configuration: DecoderConfiguration) throws(ModelError) {
    if let folder = Self.peftFolder(path) {
      try self.init(peftFolder: folder, configuration: configuration)
    } else {
      try self.init(gguf: GGUFFile(path: path), configuration: configuration)
    }
  }

  /// Values of all matrices together.
  public var parameterCount: Int { pairs.reduce(0) { $0 + $1.a.count + $1.b.count } }

  /// Ranks that occur, ascending.
  public var ranks: [Int] { Set(pairs.map(\.rank)).sorted() }

  /// Modules that occur, in their order.
  public var modules: [LoRAModule] {
    let present = Set(pairs.map(\.module))
    return LoRAModule.allCases.filter(present.contains)
  }
}

extension LoRAWeights.Pair {
  /// Sorts by layer, then module.
  var order: Int { layer * LoRAModule.allCases.count + module.index }
  var label: String { "blk.\(layer).\(module.ggufName)" }
  var alpha: Float { scale * Float(rank) }
}

extension ModelError {
  static let exportAgain = "Export the adapter again from the training that made it."
  static let otherBase = "Use the adapter with the model that it was trained for."

  static func adapter(unsupported what: String, remedy: String, location: String? = nil) -> ModelError {
    ModelError(
      ModelError.adapterUnsupported, "The adapter uses \(what), which is not supported.", remedy: remedy,
      location: location)
  }
}
