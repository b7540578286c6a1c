// Owns evaluation of the Jinja subset. Values print as prompts want them, not as Python would.
import StrataCore

/// The portable Jinja subset of Prompty v2: interpolation, `if`/`elif`/`else`, `for` with `loop`, `set`, filters and
/// tests. `true` prints in lower case, null prints nothing, `1.0` prints `1`, containers print as JSON. Undefined names
/// print nothing. There are no calls except `.items()`, so a template can do nothing but print its input.
public struct JinjaSubsetRenderer: TemplateRenderer {
  public var limits: TemplateLimits

  public init(limits: TemplateLimits = TemplateLimits()) { self.limits = limits }

  public func render(_ template: String, inputs: JSONObject) throws -> [PromptSegment] {
    var parser = try JinjaParser(template, limits: limits)
    let nodes = try parser.parse()
    var evaluator = JinjaEvaluator(inputs: inputs, limits: limits)
    try evaluator.render(nodes)
    return evaluator.writer.segments
  }
}

private struct JinjaEvaluator {
  private struct Variable {
    var value: JSON
    /// The input that the value came from.
    var source: String?
  }

  private let limits: TemplateLimits
  private var scopes: [[String: Variable]]
  private var operations = 0
  var writer: SegmentWriter

  init(inputs: JSONObject, limits: TemplateLimits) {
    self.limits = limits
    var root: [String: Variable] = [:]
    for (key, value) in inputs { root[key] = Variable(value: value, source: key) }
    scopes = [root]
    writer = SegmentWriter(limit: limits.outputByteCount)
  }

  private mutating func count() throws(ContractError) {
    operations += 1
    guard operations <= limits.operationCount else {
      throw ContractError(
        ContractError.template, "The template runs more than \(limits.operationCount) steps.",
        remedy: "Loop over fewer items.")
    }
  }

  mutating func render(_ nodes: [JinjaNode]) throws(ContractError) {
    for node in nodes {
      try count()
      switch node {
      case .text(let text): try writer.append(.literal, text)
      case .output(let expression):
        let value = try evaluate(expression)
        var sources: Set<String> = []
        collectSources(expression, into: &sources)
        let kind: PromptSegment.Kind =
          isLiteral(expression) ? .literal : .interpolated(source: sources.count == 1 ? sources.first : nil)
        try writer.append(kind, value.promptText)
      case .condition(let branches, let otherwise):
        var body = otherwise
        for (test, nodes) in branches where try evaluate(test).isTruthy {
          body = nodes
          break
        }
        try render(body)
      case .assignment(let name, let expression):
        var sources: Set<String> = []
        collectSources(expression, into: &sources)
        scopes[scopes.count - 1][name] = Variable(value: try evaluate(expression), source: sources.first)
      case .loop(let names, let values, let body, let otherwise):
        try loop(names, over: values, body: body, otherwise: otherwise)
      }
    }
  }

  private mutating func loop(
    _ names: [String], over expression: JinjaExpression, body: [JinjaNode], otherwise: [JinjaNode]
  ) throws(ContractError) {
    var sources: Set<String> = []
    collectSources(expression, into: &sources)
    let values: [JSON]
    switch try evaluate(expression) {
    case .array(let elements): values = elements
    case .object(let object): values = object.keys.map(JSON.string)
    case .string(let text): values = text.map { .string(String($0)) }
    default: values = []
    }
    guard !values.isEmpty else { return try render(otherwise) }
    for (index, value) in values.enumerated() {
      try count()
      var scope: [String: Variable] = [:]
      for (position, name) in names.enumerated() {
        scope[name] = Variable(value: names.count == 1 ? value : value[position] ?? .null, source: sources.first)
      }
      scope["loop"] = Variable(
        value: [
          "index": .int(index + 1), "index0": .int(index), "first": .bool(index == 0),
          "last": .bool(index == values.count - 1), "length": .int(values.count),
          "revindex": .int(values.count - index),
        ], source: nil)
      scopes.append(scope)
      defer { scopes.removeLast() }
      try render(body)
    }
  }

  private func variable(_ name: String) -> Variable? {
    for scope in scopes.reversed() { if let found = scope[name] { return found } }
    return nil
  }

  private func isLiteral(_ expression: JinjaExpression) -> Bool {
    if case .literal = expression { true } else { false }
  }

  private func collectSources(_ expression: JinjaExpression, into sources: inout Set<String>) {
    switch expression {
    case .literal: break
    case .name(let name): if let source = variable(name)?.source { sources.insert(source) }
    case .list(let values): for value in values { collectSources(value, into: &sources) }
    case .items(let value), .not(let value), .negated(let value), .test(_, let value, _):
      collectSources(value, into: &sources)
    case .member(let a, let b), .binary(_, let a, let b):
      collectSources(a, into: &sources)
      collectSources(b, into: &sources)
    case .choice(let a, let b, let c):
      for value in [a, b, c] { collectSources(value, into: &sources) }
    case .filter(_, let value, let arguments):
      for value in [value] + arguments { collectSources(value, into: &sources) }
    }
  }

  private mutating func evaluate(_ expression: JinjaExpression) throws(ContractError) -> JSON {
    try count()
    switch expression {
    case .literal(let value): return value
    case .name(let name): return variable(name)?.value ?? .null
    case .list(let elements):
      var values: [JSON] = []
      for element in elements { values.append(try evaluate(element)) }
      return .array(values)
    case .member(let base, let key): return JinjaOperations.member(try evaluate(base), try evaluate(key))
    case .items(let base):
      return .array((try evaluate(base).objectValue ?? JSONObject()).map { [.string($0.key), $0.value] })
    case .not(let value): return .bool(!(try evaluate(value).isTruthy))
    case .negated(let value): return try JinjaOperations.arithmetic("-", .int(0), try evaluate(value))
    case .choice(let value, let condition, let otherwise):
      return try evaluate(try evaluate(condition).isTruthy ? value : otherwise)
    case .binary("and", let left, let right):
      let value = try evaluate(left)
      return value.isTruthy ? try evaluate(right) : value
    case .binary("or", let left, let right):
      let value = try evaluate(left)
      return value.isTruthy ? value : try evaluate(right)
    case .binary(let symbol, let left, let right):
      let result = try JinjaOperations.binary(symbol, try evaluate(left), try evaluate(right))
      if let text = result.stringValue, text.utf8.count > limits.outputByteCount {
        throw ContractError(ContractError.template, "A text grows beyond \(limits.outputByteCount) bytes.")
      }
      return result
    case .filter(let name, let value, let arguments):
      let isDefined = try isDefined(value)
      var values: [JSON] = []
      for argument in arguments { values.append(try evaluate(argument)) }
      return try JinjaOperations.filter(name, try evaluate(value), values, isDefined: isDefined)
    case .test(let name, let value, let negated):
      let isDefined = try isDefined(value)
      return .bool(try JinjaOperations.test(name, try evaluate(value), isDefined: isDefined) != negated)
    }
  }

  private mutating func isDefined(_ expression: JinjaExpression) throws(ContractError) -> Bool {
    switch expression {
    case .name(let name): return variable(name) != nil
    case .member(let base, let key):
      switch (try evaluate(base), try evaluate(key)) {
      case (.object(let object), .string(let name)): return object[name] != nil
      case (.array(let values), let index): return index.intValue.map(values.indices.contains) ?? false
      default: return false
      }
    default: return true
    }
  }
}
