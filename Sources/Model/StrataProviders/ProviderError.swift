// Owns every failure that calling a remote model can report.
import StrataCore

public struct ProviderError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let cause: (any Error)?
  public let retryAfter: Duration?

  public init(
    _ code: ErrorCode, _ message: String, remedy: String? = nil, cause: (any Error)? = nil, retryAfter: Duration? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.cause = cause
    self.retryAfter = retryAfter
  }

  /// The server cannot be reached, or the connection ended early.
  public static let unreachable = ErrorCode("provider_unreachable", .unavailable)
  /// No answer, or no further piece of it, came in time.
  public static let timeout = ErrorCode("provider_timeout", .unavailable)
  /// The server has no capacity now (429, 503, 529).
  public static let overloaded = ErrorCode("provider_overloaded", .exhausted)
  /// The server failed (5xx).
  public static let failed = ErrorCode("provider_failed", .unavailable)
  /// The key is missing, wrong or lacks rights (401, 403).
  public static let unauthorized = ErrorCode("provider_unauthorized", .permissionDenied)
  /// The server does not take the request (4xx).
  public static let rejected = ErrorCode("provider_rejected", .invalidInput)
  /// The server says what its protocol does not allow.
  public static let malformed = ErrorCode("provider_malformed_reply", .unavailable)
  /// Too many failures lately; calls are not even tried for a while.
  public static let circuitOpen = ErrorCode("provider_circuit_open", .unavailable)
  /// The request asks for what this protocol cannot say.
  public static let unsupported = ErrorCode("provider_unsupported", .invalidInput)
  /// The endpoint's address or options make no sense.
  public static let configuration = ErrorCode("provider_configuration", .invalidInput)
  /// The data must not leave this machine and nothing here can take it.
  public static let localOnly = ErrorCode("local_only", .permissionDenied)
}
