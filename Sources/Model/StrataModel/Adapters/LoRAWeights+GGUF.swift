// Owns reading and writing adapters as GGUF, in the layout of llama.cpp's convert_lora_to_gguf. Knows nothing about
// PEFT.
import StrataCore

extension LoRAWeights {
  /// Reads a GGUF adapter: `general.type` is `adapter`, `adapter.type` is `lora`, and pairs of tensors
  /// `blk.N.NAME.weight.lora_a` [inputs, rank] and `.lora_b` [rank, outputs] (fastest dimension first).
  /// - Throws: ``ModelError``: `adapter_unsupported` names what is not understood, `adapter_mismatch` when the file is
  ///   for another model, `adapter_invalid`.
  public init(gguf file: GGUFFile, configuration: DecoderConfiguration) throws(ModelError) {
    let alpha = try Self.checkedAlpha(file, configuration)
    var halves: [String: (a: TensorInfo?, b: TensorInfo?)] = [:]
    var names: [String] = []
    for tensor in file.tensors {
      guard let base = Self.baseName(tensor.name) else {
        throw ModelError.adapter(
          unsupported: "the tensor `\(tensor.name)`",
          remedy: "Train the adapter without biases, norms or whole layers.", location: file.path)
      }
      if halves[base] == nil { names.append(base) }
      if tensor.name.hasSuffix("a") {
        halves[base, default: (nil, nil)].a = tensor
      } else {
        halves[base, default: (nil, nil)].b = tensor
      }
    }
    var pairs: [Pair] = []
    for name in names {
      guard let a = halves[name]?.a, let b = halves[name]?.b else {
        throw ModelError(
          ModelError.adapterInvalid, "The adapter has only one matrix of `\(name)`.", remedy: ModelError.exportAgain,
          location: file.path)
      }
      pairs += try Self.pairs(name, file, a, b, alpha: alpha, configuration)
    }
    try self.init(name: file.string("general.name") ?? "", pairs: pairs, configuration: configuration)
  }

  private static func checkedAlpha(
    _ file: GGUFFile, _ configuration: DecoderConfiguration
  ) throws(ModelError) -> Float {
    guard file.string("general.type") == "adapter" else {
      throw ModelError(
        ModelError.adapterInvalid, "This is no adapter: `general.type` is not `adapter`.",
        remedy: "Give a file made by convert_lora_to_gguf.py, a PEFT folder, or one that Strata wrote.",
        location: file.path)
    }
    guard let type = file.string("adapter.type"), type == "lora" else {
      throw ModelError.adapter(
        unsupported: "the type `\((file.string("adapter.type") ?? "").prefix(40))`",
        remedy: "Use a LoRA adapter.", location: file.path)
    }
    guard let architecture = file.string("general.architecture"), architecture == configuration.architecture else {
      throw ModelError(
        ModelError.adapterMismatch,
        "The adapter is for the architecture `\((file.string("general.architecture") ?? "").prefix(40))`, the model is "
          + "`\(configuration.architecture)`.", remedy: ModelError.otherBase, location: file.path)
    }
    guard file.metadata["adapter.alora.invocation_tokens"] == nil else {
      throw ModelError.adapter(
        unsupported: "invocation tokens (aLoRA)", remedy: "Use a plain LoRA adapter.", location: file.path)
    }
    let alpha = file.float("adapter.lora.alpha") ?? 0
    guard alpha.isFinite, abs(alpha) <= 1e6 else {
      throw ModelError(
        ModelError.adapterInvalid, "`adapter.lora.alpha` is \(alpha).", remedy: ModelError.exportAgain,
        location: file.path)
    }
    return Float(alpha)
  }

  /// The tensor that `X.lora_a` or `X.lora_b` changes, or nil for other names.
  private static func baseName(_ name: String) -> String? {
    guard name.hasSuffix(".lora_a") || name.hasSuffix(".lora_b") else { return nil }
    return String(name.dropLast(7))
  }

