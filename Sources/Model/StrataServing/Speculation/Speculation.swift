// Owns the names of the ways to speculate. Knows nothing about how they work.

/// How an engine guesses tokens ahead. Whatever is chosen, what is generated stays the same.
public enum Speculation: Sendable, Hashable {
  /// One token after another.
  case off
  /// From earlier occurrences of the last tokens in prompt and output (``PromptLookup``). Costs next to nothing.
  case lookup
  /// By a smaller model with the same vocabulary, loaded from a GGUF file.
  case draft(path: String)

  /// Reads `off`, `lookup` or `draft:PATH`; nil for anything else.
  public init?(_ text: String) {
    switch text {
    case "off": self = .off
    case "lookup": self = .lookup
    default:
      guard text.hasPrefix("draft:"), text.count > 6 else { return nil }
      self = .draft(path: String(text.dropFirst(6)))
    }
  }
}
