// Owns the seam between running generations and the dialects in which they are streamed.
import Logging
import StrataCore

/// Turns what the generations of one request do into the events of one API.
protocol EventEncoder {
  /// What every stream begins with.
  mutating func opening() -> [ServerEvent]
  mutating func encode(_ index: Int, _ event: GenerationEvent) -> [ServerEvent]
  /// What follows once all generations have finished.
  mutating func closing(_ usage: Usage) -> [ServerEvent]
  /// How a stream ends that cannot go on.
  mutating func failure(_ reply: ErrorReply) -> [ServerEvent]
  /// Sent into silence; nil for a comment that clients ignore.
  var keepAlive: ServerEvent? { get }
}

extension EventEncoder {
  var keepAlive: ServerEvent? { nil }
}

extension EventWriter {
  /// Writes a whole stream. An error becomes its last event.
  /// - Returns: whether the generations finished well.
  @discardableResult
  mutating func send(
    _ session: GenerationSession, startingWith first: GenerationSession.News?, as encoder: inout some EventEncoder,
    logger: Logger
  ) async throws -> Bool {
    defer { session.end() }
    try await send(encoder.opening())
    do {
      try await session.forEach(startingWith: first) { news in
        switch news {
        case .silence:
          if let event = encoder.keepAlive { try await send([event]) } else { try await sendComment() }
        case .event(let index, let event): try await send(encoder.encode(index, event))
        }
      }
      try await send(encoder.closing(session.usage))
      return true
    } catch let error as any StrataError where error.code != .clientGone {
      try await send(encoder.failure(ErrorReply(error, of: "generation", logger)))
      return false
    }
  }
}
