// Owns the failures of answering from databases and services, worded for the person who has to act on them.
import StrataCore

extension RetrievalError {
  static func queryNotWritten(attempts: Int, cause: (any Error)?) -> RetrievalError {
    RetrievalError(
      ErrorCode("query_not_written", .invalidInput),
      "In \(attempts) attempts the model wrote no query that the database accepts.",
      remedy: "Ask in the words of the tables, use a larger model, or write the query yourself.", cause: cause)
  }

  static func invalidService(_ message: String, at location: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("service_description_invalid", .invalidInput), message,
      remedy: "Give an OpenAPI 3.0 or 3.1 file in JSON or YAML.", location: location)
  }

  static func serviceFailed(_ status: Int, url: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("service_failed", .unavailable), "The service answered with status \(status).",
      remedy: "Check the address and the arguments.", location: url)
  }
}
