// Owns finding a BERT encoder's tensors by the names of Hugging Face, in safetensors and in GGUF files. Knows nothing
// about what they are for.
import StrataCore

/// Tensors by the names that Hugging Face's BertModel gives them; shapes have the slowest-varying dimension first.
protocol BertTensors {
  /// Bytes of the file.
  var byteCount: Int { get }
  /// Nil when there is no such tensor.
  func shape(of name: String) -> [Int]?
  func floats(of name: String) throws(ModelError) -> [Float]
  /// Called when nothing will be read any more.
  func finish()
}

extension BertTensors {
  func finish() {}

  func floats(_ name: String, shape: [Int]) throws(ModelError) -> [Float] {
    guard let actual = self.shape(of: name) else { throw BertMissing.error(name) }
    guard actual == shape else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `\(name)` has the shape \(actual); the configuration asks for \(shape).",
        remedy: ModelError.downloadAgain)
    }
    return try floats(of: name)
  }
}

enum BertMissing {
  static func error(_ name: String) -> ModelError {
    ModelError(ModelError.tensorMissing, "The tensor `\(name)` is missing.", remedy: ModelError.downloadAgain)
  }
}

/// The layout of Hugging Face's classes, alone or under the prefix that classes with a head on top write.
struct SafetensorsBertTensors: BertTensors {
  let file: SafetensorsFile

  var byteCount: Int { file.storage.bytes.count }

  private func tensor(_ name: String) -> SafetensorsFile.Tensor? { file.tensor(name) ?? file.tensor("bert." + name) }

  func shape(of name: String) -> [Int]? { tensor(name)?.shape }

  func floats(of name: String) throws(ModelError) -> [Float] {
    guard let tensor = tensor(name) else { throw BertMissing.error(name) }
    return try file.floats(of: tensor)
  }

  func finish() { file.storage.willNotNeed() }
}

/// GGUF files of the architecture `bert`.
struct GGUFBertTensors: BertTensors {
  let file: GGUFFile

  private static let whole: [String: String] = [
    "embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
  ]
  private static let ofLayer: [String: String] = [
    "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
  ]

  var byteCount: Int { file.storage.bytes.count }

  private func tensor(_ name: String) -> TensorInfo? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let stem = String(name[..<dot])
    if let known = Self.whole[stem] { return file.tensor(known + name[dot...]) }
    let parts = stem.split(separator: ".", maxSplits: 3)
    guard parts.count == 4, let known = Self.ofLayer[String(parts[3])] else { return nil }
    return file.tensor("blk.\(parts[2]).\(known)\(name[dot...])")
  }

  func shape(of name: String) -> [Int]? { tensor(name)?.shape.reversed() }

  func floats(of name: String) throws(ModelError) -> [Float] {
    guard let tensor = tensor(name) else { throw BertMissing.error(name) }
    guard let values = tensor.type.decode(file.bytes(of: tensor), count: tensor.elementCount) else {
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(name)` of type \(tensor.type.name) cannot be decoded.",
        remedy: ModelError.downloadAgain)
    }
    return values
  }

  func finish() { file.storage.willNotNeed() }
}
