// Owns the one error type of StrataTraining. Knows nothing about HTTP or terminals.
import StrataCore

/// Why a model could not be quantized, calibrated or compared.
public struct TrainingError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  /// A path or a tensor.
  public let location: String?
  public let cause: (any Error)?

  public init(
    _ code: ErrorCode, _ message: String, remedy: String? = nil, location: String? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.location = location
    self.cause = cause
  }
}

extension TrainingError {
  /// A weight is an infinity or NaN, or too large for the type.
  public static let weightInvalid = ErrorCode("weight_invalid", .corrupted)
  public static let unsupportedConversion = ErrorCode("unsupported_conversion", .invalidInput)
  public static let importanceMismatch = ErrorCode("importance_mismatch", .invalidInput)
  public static let importanceInvalid = ErrorCode("importance_invalid", .corrupted)
  public static let outOfMemory = ErrorCode("out_of_memory", .exhausted)
  public static let invalidArgument = ErrorCode("invalid_argument", .invalidInput)
  public static let modelsDiffer = ErrorCode("models_differ", .invalidInput)
}
