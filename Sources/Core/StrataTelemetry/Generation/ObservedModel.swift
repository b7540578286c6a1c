// Owns what is written down about each call of a model: one span with its phases, and the numbers. Knows no engine: all
// it sees are the events that every model streams.
import StrataCore
import Synchronization
import Tracing

/// A model whose calls become spans and numbers, in the conventions of OpenTelemetry for generative AI (semantic
/// conventions 1.37, `gen_ai.*`). Neither prompts nor outputs are recorded.
public struct ObservedModel: LanguageModel {
  public let base: any LanguageModel
  private let telemetry: Telemetry

  public init(_ base: any LanguageModel, _ telemetry: Telemetry) {
    self.base = base
    self.telemetry = telemetry
  }

  public var info: ModelInfo { base.info }

  public func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int {
    try await base.countTokens(input, tools: tools)
  }

  public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    let model = info.id
    let isChat = if case .messages = request.input { true } else { false }
    let operation = isChat ? "chat" : "text_completion"
    let provider = info.provider
    let span = telemetry.tracer?.startSpan("\(operation) \(model)", ofKind: provider == "strata" ? .internal : .client)
    span?.attributes = Self.attributes(of: request, model: model, operation: operation, provider: provider)
    let call = ObservedCall(
      model: model, tenant: request.tenant, span: span, tracer: telemetry.tracer,
      metrics: telemetry.metrics)
    let events = ServiceContext.$current.withValue(span?.context ?? ServiceContext.current ?? .topLevel) {
      base.generate(request)
    }
    return AsyncThrowingStream(running: { emit in
      do {
        for try await event in events {
          call.saw(event)
          emit(event)
        }
        call.end(nil)
      } catch {
        call.end(error)
        throw error
      }
    })
  }

  private static func attributes(
    of request: GenerationRequest, model: String, operation: String, provider: String
  ) -> SpanAttributes {
    var attributes: SpanAttributes = [:]
    attributes["gen_ai.operation.name"] = operation
    attributes["gen_ai.provider.name"] = provider
    attributes["gen_ai.request.model"] = request.adapter.map { "\(model):\($0)" } ?? model
    attributes["gen_ai.response.model"] = model
    if let limit = request.maxTokens { attributes["gen_ai.request.max_tokens"] = limit }
    attributes["gen_ai.request.temperature"] = Double(request.sampling.temperature)
    if request.sampling.topP < 1 { attributes["gen_ai.request.top_p"] = Double(request.sampling.topP) }
    if request.sampling.topK > 0 { attributes["gen_ai.request.top_k"] = request.sampling.topK }
    if request.sampling.frequencyPenalty != 0 {
      attributes["gen_ai.request.frequency_penalty"] = Double(request.sampling.frequencyPenalty)
    }
    if request.sampling.presencePenalty != 0 {
      attributes["gen_ai.request.presence_penalty"] = Double(request.sampling.presencePenalty)
    }
    if let seed = request.sampling.seed { attributes["gen_ai.request.seed"] = Int(truncatingIfNeeded: seed) }
    switch request.output {
    case .text: attributes["gen_ai.output.type"] = "text"
    case .jsonObject, .jsonSchema: attributes["gen_ai.output.type"] = "json"
    }
    attributes["strata.tenant"] = request.tenant
    if !request.tools.isEmpty { attributes["strata.tools"] = request.tools.count }
    return attributes
  }
}

/// One call under way.
private final class ObservedCall: Sendable {
  private struct State {
    var lastPiece: ContinuousClock.Instant?
    var finished: (FinishReason, Usage, GenerationTimings)?
    var isOver = false
  }

  private let model: String
  private let tenant: String
  private let span: RecordedSpan?
  private let tracer: StrataTracer?
  private let metrics: GenerationMetrics
  private let start = ContinuousClock.now
  private let startInstant = RecordedInstant(nanosecondsSinceEpoch: DefaultTracerClock.now.nanosecondsSinceEpoch)
  private let state = Mutex(State())

  init(model: String, tenant: String, span: RecordedSpan?, tracer: StrataTracer?, metrics: GenerationMetrics) {
    self.model = model
    self.tenant = tenant
    self.span = span
    self.tracer = tracer
    self.metrics = metrics
    metrics.started(model)
  }

  /// A call that nobody listened to any more before it ended.
  deinit { end(CancellationError()) }

  func saw(_ event: GenerationEvent) {
    switch event {
    case .text, .toolCall:
      let now = ContinuousClock.now
      let last = state.withLock { state in
        defer { state.lastPiece = now }
        return state.lastPiece
      }
      if let last {
        metrics.gap(model, (now - last) / .seconds(1))
      } else {
        metrics.firstPiece(model, after: (now - start) / .seconds(1))
      }
    case .stopString: break
    case .finished(let reason, let usage, let timings):
      state.withLock { $0.finished = (reason, usage, timings) }
    }
  }

  func end(_ error: (any Error)?) {
    let finished: (FinishReason, Usage, GenerationTimings)?? = state.withLock { state in
      guard !state.isOver else { return nil }
      state.isOver = true
      return .some(state.finished)
    }
    guard let finished else { return }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let outcome =
      if let finished { finished.0.rawValue } else if let known = error as? any StrataError {
        known.code.name
      } else if error == nil || error is CancellationError { "cancelled" } else { "error" }
    metrics.ended(
      model, tenant: tenant, outcome: outcome, seconds: seconds, usage: finished?.1,
      queue: finished.map { $0.2.queue / .seconds(1) })
    guard let span else { return }
    if let (reason, usage, timings) = finished {
      span.updateAttributes { attributes in
        attributes["gen_ai.response.finish_reasons"] = SpanAttribute.stringArray([reason.rawValue])
        attributes["gen_ai.usage.input_tokens"] = usage.promptTokens
        attributes["gen_ai.usage.output_tokens"] = usage.completionTokens
        attributes["gen_ai.usage.cache_read.input_tokens"] = usage.cachedTokens
      }
      phases(timings, usage, of: span)
    } else {
      span.attributes["error.type"] = outcome
      if let error, !(error is CancellationError) { span.recordError(error) }
      span.setStatus(SpanStatus(code: .error, message: outcome))
    }
    span.end()
  }

  /// The phases follow each other; they are written down when their lengths are known.
  private func phases(_ timings: GenerationTimings, _ usage: Usage, of span: RecordedSpan) {
    guard let tracer else { return }
    var instant = startInstant
    func phase(_ name: String, _ length: Duration, _ attributes: [(String, Int)]) {
      guard length > .zero else { return }
      let child = tracer.startSpan(
        name, context: span.context, ofKind: .internal, at: instant, function: #function, file: #fileID, line: #line)
      for (key, value) in attributes { child.attributes[key] = SpanAttribute.int64(Int64(value)) }
      instant = instant.advanced(by: length)
      child.end(at: instant)
    }
    phase("queue", timings.queue, [])
    phase(
      "prefill", timings.prefill,
      [("strata.prefix_hit_tokens", usage.cachedTokens), ("strata.prompt_tokens", usage.promptTokens)])
    phase(
      "decode", timings.decode,
      [
        ("strata.completion_tokens", usage.completionTokens), ("strata.drafted_tokens", timings.draftedTokens),
        ("strata.accepted_tokens", timings.acceptedTokens),
        ("strata.grammar_microseconds", Int(timings.grammar / .microseconds(1))), ("strata.pauses", timings.pauses),
      ])
  }
}
