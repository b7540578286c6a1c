// Owns running the statements of a template within bounds. Expressions are in JinjaInterpreter+Expressions.swift.

import Foundation

/// Walks the tree of one template once. Scoping follows jinja2: `for`, macros and block bodies have variables of
/// their own, `if` has not, and what a loop sets is gone in its next round.
final class JinjaInterpreter {
  let limits: JinjaLimits
  let context: JinjaDict
  let now: Date
  private(set) var line = 0
  private var output = ""
  private var steps = 0
  private var work = 0
  private let stackStart = JinjaInterpreter.stackPosition()
  private var loopDepth = 0
  /// What a `set` or `filter` block captured, while its filters run.
  var blockBody: JinjaValue = .string("")
  /// Objects that may refer to each other: emptied one by one at the end, so that neither cycles leak nor long chains
  /// are released by recursion.
  private var namespaces: [JinjaNamespace] = []
  private var macroScopes: [JinjaScope] = []

  private enum Flow { case normal, leaveLoop, nextRound }

  init(context: JinjaDict, limits: JinjaLimits, now: Date) {
    self.context = context
    self.limits = limits
    self.now = now
  }

  func run(_ statements: [JinjaStatement]) throws(TemplateError) -> String {
    defer { releaseObjects() }
    do {
      _ = try execute(statements, JinjaScope(outer: nil))
    } catch {
      throw error.located(at: line)
    }
    return output
  }

  private func releaseObjects() {
    for namespace in namespaces { namespace.attributes = JinjaDict() }
    for scope in macroScopes { scope.variables = [:] }
  }

  // MARK: Bounds

  func step() throws(TemplateError) {
    steps += 1
    guard steps <= limits.steps else { throw .limit("The template takes more than \(limits.steps) steps.") }
  }

  /// Counts a step that may contain others.
  func enter() throws(TemplateError) {
    try step()
    let used = stackStart.subtractingReportingOverflow(Self.stackPosition())
    guard used.overflow || used.partialValue <= limits.stackBytes else {
      throw .limit("The template calls itself too deep.")
    }
  }

  /// Where the stack, which grows downwards, has its end now.
  @inline(never)
  private static func stackPosition() -> UInt {
    var marker: UInt8 = 0
    return withUnsafeMutablePointer(to: &marker) { UInt(bitPattern: $0) }
  }

  func charge(_ bytes: Int) throws(TemplateError) {
    work = work.addingReportingOverflow(bytes).partialValue
    guard work >= 0, work <= limits.workBytes else {
      throw .limit("The template makes more than \(limits.workBytes) bytes of values.")
    }
  }

  /// The value, if it is small enough to exist.
  @inline(never)
  func checked(_ value: JinjaValue) throws(TemplateError) -> JinjaValue {
    switch value {
    case .string(let text), .markup(let text): try charge(text.utf8.count)
    case .list(let list), .tuple(let list), .generator(let list), .view(let list, _):
      try charge(16 * list.elements.count)
    case .dict(let dict): try charge(64 * dict.count)
    default: break
    }
    guard value.depth <= limits.valueDepth else {
      throw .limit("The template nests values more than \(limits.valueDepth) levels deep.")
    }
    return value
  }

  private func write(_ text: String) throws(TemplateError) {
    try charge(text.utf8.count)
    output += text
    guard output.utf8.count <= limits.outputBytes else {
      throw .limit("The template writes more than \(limits.outputBytes) bytes.")
    }
  }

  func makeNamespace() -> JinjaNamespace {
    let namespace = JinjaNamespace()
    namespaces.append(namespace)
    return namespace
  }

  func makeMacro(_ node: JinjaMacroNode, in scope: JinjaScope) -> JinjaValue {
    macroScopes.append(scope)
    return .macro(JinjaMacro(node: node, scope: scope))
  }

  /// What `body` writes, kept from the output.
  func captured(_ body: () throws(TemplateError) -> Void) throws(TemplateError) -> String {
    let outer = output
    output = ""
    defer { output = outer }
    try body()
    return output
  }

  // MARK: Statements

  private func execute(_ statements: [JinjaStatement], _ scope: JinjaScope) throws(TemplateError) -> Flow {
    try enter()
    for statement in statements {
      let flow = try execute(statement, scope)
      if flow != .normal { return flow }
    }
    return .normal
  }

