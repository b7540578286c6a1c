// Owns a tiny random decoder for tests of the engine: no model file is needed, so that they run everywhere.
import StrataModel
import StrataSchema
import StrataServing

enum TinyModel {
  static let vocabulary = 96
  static let contextLength = 256

  /// Two layers, four heads, random weights. Its greedy answers wander enough to tell sequences apart.
  static func make(threads: Int = 2) throws -> DecoderModel {
    var random = RandomSource(seed: 5)
    var writer = GGUFWriter()
    let (embedding, hidden, keys) = (64, 96, 32)
    writer.set("general.architecture", .string("llama"))
    for (key, value) in [
      ("block_count", 2), ("context_length", contextLength), ("embedding_length", embedding),
      ("feed_forward_length", hidden), ("attention.head_count", 4), ("attention.head_count_kv", 2),
    ] {
      writer.set("llama.\(key)", .uint32(UInt32(value)))
    }
    writer.set("llama.attention.layer_norm_rms_epsilon", .float32(1e-5))
    func add(_ name: String, _ shape: [Int], scale: Float, center: Float = 0) {
      let count = shape.reduce(1, *)
      writer.add(
        name, shape: shape, floats: (0..<count).map { _ in center + scale * Float(2 * random.unit() - 1) })
    }
    add("token_embd.weight", [embedding, vocabulary], scale: 1)
    for layer in 0..<2 {
      add("blk.\(layer).attn_norm.weight", [embedding], scale: 0.2, center: 1)
      add("blk.\(layer).attn_q.weight", [embedding, embedding], scale: 0.3)
      add("blk.\(layer).attn_k.weight", [embedding, keys], scale: 0.3)
      add("blk.\(layer).attn_v.weight", [embedding, keys], scale: 0.2)
      add("blk.\(layer).attn_output.weight", [embedding, embedding], scale: 0.2)
      add("blk.\(layer).ffn_norm.weight", [embedding], scale: 0.2, center: 1)
      add("blk.\(layer).ffn_gate.weight", [embedding, hidden], scale: 0.2)
      add("blk.\(layer).ffn_up.weight", [embedding, hidden], scale: 0.2)
      add("blk.\(layer).ffn_down.weight", [hidden, embedding], scale: 0.2)
    }
    add("output_norm.weight", [embedding], scale: 0.2, center: 1)
    add("output.weight", [embedding, vocabulary], scale: 0.3)
    return try DecoderModel(gguf: GGUFFile(bytes: writer.encoded()), pool: ComputePool(threads: threads))
  }

  static func engine(_ model: DecoderModel, limits: SchedulerLimits) throws -> Engine {
    try Engine(
      model: model, tokenizer: Letters(),
      vocabulary: {
        TokenVocabulary(tokens: (0..<Int32(vocabulary)).map { Letters().bytes(of: $0) }, endOfGeneration: [])
      }, limits: limits, seeds: { 1 })
  }

  /// What the model says by itself: greedy, one sequence, one token after the other.
  static func soloAnswer(
    _ model: DecoderModel, to prompt: [Int32], count: Int, adapter: LoRAAdapter? = nil
  ) throws -> [Int32] {
    let cache = try model.makeCache(capacity: contextLength)
    let logits = LogitsBuffer()
    var answer: [Int32] = []
    var pending = prompt[...]
    while answer.count < count {
      try model.forward([BatchSlice(tokens: pending, cache: cache, adapter: adapter)], into: logits)
      let next = logits.withRow(0) { row in row.indices.max { row[$0] < row[$1] } ?? 0 }
      answer.append(Int32(next))
      pending = [Int32(next)]
    }
    return answer
  }
}

/// One printable character a token.
private struct Letters: Tokenizer {
  var vocabularySize: Int { TinyModel.vocabulary }
  var special: SpecialTokens { SpecialTokens() }

  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
    text.utf8.map { Int32($0) - 32 }.filter { $0 >= 0 && $0 < Int32(TinyModel.vocabulary) }
  }

  func bytes(of id: Int32) -> [UInt8] { [UInt8(truncatingIfNeeded: id + 32)] }
  func isSpecial(_ id: Int32) -> Bool { false }
  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String {
    String(decoding: ids.flatMap(bytes(of:)), as: UTF8.self)
  }
}
