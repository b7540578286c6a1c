// Owns every failure that serving a model can report.
import StrataCore

public struct ServingError: StrataError {
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

  /// The prompt leaves no room for a completion.
  public static let contextLengthExceeded = ErrorCode("context_length_exceeded", .invalidInput)
  /// The queue of all requests is at its bound; try again later.
  public static let queueFull = ErrorCode("queue_full", .exhausted)
  /// The queue of this tenant is at its bound; try again later.
  public static let tenantQueueFull = ErrorCode("tenant_queue_full", .exhausted)
  /// The request could not begin before its deadline.
  public static let deadlineExceeded = ErrorCode("deadline_exceeded", .exhausted)
  /// The engine was shut down.
  public static let engineStopped = ErrorCode("engine_stopped", .unavailable)
  /// A parameter is out of its range.
  public static let invalidParameter = ErrorCode("invalid_parameter", .invalidInput)
  /// No adapter has that name.
  public static let adapterNotFound = ErrorCode("adapter_not_found", .notFound)
  /// The name belongs to another adapter.
  public static let adapterExists = ErrorCode("adapter_exists", .conflict)
  /// Adapters in use leave too little memory for another one.
  public static let adapterMemoryFull = ErrorCode("adapter_memory_full", .exhausted)
  /// The forward pass failed.
  public static let stepFailed = ErrorCode("engine_step_failed", .internal)
  /// The draft model was made for other tokens than the model it drafts for.
  public static let draftVocabularyMismatch = ErrorCode("draft_vocabulary_mismatch", .invalidInput)
  /// No token continues the constrained output.
  public static let constraintDeadEnd = ErrorCode("constraint_dead_end", .internal)
}
