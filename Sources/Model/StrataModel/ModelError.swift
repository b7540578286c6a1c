// Owns the one error type of StrataModel. Knows nothing about HTTP, terminals or the engine above.
import StrataCore

/// Why weights, a tokenizer, a template or a forward pass did not work.
public struct ModelError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  /// A path, a byte offset, a tensor or a metadata key.
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

  /// The same error, with the file or tensor that it is about.
  public func located(at place: String) -> ModelError {
    let joined = location.map { "\(place), \($0)" } ?? place
    return ModelError(code, message, remedy: remedy, location: joined, cause: cause)
  }
}

extension ModelError {
  public static let diskFull = ErrorCode("disk_full", .exhausted)
  public static let fileUnreadable = ErrorCode("model_file_unreadable", .notFound)
  public static let ggufBadMagic = ErrorCode("gguf_bad_magic", .corrupted)
  public static let ggufUnsupportedVersion = ErrorCode("gguf_unsupported_version", .invalidInput)
  public static let ggufTruncated = ErrorCode("gguf_truncated", .corrupted)
  public static let ggufMalformed = ErrorCode("gguf_malformed", .corrupted)
  public static let safetensorsTruncated = ErrorCode("safetensors_truncated", .corrupted)
  public static let safetensorsMalformed = ErrorCode("safetensors_malformed", .corrupted)
  public static let unsupportedTensorType = ErrorCode("unsupported_tensor_type", .invalidInput)
  public static let unsupportedArchitecture = ErrorCode("unsupported_architecture", .invalidInput)
  public static let metadataMissing = ErrorCode("metadata_missing", .corrupted)
  public static let metadataInvalid = ErrorCode("metadata_invalid", .corrupted)
  public static let tensorMissing = ErrorCode("tensor_missing", .corrupted)
  public static let tensorShape = ErrorCode("tensor_shape", .corrupted)
  public static let outOfMemory = ErrorCode("out_of_memory", .exhausted)
  public static let contextOverflow = ErrorCode("context_overflow", .invalidInput)
  public static let tokenOutOfRange = ErrorCode("token_out_of_range", .invalidInput)
  public static let invalidArgument = ErrorCode("invalid_argument", .invalidInput)
  /// Part of an adapter's format that the engine cannot apply.
  public static let adapterUnsupported = ErrorCode("adapter_unsupported", .invalidInput)
  /// The adapter was made for another model.
  public static let adapterMismatch = ErrorCode("adapter_mismatch", .invalidInput)
  public static let adapterInvalid = ErrorCode("adapter_invalid", .invalidInput)
  public static let fileUnwritable = ErrorCode("model_file_unwritable", .unavailable)
  public static let kernelFailed = ErrorCode("kernel_failed", .internal)
}
