// Owns which programming languages there are and what their declarations look like. Knows nothing about documents.

/// A language by its file extension, as far as finding its declarations needs.
struct CodeLanguage: Sendable {
  enum Shape: Sendable {
    /// Bodies in braces.
    case braces
    /// Bodies by indentation.
    case indentation
  }

  var name: String
  var shape: Shape
  var lineComment = "//"
  /// Nested block comments end where as many ended as began.
  var nestsComments = false
  var hasTripleQuotes = false
  var hasBackquotes = false
  /// `'` quotes strings rather than one character, or a lifetime.
  var hasLongSingleQuotes = false
  /// Words that begin a declaration with a body of declarations.
  var containers: Set<String> = []
  /// Words that begin a function.
  var functions: Set<String> = []
  /// Functions are recognized by a name before parentheses, without a word of their own.
  var hasBareFunctions = false

  private static let swift = CodeLanguage(
    name: "Swift", shape: .braces, nestsComments: true, hasTripleQuotes: true,
    containers: ["class", "struct", "enum", "protocol", "extension", "actor"],
    functions: ["func", "init", "deinit", "subscript", "macro"])
  private static let javaScript = CodeLanguage(
    name: "JavaScript", shape: .braces, hasBackquotes: true, hasLongSingleQuotes: true,
    containers: ["class", "interface", "namespace", "module", "enum"], functions: ["function"], hasBareFunctions: true)
  private static let go = CodeLanguage(
    name: "Go", shape: .braces, hasBackquotes: true, containers: ["type"], functions: ["func"])
  private static let rust = CodeLanguage(
    name: "Rust", shape: .braces, nestsComments: true,
    containers: ["struct", "enum", "trait", "impl", "mod", "union"], functions: ["fn", "macro_rules!"])
  private static let java = CodeLanguage(
    name: "Java", shape: .braces, hasTripleQuotes: true,
    containers: ["class", "interface", "enum", "record", "@interface", "object"], functions: ["fun"],
    hasBareFunctions: true)
  private static let c = CodeLanguage(
    name: "C", shape: .braces, containers: ["class", "struct", "union", "enum", "namespace", "extern"],
    hasBareFunctions: true)
  private static let python = CodeLanguage(
    name: "Python", shape: .indentation, lineComment: "#", hasTripleQuotes: true, hasLongSingleQuotes: true,
    containers: ["class"], functions: ["def"])
  private static let shell = CodeLanguage(
    name: "shell", shape: .indentation, lineComment: "#", hasLongSingleQuotes: true)

  static let byExtension: [String: CodeLanguage] = {
    let groups: [(CodeLanguage, String)] = [
      (swift, "swift"), (javaScript, "js mjs cjs jsx ts tsx mts cts"), (go, "go"), (rust, "rs"),
      (java, "java kt kts scala cs"), (c, "c h cc cpp cxx hpp hh hxx m mm"), (python, "py pyi"),
      (shell, "sh bash rb sql"),
    ]
    var result: [String: CodeLanguage] = [:]
    for (language, names) in groups { for name in names.split(separator: " ") { result[String(name)] = language } }
    return result
  }()
}
