// Owns the kinds of quantized files and which tensor gets which type in them. Knows nothing about bytes.
// The mixes are those of llama.cpp's llama-quantize (its `--dry-run` is what tests compare with), so that a name means
// the same file size there and here.
import StrataCore
import StrataModel

// The names are those of the format, underscores included.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// A kind of quantized model file. The raw value is the name that users of GGUF know.
public enum QuantizationType: String, Sendable, Hashable, CaseIterable {
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case q8_0 = "Q8_0"
  case q6_K = "Q6_K"
  case q5_K_M = "Q5_K_M"
  case q5_K_S = "Q5_K_S"
  case q5_1 = "Q5_1"
  case q5_0 = "Q5_0"
  case q4_K_M = "Q4_K_M"
  case q4_K_S = "Q4_K_S"
  case q4_1 = "Q4_1"
  case q4_0 = "Q4_0"

  /// The type whose name is `name`, in any case.
  public init?(name: String) {
    self.init(rawValue: name.uppercased())
  }

  /// What most matrices are stored as.
  public var tensorType: TensorType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .q8_0
    case .q6_K: .q6_K
    case .q5_K_M, .q5_K_S: .q5_K
    case .q5_1: .q5_1
    case .q5_0: .q5_0
    case .q4_K_M, .q4_K_S: .q4_K
    case .q4_1: .q4_1
    case .q4_0: .q4_0
    }
  }

  /// The value of `general.file_type`.
  var fileType: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q4_K_S: 14
    case .q4_K_M: 15
    case .q5_K_S: 16
    case .q5_K_M: 17
    case .q6_K: 18
    case .bf16: 32
    }
  }

  var isFloat: Bool { tensorType.blockElementCount == 1 }
}

/// Which type each tensor of a file gets.
struct QuantizationMix {
  let type: QuantizationType
  let layerCount: Int
  let hasOutputMatrix: Bool
  let hasImportance: Bool

  init(_ type: QuantizationType, for file: GGUFFile, hasImportance: Bool) {
    self.type = type
    self.hasImportance = hasImportance
    let architecture = file.string("general.architecture") ?? ""
    layerCount = file.integer("\(architecture).block_count") ?? 0
    hasOutputMatrix = file.tensor("output.weight") != nil
  }

  func type(of tensor: TensorInfo) -> TensorType {
    guard Self.isQuantized(tensor) else { return tensor.type }
    let columns = tensor.shape[0]
    let wanted = wantedType(of: tensor.name, columns: columns)
    if columns % wanted.blockElementCount == 0 { return wanted }
    let fallback: TensorType =
      switch wanted {
      case .q4_K: .q5_0
      case .q5_K: .q5_1
      default: .q8_0
      }
    return columns % fallback.blockElementCount == 0 ? fallback : .f16
  }

  /// Matrices of linear layers and embeddings are; vectors, norms, routers and small lookup tables are not.
  static func isQuantized(_ tensor: TensorInfo) -> Bool {
    let name = tensor.name
    guard tensor.shape.count >= 2, tensor.shape.dropFirst().contains(where: { $0 > 1 }), name.hasSuffix("weight")
    else { return false }
    let kept = [
      "_norm.weight", "ffn_gate_inp.weight", "token_types.weight", "position_embd.weight", "rel_b.weight", "ssm_conv1d",
    ]
    return !kept.contains { name.contains($0) }
  }

  private func wantedType(of name: String, columns: Int) -> TensorType {
    if type.isFloat { return type.tensorType }
    if name == "output.weight" || name == "token_embd.weight" && !hasOutputMatrix {
      if type == .q8_0 || columns % TensorType.q6_K.blockElementCount != 0 { return .q8_0 }
      return .q6_K
    }
    let layer = Self.layer(of: name)
    if name.contains("attn_v.weight") {
      switch type {
      case .q4_K_M, .q5_K_M: return deservesMoreBits(layer) ? .q6_K : type.tensorType
      case .q4_K_S: return layer < 4 ? .q5_K : .q4_K
      default: return type.tensorType
      }
    }
    if name.contains("attn_qkv.weight") {
      switch type {
      case .q4_K_M: return .q5_K
      case .q5_K_M: return .q6_K
      default: return type.tensorType
      }
    }
    if name.contains("ffn_down") {
      let isEarly = layer < layerCount / 8
      switch type {
      case .q4_K_M, .q5_K_M: return deservesMoreBits(layer) ? .q6_K : type.tensorType
      case .q4_K_S: return isEarly ? .q5_K : .q4_K
      // With an importance matrix the first of these have columns that one scale without minimum cannot serve.
      case .q4_0: return isEarly && hasImportance ? .q4_1 : .q4_0
      case .q5_0: return isEarly && hasImportance ? .q5_1 : .q5_0
      default: return type.tensorType
      }
    }
    return type.tensorType
  }

  /// The first and the last eighth of the layers, and every third between.
  private func deservesMoreBits(_ layer: Int) -> Bool {
    let eighth = layerCount / 8
    return layer < eighth || layer >= 7 * layerCount / 8 || (layer - eighth) % 3 == 2
  }

  /// The number in `blk.7.attn_v.weight`; 0 for tensors outside the layers.
  private static func layer(of name: String) -> Int {
    let parts = name.split(separator: ".")
    guard parts.count > 1, parts[0] == "blk" else { return 0 }
    return Int(parts[1]) ?? 0
  }
}
