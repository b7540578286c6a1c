// Owns running the generations of one request: admission, context check, several choices at once, cancellation,
// numbers. Knows nothing about the format of the answer.
import Logging
import StrataCore
import StrataTelemetry
import Synchronization

struct GenerationRunner: Sendable {
  let limits: ServerLimits
  let admission: Admission
  let metrics: ServerMetrics
  let telemetry: Telemetry
  let ledger: BudgetLedger

  /// Starts one generation for each of `requests`, as soon as there is room.
  /// - Parameter parameter: the name under which the client sent the prompt, for errors.
  func start(
    _ requests: [GenerationRequest], on lease: ModelLease, prompt parameter: String, for context: RequestContext
  ) async throws -> GenerationSession {
    let model = lease.model
    let requests = requests.map { given in
      var request = given
      request.tenant = context.tenant
      request.adapter = lease.adapter
      // A client may wait longer than its key demands, not shorter.
      request.priority = max(given.priority, context.key?.priority ?? given.priority)
      request.deadline = context.deadline
      request.isLocalOnly = given.isLocalOnly || context.isLocalOnly
      return request
    }
    guard let first = requests.first else {
      throw ServerError(.missingParameter, "There is nothing to generate.", parameter: parameter)
    }
    try await checkContext(of: first, model: model, parameter)
    // Counting is worth its time only where tokens are limited.
    let prompt =
      context.key?.limits.countsTokens == true
      ? try await model.countTokens(first.input, tools: first.tools) : 0
    let reservation = try ledger.reserve(
      context.key, prompt: prompt, output: first.maxTokens.map { $0 * requests.count })
    let permit = try await admission.enter(context)
    let observed = ObservedModel(model, telemetry)
    let live = LiveStream(
      requests.map { observed.generate($0) }, connection: context.connection, keepAlive: limits.keepAliveInterval,
      deadline: context.deadline)
    return GenerationSession(
      live: live, count: requests.count, permit: permit, lease: lease, reservation: reservation, promptTokens: prompt,
      context: context)
  }

  /// Counting tokens is as expensive as tokenizing, so it is done only where the prompt could be too long: a token has
  /// at least one byte.
  private func checkContext(
    of request: GenerationRequest, model: any LanguageModel, _ parameter: String
  ) async throws {
    let limit = model.info.contextLength
    let byteCount =
      switch request.input {
      case .prompt(let text): text.utf8.count
      case .messages(let messages): messages.reduce(0) { $0 + $1.content.utf8.count }
      }
    guard limit > 0, byteCount >= limit else { return }
    let count = try await model.countTokens(request.input, tools: request.tools)
    guard count >= limit else { return }
    throw ServerError(
      .contextLengthExceeded,
      "This model's maximum context length is \(limit) tokens. However, your \(parameter) resulted in \(count) tokens.",
      parameter: parameter, remedy: "Shorten the \(parameter).")
  }
}

/// The running generations of one request. Ends them when it goes away.
final class GenerationSession: Sendable {
  enum News: Sendable {
    case event(Int, GenerationEvent)
    case silence
  }

  private let live: LiveStream<GenerationEvent>
  private let count: Int
  private let permit: Admission.Permit
  private let lease: ModelLease
  private let reservation: BudgetReservation?
  private let promptTokens: Int
  private let context: RequestContext
  /// Pieces of output so far: what a generation is charged with that nobody waited for.
  private let pieces = Mutex(0)
  private let usages: Mutex<[Usage?]>
  /// Whether the models ended by themselves, well or not.
  private let isOver = Mutex(false)

  init(
    live: LiveStream<GenerationEvent>, count: Int, permit: Admission.Permit, lease: ModelLease,
    reservation: BudgetReservation?, promptTokens: Int, context: RequestContext
  ) {
    self.live = live
    self.count = count
    self.permit = permit
    self.lease = lease
    self.reservation = reservation
    self.promptTokens = promptTokens
    self.context = context
    usages = Mutex(Array(repeating: nil, count: count))
  }

  deinit { end() }

  /// Stops whatever still runs and lets the next request in.
  func end() {
    live.cancel()
    permit.release()
    lease.release()
    // Who leaves early pays for the prompt and what was written until then.
    let known = usage.totalTokens
    let seen = pieces.withLock { $0 }
    reservation?.settle(used: known > 0 ? known : seen > 0 ? promptTokens + seen : 0)
    let isAbandoned = isOver.withLock { over in
      defer { over = true }
      return !over
    }
    if isAbandoned { context.metrics.metrics.generationAbandoned() }
  }

  private var model: String { lease.model.info.id }

  /// Prompt tokens of the (one) prompt and completion tokens of all choices, of those that finished.
  var usage: Usage {
    usages.withLock { usages in
      let known = usages.compactMap { $0 }
      return Usage(
        promptTokens: known.map(\.promptTokens).max() ?? 0,
        completionTokens: known.reduce(0) { $0 + $1.completionTokens },
        cachedTokens: known.map(\.cachedTokens).max() ?? 0)
    }
  }

  /// The first piece of news, so that a request that fails at once gets a proper status.
  func first() async throws -> News? {
    for await signal in live.signals {
      switch signal {
      case .ended: throw incomplete
      default: return try await news(signal)
      }
    }
    throw CancellationError()
  }

  /// Calls `handle` with everything until all generations have finished.
  func forEach(startingWith first: News?, _ handle: (News) async throws -> Void) async throws {
    var ended = 0
    if let first { try await handle(first) }
    for await signal in live.signals {
      if case .ended = signal {
        ended += 1
        if ended == count { break }
      } else if let news = try await news(signal) {
        try await handle(news)
      }
    }
    guard ended == count else { throw CancellationError() }
    isOver.withLock { $0 = true }
    guard usages.withLock({ usages in usages.allSatisfy { $0 != nil } }) else { throw incomplete }
  }

  /// Everything, when all is finished.
  func results() async throws -> [GenerationResult] {
    var results = Array(repeating: GenerationResult(text: ""), count: count)
    try await forEach(startingWith: nil) { news in
      guard case .event(let index, let event) = news else { return }
      switch event {
      case .text(let piece, let logprobs):
        results[index].text += piece
        results[index].logprobs += logprobs
      case .toolCall(let call): results[index].toolCalls.append(call)
      case .stopString(let stop): results[index].stopString = stop
      case .finished(let reason, let usage, let timings):
        results[index].finishReason = reason
        results[index].usage = usage
        results[index].timings = timings
      }
    }
    return results
  }

  private func news(_ signal: LiveSignal<GenerationEvent>) async throws -> News? {
    switch signal {
    case .event(let index, let event):
      pieces.withLock { $0 += 1 }
      if case .finished(_, let usage, _) = event { usages.withLock { $0[index] = usage } }
      return .event(index, event)
    case .failed(let error):
      isOver.withLock { $0 = true }
      throw error
    case .clientGone:
      throw ServerError(.clientGone, "The client closed the connection.")
    case .silence: return .silence
    case .ended: return nil
    }
  }

  private var incomplete: ServerError {
    ServerError(.incompleteGeneration, "The model \(model) ended a generation without saying how.")
  }
}
