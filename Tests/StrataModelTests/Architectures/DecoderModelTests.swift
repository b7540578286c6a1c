import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("DecoderModel")
struct DecoderModelTests {
  static let tokens: [Int32] = [3, 49, 0, 17, 17, 8, 42, 5, 21, 30, 11]

  static func logits(
    _ model: DecoderModel, _ tokens: [Int32], cache: KVCache? = nil, request: LogitsRequest = .all
  ) throws -> [[Float]] {
    let buffer = LogitsBuffer()
    let cache = try cache ?? model.makeCache(capacity: 64)
    try model.forward([BatchSlice(tokens: tokens[...], cache: cache, logits: request)], into: buffer)
    return (0..<buffer.rowCount).map { row in buffer.withRow(row) { Array($0) } }
  }

  static func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(a.count == b.count ? 0 : .infinity) { max($0, abs($1.0 - $1.1)) }
  }

  @Test(
    "the forward pass equals a plain reference",
    arguments: [
      TinyDecoder(), TinyDecoder(keyValueHeads: 4, isTied: true), TinyDecoder(architecture: "qwen2", hasBiases: true),
      TinyDecoder(architecture: "qwen2", heads: 8, keyValueHeads: 1, base: 1_000_000, hasBiases: true, isTied: true),
      TinyDecoder(ropeFactors: [1, 1, 1.5, 2, 4, 8, 8, 8]), TinyDecoder(linearScale: 4),
    ])
  func reference(tiny: TinyDecoder) throws {
    let expected = tiny.referenceLogits(Self.tokens)
    let actual = try Self.logits(tiny.model(), Self.tokens)
    #expect(actual.count == Self.tokens.count)
    for (row, values) in actual.enumerated() {
      // Keys and values are kept in half precision.
      #expect(Self.largestDifference(values, expected[row].map(Float.init)) < 0.02, "row \(row)")
    }
  }

  @Test(
    "quantized weights give the reference up to the rounding of activations",
    arguments: [TensorType.q8_0, .q5_0, .q5_1, .q4_0, .q4_1, .bf16, .f16])
  func quantized(type: TensorType) throws {
    let tiny = TinyDecoder(matrixType: type)
    let expected = tiny.referenceLogits(Self.tokens)
    let actual = try Self.logits(tiny.model(), Self.tokens)
    for (row, values) in actual.enumerated() {
      let error = zip(values, expected[row]).reduce(0) { $0 + pow(Double($1.0) - $1.1, 2) }
      let size = expected[row].reduce(0) { $0 + $1 * $1 }
      #expect((error / size).squareRoot() < 0.05, "row \(row)")
    }
  }

  @Test("several sequences in one step equal each on its own")
  func batch() throws {
    let model = try TinyDecoder().model()
    let prompts: [[Int32]] = [[1, 2, 3, 4], [9], [30, 31, 32, 33, 34, 35, 36], [7, 7]]
    let alone = try prompts.map { try Self.logits(model, $0) }
    let caches = try prompts.map { _ in try model.makeCache(capacity: 32) }
    let buffer = LogitsBuffer()
    let requests: [LogitsRequest] = [.all, .last, .suffix(3), .none]
    try model.forward(
      zip(prompts, zip(caches, requests)).map { BatchSlice(tokens: $0[...], cache: $1.0, logits: $1.1) }, into: buffer)
    #expect(buffer.rowCount == 4 + 1 + 3)
    for (index, request) in requests.enumerated() {
      let rows = buffer.rows(ofSlice: index)
      let expected = alone[index].suffix(request == .none ? 0 : request == .last ? 1 : request == .all ? 4 : 3)
      for (row, values) in zip(rows, expected) {
        #expect(Self.largestDifference(buffer.withRow(row) { Array($0) }, values) < 1e-3)
      }
      #expect(rows.count == expected.count)
      #expect(caches[index].count == prompts[index].count)
    }
    // The step after it: every cache must hold what its own prompt left there.
    try model.forward(caches.map { BatchSlice(tokens: [5], cache: $0) }, into: buffer)
    for (index, prompt) in prompts.enumerated() {
      let expected = try Self.logits(model, prompt + [5], request: .last)[0]
      #expect(Self.largestDifference(buffer.withRow(index) { Array($0) }, expected) < 1e-3)
    }
  }

  @Test("a prompt read in chunks gives the same logits as read whole", arguments: [1, 2, 3, 7])
  func chunks(length: Int) throws {
    let model = try TinyDecoder(architecture: "qwen2", hasBiases: true).model()
    let whole = try Self.logits(model, Self.tokens)
    let cache = try model.makeCache(capacity: 64)
    var rows: [[Float]] = []
    for start in stride(from: 0, to: Self.tokens.count, by: length) {
      let chunk = Array(Self.tokens[start..<min(start + length, Self.tokens.count)])
      rows += try Self.logits(model, chunk, cache: cache)
    }
    #expect(rows.count == whole.count)
    for (chunked, expected) in zip(rows, whole) { #expect(Self.largestDifference(chunked, expected) < 1e-3) }
  }

  @Test("after truncation or a copied prefix, a sequence goes on as if nothing else had been there")
  func prefixes() throws {
    let model = try TinyDecoder().model()
    let expected = try Self.logits(model, Array(Self.tokens[..<5]) + [40, 41])
    let cache = try model.makeCache(capacity: 64)
    _ = try Self.logits(model, Self.tokens, cache: cache)
    let copy = try model.makeCache(capacity: 16)
    try copy.copyPrefix(from: cache, count: 5)
    #expect(copy.count == 5)
    cache.truncate(to: 5)
    #expect(cache.count == 5)
    for continued in [cache, copy] {
      let rows = try Self.logits(model, [40, 41], cache: continued)
      #expect(Self.largestDifference(rows[0], expected[5]) < 1e-3)
      #expect(Self.largestDifference(rows[1], expected[6]) < 1e-3)
    }
    #expect(throws: ModelError.self) { try copy.copyPrefix(from: cache, count: 17) }
    #expect(throws: ModelError.self) { try copy.copyPrefix(from: cache, count: 16) }
  }

  @Test("a refused batch changes nothing")
  func refusals() throws {
    let model = try TinyDecoder().model()
    let cache = try model.makeCache(capacity: 4)
    let buffer = LogitsBuffer()
    func code(_ slices: [BatchSlice]) -> ErrorCode? {
      do {
        try model.forward(slices, into: buffer)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(code([BatchSlice(tokens: [1, 2, 3, 4, 5], cache: cache)]) == ModelError.contextOverflow)
    #expect(code([BatchSlice(tokens: [50], cache: cache)]) == ModelError.tokenOutOfRange)
    #expect(code([BatchSlice(tokens: [-1], cache: cache)]) == ModelError.tokenOutOfRange)
    #expect(code([BatchSlice(tokens: [], cache: cache)]) == ModelError.invalidArgument)
    let twice = BatchSlice(tokens: [1], cache: cache)
    #expect(code([twice, twice]) == ModelError.invalidArgument)
    #expect(cache.count == 0)
    #expect(throws: ModelError.self) { try model.makeCache(capacity: 257) }
    #expect(throws: ModelError.self) { try model.makeCache(capacity: 0) }
  }

  @Test("more memory than there is, is refused with both figures")
  func memory() {
    #expect {
      try SystemMemory.require(1 << 55, for: "The model")
    } throws: { error in
      (error as? ModelError)?.code == ModelError.outOfMemory
        && (error as? ModelError)?.message.contains("36028797019 MB") == true
    }
  }

  @Test("an unknown architecture is named with what is supported")
  func unknownArchitecture() throws {
    #expect {
      try TinyDecoder(architecture: "mamba").model()
    } throws: { error in
      guard let error = error as? ModelError else { return false }
      return error.code == ModelError.unsupportedArchitecture && error.message.contains("mamba")
        && error.remedy?.contains("gemma3, llama, phi3, qwen2, qwen3, smollm3") == true
    }
  }

  @Test("1,000 mutations of a model file load and run, or say why not")
  func fuzz() throws {
    var mutator = Mutator(seed: 5)
    let original = TinyDecoder(layers: 1, embedding: 32, heads: 2, keyValueHeads: 1, hidden: 32, vocabulary: 20).gguf()
    let pool = try ComputePool(threads: 1)
    for _ in 0..<1_000 {
      guard let file = try? GGUFFile(bytes: mutator.mutate(original)),
        let model = try? DecoderModel(gguf: file, pool: pool)
      else { continue }
      _ = try? Self.logits(model, [1, 2, 3])
    }
  }
}
