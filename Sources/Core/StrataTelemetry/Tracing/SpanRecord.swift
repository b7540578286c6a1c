// Owns what is known of a finished span. Knows nothing about how it is sent.
import Tracing

/// A finished span, as it is exported.
public struct SpanRecord: Sendable, Equatable {
  /// Something that happened inside a span.
  public struct Event: Sendable, Equatable {
    public var name: String
    /// Nanoseconds since 1970.
    public var time: UInt64
    public var attributes: SpanAttributes
  }

  public var context: TraceContext
  public var parentSpanID: String?
  public var name: String
  public var kind: SpanKind
  /// Nanoseconds since 1970.
  public var start: UInt64
  public var end: UInt64
  public var attributes: SpanAttributes
  public var events: [Event]
  public var links: [TraceContext]
  /// Nil when nobody set one.
  public var status: SpanStatus?
}
