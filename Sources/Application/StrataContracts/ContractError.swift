// Owns how contracts fail: which file, which line, what to do. Knows nothing about HTTP or terminals.
import StrataCore

/// What goes wrong between a `.prompty` file and a rendered prompt.
public struct ContractError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let cause: (any Error)?
  /// `path:line`, a path, or a JSON pointer into the input.
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

  /// No file or no contract of that name and version.
  public static let notFound = ErrorCode("contract_not_found", .notFound)
  /// The front matter is no YAML, or too big or too deep.
  public static let frontMatter = ErrorCode("contract_front_matter", .invalidInput)
  /// The front matter is YAML but not a contract.
  public static let invalid = ErrorCode("contract_invalid", .invalidInput)
  /// `${env:…}` or `${file:…}` does not resolve.
  public static let reference = ErrorCode("contract_reference", .invalidInput)
  /// The template does not parse or does not render.
  public static let template = ErrorCode("contract_template", .invalidInput)
  /// The input does not satisfy the input schema.
  public static let input = ErrorCode("contract_input", .invalidInput)
  /// A value of a strict input looks like the start of another message.
  public static let strictViolation = ErrorCode("contract_strict_violation", .invalidInput)
  /// Two files declare the same name and version.
  public static let duplicate = ErrorCode("contract_duplicate", .conflict)

  func at(_ location: String) -> ContractError {
    ContractError(code, message, remedy: remedy, location: self.location ?? location, cause: cause)
  }
}
