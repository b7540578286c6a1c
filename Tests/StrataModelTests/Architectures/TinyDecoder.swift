// Owns a tiny random decoder: its GGUF file, and a plain reference of the forward pass in straight-line Swift.
// The reference shares nothing with the engine: no kernels, no cache, every position from scratch, in Double.
import CStrataKernels
import Foundation
import StrataModel

struct TinyDecoder {
  var architecture = "llama"
  var layers = 2
  var embedding = 64
  var heads = 4
  var keyValueHeads = 2
  var hidden = 96
  var vocabulary = 50
  var base: Float = 10_000
  var epsilon: Float = 1e-5
  var hasBiases = false
  var isTied = false
  var ropeFactors: [Float]?
  var linearScale: Float?
  /// What the matrices are stored as.
  var matrixType: TensorType = .f32
  /// What the reference adds to matrices, by tensor name.
  var updates: [String: [Float]] = [:]

  var headDimension: Int { embedding / heads }

  /// Name → (shape as in GGUF, values)
  func tensors(seed: UInt64 = 3) -> [(name: String, shape: [Int], values: [Float])] {
    var generator = SeededGenerator(seed: seed)
    var all: [(name: String, shape: [Int], values: [Float])] = []
    func add(_ name: String, _ shape: [Int], scale: Float, center: Float = 0) {
      let count = shape.reduce(1, *)
      all.append((name, shape, (0..<count).map { _ in center + scale * .random(in: -1...1, using: &generator) }))
    }
    let keys = keyValueHeads * headDimension
    add("token_embd.weight", [embedding, vocabulary], scale: 1)
    for layer in 0..<layers {
      let prefix = "blk.\(layer)."
      add(prefix + "attn_norm.weight", [embedding], scale: 0.2, center: 1)
      add(prefix + "attn_q.weight", [embedding, embedding], scale: 0.3)
      add(prefix + "attn_k.weight", [embedding, keys], scale: 0.3)
      add(prefix + "attn_v.weight", [embedding, keys], scale: 0.2)
      add(prefix + "attn_output.weight", [embedding, embedding], scale: 0.2)
      if hasBiases {
        add(prefix + "attn_q.bias", [embedding], scale: 0.5)
        add(prefix + "attn_k.bias", [keys], scale: 0.5)
        add(prefix + "attn_v.bias", [keys], scale: 0.5)
      }
      add(prefix + "ffn_norm.weight", [embedding], scale: 0.2, center: 1)
      add(prefix + "ffn_gate.weight", [embedding, hidden], scale: 0.2)
      add(prefix + "ffn_up.weight", [embedding, hidden], scale: 0.2)
      add(prefix + "ffn_down.weight", [hidden, embedding], scale: 0.2)
    }
    add("output_norm.weight", [embedding], scale: 0.2, center: 1)
    if !isTied { add("output.weight", [embedding, vocabulary], scale: 0.3) }
    if let ropeFactors { all.append(("rope_freqs.weight", [ropeFactors.count], ropeFactors)) }
    return all
  }

