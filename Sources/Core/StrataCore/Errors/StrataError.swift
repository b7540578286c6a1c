// Owns the shape that every error in Strata has. Knows nothing about HTTP, terminals or any single target.

/// What an error means to the caller, coarse enough for an HTTP status or an exit code.
public enum ErrorKind: String, Sendable, Hashable, CaseIterable {
  /// The caller sent something malformed; sending it again will not help.
  case invalidInput
  /// The named thing does not exist, or the caller may not know that it exists.
  case notFound
  /// The caller is not who may do this.
  case permissionDenied
  /// The thing exists already, or is in a state that forbids the operation.
  case conflict
  /// A bound (queue, budget, memory, disk, context length) is reached.
  case exhausted
  /// Something that is needed does not answer now; trying later may help.
  case unavailable
  /// The caller withdrew the request.
  case cancelled
  /// Stored or downloaded bytes are not what they must be.
  case corrupted
  /// A defect in Strata.
  case `internal`
}

/// A stable name for one failure, the same in logs, HTTP bodies and `--json` output.
public struct ErrorCode: Sendable, Hashable, CustomStringConvertible {
  /// Lower-case words joined by underscores, for example `gguf_truncated`.
  public let name: String
  public let kind: ErrorKind

  public init(_ name: String, _ kind: ErrorKind) {
    self.name = name
    self.kind = kind
  }

  public var description: String { name }
}

/// What every error type of the package conforms to: one type per target.
public protocol StrataError: Error, Sendable, CustomStringConvertible {
  var code: ErrorCode { get }
  /// One sentence that says what went wrong, with the offending value.
  var message: String { get }
  /// What the reader can do about it.
  var remedy: String? { get }
  /// The error underneath.
  var cause: (any Error)? { get }
  /// Where in the input: a path, a byte offset, a line, a JSON pointer.
  var location: String? { get }
  /// How long to wait before trying again, where that is known.
  var retryAfter: Duration? { get }
}

extension StrataError {
  public var remedy: String? { nil }
  public var cause: (any Error)? { nil }
  public var location: String? { nil }
  public var retryAfter: Duration? { nil }

  public var description: String {
    var text = message
    if let location { text += " (\(location))" }
    if let remedy { text += "\n  \(remedy)" }
    if let cause { text += "\n  caused by: \(cause)" }
    return text
  }
}
