// Owns what an agent needs to know about a prompt contract. Knows nothing about files, YAML or template engines.

/// A versioned prompt with typed input and output, as the layers below the application see it.
public protocol PromptContract: Sendable {
  var name: String { get }
  /// For example `1.0.0`.
  var version: String { get }
  /// Lower-case hexadecimal SHA-256 over everything that the model or the program sees of the contract.
  var contentHash: String { get }
  /// JSON Schema of the input object.
  var inputSchema: JSON { get }
  /// JSON Schema of what the model must write; nil when it writes free text.
  var outputSchema: JSON? { get }
  /// The contract's own settings (an object): thresholds, limits, strategies. Empty when it has none.
  var settings: JSON { get }
  /// How to draw tokens when the caller does not say otherwise.
  var sampling: SamplingParameters { get }
  /// Most tokens the model may write; nil leaves it to the caller.
  var maxTokens: Int? { get }

  /// Validates `input` against ``inputSchema`` and renders the conversation.
  /// Values of the input never open a new message, whatever they contain.
  /// - Throws: a ``StrataError`` that names the offending member.
  func messages(for input: JSON) throws -> [Message]
}

extension PromptContract {
  /// `name@version`
  public var reference: String { "\(name)@\(version)" }
}
