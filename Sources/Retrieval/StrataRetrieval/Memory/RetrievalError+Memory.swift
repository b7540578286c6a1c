// Owns the failures of remembering, worded for the person who has to act on them.
import StrataCore

extension RetrievalError {
  static func nothingToRemember() -> RetrievalError {
    RetrievalError(
      ErrorCode("memory_empty", .invalidInput), "There is nothing to remember.", remedy: "Say it in a sentence.")
  }

  static func memoryTooLong(_ byteCount: Int, limit: Int) -> RetrievalError {
    RetrievalError(
      ErrorCode("memory_too_long", .exhausted), "The text has \(byteCount) bytes; a memory takes \(limit) at once.",
      remedy: "Ingest long texts as documents.")
  }

  static func memoryBusy(user: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("memory_busy", .unavailable), "The memory of \(user) is being changed by others all the time.",
      remedy: "Try again.")
  }
}
