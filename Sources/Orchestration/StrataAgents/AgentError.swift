// Owns how agents fail. Knows nothing about HTTP or terminals.
import StrataCore

/// What goes wrong while a run plans, acts, answers or resumes.
public struct AgentError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let cause: (any Error)?
  /// The run, and the event's number where there is one.
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

  /// No such run, or it belongs to somebody else.
  public static let runNotFound = ErrorCode("agent_run_not_found", .notFound)
  /// The run ended earlier; there is nothing to resume.
  public static let runFinished = ErrorCode("agent_run_finished", .conflict)
  /// The run is being executed already, here or by another process.
  public static let runActive = ErrorCode("agent_run_active", .conflict)
  /// The journal does not tell a possible story.
  public static let journalBroken = ErrorCode("agent_journal_broken", .corrupted)
  /// Tokens of the budget are used up before an answer could be written.
  public static let tokensExhausted = ErrorCode("agent_tokens_exhausted", .exhausted)
  /// The run took longer than its budget.
  public static let timeExhausted = ErrorCode("agent_time_exhausted", .exhausted)
  /// The prompt does not fit the model even without passages.
  public static let contextExhausted = ErrorCode("agent_context_exhausted", .exhausted)
  /// The question is empty or far too long.
  public static let invalidQuestion = ErrorCode("agent_question_invalid", .invalidInput)
  public static let cancelled = ErrorCode("agent_cancelled", .cancelled)
  /// A contract lacks what the agent needs of it.
  public static let contract = ErrorCode("agent_contract_unfit", .invalidInput)
  /// Something below failed with an error that is none of ours.
  public static let failed = ErrorCode("agent_failed", .internal)

  /// `error` as an agent's error: a ``StrataError`` keeps its code.
  static func wrapping(_ error: any Error, run: String) -> AgentError {
    switch error {
    case let error as AgentError: error
    case is CancellationError: AgentError(cancelled, "The run was cancelled.", location: run)
    case let error as any StrataError:
      AgentError(error.code, error.message, remedy: error.remedy, location: error.location, cause: error.cause)
    default: AgentError(failed, "The run failed: \(error)", location: run, cause: error)
    }
  }
}
