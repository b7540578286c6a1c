// Owns server-sent events (HTML Living Standard, section 9.2): framing, and a response that writes them as they happen.
import HTTPTypes
import Hummingbird
import NIOCore
import StrataCore

/// One server-sent event.
struct ServerEvent: Sendable, Hashable {
  var name: String?
  /// Without line breaks.
  var data: [UInt8]

  /// JSON text holds no line break, so that one `data:` line is enough.
  init(_ data: JSON, name: String? = nil) {
    self.name = name
    self.data = data.utf8()
  }

  private init(text: String) { data = Array(text.utf8) }

  /// The end mark of OpenAI streams.
  static let done = ServerEvent(text: "[DONE]")
}

/// Writes events to one client.
struct EventWriter {
  fileprivate var writer: any ResponseBodyWriter

  /// All in one write.
  mutating func send(_ events: [ServerEvent]) async throws {
    guard !events.isEmpty else { return }
    var buffer = ByteBuffer()
    for event in events {
      if let name = event.name { buffer.writeString("event: \(name)\n") }
      buffer.writeString("data: ")
      buffer.writeBytes(event.data)
      buffer.writeString("\n\n")
    }
    try await writer.write(buffer)
  }

  mutating func send(_ data: JSON, event: String? = nil) async throws {
    try await send([ServerEvent(data, name: event)])
  }

  /// A line that clients ignore.
  mutating func sendComment() async throws {
    try await writer.write(ByteBuffer(string: ": keep-alive\n\n"))
  }
}

extension Response {
  /// A `text/event-stream` that `produce` writes.
  static func events(_ produce: @escaping @Sendable (inout EventWriter) async throws -> Void) -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache, no-store"],
      body: ResponseBody { writer in
        var events = EventWriter(writer: writer)
        try await produce(&events)
        try await events.writer.finish(nil)
      })
  }
}
