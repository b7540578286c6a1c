// Owns reading and writing adapters in the folder layout of Hugging Face PEFT. Knows nothing about GGUF.
import Foundation
import StrataCore

extension LoRAWeights {
  static let peftConfigurationName = "adapter_config.json"
  static let peftWeightsName = "adapter_model.safetensors"

  /// The PEFT folder that a path means: the folder itself, or the one that holds a `.safetensors` file; nil for others.
  static func peftFolder(_ path: String) -> String? {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return path }
    return path.hasSuffix(".safetensors") ? URL(fileURLWithPath: path).deletingLastPathComponent().path : nil
  }

  /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder.
  /// - Throws: ``ModelError``: those of files and formats, `adapter_unsupported` names what is not understood (DoRA,
  ///   biases, embeddings, …), `adapter_mismatch` when shapes are not the model's, `adapter_invalid`.
  public init(peftFolder folder: String, configuration: DecoderConfiguration) throws(ModelError) {
    let configurationPath = folder + "/" + Self.peftConfigurationName
    let weightsPath = folder + "/" + Self.peftWeightsName
    guard FileManager.default.fileExists(atPath: weightsPath) else {
      throw ModelError(
        ModelError.fileUnreadable, "The folder holds no \(Self.peftWeightsName).",
        remedy: "Save the adapter as safetensors: `model.save_pretrained(folder, safe_serialization=True)`.",
        location: folder)
    }
    let text = try MappedFile(path: configurationPath, atMost: 1 << 20)
    let settings: JSON
    do throws(JSONParseError) {
      settings = try JSON(parsing: Array(text.bytes), depthLimit: 16)
    } catch {
      throw ModelError(
        ModelError.adapterInvalid, "\(Self.peftConfigurationName) is no JSON.", remedy: ModelError.exportAgain,
        location: configurationPath, cause: error)
    }
    let file = try SafetensorsFile(path: weightsPath)
    let name = URL(fileURLWithPath: folder).lastPathComponent
    do throws(ModelError) {
      try self.init(name: name, peft: file, settings: settings, configuration: configuration)
    } catch {
      throw error.located(at: folder)
    }
  }

  /// Reads tensors and settings that are in memory already.
  package init(
    name: String, peft file: SafetensorsFile, settings: JSON, configuration: DecoderConfiguration
  ) throws(ModelError) {
    let settings = try PEFTSettings(settings)
    var halves: [PEFTTarget: (a: SafetensorsFile.Tensor?, b: SafetensorsFile.Tensor?)] = [:]
    var targets: [PEFTTarget] = []
    for tensor in file.tensors {
      let (target, isA) = try PEFTTarget.parse(tensor.name)
      if halves[target] == nil { targets.append(target) }
      if isA { halves[target, default: (nil, nil)].a = tensor } else { halves[target, default: (nil, nil)].b = tensor }
    }
    var pairs: [Pair] = []
    for target in targets {
      guard let a = halves[target]?.a, let b = halves[target]?.b, a.shape.count == 2, b.shape.count == 2,
        a.shape[0] == b.shape[1], (1...Self.mostRank).contains(a.shape[0])
      else {
        throw ModelError(
          ModelError.adapterInvalid,
          "The matrices of `\(target.path)` are no pair [rank, inputs] and [outputs, rank] with a rank in "
            + "1...\(Self.mostRank).", remedy: ModelError.exportAgain)
      }
      let rank = a.shape[0]
      let scale = try settings.scale(of: target.path, rank: rank)
      for var pair in try LoRASplit.pairs(
        layer: target.layer, name: target.ggufName, rank: rank, inputs: a.shape[1], outputs: b.shape[0],
        a: file.floats(of: a), b: file.floats(of: b), scale: scale, configuration: configuration)
      {
        if LoRASplit.permutes(pair.module, configuration) {
          pair.b = LoRASplit.permuted(
            pair.b, rank: rank, headDimension: configuration.headDimension, toGGUF: true)
        }
        pairs.append(pair)
      }
    }
    try self.init(name: name, pairs: pairs, configuration: configuration)
  }

  /// Writes `adapter_config.json` and `adapter_model.safetensors` into `folder`, which is made where it is missing.
  /// - Parameter baseModel: what `base_model_name_or_path` says.
  /// - Throws: ``ModelError`` `file_unwritable`.
  public func write(
    peftFolder folder: String, configuration: DecoderConfiguration, baseModel: String = ""
  ) throws(ModelError) {
    let files = peftFiles(configuration: configuration, baseModel: baseModel)
    try AdapterFiles.makeFolder(folder)
    try AdapterFiles.write(files.settings.utf8(.pretty), to: folder + "/" + Self.peftConfigurationName)
    try AdapterFiles.write(files.weights, to: folder + "/" + Self.peftWeightsName)
  }

  /// Writes a GGUF file; see ``gguf(type:)``.
  public func write(ggufPath path: String, type: TensorType = .f16) throws(ModelError) {
    try AdapterFiles.write(gguf(type: type), to: path)
  }

  /// The two files of the PEFT layout.
  package func peftFiles(
    configuration: DecoderConfiguration, baseModel: String = ""
  ) -> (settings: JSON, weights: [UInt8]) {
    var writer = SafetensorsWriter(metadata: [("format", "pt")])
    let alpha = commonAlpha
    var rankCounts: [Int: Int] = [:]
    for pair in pairs { rankCounts[pair.rank, default: 0] += 1 }
    let rank = rankCounts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? 1
    var ranks: [(String, JSON)] = []
    var alphas: [(String, JSON)] = []
    for pair in pairs {
      let path = "model.layers.\(pair.layer).\(pair.module.peftName)"
      let b =
        LoRASplit.permutes(pair.module, configuration)
        ? LoRASplit.permuted(pair.b, rank: pair.rank, headDimension: configuration.headDimension, toGGUF: false)
        : pair.b
      writer.add(
        "base_model.model.\(path).lora_A.weight", shape: [pair.rank, pair.a.count / pair.rank], floats: pair.a)
      writer.add("base_model.model.\(path).lora_B.weight", shape: [b.count / pair.rank, pair.rank], floats: b)
      if pair.rank != rank { ranks.append((path, .int(pair.rank))) }
      if pair.alpha != alpha { alphas.append((path, .double(Double(pair.alpha)))) }
    }
    let settings: JSON = [
      "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": .string(baseModel),
      "r": .int(rank), "lora_alpha": .double(Double(alpha)),
      "target_modules": .array(modules.map { .string($0.targetName) }),
      "rank_pattern": .object(JSONObject(ranks)), "alpha_pattern": .object(JSONObject(alphas)), "bias": "none",
      "lora_dropout": 0, "use_rslora": false, "use_dora": false, "fan_in_fan_out": false, "inference_mode": true,
      "init_lora_weights": true, "modules_to_save": nil, "layers_to_transform": nil, "layers_pattern": nil,
    ]
    return (settings, writer.encoded())
  }
}

