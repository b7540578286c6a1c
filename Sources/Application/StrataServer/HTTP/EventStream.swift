// Owns server-sent events (HTML Living Standard, section 9.2): framing, and a response that writes them as they happen.
import HTTPTypes
import Hummingbird
import NIOCore
import StrataCore

/// Writes events to one client.
struct EventWriter {
  fileprivate var writer: any ResponseBodyWriter

  /// One event. JSON text holds no line break, so that one `data:` line is enough.
  mutating func send(_ data: JSON, event: String? = nil) async throws {
    var buffer = ByteBuffer()
    if let event { buffer.writeString("event: \(event)\n") }
    buffer.writeString("data: ")
    buffer.writeBytes(data.utf8())
    buffer.writeString("\n\n")
    try await writer.write(buffer)
  }

  /// The end mark of OpenAI streams.
  mutating func sendDone() async throws {
    try await writer.write(ByteBuffer(string: "data: [DONE]\n\n"))
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
