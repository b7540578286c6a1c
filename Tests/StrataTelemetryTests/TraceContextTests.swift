import StrataTelemetry
import Testing

@Suite("Trace context")
struct TraceContextTests {
  @Test("a header is read and written as the specification's example")
  func roundTrip() throws {
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    let context = try #require(TraceContext(traceparent: header))
    #expect(context.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
    #expect(context.spanID == "00f067aa0ba902b7")
    #expect(context.isSampled)
    #expect(context.traceparent == header)
  }

  @Test("a later version may carry more fields; version 00 may not")
  func versions() {
    let rest = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    #expect(TraceContext(traceparent: "cc-\(rest)-what")?.isSampled == false)
    #expect(TraceContext(traceparent: "00-\(rest)-what") == nil)
  }

  @Test(
    "a malformed header is no context",
    arguments: [
      "", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
    ])
  func malformed(header: String) { #expect(TraceContext(traceparent: header) == nil) }
}