/// A linear layer as a PEFT file names it.
private struct PEFTTarget: Hashable {
  /// Without `base_model.model.` and what follows the layer's name.
  var path: String
  var layer: Int
  var ggufName: String

  private static let fused = ["self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"]

  /// - Returns: the target of a tensor, and whether the tensor is its A.
  static func parse(_ name: String) throws(ModelError) -> (PEFTTarget, isA: Bool) {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let kind = parts.firstIndex(where: { $0 == "lora_A" || $0 == "lora_B" }), parts.last == "weight",
      kind == parts.count - 2 || kind == parts.count - 3
    else { throw unsupported(name, what: part(name)) }
    var path = parts[..<kind]
    while path.first == "base_model" || path.first == "model" && path.dropFirst().first == "model" {
      path.removeFirst()
    }
    guard let layers = path.firstIndex(of: "layers"), layers + 2 < path.endIndex, let layer = Int(path[layers + 1]),
      path[..<layers].allSatisfy({ $0 == "model" || $0 == "language_model" })
    else { throw unsupported(name, what: part(name)) }
    let module = path[(layers + 2)...].joined(separator: ".")
    guard let gguf = LoRAModule.byPEFTName[module]?.ggufName ?? fused[module] else {
      throw unsupported(name, what: "an update of `\(module.prefix(80))`")
    }
    return (PEFTTarget(path: path.joined(separator: "."), layer: layer, ggufName: gguf), parts[kind] == "lora_A")
  }

  /// What a tensor that is no matrix of a projection is.
  private static func part(_ name: String) -> String {
    if name.contains("lora_magnitude_vector") { return "DoRA" }
    if name.contains("lora_embedding_") || name.contains("embed_tokens") { return "an update of the embeddings" }
    if name.contains("lm_head") { return "an update of the output layer" }
    if name.hasSuffix(".bias") { return "biases" }
    return "a tensor that is no LoRA matrix of a projection"
  }

  private static func unsupported(_ name: String, what: String) -> ModelError {
    ModelError.adapter(
      unsupported: what,
      remedy: "Train with target_modules among "
        + LoRAModule.allCases.map(\.targetName).joined(separator: ", ") + ", without biases and modules_to_save.",
      location: "tensor `\(name.prefix(200))`")
  }
}

/// What of `adapter_config.json` matters for applying the adapter.
private struct PEFTSettings {
  private var alpha: Double
  private var alphaPattern: [(key: String, alpha: Double)] = []
  private var usesRootScale: Bool