  func gguf() -> [UInt8] {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string(architecture))
    writer.set("general.name", .string("tiny"))
    writer.set("\(architecture).block_count", .uint32(UInt32(layers)))
    writer.set("\(architecture).context_length", .uint32(256))
    writer.set("\(architecture).embedding_length", .uint32(UInt32(embedding)))
    writer.set("\(architecture).feed_forward_length", .uint32(UInt32(hidden)))
    writer.set("\(architecture).attention.head_count", .uint32(UInt32(heads)))
    writer.set("\(architecture).attention.head_count_kv", .uint32(UInt32(keyValueHeads)))
    writer.set("\(architecture).attention.layer_norm_rms_epsilon", .float32(epsilon))
    writer.set("\(architecture).rope.freq_base", .float32(base))
    if let linearScale {
      writer.set("\(architecture).rope.scaling.type", .string("linear"))
      writer.set("\(architecture).rope.scaling.factor", .float32(linearScale))
    }
    for tensor in tensors() {
      guard let bytes = quantized(tensor.shape, tensor.values) else {
        writer.add(tensor.name, shape: tensor.shape, floats: tensor.values)
        continue
      }
      writer.add(tensor.name, type: matrixType, shape: tensor.shape, bytes: bytes)
    }
    return writer.encoded()
  }

  func model(threads: Int = 2) throws -> DecoderModel {
    try DecoderModel(gguf: GGUFFile(bytes: gguf()), pool: ComputePool(threads: threads))
  }

  /// A matrix as it is stored, or nil for what stays 32-bit floats.
  private func quantized(_ shape: [Int], _ values: [Float]) -> [UInt8]? {
    guard shape.count == 2, matrixType != .f32 else { return nil }
    var bytes = [UInt8](repeating: 0, count: matrixType.byteCount(elementCount: values.count) ?? 0)
    strata_quantize(strata_type(matrixType.rawValue), values, &bytes, values.count)
    return bytes
  }

  /// What the stored form of a tensor stands for.
  private func stored(_ shape: [Int], _ values: [Float]) -> [Double] {
    var decoded = values
    if let bytes = quantized(shape, values) {
      strata_dequantize(strata_type(matrixType.rawValue), bytes, &decoded, decoded.count)
    }
    return decoded.map(Double.init)
  }

  /// The name of a linear layer inside `blk.N.`.
  static func tensorName(_ module: LoRAModule) -> String {
    switch module {
    case .query: "attn_q"
    case .key: "attn_k"
    case .value: "attn_v"
    case .output: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }

  /// Logits [tokens][vocabulary] of every position.
  func referenceLogits(_ tokens: [Int32]) -> [[Double]] {
    var weights = Dictionary(uniqueKeysWithValues: tensors().map { ($0.name, stored($0.shape, $0.values)) })
    for (name, update) in updates { weights[name] = zip(weights[name] ?? [], update).map { $0 + Double($1) } }
    let updated = weights
    func values(_ name: String) -> [Double] { updated[name] ?? [] }
    func product(_ name: String, _ x: [Double], bias: String? = nil) -> [Double] {
      let w = values(name)
      let offsets = bias.map(values) ?? []
      return (0..<(w.count / x.count)).map { row in
        var sum = offsets.isEmpty ? 0 : offsets[row]
        for column in x.indices { sum += w[row * x.count + column] * x[column] }
        return sum
      }
    }
    func normalized(_ x: [Double], _ name: String) -> [Double] {
      let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
      return zip(x, values(name)).map { $0 / (mean + Double(epsilon)).squareRoot() * $1 }
    }
    let table = values("token_embd.weight")
    var stream = tokens.map { Array(table[(Int($0) * embedding)..<((Int($0) + 1) * embedding)]) }
    for layer in 0..<layers {
      let prefix = "blk.\(layer)."
      let inputs = stream.map { normalized($0, prefix + "attn_norm.weight") }
      func projected(_ name: String) -> [[Double]] {
        inputs.map { product(prefix + name + ".weight", $0, bias: prefix + name + ".bias") }
      }
      let q = projected("attn_q").enumerated().map { rotated($1, $0) }
      let k = projected("attn_k").enumerated().map { rotated($1, $0) }
      let v = projected("attn_v")
      for position in tokens.indices {
        let attended = attend(q[position], k[...position], v[...position])
        stream[position] = zip(stream[position], product(prefix + "attn_output.weight", attended)).map(+)
        let x = normalized(stream[position], prefix + "ffn_norm.weight")
        let gated = zip(product(prefix + "ffn_gate.weight", x), product(prefix + "ffn_up.weight", x)).map { gate, up in
          gate / (1 + exp(-gate)) * up
        }
        stream[position] = zip(stream[position], product(prefix + "ffn_down.weight", gated)).map(+)
      }
    }
    return stream.map {
      product(isTied ? "token_embd.weight" : "output.weight", normalized($0, "output_norm.weight"))
    }
  }

  private func rotated(_ x: [Double], _ position: Int) -> [Double] {
    var result = x
    let half = headDimension / 2
    for head in 0..<(x.count / headDimension) {
      for pair in 0..<half {
        let frequency = pow(Double(base), -2 * Double(pair) / Double(headDimension))
        let angle = Double(position) * frequency / Double(ropeFactors?[pair] ?? 1) / Double(linearScale ?? 1)
        let first = head * headDimension + (architecture == "llama" ? 2 * pair : pair)
        let second = architecture == "llama" ? first + 1 : first + half
        result[first] = x[first] * cos(angle) - x[second] * sin(angle)
        result[second] = x[first] * sin(angle) + x[second] * cos(angle)
      }
    }
    return result
  }

  private func attend(_ q: [Double], _ k: ArraySlice<[Double]>, _ v: ArraySlice<[Double]>) -> [Double] {
    var output = [Double](repeating: 0, count: q.count)
    for head in 0..<heads {
      let shared = head / (heads / keyValueHeads) * headDimension
      let own = head * headDimension
      let scores = k.map { key in
        (0..<headDimension).reduce(0.0) { $0 + q[own + $1] * key[shared + $1] } / Double(headDimension).squareRoot()
      }
      let highest = scores.max() ?? 0
      let weights = scores.map { exp($0 - highest) }
      let total = weights.reduce(0, +)
      for (weight, value) in zip(weights, v) {
        for index in 0..<headDimension { output[own + index] += weight / total * value[shared + index] }
      }
    }
    return output
  }
}
