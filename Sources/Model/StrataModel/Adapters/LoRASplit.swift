// Owns how the matrices of a file become pairs of this engine's linear layers: fused projections are split, rows of
// the llama family permuted. Knows no file format.
import StrataCore

enum LoRASplit {
  /// Architectures whose files have query, key and value in one matrix, and gate and up in another.
  static let fusedArchitectures: Set<String> = ["phi3"]

  /// Pairs for a GGUF tensor name (`attn_q`, …, or the fused `attn_qkv` and a doubled `ffn_up`).
  static func pairs(
    layer: Int, name: String, rank: Int, inputs: Int, outputs: Int, a: [Float], b: [Float], scale: Float,
    configuration: DecoderConfiguration
  ) throws(ModelError) -> [LoRAWeights.Pair] {
    let parts: [LoRAModule]
    if name == "attn_qkv" {
      parts = [.query, .key, .value]
    } else if name == "ffn_up", outputs == 2 * configuration.feedForwardLength {
      parts = [.gate, .up]
    } else if let module = LoRAModule.byGGUFName[name] {
      parts = [module]
    } else {
      return []
    }
    let counts = parts.map { configuration.outputCount(of: $0) }
    guard inputs == configuration.inputCount(of: parts[0]), outputs == counts.reduce(0, +) else {
      throw ModelError(
        ModelError.adapterMismatch,
        "The adapter's `blk.\(layer).\(name)` is \(inputs) → \(outputs); the model's is "
          + "\(configuration.inputCount(of: parts[0])) → \(counts.reduce(0, +)).", remedy: ModelError.otherBase)
    }
    var first = 0
    return zip(parts, counts).map { module, count in
      defer { first += count }
      // Of a whole, the parts share A: each update is then B's rows times the same low-rank values.
      return LoRAWeights.Pair(
        layer: layer, module: module, rank: rank, a: a, b: Array(b[(first * rank)..<((first + count) * rank)]),
        scale: scale)
    }
  }

  /// Rows of B [heads · headDimension, rank] between the order of PyTorch models (each head's halves one after the
  /// other) and that of llama files (pairs interleaved).
  static func permuted(_ b: [Float], rank: Int, headDimension: Int, toGGUF: Bool) -> [Float] {
    let half = headDimension / 2
    var result = b
    for row in 0..<(b.count / rank) {
      let (head, within) = row.quotientAndRemainder(dividingBy: headDimension)
      let interleaved = head * headDimension + (within < half ? 2 * within : 2 * (within - half) + 1)
      let (source, target) = toGGUF ? (row, interleaved) : (interleaved, row)
      for column in 0..<rank { result[target * rank + column] = b[source * rank + column] }
    }
    return result
  }

  /// Whether files of this model have permuted query and key rows.
  static func permutes(_ module: LoRAModule, _ configuration: DecoderConfiguration) -> Bool {
    (module == .query || module == .key) && configuration.rope.style == .interleaved
      && configuration.headDimension % 2 == 0
  }
}
