// Owns which linear layers of a decoder an adapter may change, their names in files and their shapes. Knows nothing
// about computing.
import StrataCore

/// A linear layer of a decoder's block that an adapter can change.
public enum LoRAModule: String, Sendable, Hashable, CaseIterable {
  case query, key, value, output, gate, up, down

  /// The name inside `blk.N.` of a GGUF file.
  var ggufName: String {
    switch self {
    case .query: "attn_q"
    case .key: "attn_k"
    case .value: "attn_v"
    case .output: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }

  /// The name inside `model.layers.N.` of a PyTorch model.
  var peftName: String {
    switch self {
    case .query: "self_attn.q_proj"
    case .key: "self_attn.k_proj"
    case .value: "self_attn.v_proj"
    case .output: "self_attn.o_proj"
    case .gate: "mlp.gate_proj"
    case .up: "mlp.up_proj"
    case .down: "mlp.down_proj"
    }
  }

  /// The last part of ``peftName``, as `target_modules` lists it.
  public var targetName: String { String(peftName.split(separator: ".")[1]) }

  static let byGGUFName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.ggufName, $0) })
  static let byPEFTName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.peftName, $0) })
}

extension DecoderConfiguration {
  /// Inputs of the linear layer.
  public func inputCount(of module: LoRAModule) -> Int {
    switch module {
    case .query, .key, .value, .gate, .up: embeddingLength
    case .output: queryLength
    case .down: feedForwardLength
    }
  }

  /// Outputs of the linear layer.
  public func outputCount(of module: LoRAModule) -> Int {
    switch module {
    case .query: queryLength
    case .key, .value: keyLength
    case .output, .down: embeddingLength
    case .gate, .up: feedForwardLength
    }
  }
}
