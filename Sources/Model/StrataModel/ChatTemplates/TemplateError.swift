// Owns why a chat template cannot be compiled or rendered.

import StrataCore

/// Why a chat template failed: it is malformed, it refused the conversation, or it reached a bound.
public struct TemplateError: StrataError, Hashable {
  public let code: ErrorCode
  public let message: String
  /// Line of the template, counted from 1; 0 when unknown.
  public let line: Int
  public var location: String? { line > 0 ? "template line \(line)" : nil }

  /// The text is not a template.
  public static let syntax = ErrorCode("template_syntax", .invalidInput)
  /// The template called `raise_exception`: the conversation is one that the model was not trained on.
  public static let raised = ErrorCode("template_raised", .invalidInput)
  /// The template used a value that does not exist.
  public static let undefined = ErrorCode("template_undefined", .invalidInput)
  /// An operation does not fit its operands, or names a filter, test or function that does not exist.
  public static let runtime = ErrorCode("template_runtime", .invalidInput)
  /// The template tried what templates may not do, such as changing its input.
  public static let security = ErrorCode("template_security", .permissionDenied)
  /// The template needs more steps, memory or nesting than is allowed.
  public static let limit = ErrorCode("template_limit", .exhausted)

  public init(code: ErrorCode, message: String, line: Int = 0) {
    self.code = code
    self.message = message
    self.line = line
  }

  public var remedy: String? {
    switch code {
    case Self.raised: "Change the conversation as the message says, or give the model another chat template."
    case Self.limit: "The template is hostile or broken; give the model another chat template."
    default: nil
    }
  }

  static func runtime(_ message: String) -> TemplateError { TemplateError(code: runtime, message: message) }
  static func undefined(_ message: String) -> TemplateError { TemplateError(code: undefined, message: message) }
  static func security(_ message: String) -> TemplateError { TemplateError(code: security, message: message) }
  static func limit(_ message: String) -> TemplateError { TemplateError(code: limit, message: message) }
  static func syntax(_ message: String, line: Int) -> TemplateError {
    TemplateError(code: syntax, message: message, line: line)
  }

  /// The same error, placed at `line` unless it has a place already.
  func located(at line: Int) -> TemplateError {
    self.line > 0 ? self : TemplateError(code: code, message: message, line: line)
  }
}
