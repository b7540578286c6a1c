// Owns what validation reports: where, which keyword, and a sentence that a person or a model can act on.

/// One reason why a value does not fit a schema.
public struct ValidationIssue: Sendable, Hashable, CustomStringConvertible {
  /// JSON pointer (RFC 6901) to the offending value; empty for the whole value.
  public let instancePointer: String
  /// JSON pointer to the keyword in its schema document, after `#`; other documents are named by their URI.
  public let schemaPointer: String
  /// The keyword that failed, for example `required`.
  public let keyword: String
  /// What is wrong and what was expected, with values shortened.
  public let message: String

  public init(instancePointer: String, schemaPointer: String, keyword: String, message: String) {
    self.instancePointer = instancePointer
    self.schemaPointer = schemaPointer
    self.keyword = keyword
    self.message = message
  }

  public var description: String {
    (instancePointer.isEmpty ? "the value" : instancePointer) + ": " + message
  }
}
