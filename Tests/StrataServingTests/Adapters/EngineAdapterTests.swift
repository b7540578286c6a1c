import Foundation
import StrataCore
import StrataModel
import StrataServing
import Testing

@Suite("Engine with adapters")
struct EngineAdapterTests {
  /// A random adapter on all linear layers, strong enough to change what the tiny model says.
  private static func weights(_ model: DecoderModel, rank: Int, seed: UInt64) throws -> LoRAWeights {
    var random = RandomSource(seed: seed)
    var pairs: [LoRAWeights.Pair] = []
    for layer in 0..<model.configuration.layerCount {
      for module in LoRAModule.allCases {
        let inputs = model.configuration.inputCount(of: module)
        let outputs = model.configuration.outputCount(of: module)
        pairs.append(
          LoRAWeights.Pair(
            layer: layer, module: module, rank: rank,
            a: (0..<(rank * inputs)).map { _ in Float(random.unit() - 0.5) * 0.5 },
            b: (0..<(outputs * rank)).map { _ in Float(random.unit() - 0.5) * 0.5 }, scale: 1))
      }
    }
    return try LoRAWeights(name: "random", pairs: pairs, configuration: model.configuration)
  }

  private static func lease(_ adapter: LoRAAdapter?) -> AdapterLease? {
    adapter.map { AdapterLease($0) {} }
  }

  private func tokens(of request: EngineRequest, on engine: Engine) async throws -> (tokens: [Int32], cached: Int) {
    var tokens: [Int32] = []
    var cached = 0
    for try await event in engine.submit(request) {
      switch event {
      case .started(let count): cached = count
      case .token(let token): tokens.append(token.id)
      case .finished: break
      }
    }
    return (tokens, cached)
  }

  @Test("many sequences with different adapters in one batch say what each says alone")
  func batch() async throws {
    let model = try TinyModel.make()
    let adapters: [LoRAAdapter?] =
      try [nil]
      + [(2, 1), (8, 2), (16, 3)].map { try LoRAAdapter(Self.weights(model, rank: $0, seed: $1), for: model) }
    var prompts: [[Int32]] = []
    for index in 0..<12 { prompts.append((0..<(3 + index)).map { Int32(($0 * 7 + index / 4) % 90) }) }
    let solo = try prompts.enumerated().map { index, prompt in
      try TinyModel.soloAnswer(model, to: prompt, count: 20, adapter: adapters[index % 4])
    }
    let engine = try TinyModel.engine(model, limits: SchedulerLimits(maxRunning: 12))
    defer { engine.stop() }
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (index, prompt) in prompts.enumerated() {
        let request = EngineRequest(
          tokens: prompt, sampling: .greedy, maxNewTokens: 20, adapter: Self.lease(adapters[index % 4]))
        group.addTask { (index, try await tokens(of: request, on: engine).tokens) }
      }
      var answers = [[Int32]](repeating: [], count: prompts.count)
      for try await (index, answer) in group { answers[index] = answer }
      return answers
    }
    for index in prompts.indices { #expect(together[index] == solo[index], "sequence \(index)") }
    #expect(Set(solo.map { $0.suffix(10) }).count > 6)
  }

  @Test("a prefix that one adapter computed serves that adapter only")
  func prefixes() async throws {
    let model = try TinyModel.make()
    let first = try LoRAAdapter(Self.weights(model, rank: 4, seed: 1), for: model)
    let second = try LoRAAdapter(Self.weights(model, rank: 4, seed: 2), for: model)
    let engine = try TinyModel.engine(model, limits: SchedulerLimits())
    defer { engine.stop() }
    let prompt = (0..<64).map { Int32($0 * 5 % 90) }
    for (adapter, isCached) in [(first, false), (second, false), (nil, false), (first, true), (nil, true)] {
      let request = EngineRequest(tokens: prompt, sampling: .greedy, maxNewTokens: 8, adapter: Self.lease(adapter))
      let (answer, cached) = try await tokens(of: request, on: engine)
      #expect((cached > 0) == isCached)
      #expect(answer == (try TinyModel.soloAnswer(model, to: prompt, count: 8, adapter: adapter)))
    }
  }

  @Test("adapters are read when they are named, give way when idle, and stay while a sequence uses them")
  func store() async throws {
    let model = try TinyModel.make()
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var size = 0
    for index in 0..<3 {
      let weights = try Self.weights(model, rank: 8, seed: UInt64(index))
      try weights.write(ggufPath: "\(folder)/\(index).gguf")
      size = try LoRAAdapter(weights, for: model).byteCount
    }
    let store = AdapterStore(byteLimit: 2 * size + size / 2) { _, path in try LoRAAdapter(path: path, for: model) }
    for index in 0..<3 { try await store.load("\(index)", from: "\(folder)/\(index).gguf", replaces: false) }
    #expect(store.infos.map(\.isInMemory) == [false, true, true] && store.byteCount == 2 * size)
    var one: AdapterLease? = try await store.lease("1")
    var zero: AdapterLease? = try await store.lease("0")
    #expect(store.infos.map(\.isInMemory) == [true, true, false] && store.infos.map(\.useCount) == [1, 1, 0])
    let error = await #expect(throws: ServingError.self) { _ = try await store.lease("2") }
    #expect(error?.code == ServingError.adapterMemoryFull && store.infos.map(\.useCount) == [1, 1, 0])
    try store.unload("1")
    #expect(store.infos.map(\.name) == ["0", "2"] && store.byteCount == 2 * size)
    #expect(one?.adapter.ranks == [8])
    one = nil
    #expect(store.byteCount == size)
    _ = try await store.lease("2")
    zero = nil
    #expect(zero == nil && store.infos.map(\.useCount) == [0, 0])
    // The same file is the same adapter, whatever it is called.
    let copy = try LoRAAdapter(path: "\(folder)/2.gguf", for: model)
    let (two, other) = (try await store.lease("2").adapter.id, try await store.lease("0").adapter.id)
    #expect(two == copy.id && two != other)
    // A file that cannot be read leaves what was there.
    await #expect(throws: (any Error).self) { try await store.load("2", from: folder + "/none", replaces: true) }
    #expect(try await store.lease("2").adapter.id == copy.id)
    await #expect(throws: ServingError.self) {
      try await store.load("a b", from: "\(folder)/2.gguf", replaces: false)
    }
  }
}
