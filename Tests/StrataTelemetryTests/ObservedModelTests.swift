import StrataCore
import StrataTelemetry
import StrataTesting
import Synchronization
import Testing
import Tracing

final class CollectedSpans: SpanSink {
  private let state = Mutex<[SpanRecord]>([])
  var all: [SpanRecord] { state.withLock { $0 } }
  func record(_ span: SpanRecord) { state.withLock { $0.append(span) } }
  func flush() {}
}

/// Ends with given numbers.
private struct TimedModel: LanguageModel {
  let info = ModelInfo(id: "timed", contextLength: 100)

  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream { continuation in
      continuation.yield(.text("a", logprobs: []))
      continuation.yield(.text("b", logprobs: []))
      let timings = GenerationTimings(queue: .milliseconds(20), prefill: .milliseconds(300), decode: .milliseconds(100))
      continuation.yield(.finished(.stop, Usage(promptTokens: 50, completionTokens: 2, cachedTokens: 40), timings))
      continuation.finish()
    }
  }

  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int { 0 }
}

private struct Failure: StrataError {
  let code = ErrorCode("queue_full", .exhausted)
  let message = "Full."
}

@Suite("Observed models")
struct ObservedModelTests {
  @Test("a call becomes one span with its phases one after the other, under the caller's trace")
  func phases() async throws {
    let spans = CollectedSpans()
    let tracer = StrataTracer(sink: spans)
    let metrics = GenerationMetrics()
    let model = ObservedModel(TimedModel(), Telemetry(tracer: tracer, metrics: metrics))
    let caller = try #require(TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
    var context = ServiceContext.topLevel
    context.traceContext = caller
    let stream = ServiceContext.$current.withValue(context) {
      model.generate(
        GenerationRequest(.messages([Message(role: .user, content: "secret")]), maxTokens: 9, tenant: "acme"))
    }
    for try await _ in stream {}
    let all = spans.all
    #expect(all.map(\.name) == ["queue", "prefill", "decode", "chat timed"])
    let call = try #require(all.last)
    #expect(call.context.traceID == caller.traceID && call.parentSpanID == caller.spanID)
    #expect(
      all.dropLast().allSatisfy { $0.parentSpanID == call.context.spanID && $0.context.traceID == caller.traceID })
    #expect(all[0].end == all[1].start && all[1].end == all[2].start)
    #expect(all[1].end - all[1].start == 300_000_000)
    #expect(call.attributes["gen_ai.usage.input_tokens"]?.toSpanAttribute() == .int64(50))
    #expect(call.attributes["gen_ai.usage.cache_read.input_tokens"]?.toSpanAttribute() == .int64(40))
    #expect(call.attributes["gen_ai.request.max_tokens"]?.toSpanAttribute() == .int64(9))
    #expect(call.attributes["strata.tenant"]?.toSpanAttribute() == .string("acme"))
    var said = ""
    call.attributes.forEach { key, value in said += "\(key)=\(value) " }
    #expect(!said.contains("secret"))
  }

  @Test("a failed call has the error's code, and the numbers count it")
  func failure() async throws {
    let spans = CollectedSpans()
    let metrics = GenerationMetrics()
    let model = ObservedModel(
      ScriptedModel(id: "scripted") { _, _ in throw Failure() },
      Telemetry(tracer: StrataTracer(sink: spans), metrics: metrics))
    await #expect(throws: Failure.self) { _ = try await model.complete(GenerationRequest(.prompt("x"))) }
    #expect(spans.all.last?.status?.code == .error)
    #expect(spans.all.last?.attributes["error.type"]?.toSpanAttribute() == .string("queue_full"))
    var page = PrometheusText()
    metrics.write(to: &page)
    #expect(page.text.contains("strata_generations_total{model=\"scripted\",outcome=\"queue_full\"} 1\n"))
    #expect(page.text.contains("strata_generations_in_flight{model=\"scripted\"} 0\n"))
  }

  @Test("numbers come by tenant, and their page is what Prometheus reads")
  func numbers() async throws {
    let metrics = GenerationMetrics()
    let model = ObservedModel(TimedModel(), Telemetry(metrics: metrics))
    for tenant in ["a", "b", "b\"\n"] {
      _ = try await model.complete(GenerationRequest(.prompt("x"), tenant: tenant))
    }
    var page = PrometheusText()
    metrics.write(to: &page)
    #expect(page.text.contains("strata_tokens_total{model=\"timed\",tenant=\"a\",type=\"cached\"} 40\n"))
    #expect(page.text.contains("tenant=\"b\\\"\\n\""))
    #expect(page.text.contains("gen_ai_server_time_per_output_token_seconds_count{gen_ai_request_model=\"timed\"} 3\n"))
    #expect(page.text.contains("strata_queue_seconds_bucket{gen_ai_request_model=\"timed\",le=\"0.025\"} 3\n"))
    for line in page.text.split(separator: "\n") where !line.hasPrefix("#") {
      #expect(line.wholeMatch(of: /[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)+\})? [0-9.e+-]+/) != nil, "\(line)")
    }
  }

  @Test("a call that is left early counts as cancelled")
  func cancelled() async throws {
    let metrics = GenerationMetrics()
    let model = ObservedModel(
      ScriptedModel(["a long answer that goes on for a while"]), Telemetry(metrics: metrics))
    let task = Task {
      for try await _ in model.generate(GenerationRequest(.prompt("x"))) { withUnsafeCurrentTask { $0?.cancel() } }
    }
    _ = await task.result
    var page = PrometheusText()
    for _ in 0..<200 {
      page = PrometheusText()
      metrics.write(to: &page)
      if page.text.contains("in_flight{model=\"scripted\"} 0") { break }
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(page.text.contains("strata_generations_in_flight{model=\"scripted\"} 0\n"))
  }
}
