// Owns the public face of grammars: what a constrained decoder may write. Knows no tokens.

import StrataCore

/// A pushdown automaton over bytes that accepts JSON texts, compiled from a schema.
///
/// Everything it accepts is valid under the schema (unless over-approximation was allowed and ``approximatedKeywords``
/// is not empty). It does not accept every valid text; these choices are fixed:
/// - Members come in the order of `properties`, then names that are only in `required`. Other members follow, and only
///   if `additionalProperties` (not `false`) or `patternProperties` is written, or if nothing is said about members.
/// - White space only as ``Layout`` says.
/// - Integers have no fraction or exponent and at most 19 digits unless a bound is longer; fractions at most 17 digits.
/// - `date`, `time`, `date-time`, `uuid` and `ipv4` are enforced, other formats are not.
/// - Values nest at most ``Options/depthLimit`` levels.
public struct Grammar: Sendable {
  /// Where white space may stand.
  public enum Layout: Sendable, Hashable {
    /// Nowhere.
    case compact
    /// One space after each `,` and `:`.
    case spaced
    /// A space or none after each `,` and `:`, as the model likes.
    case optionalSpace
  }

  public struct Options: Sendable, Hashable {
    public var layout: Layout
    /// Keywords that cannot be enforced are left out instead of refused; the finished value must then be validated.
    public var allowsApproximation: Bool
    /// Arrays and objects inside each other, in 1...1000.
    public var depthLimit: Int

    public init(layout: Layout = .optionalSpace, allowsApproximation: Bool = false, depthLimit: Int = 64) {
      self.layout = layout
      self.allowsApproximation = allowsApproximation
      self.depthLimit = min(max(depthLimit, 1), 1_000)
    }
  }

  /// Pointers to the keywords that are not enforced; empty unless ``Options/allowsApproximation`` is set.
  public let approximatedKeywords: [String]
  let automaton: GrammarAutomaton

  /// Compiles the grammar of `schema`.
  /// - Throws: ``SchemaError``: `schema_keyword_unsupported` with the keyword's place, `schema_unsatisfiable`,
  ///   `schema_too_large`.
  public init(_ schema: JSONSchema, options: Options = Options()) throws(SchemaError) {
    var builder = GrammarBuilder(schemas: schema.program, options: options)
    automaton = GrammarAutomaton(try builder.build([schema.program.root]))
    approximatedKeywords = builder.approximated
  }

  /// Compiles the grammar of a schema that is not needed for validation.
  public init(schema: JSON, options: Options = Options()) throws(SchemaError) {
    try self.init(JSONSchema(schema), options: options)
  }

  private init(known schema: JSON, options: Options) {
    // `true` and `{"type":"object"}` always compile; an automaton that accepts nothing stands in for the impossible.
    let made = try? Grammar(schema: schema, options: options)
    automaton = made?.automaton ?? GrammarAutomaton(GrammarProgram.empty)
    approximatedKeywords = []
  }

  /// Any JSON value.
  public static let anyJSON = Grammar(known: true, options: Options())
  /// Any JSON object.
  public static let jsonObject = Grammar(known: ["type": "object"], options: Options())

  /// Whether the grammar accepts exactly this text.
  public func accepts(_ text: [UInt8]) -> Bool {
    var threads = automaton.program.initialThreads
    for byte in text {
      threads = automaton.program.step(threads, byte)
      if threads.isEmpty { return false }
    }
    return threads.contains(.complete)
  }

  /// Number of instructions, for reports.
  public var instructionCount: Int { automaton.program.code.count }
}

extension GrammarProgram {
  static var empty: GrammarProgram {
    var program = GrammarProgram()
    program.code = [.split([])]
    program.finish()
    return program
  }
}
