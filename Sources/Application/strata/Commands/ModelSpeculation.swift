// Owns `strata model speculation`: what guessing ahead gains on given requests.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore
import StrataEvaluation
import StrataServing
import Synchronization

struct ModelSpeculation: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "speculation", abstract: "Measure requests with and without speculation, in turn.",
    discussion: """
      Examples: strata model speculation smollm2-135m-instruct --questions Examples/handbook/questions.yaml
                strata model speculation smollm2-135m-instruct --requests requests.json --concurrency 1,4,8,16
      A file of requests is a JSON array of {"prompt" or "messages", "max_tokens", "temperature", "top_k", "seed"}.
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Option(name: .long, help: "A questions file, answered from the ingested documents.", completion: .file())
  var questions: String?
  @Option(name: .long, help: "A JSON file of requests.", completion: .file()) var requests: String?
  @Option(name: .long, help: "lookup or draft:MODEL.") var speculation = "lookup"
  @Option(name: .long, help: "Numbers of requests at a time, with commas.") var concurrency = "1,4,8,16"
  @Option(name: .customLong("repeat"), help: "Repetitions; medians are reported.") var repetitions = 5
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?

  func validate() throws {
    guard (questions == nil) != (requests == nil) else {
      throw ValidationError("Give either --questions or --requests.")
    }
    let counts = concurrency.split(separator: ",").map { Int($0) ?? 0 }
    guard repetitions >= 1, !counts.isEmpty, counts.allSatisfy({ (1...256).contains($0) }) else {
      throw ValidationError("--repeat is at least 1, --concurrency numbers in 1...256.")
    }
  }

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: threads)
      let plain = try wiring.model(model, pool: pool, speculation: "off")
      let fast = try wiring.model(model, pool: pool, speculation: speculation)
      let work =
        if let questions {
          try await asked(questions, wiring, plain)
        } else {
          try Self.read(requests ?? "")
        }
      var results: [JSON] = []
      for count in concurrency.split(separator: ",").compactMap({ Int($0) }) {
        let result = try await SpeculationBenchmark.run(
          plain: plain, speculative: fast, requests: work, concurrency: count, repeats: repetitions)
        results.append(result.json)
        if !common.json { Terminal.out(Self.line(result)) }
      }
      if common.json {
        Terminal.json(["model": .string(plain.info.id), "speculation": .string(speculation), "runs": .array(results)])
      }
    }
  }

  private static func line(_ result: SpeculationBenchmark) -> String {
    func number(_ name: String, digits: Int) -> String {
      Terminal.formatted(result.json[name]?.doubleValue ?? 0, digits: digits)
    }
    return "\(result.concurrency) at a time: \(number("plain_tokens_per_second", digits: 1)) tokens/s off, "
      + "\(number("speculative_tokens_per_second", digits: 1)) on, gain \(number("gain", digits: 3)) "
      + "(processor time \(number("processor_gain", digits: 3))); \(result.acceptedTokens) of "
      + "\(result.draftedTokens) drafted tokens accepted, \(result.sameCount) of \(result.requestCount) answers the same"
  }

  /// What the agent asks the model when it answers the questions, word for word.
  private func asked(_ file: String, _ wiring: Wiring, _ model: LocalModel) async throws -> [GenerationRequest] {
    let collection = try await wiring.collection(documents.collection, pool: wiring.pool(threads: threads))
    try await collection.requireDocuments()
    let recorder = RecordingModel(model)
    let runner = try wiring.runner(for: collection, model: recorder)
    for question in try QuestionSet(file: file).questions {
      let principal = try await collection.principal(question.user)
      for await event in runner.run(AgentRequest(question.question, as: principal)) {
        if case .failed(let error) = event { throw error }
      }
    }
    return recorder.requests
  }

  private static func read(_ file: String) throws -> [GenerationRequest] {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw CommandError(CommandError.fileUnreadable, "\(file) cannot be read.")
    }
    return try (JSON(parsing: Array(data)).arrayValue ?? []).map { item in
      let messages = (item["messages"]?.arrayValue ?? []).map { message in
        Message(
          role: Message.Role(rawValue: message["role"]?.stringValue ?? "") ?? .user,
          content: message["content"]?.stringValue ?? "")
      }
      let sampling = SamplingParameters(
        temperature: Float(item["temperature"]?.doubleValue ?? 0), topK: item["top_k"]?.intValue ?? 0,
        seed: item["seed"]?.intValue.flatMap { UInt64(exactly: $0) })
      return GenerationRequest(
        item["prompt"]?.stringValue.map { .prompt($0) } ?? .messages(messages), sampling: sampling,
        maxTokens: item["max_tokens"]?.intValue ?? 96)
    }
  }
}

/// Passes requests on and remembers them, each limited to the tokens that were listened to: the agent leaves a text that
/// begins to go round in circles, which no speed should be measured on.
private final class RecordingModel: LanguageModel {
  private let model: LocalModel
  private let recorded = Mutex<[GenerationRequest]>([])

  init(_ model: LocalModel) { self.model = model }

  var info: ModelInfo { model.info }
  var requests: [GenerationRequest] { recorded.withLock { $0 } }

  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    let index = recorded.withLock { all in
      all.append(request)
      return all.count - 1
    }
    let heard = Heard(model.generate(request))
    return AsyncThrowingStream {
      let event = try await heard.next()
      self.recorded.withLock { $0[index].maxTokens = max(1, heard.count) }
      return event
    }
  }

  /// The events that somebody asked for, one at a time, so that nothing is counted that nobody hears.
  private final class Heard: @unchecked Sendable {
    // Unchecked: the stream that owns it asks for the next event when it has got the one before.
    private var events: AsyncThrowingStream<GenerationEvent, any Error>.Iterator
    private(set) var count = 0

    init(_ stream: AsyncThrowingStream<GenerationEvent, any Error>) { events = stream.makeAsyncIterator() }

    func next() async throws -> GenerationEvent? {
      let event = try await events.next()
      if case .text = event { count += 1 }
      if case .finished(_, let usage, _) = event { count = usage.completionTokens }
      return event
    }
  }

  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int {
    try await model.countTokens(input, tools: tools)
  }
}
