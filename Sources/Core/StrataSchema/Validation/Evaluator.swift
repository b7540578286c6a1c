// Owns evaluation of one value against compiled nodes: scope, bounds, issues. Reads no schema text.

import StrataCore

/// Which members and items of one value have been evaluated, for `unevaluatedProperties` and `unevaluatedItems`.
struct Evaluated {
  var properties: Set<String> = []
  var items: Set<Int> = []
  /// Items before this one are evaluated.
  var itemCount = 0

  mutating func merge(_ other: Evaluated) {
    properties.formUnion(other.properties)
    items.formUnion(other.items)
    itemCount = max(itemCount, other.itemCount)
  }
}

struct Evaluator {
  /// Schemas inside schemas while one value is evaluated; a reference that leads to itself ends here.
  static let depthLimit = 1_500
  /// Keywords evaluated for one value, so that schemas of exponential cost end.
  static let stepLimit = 20_000_000

  let program: SchemaProgram
  /// Whether issues are wanted; otherwise the first failure ends the evaluation.
  let collects: Bool
  var issues: [ValidationIssue] = []
  private(set) var path: [String] = []
  private var scope: [Int] = []
  private var depth = 0
  private var steps = 0
  private var isExhausted = false

  init(program: SchemaProgram, collects: Bool) {
    self.program = program
    self.collects = collects
  }

  mutating func run(_ value: JSON) -> Bool { run(program.root, value) }

  /// Whether `value` fits one node.
  mutating func run(_ node: Int, _ value: JSON) -> Bool {
    var evaluated = Evaluated()
    return evaluate(node, value, &evaluated) && !isExhausted
  }

  mutating func evaluate(_ index: Int, _ value: JSON, _ evaluated: inout Evaluated) -> Bool {
    if isExhausted { return false }
    let node = program.nodes[index]
    guard case .keywords(let keywords) = node.body else {
      if case .boolean(false) = node.body {
        report(node, nil, "no value is allowed here")
        return false
      }
      return true
    }
    guard depth < Evaluator.depthLimit else { return exhaust(node, "the schema refers to itself without end") }
    depth += 1
    let entersResource = scope.last != node.resource
    if entersResource { scope.append(node.resource) }
    defer {
      depth -= 1
      if entersResource { scope.removeLast() }
    }
    // What an outer schema has seen does not count for this one's `unevaluated…`.
    var own = Evaluated()
    var isValid = true
    for keyword in keywords {
      steps += 1
      guard steps < Evaluator.stepLimit else { return exhaust(node, "the schema takes too long to evaluate") }
      if !evaluate(keyword, node, value, &own) {
        isValid = false
        if !collects { return false }
      }
    }
    if isValid, program.collectsEvaluated { evaluated.merge(own) }
    return isValid
  }

  private mutating func exhaust(_ node: SchemaNode, _ reason: String) -> Bool {
    report(node, nil, reason)
    isExhausted = true
    return false
  }

  /// Evaluates without keeping issues; the result alone matters.
  mutating func probe(_ index: Int, _ value: JSON, _ evaluated: inout Evaluated) -> (isValid: Bool, [ValidationIssue]) {
    let mark = issues.count
    let isValid = evaluate(index, value, &evaluated)
    let found = Array(issues[mark...])
    issues.removeSubrange(mark...)
    return (isValid, found)
  }

  /// Evaluates a child of the value.
  mutating func evaluate(_ index: Int, child token: @autoclosure () -> String, _ value: JSON) -> Bool {
    var evaluated = Evaluated()
    guard collects else { return evaluate(index, value, &evaluated) }
    path.append(token())
    defer { path.removeLast() }
    return evaluate(index, value, &evaluated)
  }

  func dynamicTarget(_ anchor: String, initial: Int) -> Int {
    for resource in scope {
      let key = SchemaProgram.DynamicAnchor(resource: resource, name: anchor)
      if let target = program.dynamicTargets[key] { return target }
    }
    return initial
  }

  /// Collects an issue; `keyword` nil stands for a `false` schema.
  mutating func report(_ node: SchemaNode, _ keyword: String?, _ message: @autoclosure () -> String) {
    guard collects else { return }
    let pointer = path.reduce("") { JSONPointer.appending($1, to: $0) }
    issues.append(
      ValidationIssue(
        instancePointer: pointer,
        schemaPointer: keyword.map { JSONPointer.appending($0, to: node.name) } ?? node.name,
        keyword: keyword ?? "false", message: message()))
  }

  /// A value for messages, shortened.
  static func brief(_ value: JSON) -> String {
    let text = value.text()
    return text.count > 80 ? text.prefix(77) + "…" : text
  }

  private mutating func evaluate(
    _ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON, _ evaluated: inout Evaluated
  ) -> Bool {
    switch keyword {
    case .types, .constant, .enumeration: evaluateAny(keyword, node, value)
    case .bound, .multipleOf: evaluateNumber(keyword, node, value)
    case .minLength, .maxLength, .pattern, .format: evaluateString(keyword, node, value)
    case .minItems, .maxItems, .uniqueItems, .items, .contains, .unevaluatedItems:
      evaluateArray(keyword, node, value, &evaluated)
    case .minProperties, .maxProperties, .required, .dependentRequired, .dependentSchemas, .propertyNames, .properties,
      .unevaluatedProperties:
      evaluateObject(keyword, node, value, &evaluated)
    case .reference, .dynamicReference, .allOf, .anyOf, .oneOf, .not, .condition:
      evaluateLogic(keyword, node, value, &evaluated)
    }
  }
}
