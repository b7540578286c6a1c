// Owns the way from a request in messages to tokens and back to text, tool calls and log-probabilities.
import Foundation
import StrataCore
import StrataModel
import StrataSchema
import Synchronization

/// A ``LanguageModel`` that runs inside this process, with adapters that come and go.
public final class LocalModel: LanguageModel, AdapterHost {
  public let info: ModelInfo
  package let tokenizer: any Tokenizer
  private let engine: Engine
  let decoder: DecoderModel
  private let adapterStore: AdapterStore
  private let template: ChatTemplate?
  private let controlTokens: ControlTokenGuard
  private let grammars = GrammarCache()
  private let now: @Sendable () -> Date

  /// Loads a GGUF decoder with its tokenizer and chat template.
  /// - Parameters:
  ///   - id: the name that the API shows.
  ///   - pool: threads of the forward pass, shared with other models that run in turn.
  ///   - speculation: how tokens are guessed ahead; what is generated stays the same.
  /// - Throws: ``ModelError`` for a file that is damaged, unsupported or too big for memory.
  public convenience init(
    id: String, path: String, pool: ComputePool, limits: SchedulerLimits = SchedulerLimits(),
    speculation: Speculation = .lookup
  )
    throws
  {
    try self.init(id: id, gguf: GGUFFile(path: path), pool: pool, limits: limits, speculation: speculation)
  }

  package init(
    id: String, gguf: GGUFFile, pool: ComputePool, limits: SchedulerLimits = SchedulerLimits(),
    speculation: Speculation = .lookup, now: @escaping @Sendable () -> Date = { Date() },
    seeds: @escaping @Sendable () -> UInt64 = { .random(in: 0 ... .max) }
  ) throws {
    let tokenizer = try gguf.makeTokenizer()
    let model = try DecoderModel(gguf: gguf, pool: pool)
    decoder = model
    adapterStore = AdapterStore(byteLimit: limits.adapterByteCount) { _, path in
      try LoRAAdapter(path: path, for: model)
    }
    self.tokenizer = tokenizer
    self.now = now
    controlTokens = ControlTokenGuard(tokenizer)
    template = try gguf.metadata["tokenizer.chat_template"]?.stringValue.map { try ChatTemplate($0) }
    let draftSource: DraftModel.Source? =
      if case .draft(let path) = speculation {
        try Self.draftSource(path: path, target: tokenizer, model: model)
      } else {
        nil
      }
    let rowCount = model.configuration.vocabularySize
    engine = try Engine(
      model: model, tokenizer: tokenizer,
      vocabulary: {
        // Models may have more rows than the tokenizer has tokens; those rows stand for nothing.
        let missing = max(0, rowCount - tokenizer.vocabularySize)
        return TokenVocabulary(
          tokens: tokenizer.tokenBytes() + Array(repeating: [], count: missing),
          endOfGeneration: tokenizer.endOfGenerationIDs)
      }, limits: limits, seeds: seeds,
      speculator: {
        speculation == .off ? nil : Speculator(draftModel: draftSource.map { DraftModel($0) })
      })
    info = ModelInfo(
      id: id, contextLength: min(model.configuration.contextLength, engine.limits.cacheTokens),
      architecture: "\(model.configuration.architecture)", parameterCount: model.configuration.parameterCount)
  }

  private static func draftSource(
    path: String, target: any Tokenizer, model: DecoderModel
  ) throws -> DraftModel.Source {
    let file = try GGUFFile(path: path)
    return try DraftModel.Source(
      model: DecoderModel(gguf: file, pool: model.pool), tokenizer: file.makeTokenizer(), target: target,
      targetVocabularySize: model.configuration.vocabularySize)
  }

  /// What the engine is doing now.
  public var status: EngineStatus { engine.status }

  /// Ends the engine; running generations end with an error.
  public func stop() { engine.stop() }

  public func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int {
    try encode(input, tools: tools).count
  }

