import StrataProviders
import Testing

@Suite("Server-sent events")
struct ServerSentEventsTests {
  private let text =
    "event: a\ndata: {\"x\":1}\n\n: comment\r\ndata: one\r\ndata:two\r\n\r\ndata\rdata: \r\rid: 7\n\nevent: lost\n\ndata: end\n\n"
  private let expected = [
    ServerSentEvents.Event(name: "a", data: "{\"x\":1}"), ServerSentEvents.Event(name: "", data: "one\ntwo"),
    ServerSentEvents.Event(name: "", data: "\n"), ServerSentEvents.Event(name: "", data: "end"),
  ]

  @Test("events are the same however the bytes are cut", arguments: [1, 2, 3, 5, 7, 1000])
  func cuts(size: Int) throws {
    let bytes = Array(text.utf8)
    var parser = ServerSentEvents()
    var events: [ServerSentEvents.Event] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      events += try parser.push(bytes[start..<min(start + size, bytes.count)])
    }
    #expect(events == expected)
  }

  @Test("an endless line is refused")
  func endless() {
    var parser = ServerSentEvents()
    #expect(throws: ProviderError.self) {
      for _ in 0...5 { _ = try parser.push([UInt8](repeating: 65, count: 1 << 20)) }
    }
  }
}
