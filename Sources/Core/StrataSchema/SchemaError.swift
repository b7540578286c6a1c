// Owns the one error type of the schema compiler. Validation results are no errors: see ValidationIssue.

import StrataCore

/// Why a schema, a pattern or a grammar could not be compiled, or a text not be repaired.
public struct SchemaError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  /// JSON pointer into the schema, prefixed with the document's URI when it is not the main one.
  public let location: String?
  /// What validation found, when a value was there and did not fit.
  public let issues: [ValidationIssue]

  public init(
    _ code: ErrorCode, _ message: String, remedy: String? = nil, location: String? = nil, issues: [ValidationIssue] = []
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.location = location
    self.issues = issues
  }

  /// A keyword has a value that it may not have.
  public static let invalidSchema = ErrorCode("schema_invalid", .invalidInput)
  /// A `$ref` leads nowhere.
  public static let unresolvedReference = ErrorCode("schema_reference_unresolved", .invalidInput)
  /// A pattern is no ECMA-262 regular expression, or uses a part of it that no automaton can run.
  public static let invalidPattern = ErrorCode("schema_pattern_invalid", .invalidInput)
  /// The schema needs more states, rules or nesting than are allowed.
  public static let tooLarge = ErrorCode("schema_too_large", .exhausted)
  /// Constrained decoding cannot enforce a keyword.
  public static let unsupportedKeyword = ErrorCode("schema_keyword_unsupported", .invalidInput)
  /// No finite value can satisfy the schema.
  public static let unsatisfiable = ErrorCode("schema_unsatisfiable", .invalidInput)
  /// No JSON value could be found in a text.
  public static let noValue = ErrorCode("schema_no_value", .invalidInput)
  /// A value was found, but it does not fit its schema.
  public static let invalidValue = ErrorCode("schema_value_invalid", .invalidInput)
}