  public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream(running: { emit in try await self.run(request, emit: emit) })
  }

  // MARK: Adapters

  public var adapters: [AdapterInfo] { adapterStore.infos }

  public func loadAdapter(_ name: String, from path: String, replaces: Bool) async throws {
    try await adapterStore.load(name, from: path, replaces: replaces)
  }

  public func unloadAdapter(_ name: String) throws { try adapterStore.unload(name) }

  // MARK: Text to tokens

  /// The exact prompt that `input` becomes.
  package func prompt(_ input: GenerationRequest.Input, tools: [ToolDefinition]) throws -> String {
    switch input {
    case .prompt(let text): return text
    case .messages(let given):
      let messages = given.map(controlTokens.harmless)
      guard let template else {
        return messages.map { "\($0.role.rawValue): \($0.content)\n" }.joined() + "assistant: "
      }
      let shown = ToolPrompt.messages(messages, tools: tools, templateRendersTools: template.source.contains("tools"))
      return try template.render(
        messages: shown, tools: tools, addGenerationPrompt: true, bosToken: text(of: tokenizer.bosID),
        eosToken: text(of: tokenizer.eosID), variables: [:], now: now())
    }
  }

  private func text(of id: Int32?) -> String {
    id.map { String(decoding: tokenizer.bytes(of: $0), as: UTF8.self) } ?? ""
  }

  func encode(_ input: GenerationRequest.Input, tools: [ToolDefinition]) throws -> [Int32] {
    let text = try prompt(input, tools: tools)
    switch input {
    case .prompt: return tokenizer.encode(text, addSpecial: true, parseSpecial: true)
    case .messages:
      // Templates write the beginning-of-sequence token themselves when the model wants one.
      return tokenizer.encode(text, addSpecial: false, parseSpecial: true)
    }
  }

  private func engineRequest(
    _ request: GenerationRequest, forced: ForcedCall?, adapter: AdapterLease?
  ) throws -> EngineRequest {
    try Self.validate(request)
    let tokens = try encode(request.input, tools: request.tools)
    let room = info.contextLength - tokens.count
    guard !tokens.isEmpty, room > 0 else {
      throw ServingError(
        ServingError.contextLengthExceeded,
        "The prompt has \(tokens.count) tokens; \(info.id) takes at most \(info.contextLength) with the answer.",
        remedy: "Shorten the messages or choose a model with a longer context.")
    }
    let grammar: Grammar? =
      switch (forced, request.output) {
      case (let forced?, _): try grammars.grammar(for: .jsonSchema(forced.schema))
      case (nil, .text): nil
      case (nil, let output): try grammars.grammar(for: output)
      }
    let limit = request.maxTokens ?? Self.defaultMaxTokens
    return EngineRequest(
      tokens: tokens, sampling: request.sampling, topLogprobs: request.topLogprobs, maxNewTokens: min(limit, room),
      stopTokens: tokenizer.endOfGenerationIDs, grammar: grammar, tenant: request.tenant,
      priority: request.priority, deadline: request.deadline, adapter: adapter)
  }

  /// A model that never ends would otherwise fill the whole context; answers are rarely longer than this.
  private static let defaultMaxTokens = 1024

  private static func validate(_ request: GenerationRequest) throws {
    func require(_ condition: Bool, _ message: String) throws {
      guard condition else { throw ServingError(ServingError.invalidParameter, message) }
    }
    let sampling = request.sampling
    try require(sampling.temperature >= 0 && sampling.temperature <= 100, "temperature must lie in 0...100.")
    try require(sampling.topP > 0 && sampling.topP <= 1, "top_p must lie in (0, 1].")
    try require(sampling.minP >= 0 && sampling.minP <= 1, "min_p must lie in 0...1.")
    try require(sampling.topK >= 0, "top_k must not be negative.")
    try require(sampling.repetitionPenalty > 0, "repetition_penalty must be positive.")
    try require(request.maxTokens ?? 1 >= 1, "max_tokens must be at least 1.")
    try require((0...64).contains(request.topLogprobs ?? 0), "top_logprobs must lie in 0...64.")
  }

  // MARK: Tokens to text

  private func run(_ request: GenerationRequest, emit: (GenerationEvent) -> Void) async throws {
    let forced = ForcedCall(request)
    let adapter: AdapterLease? = if let name = request.adapter { try await adapterStore.lease(name) } else { nil }
    let engineRequest = try engineRequest(request, forced: forced, adapter: adapter)
    var clock = GenerationClock()
    var output = OutputAssembler(
      tokenizer: tokenizer, stop: request.stop,
      tools: forced == nil && request.toolChoice != .none ? request.tools : [],
      holdsAll: forced != nil, isParallel: request.parallelToolCalls)
    var usage = Usage(promptTokens: engineRequest.tokens.count)
    for try await event in engine.submit(engineRequest) {
      switch event {
      case .started(let cachedTokens):
        usage.cachedTokens = cachedTokens
        clock.started()
      case .token(let token):
        usage.completionTokens += 1
        clock.tokenCame()
        for event in output.push(token, wantsLogprobs: request.topLogprobs != nil) { emit(event) }
        if output.isStopped {
          // Leaving the loop cancels the sequence in the engine.
          if let stop = output.stopString { emit(.stopString(stop)) }
          emit(.finished(.stop, usage, clock.timings))
          return
        }
      case .finished(let reason, let usage, let timings):
        let end = output.finish(forced: forced)
        for event in end.events { emit(event) }
        emit(.finished(end.hasCalls ? .toolCalls : reason, usage, timings))
      }
    }
  }
}

/// The times of a generation that ends at a stop string: the engine does not know of those.
private struct GenerationClock {
  private let birth = ContinuousClock.now
  private var start: ContinuousClock.Instant?
  private var first: ContinuousClock.Instant?

  mutating func started() { start = .now }
  mutating func tokenCame() { first = first ?? .now }

  var timings: GenerationTimings {
    let now = ContinuousClock.now
    let start = start ?? now
    let first = first ?? now
    return GenerationTimings(
      queue: birth.duration(to: start), prefill: start.duration(to: first), decode: first.duration(to: now))
  }
}

/// Compiled grammars by schema, most recent last.
private final class GrammarCache: Sendable {
  private let entries = Mutex<[(output: OutputConstraint, grammar: Grammar)]>([])
  private static let limit = 32

  func grammar(for output: OutputConstraint) throws -> Grammar {
    if let known = entries.withLock({ $0.first { $0.output == output }?.grammar }) { return known }
    let grammar: Grammar =
      switch output {
      case .text, .jsonObject: Grammar.jsonObject
      case .jsonSchema(let schema): try Grammar(schema: schema)
      }
    entries.withLock { entries in
      entries.append((output, grammar))
      if entries.count > Self.limit { entries.removeFirst() }
    }
    return grammar
  }
}
