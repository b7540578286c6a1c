import StrataCore
import StrataModel
import Testing

@Suite("LoRA adapters in batches")
struct LoRABatchTests {
  /// A random adapter for `modules` of every layer.
  static func weights(
    _ configuration: DecoderConfiguration, rank: Int, modules: [LoRAModule] = LoRAModule.allCases, seed: UInt64
  ) throws -> LoRAWeights {
    var generator = SeededGenerator(seed: seed)
    var pairs: [LoRAWeights.Pair] = []
    for layer in 0..<configuration.layerCount {
      for module in modules {
        let inputs = configuration.inputCount(of: module)
        let outputs = configuration.outputCount(of: module)
        pairs.append(
          LoRAWeights.Pair(
            layer: layer, module: module, rank: rank,
            a: (0..<(rank * inputs)).map { _ in .random(in: -0.2...0.2, using: &generator) },
            b: (0..<(outputs * rank)).map { _ in .random(in: -0.2...0.2, using: &generator) }, scale: 1.5))
      }
    }
    return try LoRAWeights(name: "random-\(seed)", pairs: pairs, configuration: configuration)
  }

  @Test("an adapter equals a model whose weights have it merged in", arguments: ["llama", "qwen2"])
  func merged(architecture: String) throws {
    var tiny = TinyDecoder(architecture: architecture, hasBiases: architecture == "qwen2")
    let model = try tiny.model()
    let weights = try Self.weights(model.configuration, rank: 5, seed: 1)
    let actual = try LoRAGoldenTests.logits(
      model, DecoderModelTests.tokens, LoRAAdapter(weights, for: model))
    tiny.updates = Dictionary(
      uniqueKeysWithValues: weights.pairs.map { pair in
        let inputs = pair.a.count / pair.rank
        var delta = [Float](repeating: 0, count: pair.b.count / pair.rank * inputs)
        for row in 0..<(pair.b.count / pair.rank) {
          for column in 0..<inputs {
            for rank in 0..<pair.rank {
              delta[row * inputs + column] +=
                pair.scale * pair.b[row * pair.rank + rank] * pair.a[rank * inputs + column]
            }
          }
        }
        return ("blk.\(pair.layer).\(TinyDecoder.tensorName(pair.module)).weight", delta)
      })
    let expected = tiny.referenceLogits(DecoderModelTests.tokens).suffix(3).map { $0.map(Float.init) }
    #expect(LoRAGoldenTests.difference(actual, expected) < 0.03)
  }

  @Test("sequences with different adapters, ranks and none give in one batch what each gives alone, to the bit")
  func mixed() throws {
    let model = try TinyDecoder().model()
    let configuration = model.configuration
    let adapters: [LoRAAdapter?] = try [
      LoRAAdapter(Self.weights(configuration, rank: 4, seed: 1), for: model), nil,
      LoRAAdapter(Self.weights(configuration, rank: 16, seed: 2), for: model),
      LoRAAdapter(
        Self.weights(configuration, rank: 3, modules: [.value, .down], seed: 3), for: model),
    ]
    let prompts: [[Int32]] = [
      [1, 2, 3], [9, 8, 7, 6], [4], [5, 5, 5, 5, 5, 5, 5], [1, 2, 3], [30, 31, 32], [4, 4], [12],
    ]
    let alone = try prompts.enumerated().map { index, prompt in
      try Self.steps(model, [(prompt, adapters[index % adapters.count])])[0]
    }
    let together = try Self.steps(
      model, prompts.enumerated().map { ($1, adapters[$0 % adapters.count]) })
    for index in prompts.indices { #expect(together[index] == alone[index], "sequence \(index)") }
    #expect(alone[0] != alone[4 + 1] && alone[0] == alone[4])
    let plain = try Self.steps(model, [(prompts[0], nil)])[0]
    #expect(plain != alone[0])
  }

  /// Logits after the prompt and after each of two more tokens.
  static func steps(
    _ model: DecoderModel, _ sequences: [(prompt: [Int32], adapter: LoRAAdapter?)]
  ) throws -> [[[Float]]] {
    let caches = try sequences.map { _ in try model.makeCache(capacity: 32) }
    let buffer = LogitsBuffer()
    var result = [[[Float]]](repeating: [], count: sequences.count)
    for tokens in [nil, [11], [23]] as [[Int32]?] {
      try model.forward(
        zip(sequences, caches).map {
          BatchSlice(tokens: (tokens ?? $0.prompt)[...], cache: $1, logits: .last, adapter: $0.adapter)
        }, into: buffer)
      for index in sequences.indices {
        result[index].append(buffer.withRow(buffer.rows(ofSlice: index).lowerBound) { Array($0) })
      }
    }
    return result
  }

  @Test("an adapter of another shape is refused and nothing is computed")
  func otherShape() throws {
    let model = try TinyDecoder().model()
    let other = try TinyDecoder(hidden: 128).model()
    let adapter = try LoRAAdapter(Self.weights(other.configuration, rank: 2, seed: 1), for: other)
    let cache = try model.makeCache(capacity: 8)
    let error = #expect(throws: ModelError.self) {
      try model.forward([BatchSlice(tokens: [1], cache: cache, adapter: adapter)], into: LogitsBuffer())
    }
    #expect(error?.code == ModelError.adapterMismatch && cache.count == 0)
  }

  @Test("memory is counted: two bytes a value and little more")
  func byteCount() throws {
    let model = try TinyDecoder().model()
    let weights = try Self.weights(model.configuration, rank: 8, seed: 4)
    let adapter = try LoRAAdapter(weights, for: model)
    #expect(adapter.byteCount >= weights.parameterCount * 2)
    #expect(adapter.byteCount < weights.parameterCount * 3)
    #expect(adapter.parameterCount == weights.parameterCount && adapter.ranks == [8])
  }
}