  private func execute(_ statement: JinjaStatement, _ scope: JinjaScope) throws(TemplateError) -> Flow {
    try step()
    switch statement {
    case .text(let text): try write(text)
    case .output(let expression, let line):
      self.line = line
      try write(try evaluate(expression, scope).string)
    case .set(let target, let expression, let line):
      self.line = line
      try assign(target, try evaluate(expression, scope), scope)
    case .setBlock(let target, let filter, let body, let line):
      self.line = line
      try assign(target, try filtered(body, filter, scope), scope)
    case .conditional(let branches, let otherwise, let line):
      self.line = line
      return try executeConditional(branches, otherwise, scope)
    case .loop(let node, let line):
      self.line = line
      try executeLoop(node, scope)
    case .macro(let node): scope.variables[node.name] = makeMacro(node, in: scope)
    case .call(let node, let call, let line):
      self.line = line
      try write(try evaluateCallBlock(node, call, scope).string)
    case .filterBlock(let filter, let body, let line):
      self.line = line
      try write(try filtered(body, filter, scope).string)
    case .with(let assignments, let body, let line):
      self.line = line
      return try executeWith(assignments, body, scope)
    case .scope(let body): return try execute(body, JinjaScope(outer: scope))
    case .breakLoop: return .leaveLoop
    case .continueLoop: return .nextRound
    case .loading(let tag, let line):
      self.line = line
      throw .runtime("'\(tag)' needs a template loader, and chat templates have none")
    }
    return .normal
  }

  @inline(never)
  private func executeConditional(
    _ branches: [(test: JinjaExpression, body: [JinjaStatement])], _ otherwise: [JinjaStatement], _ scope: JinjaScope
  ) throws(TemplateError) -> Flow {
    for branch in branches where try evaluate(branch.test, scope).isTrue {
      return try execute(branch.body, scope)
    }
    return try execute(otherwise, scope)
  }

  @inline(never)
  private func executeWith(
    _ assignments: [(JinjaTarget, JinjaExpression)], _ body: [JinjaStatement], _ scope: JinjaScope
  ) throws(TemplateError) -> Flow {
    let inner = JinjaScope(outer: scope)
    for (target, expression) in assignments { try assign(target, try evaluate(expression, scope), inner) }
    return try execute(body, inner)
  }

  @inline(never)
  private func filtered(
    _ body: [JinjaStatement], _ filter: JinjaExpression?, _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    let inner = JinjaScope(outer: scope)
    let text = try captured { () throws(TemplateError) in _ = try execute(body, inner) }
    guard let filter else { return .string(text) }
    let outer = blockBody
    blockBody = .string(text)
    defer { blockBody = outer }
    return try evaluate(filter, scope)
  }

  @inline(never)
  func assign(_ target: JinjaTarget, _ value: JinjaValue, _ scope: JinjaScope) throws(TemplateError) {
    switch target {
    case .name(let name): scope.variables[name] = value
    case .attribute(let object, let name):
      guard case .namespace(let namespace) = lookUp(object, scope) else {
        throw .runtime("cannot assign attribute on non-namespace object")
      }
      if name.hasPrefix("_") {
        throw .security(
          "Chat templates cannot store underscore-prefixed attributes on a "
            + "namespace, but got '\(name)'. Please rename the attribute.")
      }
      namespace.attributes.set(name, to: value)
      try charge(32)
    case .tuple(let targets):
      let elements: [JinjaValue]
      switch value {
      case .undefined, .string, .markup, .list, .tuple, .generator, .view, .range, .dict:
        elements = try self.elements(of: value)
      default: throw .runtime("cannot unpack non-iterable \(value.typeName) object")
      }
      guard elements.count >= targets.count else {
        throw .runtime("not enough values to unpack (expected \(targets.count), got \(elements.count))")
      }
      guard elements.count == targets.count else {
        throw .runtime("too many values to unpack (expected \(targets.count))")
      }
      for (target, element) in zip(targets, elements) { try assign(target, element, scope) }
    }
  }

  // MARK: Loops

  @inline(never)
  private func executeLoop(_ node: JinjaLoopNode, _ scope: JinjaScope) throws(TemplateError) {
    let elements = try self.elements(of: try evaluate(node.iterable, scope))
    try runLoop(node, elements, scope)
  }

