// Owns how evaluations fail: which file, which line, what to do.
import StrataCore

/// What goes wrong before or while something is measured.
public struct EvaluationError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let cause: (any Error)?
  public let location: String?

  public init(
    _ code: ErrorCode, _ message: String, remedy: String? = nil, location: String? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.location = location
    self.cause = cause
  }

  public static let notFound = ErrorCode("evaluation_data_not_found", .notFound)
  public static let malformed = ErrorCode("evaluation_data_malformed", .invalidInput)
  public static let empty = ErrorCode("evaluation_data_empty", .invalidInput)
}
