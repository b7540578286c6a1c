// Owns `strata model`: what is there, fetching it, measuring it.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel

struct ModelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Fetch, list, measure and quantize models.",
    subcommands: [
      ModelList.self, ModelPull.self, ModelShow.self, ModelBench.self, ModelPerplexity.self, ModelQuantize.self,
      ModelImportance.self, ModelSpeculation.self,
    ])
}

struct ModelList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Models that have names, and which of them are here.",
    discussion: "Example: strata model list --json")
  @OptionGroup var common: CommonOptions

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let models = wiring.modelStore
      if common.json {
        Terminal.json([
          "models": .array(
            models.catalog.models.map { model in
              [
                "name": .string(model.name), "kind": .string(model.kind.rawValue), "bytes": .int(model.byteCount),
                "license": .string(model.license), "present": .bool(models.isPresent(model)),
                "summary": .string(model.summary),
              ]
            })
        ])
        return
      }
      for model in models.catalog.models {
        let state = models.isPresent(model) ? "here" : "not fetched"
        let name = model.name.padding(toLength: 29, withPad: " ", startingAt: 0)
        let size = Terminal.formatted(bytes: model.byteCount).padding(toLength: 8, withPad: " ", startingAt: 0)
        Terminal.out("\(Terminal.bold(name)) \(size) \(state)")
        Terminal.out(Terminal.dim("  \(model.summary) (\(model.license))"))
      }
    }
  }
}

struct ModelPull: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Fetch a model and check its SHA-256.",
    discussion: "Example: strata model pull smollm2-135m-instruct")
  @OptionGroup var common: CommonOptions
  @Argument(help: "Names from `strata model list`.") var names: [String]

  func run() async throws {
    try await common.run {
      let models = try Wiring().modelStore
      for name in names {
        let model = try models.catalog.model(named: name)
        try models.pull(model)
        if !common.json { Terminal.out("\(model.name) is here: \(models.folder(of: model).path)") }
      }
      if common.json { Terminal.json(["pulled": .array(names.map(JSON.string))]) }
    }
  }
}

struct ModelShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "What a model file says about itself.",
    discussion: "Example: strata model show file:model.gguf")
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String

  func run() async throws {
    try await common.run {
      let (id, path) = try Wiring().modelStore.decoderPath(model)
      let gguf = try GGUFFile(path: path)
      let configuration = try DecoderConfiguration(gguf: gguf)
      var types: [String: Int] = [:]
      for tensor in gguf.tensors { types["\(tensor.type)", default: 0] += 1 }
      let typeList = types.sorted { $0.value > $1.value }
      let value: JSON = [
        "id": .string(id), "path": .string(path), "architecture": .string("\(configuration.architecture)"),
        "layers": .int(configuration.layerCount), "context_length": .int(configuration.contextLength),
        "vocabulary": .int(configuration.vocabularySize), "tensors": .int(gguf.tensors.count),
        "tensor_types": .object(JSONObject(typeList.map { ($0.key, .int($0.value)) })),
      ]
      if common.json { return Terminal.json(value) }
      for (key, entry) in value.objectValue ?? [:] {
        let label = key.replacing("_", with: " ").padding(toLength: 16, withPad: " ", startingAt: 0)
        Terminal.out("\(Terminal.dim(label)) \(entry.stringValue ?? entry.text())")
      }
    }
  }
}

struct ModelBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure prefill and decode speed.",
    discussion: """
      Examples: strata model bench smollm2-135m-instruct --prompt 512 --generate 64 --repeat 5
                strata model bench smollm2-135m-instruct --batched 128,64,1,8,16,32
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?
  @Option(name: .long, help: "Tokens of the prompt.") var prompt = 512
  @Option(name: .long, help: "Tokens to generate.") var generate = 64
  @Option(name: .customLong("repeat"), help: "Repetitions; the median is reported.") var repetitions = 5
  @Option(
    name: .long,
    help: "PROMPT,GENERATE,N,…: several sequences in each step instead, as llama-batched-bench does.")
  var batched: String?

  func validate() throws {
    guard prompt >= 1, generate >= 0, repetitions >= 1 else {
      throw ValidationError("--prompt and --repeat are at least 1, --generate at least 0.")
    }
    if let batched, Self.numbers(batched) == nil {
      throw ValidationError("--batched takes at least three positive numbers, for example 128,64,1,8,16,32.")
    }
  }

  private static func numbers(_ text: String) -> [Int]? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    return parts.count >= 3 && parts.allSatisfy { $0 > 0 && $0 <= 1 << 20 } ? parts : nil
  }

  func run() async throws {
    try await common.run {
      let (id, path) = try Wiring().modelStore.decoderPath(model)
      let threadCount = threads ?? ProcessInfo.processInfo.activeProcessorCount
      let loaded = try DecoderModel(path: path, threads: threadCount)
      if let numbers = batched.flatMap(Self.numbers) { return try runBatched(numbers, loaded, id) }
      let result = try ModelBenchmark.run(
        loaded, promptLength: prompt, generationLength: generate, repeats: repetitions)
      if common.json {
        var value = result.json.objectValue ?? [:]
        value["model"] = .string(id)
        return Terminal.json(.object(value))
      }
      let prefill = Terminal.formatted(result.prefillTokensPerSecond, digits: 1)
      let decode = Terminal.formatted(result.decodeTokensPerSecond, digits: 1)
      Terminal.out("\(id), \(threadCount) threads, \(result.instructionSet), median of \(repetitions)")
      Terminal.out("  prefill \(prompt) tokens   \(prefill) tokens/s")
      Terminal.out("  decode  \(generate) tokens   \(decode) tokens/s")
    }
  }

  private func runBatched(_ numbers: [Int], _ loaded: DecoderModel, _ id: String) throws {
    var results: [BatchedBenchmark] = []
    for count in numbers.dropFirst(2) {
      let result = try BatchedBenchmark.run(
        loaded, promptLength: numbers[0], generationLength: numbers[1], sequenceCount: count, repeats: repetitions)
      results.append(result)
      guard !common.json else { continue }
      func shown(_ speed: Double) -> String { Terminal.formatted(speed, digits: 1) }
      Terminal.out(
        "\(id): \(count) sequences, prefill \(numbers[0]) each \(shown(result.prefillTokensPerSecond)) tokens/s, "
          + "decode \(numbers[1]) each \(shown(result.decodeTokensPerSecond)) tokens/s, "
          + "together \(shown(result.tokensPerSecond)) tokens/s")
    }
    if common.json { Terminal.json(["model": .string(id), "batched": .array(results.map(\.json))]) }
  }
}
