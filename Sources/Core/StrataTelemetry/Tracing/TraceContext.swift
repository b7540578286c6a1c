// Owns the identity of a span and its form in HTTP headers. Knows nothing about what is traced.
import StrataCore
import Tracing

/// Names one span inside one trace (W3C Trace Context, level 1).
public struct TraceContext: Sendable, Hashable {
  /// 16 bytes in lower-case hex, not all zero.
  public let traceID: String
  /// 8 bytes in lower-case hex, not all zero.
  public let spanID: String
  /// Whether the spans of this trace are recorded.
  public let isSampled: Bool

  public init(traceID: String, spanID: String, isSampled: Bool = true) {
    self.traceID = traceID
    self.spanID = spanID
    self.isSampled = isSampled
  }

  /// Reads a `traceparent` header; nil when it is malformed, as the specification asks (section 3.2).
  public init?(traceparent: String) {
    let fields = traceparent.split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count >= 4, Self.isHex(fields[0], count: 2), fields[0] != "ff", fields.count == 4 || fields[0] != "00",
      Self.isHex(fields[1], count: 32), fields[1].contains(where: { $0 != "0" }),
      Self.isHex(fields[2], count: 16), fields[2].contains(where: { $0 != "0" }),
      Self.isHex(fields[3], count: 2), let flags = UInt8(fields[3], radix: 16)
    else { return nil }
    self.init(traceID: String(fields[1]), spanID: String(fields[2]), isSampled: flags & 1 == 1)
  }

  public var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

  private static func isHex(_ text: Substring, count: Int) -> Bool {
    text.utf8.count == count && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }

  static func hex(_ words: [UInt64]) -> String {
    words.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }.joined()
  }
}

private enum TraceContextKey: ServiceContextKey {
  typealias Value = TraceContext
  static var nameOverride: String? { "strata-trace-context" }
}

extension ServiceContext {
  /// The span that work under this context belongs to.
  public var traceContext: TraceContext? {
    get { self[TraceContextKey.self] }
    set { self[TraceContextKey.self] = newValue }
  }
}
