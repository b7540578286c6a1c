// Owns the syntax tree of a template. Knows nothing about values or how they are computed.

enum JinjaConstant: Sendable {
  case none
  case bool(Bool)
  case int(Int)
  /// Decimal digits of an integer that does not fit `Int`.
  case bigInt(String)
  case double(Double)
  case string(String)
}

enum JinjaComparison: Sendable {
  case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn
}

enum JinjaArithmetic: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "** or pow()"
}

/// Chains of operators of one precedence are flat, so that a long chain makes no deep tree.
indirect enum JinjaExpression: Sendable {
  case constant(JinjaConstant)
  case name(String)
  case list([JinjaExpression])
  case tuple([JinjaExpression])
  case dict([(key: JinjaExpression, value: JinjaExpression)])
  case conditional(test: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?, line: Int)
  case or([JinjaExpression])
  case and([JinjaExpression])
  case not(JinjaExpression)
  case comparison(JinjaExpression, [(JinjaComparison, JinjaExpression)])
  case arithmetic(JinjaExpression, [(JinjaArithmetic, JinjaExpression)])
  case negative(JinjaExpression)
  case positive(JinjaExpression)
  case concatenation([JinjaExpression])
  case attribute(JinjaExpression, String)
  case item(JinjaExpression, JinjaExpression)
  case slice(JinjaExpression, start: JinjaExpression?, stop: JinjaExpression?, step: JinjaExpression?)
  case call(JinjaExpression, JinjaCallArguments)
  case filter(JinjaExpression, String, JinjaCallArguments)
  case test(JinjaExpression, String, JinjaCallArguments)
  /// What a `set` or `filter` block captured, at the start of its filter chain.
  case blockBody
}

struct JinjaCallArguments: Sendable {
  var positional: [JinjaExpression] = []
  var named: [(name: String, value: JinjaExpression)] = []
  var splat: JinjaExpression?
  var namedSplat: JinjaExpression?
}

indirect enum JinjaTarget: Sendable {
  case name(String)
  case attribute(of: String, String)
  case tuple([JinjaTarget])
}

indirect enum JinjaStatement: Sendable {
  case text(String)
  case output(JinjaExpression, line: Int)
  case set(JinjaTarget, JinjaExpression, line: Int)
  case setBlock(JinjaTarget, filter: JinjaExpression?, [JinjaStatement], line: Int)
  case conditional([(test: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement], line: Int)
  case loop(JinjaLoopNode, line: Int)
  case macro(JinjaMacroNode)
  case call(JinjaMacroNode, JinjaExpression, line: Int)
  case filterBlock(JinjaExpression, [JinjaStatement], line: Int)
  case with([(JinjaTarget, JinjaExpression)], [JinjaStatement], line: Int)
  /// A body with variables of its own: `block`, `generation`, `autoescape`.
  case scope([JinjaStatement])
  case breakLoop
  case continueLoop
  /// A tag that needs a template loader, which chat templates do not have.
  case loading(tag: String, line: Int)
}

struct JinjaLoopNode: Sendable {
  let target: JinjaTarget
  let iterable: JinjaExpression
  let condition: JinjaExpression?
  let body: [JinjaStatement]
  let otherwise: [JinjaStatement]
  let isRecursive: Bool
}

/// A macro, or the body of a `call` block.
final class JinjaMacroNode: Sendable {
  let name: String
  let parameters: [(name: String, defaultValue: JinjaExpression?)]
  let body: [JinjaStatement]
  /// Which of the implicit names the body mentions; only those may receive surplus arguments.
  let usesCaller: Bool
  let usesNamedSurplus: Bool
  let usesSurplus: Bool

  init(
    name: String, parameters: [(name: String, defaultValue: JinjaExpression?)], body: [JinjaStatement],
    mentioned: Set<String>
  ) {
    self.name = name
    self.parameters = parameters
    self.body = body
    usesCaller = mentioned.contains("caller")
    usesNamedSurplus = mentioned.contains("kwargs")
    usesSurplus = mentioned.contains("varargs")
  }
}