  /// Settings that change the mathematics in ways that are not implemented, with words for them.
  private static let unsupported = [
    ("use_dora", "DoRA"), ("lora_bias", "biases"), ("use_qalora", "QALoRA"), ("use_bdlora", "block-diagonal LoRA"),
    ("fan_in_fan_out", "transposed weights (fan_in_fan_out)"), ("layer_replication", "replicated layers"),
    ("target_parameters", "target_parameters"), ("trainable_token_indices", "trained tokens"),
    ("modules_to_save", "whole trained modules (modules_to_save)"), ("alora_invocation_tokens", "aLoRA"),
    ("arrow_config", "Arrow"), ("kasa_config", "KaSA"), ("monteclora_config", "MonteCLoRA"),
  ]

  init(_ json: JSON) throws(ModelError) {
    let type = json["peft_type"]?.stringValue ?? ""
    guard type == "LORA" else {
      throw ModelError.adapter(unsupported: "the method `\(type.prefix(40))`", remedy: "Use a LoRA adapter.")
    }
    for (key, words) in Self.unsupported where Self.isOn(json[key]) {
      throw ModelError.adapter(
        unsupported: words, remedy: "Merge it into the model, or train a plain LoRA adapter.",
        location: LoRAWeights.peftConfigurationName + ": " + key)
    }
    if let bias = json["bias"]?.stringValue, bias != "none" {
      throw ModelError.adapter(
        unsupported: "biases", remedy: "Train with bias = \"none\".", location: LoRAWeights.peftConfigurationName)
    }
    // These initializations change the base weights; saving with conversion writes `true` here.
    if let start = json["init_lora_weights"]?.stringValue?.lowercased(),
      ["pissa", "olora", "corda", "loftq", "lora_ga"].contains(where: start.hasPrefix)
    {
      throw ModelError.adapter(
        unsupported: "the initialization `\(start.prefix(40))`, which belongs to changed base weights",
        remedy: "Save it with path_initial_model_for_weight_conversion, as PEFT's documentation shows.",
        location: LoRAWeights.peftConfigurationName)
    }
    guard let alpha = json["lora_alpha"]?.doubleValue, alpha.isFinite, abs(alpha) <= 1e6 else {
      throw ModelError(
        ModelError.adapterInvalid, "`lora_alpha` is missing or no number.", remedy: ModelError.exportAgain,
        location: LoRAWeights.peftConfigurationName)
    }
    self.alpha = alpha
    usesRootScale = json["use_rslora"]?.boolValue ?? false
    for (key, value) in json["alpha_pattern"]?.objectValue ?? [:] {
      let plain = key.replacing("\\.", with: ".")
      guard let alpha = value.doubleValue, alpha.isFinite, abs(alpha) <= 1e6,
        !plain.contains(where: "\\^$*+?()[]{}|".contains)
      else {
        throw ModelError.adapter(
          unsupported: "the pattern `\(key.prefix(80))`", remedy: "Write names of modules in alpha_pattern.",
          location: LoRAWeights.peftConfigurationName)
      }
      alphaPattern.append((plain, alpha))
    }
  }

  private static func isOn(_ value: JSON?) -> Bool {
    switch value {
    case nil, .null, .bool(false): false
    case .array(let elements): !elements.isEmpty
    case .object(let members): !members.isEmpty
    default: true
    }
  }

  /// What B · A of a module is multiplied by.
  func scale(of path: String, rank: Int) throws(ModelError) -> Float {
    let own = alphaPattern.first { path == $0.key || path.hasSuffix("." + $0.key) }?.alpha ?? alpha
    return Float(own / (usesRootScale ? Double(rank).squareRoot() : Double(rank)))
  }
}

/// Writes whole files, so that a reader never sees half of one.
enum AdapterFiles {
  static func makeFolder(_ path: String) throws(ModelError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw unwritable(path, error)
    }
  }

  static func write(_ bytes: [UInt8], to path: String) throws(ModelError) {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw unwritable(path, error)
    }
  }

  private static func unwritable(_ path: String, _ error: any Error) -> ModelError {
    ModelError(
      ModelError.fileUnwritable, "The adapter cannot be written.",
      remedy: "Check the path, permissions and free space.",
      location: path, cause: error)
  }
}

extension MappedFile {
  /// Maps a small file, refusing larger ones.
  fileprivate convenience init(path: String, atMost limit: Int) throws(ModelError) {
    try self.init(path: path)
    guard bytes.count <= limit else {
      throw ModelError(
        ModelError.adapterInvalid, "The file has \(bytes.count) bytes; at most \(limit) are read.",
        remedy: ModelError.exportAgain, location: path)
    }
  }
}