  private static func pairs(
    _ name: String, _ file: GGUFFile, _ a: TensorInfo, _ b: TensorInfo, alpha: Float,
    _ configuration: DecoderConfiguration
  ) throws(ModelError) -> [Pair] {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", parts[3] == "weight", let layer = Int(parts[1]),
      LoRAModule.byGGUFName[String(parts[2])] != nil || parts[2] == "attn_qkv"
    else {
      throw ModelError.adapter(
        unsupported: "the tensor `\(name)`",
        remedy: "Train the adapter on attention and feed-forward projections only.", location: file.path)
    }
    guard a.shape.count == 2, b.shape.count == 2, a.shape[1] == b.shape[0], a.shape[1] >= 1,
      a.shape[1] <= mostRank
    else {
      throw ModelError(
        ModelError.adapterInvalid,
        "The matrices of `\(name)` have the shapes \(a.shape) and \(b.shape); [inputs, rank] and [rank, outputs] with "
          + "a rank in 1...\(mostRank) are needed.", remedy: ModelError.exportAgain, location: file.path)
    }
    let rank = a.shape[1]
    // llama.cpp takes an alpha of 0 as "no scaling at all".
    let scale = alpha == 0 ? 1 : alpha / Float(rank)
    return try LoRASplit.pairs(
      layer: layer, name: String(parts[2]), rank: rank, inputs: a.shape[0], outputs: b.shape[1],
      a: file.values(of: a), b: file.values(of: b), scale: scale, configuration: configuration)
  }

  /// The adapter as a GGUF file that llama.cpp loads.
  ///
  /// The format has one alpha for all matrices; where a pair's scale differs, its B is multiplied instead.
  /// - Parameter type: of the matrices: `f32` or `f16`.
  /// - Throws: ``ModelError`` `invalid_argument` for another type, `adapter_unsupported` for an architecture whose
  ///   GGUF files fuse projections.
  public func gguf(type: TensorType = .f16) throws(ModelError) -> [UInt8] {
    guard type == .f32 || type == .f16 else {
      throw ModelError(
        ModelError.invalidArgument, "Adapters are written as F32 or F16, not as \(type.name).",
        remedy: "Choose one of these.")
    }
    guard !LoRASplit.fusedArchitectures.contains(architecture) else {
      throw ModelError.adapter(
        unsupported: "projections that GGUF files of `\(architecture)` fuse", remedy: "Write a PEFT folder instead.")
    }
    let alpha = commonAlpha
    var writer = GGUFWriter()
    writer.set("general.architecture", .string(architecture))
    writer.set("general.type", .string("adapter"))
    if !name.isEmpty { writer.set("general.name", .string(name)) }
    writer.set("adapter.type", .string("lora"))
    writer.set("adapter.lora.alpha", .float32(alpha))
    for pair in pairs {
      let factor = pair.scale / (alpha == 0 ? 1 : alpha / Float(pair.rank))
      let b = factor == 1 ? pair.b : pair.b.map { $0 * factor }
      let base = "\(pair.label).weight"
      writer.add(
        base + ".lora_a", type: type, shape: [pair.a.count / pair.rank, pair.rank], bytes: type.encoded(pair.a))
      writer.add(base + ".lora_b", type: type, shape: [pair.rank, b.count / pair.rank], bytes: type.encoded(b))
    }
    return writer.encoded()
  }

  /// The alpha that most pairs have.
  var commonAlpha: Float {
    var counts: [Float: Int] = [:]
    for pair in pairs { counts[pair.alpha, default: 0] += 1 }
    return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? 0
  }
}

extension TensorType {
  /// `values` in this type, F32 or F16.
  func encoded(_ values: [Float]) -> [UInt8] {
    encode(values) ?? []
  }
}

extension GGUFFile {
  /// The tensor's elements as 32-bit floats.
  func values(of tensor: TensorInfo) throws(ModelError) -> [Float] {
    guard let values = tensor.type.decode(bytes(of: tensor), count: tensor.elementCount) else {
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(tensor.name)` of type \(tensor.type.name) cannot be decoded.",
        remedy: ModelError.downloadAgain, location: path)
    }
    return values
  }
}