  /// Runs a loop body over `elements`: the loop itself, or its recursion through `loop(…)`.
  @inline(never)
  func runLoop(_ node: JinjaLoopNode, _ elements: [JinjaValue], _ scope: JinjaScope) throws(TemplateError) {
    let loop = JinjaLoop(node: node, scope: scope, elements: elements, depth0: loopDepth)
    if node.isRecursive { loopDepth += 1 }
    defer { if node.isRecursive { loopDepth -= 1 } }
    rounds: while let element = try nextElement(loop) {
      loop.previous = loop.current
      loop.current = element
      loop.index0 += 1
      let inner = JinjaScope(outer: scope)
      inner.variables["loop"] = .loop(loop)
      try assign(node.target, element, inner)
      switch try execute(node.body, inner) {
      case .leaveLoop: break rounds
      case .normal, .nextRound: continue
      }
    }
    if loop.index0 < 0 { _ = try execute(node.otherwise, JinjaScope(outer: scope)) }
  }

  private func nextElement(_ loop: JinjaLoop) throws(TemplateError) -> JinjaValue? {
    if let upcoming = loop.upcoming {
      loop.upcoming = nil
      return upcoming
    }
    while loop.cursor < loop.elements.count {
      try step()
      let element = loop.elements[loop.cursor]
      loop.cursor += 1
      guard let condition = loop.node.condition else { return element }
      let scope = JinjaScope(outer: loop.scope)
      try assign(loop.node.target, element, scope)
      if try evaluate(condition, scope).isTrue { return element }
    }
    return nil
  }

  /// The element after the current one, which stays next.
  func peek(_ loop: JinjaLoop) throws(TemplateError) -> JinjaValue? {
    loop.upcoming = try nextElement(loop)
    return loop.upcoming
  }

  /// Rounds of a loop in all, which needs its condition for every element that is left.
  func length(_ loop: JinjaLoop) throws(TemplateError) -> Int {
    guard loop.node.condition != nil else { return loop.elements.count }
    var count = loop.index0 + 1 + (loop.upcoming == nil ? 0 : 1)
    let cursor = loop.cursor
    let upcoming = loop.upcoming
    loop.upcoming = nil
    while try nextElement(loop) != nil { count += 1 }
    loop.cursor = cursor
    loop.upcoming = upcoming
    return count
  }

  // MARK: Macros

  @inline(never)
  private func evaluateCallBlock(
    _ node: JinjaMacroNode, _ call: JinjaExpression, _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    guard case .call(let callee, let arguments) = call else { throw .runtime("expected call") }
    let function = try evaluate(callee, scope)
    var values = try evaluate(arguments, scope)
    values.named.append(("caller", makeMacro(node, in: scope)))
    return try self.call(function, values)
  }

  @inline(never)
  func invoke(_ macro: JinjaMacro, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    let node = macro.node
    let scope = JinjaScope(outer: macro.scope)
    var named = arguments.named
    for (index, parameter) in node.parameters.enumerated() {
      if index < arguments.positional.count {
        scope.variables[parameter.name] = arguments.positional[index]
      } else if let position = named.firstIndex(where: { $0.name == parameter.name }) {
        scope.variables[parameter.name] = named.remove(at: position).value
      } else if let defaultValue = parameter.defaultValue {
        scope.variables[parameter.name] = try evaluate(defaultValue, scope)
      } else {
        scope.variables[parameter.name] = .undefined(
          JinjaUndefined(message: "parameter '\(parameter.name)' was not provided"))
      }
    }
    if node.usesCaller {
      let position = named.firstIndex { $0.name == "caller" }
      scope.variables["caller"] =
        position.map { named.remove(at: $0).value } ?? .undefined(JinjaUndefined(message: "No caller defined"))
    }
    let surplus = arguments.positional.dropFirst(node.parameters.count)
    if node.usesNamedSurplus {
      var dict = JinjaDict()
      for (name, value) in named { dict.set(name, to: value) }
      scope.variables["kwargs"] = .dict(dict)
    } else if let first = named.first {
      throw .runtime("macro '\(node.name)' takes no keyword argument '\(first.name)'")
    }
    if node.usesSurplus {
      scope.variables["varargs"] = .tuple(Array(surplus))
    } else if !surplus.isEmpty {
      throw .runtime("macro '\(node.name)' takes not more than \(node.parameters.count) argument(s)")
    }
    return .string(try captured { () throws(TemplateError) in _ = try execute(node.body, scope) })
  }
}
