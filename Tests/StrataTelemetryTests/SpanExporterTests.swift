import StrataCore
import StrataTelemetry
import Synchronization
import Testing
import Tracing

@Suite("Span exporter")
struct SpanExporterTests {
  private final class Collector: Sendable {
    let bodies = Mutex<[[UInt8]]>([])
    let replies: Mutex<[ExportReply]>
    init(_ replies: [ExportReply] = []) { self.replies = Mutex(replies) }

    func post(_ body: [UInt8]) -> ExportReply {
      bodies.withLock { $0.append(body) }
      return replies.withLock { $0.isEmpty ? ExportReply(status: 200) : $0.removeFirst() }
    }
  }

  private func exporter(_ collector: Collector, capacity: Int = 100) -> SpanExporter {
    SpanExporter(
      resource: [("service.name", "strata")], version: "1", capacity: capacity, batchSize: 10,
      sleep: { _ in try Task.checkCancellation() }, transport: { collector.post($0) })
  }

  private func makeSpans(_ count: Int, into exporter: SpanExporter) {
    let tracer = StrataTracer(sink: exporter)
    for index in 0..<count {
      let span = tracer.startSpan("span \(index)", ofKind: .server)
      span.attributes["number"] = index
      span.attributes["text"] = "a \"b\""
      span.attributes["list"] = SpanAttribute.stringArray(["x", "y"])
      span.addEvent(SpanEvent(name: "event"))
      if index == 0 { span.setStatus(SpanStatus(code: .error, message: "broken")) }
      span.end()
      span.end()
    }
  }

  private func waitUntilSent(_ exporter: SpanExporter, _ count: Int) async throws {
    for _ in 0..<500 where exporter.counts.exported + exporter.counts.dropped < count {
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  @Test("every span arrives once, in batches, in the protocol's JSON")
  func arrives() async throws {
    let collector = Collector()
    let exporter = exporter(collector)
    makeSpans(25, into: exporter)
    try await waitUntilSent(exporter, 25)
    #expect(exporter.counts.exported == 25 && exporter.counts.dropped == 0)
    let bodies = try collector.bodies.withLock { try $0.map { try JSON(parsing: $0) } }
    let spans = bodies.flatMap { $0["resourceSpans"]?[0]?["scopeSpans"]?[0]?["spans"]?.arrayValue ?? [] }
    #expect(Set(spans.compactMap { $0["spanId"]?.stringValue }).count == 25)
    let first = try #require(spans.first { $0["name"]?.stringValue == "span 0" })
    #expect(first["kind"]?.intValue == 2)
    #expect(first["traceId"]?.stringValue?.utf8.count == 32)
    #expect(first["startTimeUnixNano"]?.stringValue.flatMap { UInt64($0) } ?? 0 > 1_700_000_000_000_000_000)
    #expect(first["status"]?["code"]?.intValue == 2)
    #expect(
      first["attributes"]?.text()
        == #"[{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"x"},{"stringValue":"y"}]}}},"#
        + #"{"key":"number","value":{"intValue":"0"}},{"key":"text","value":{"stringValue":"a \"b\""}}]"#)
  }

  @Test("a batch is sent again after a retryable status, and dropped after others")
  func retries() async throws {
    let busy = Collector([ExportReply(status: 503), ExportReply(status: 429, retryAfter: 1)])
    let first = exporter(busy)
    makeSpans(1, into: first)
    try await waitUntilSent(first, 1)
    #expect(first.counts.exported == 1 && busy.bodies.withLock { $0.count } == 3)
    let strict = Collector([ExportReply(status: 400)])
    let second = exporter(strict)
    makeSpans(1, into: second)
    try await waitUntilSent(second, 1)
    #expect(second.counts.dropped == 1 && second.counts.failedBatches == 1 && strict.bodies.withLock { $0.count } == 1)
  }

  @Test("spans beyond the bound are dropped and counted, and the rest leaves at shutdown")
  func bound() async throws {
    let collector = Collector()
    let exporter = SpanExporter(
      resource: [], version: "1", capacity: 5, batchSize: 10, interval: .seconds(60), transport: { collector.post($0) })
    makeSpans(8, into: exporter)
    #expect(exporter.counts.waiting == 5 && exporter.counts.dropped == 3)
    await exporter.shutdown()
    #expect(exporter.counts.exported == 5)
    makeSpans(1, into: exporter)
    #expect(exporter.counts.dropped == 4)
  }

  @Test("traces that are not sampled stay silent")
  func sampling() async throws {
    let collector = Collector()
    let exporter = exporter(collector)
    let tracer = StrataTracer(sink: exporter, ratio: 0)
    let span = tracer.startSpan("quiet")
    #expect(!span.isRecording)
    span.end()
    await exporter.shutdown()
    #expect(collector.bodies.withLock { $0.isEmpty })
  }
}
