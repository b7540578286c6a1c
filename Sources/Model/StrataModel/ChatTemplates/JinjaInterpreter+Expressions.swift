// Owns evaluating the expressions of a template.

/// Evaluated arguments of a call, filter or test.
struct JinjaArguments {
  var positional: [JinjaValue] = []
  var named: [(name: String, value: JinjaValue)] = []

  /// The argument at `index` or named `name`.
  func value(_ index: Int, _ name: String) -> JinjaValue? {
    index < positional.count ? positional[index] : named.first { $0.name == name }?.value
  }

  /// Refuses arguments that the called thing does not have.
  func check(_ function: String, _ names: [String]) throws(TemplateError) {
    guard positional.count <= names.count else {
      throw .runtime("\(function)() takes at most \(names.count) arguments (\(positional.count) given)")
    }
    for argument in named where !names.contains(argument.name) {
      throw .runtime("\(function)() got an unexpected keyword argument '\(argument.name)'")
    }
  }
}

extension JinjaInterpreter {
  func evaluate(_ expression: JinjaExpression, _ scope: JinjaScope) throws(TemplateError) -> JinjaValue {
    try enter()
    switch expression {
    case .constant(let constant): return Self.value(of: constant)
    case .name(let name): return lookUp(name, scope)
    case .blockBody: return blockBody
    case .list(let elements): return try checked(.list(try evaluate(elements, scope)))
    case .tuple(let elements): return try checked(.tuple(try evaluate(elements, scope)))
    case .dict(let members): return try evaluateDict(members, scope)
    case .conditional(let test, let then, let otherwise, let line):
      if try evaluate(test, scope).isTrue { return try evaluate(then, scope) }
      if let otherwise { return try evaluate(otherwise, scope) }
      return .undefined(
        JinjaUndefined(
          message: "the inline if-expression on line \(line) evaluated to false and no "
            + "else section was defined."))
    case .or(let operands): return try evaluateShortCircuit(operands, until: true, scope)
    case .and(let operands): return try evaluateShortCircuit(operands, until: false, scope)
    case .not(let operand): return .bool(!(try evaluate(operand, scope).isTrue))
    case .comparison(let first, let rest): return try evaluateComparison(first, rest, scope)
    case .arithmetic(let first, let rest): return try evaluateArithmetic(first, rest, scope)
    case .negative(let operand): return try sign(try evaluate(operand, scope), isNegative: true)
    case .positive(let operand): return try sign(try evaluate(operand, scope), isNegative: false)
    case .concatenation(let operands): return try evaluateConcatenation(operands, scope)
    case .attribute(let base, let name): return try attribute(name, of: try evaluate(base, scope))
    case .item(let base, let index):
      let value = try evaluate(base, scope)
      return try item(try evaluate(index, scope), of: value)
    case .slice(let base, let start, let stop, let step):
      return try evaluateSlice(try evaluate(base, scope), start, stop, step, scope)
    case .call(let callee, let arguments):
      let function = try evaluate(callee, scope)
      return try checked(try call(function, try evaluate(arguments, scope)))
    case .filter(let base, let name, let arguments):
      let value = try evaluate(base, scope)
      return try checked(try filter(name, value, try evaluate(arguments, scope)))
    case .test(let base, let name, let arguments):
      let value = try evaluate(base, scope)
      return .bool(try test(name, value, try evaluate(arguments, scope)))
    }
  }

  private static func value(of constant: JinjaConstant) -> JinjaValue {
    switch constant {
    case .none: .none
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .bigInt(let digits): .bigInt(digits)
    case .double(let value): .double(value)
    case .string(let text): .string(text)
    }
  }

  @inline(never)
  func lookUp(_ name: String, _ scope: JinjaScope) -> JinjaValue {
    if let value = scope.lookUp(name) ?? context[name] { return value }
    if let function = JinjaFunction(rawValue: name) { return .function(function) }
    return .undefined(JinjaUndefined(message: "'\(name)' is undefined"))
  }

  @inline(never)
  private func evaluate(
    _ expressions: [JinjaExpression], _ scope: JinjaScope
  ) throws(TemplateError) -> [JinjaValue] {
    var values: [JinjaValue] = []
    values.reserveCapacity(expressions.count)
    for expression in expressions { values.append(try evaluate(expression, scope)) }
    return values
  }

  @inline(never)
  private func evaluateDict(
    _ members: [(key: JinjaExpression, value: JinjaExpression)], _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    var dict = JinjaDict()
    for member in members {
      let key = try evaluate(member.key, scope)
      try dict.set(key, to: try evaluate(member.value, scope))
    }
    return try checked(.dict(dict))
  }

  @inline(never)
  func evaluate(_ arguments: JinjaCallArguments, _ scope: JinjaScope) throws(TemplateError) -> JinjaArguments {
    var result = JinjaArguments(positional: try evaluate(arguments.positional, scope))
    for (name, expression) in arguments.named { result.named.append((name, try evaluate(expression, scope))) }
    if let splat = arguments.splat {
      result.positional.append(contentsOf: try elements(of: try evaluate(splat, scope)))
    }
    if let splat = arguments.namedSplat {
      guard case .dict(let dict) = try evaluate(splat, scope) else {
        throw .runtime("argument after ** must be a mapping")
      }
      for (key, value) in zip(dict.keys, dict.values) { result.named.append((key.string, value)) }
    }
    return result
  }

  @inline(never)
  private func evaluateShortCircuit(
    _ operands: [JinjaExpression], until truth: Bool, _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    var value = JinjaValue.none
    for operand in operands {
      value = try evaluate(operand, scope)
      if value.isTrue == truth { break }
    }
    return value
  }

  @inline(never)
  private func evaluateComparison(
    _ first: JinjaExpression, _ rest: [(JinjaComparison, JinjaExpression)], _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    var left = try evaluate(first, scope)
    for (comparison, expression) in rest {
      let right = try evaluate(expression, scope)
      if !(try left.compare(comparison, right)) { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  @inline(never)
  private func evaluateArithmetic(
    _ first: JinjaExpression, _ rest: [(JinjaArithmetic, JinjaExpression)], _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    var result = try evaluate(first, scope)
    for (operation, expression) in rest {
      let operand = try evaluate(expression, scope)
      result = try checked(try result.arithmetic(operation, operand))
    }
    return result
  }

  @inline(never)
  private func evaluateConcatenation(
    _ operands: [JinjaExpression], _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    var text = ""
    for operand in operands { text += try evaluate(operand, scope).string }
    return try checked(.string(text))
  }

  @inline(never)
  private func sign(_ value: JinjaValue, isNegative: Bool) throws(TemplateError) -> JinjaValue {
    if case .undefined(let missing) = value { throw missing.error }
    if let number = value.integer {
      guard !isNegative || number != .min else { throw .limit("An integer outgrew 64 bits.") }
      return .int(isNegative ? -number : number)
    }
    if case .bigInt(let digits) = value {
      return .bigInt(!isNegative ? digits : digits.hasPrefix("-") ? String(digits.dropFirst()) : "-" + digits)
    }
    if case .double(let number) = value { return .double(isNegative ? -number : number) }
    throw .runtime("bad operand type for unary \(isNegative ? "-" : "+"): '\(value.typeName)'")
  }

  @inline(never)
  private func evaluateSlice(
    _ value: JinjaValue, _ start: JinjaExpression?, _ stop: JinjaExpression?, _ step: JinjaExpression?,
    _ scope: JinjaScope
  ) throws(TemplateError) -> JinjaValue {
    func bound(_ expression: JinjaExpression?) throws(TemplateError) -> Int? {
      guard let expression else { return nil }
      let value = try evaluate(expression, scope)
      if value.isNone { return nil }
      guard let number = value.integer else {
        throw .runtime("slice indices must be integers or None or have an __index__ method")
      }
      return number
    }
    if case .undefined(let missing) = value { throw missing.error }
    let (start, stop, step) = (try bound(start), try bound(stop), try bound(step))
    guard step != 0 else { throw .runtime("slice step cannot be zero") }
    func picked<Element>(_ elements: [Element]) -> [Element] {
      JinjaSlice.indices(count: elements.count, start: start, stop: stop, step: step ?? 1).map { elements[$0] }
    }
    switch value {
    case .string(let text), .markup(let text):
      let part = String(String.UnicodeScalarView(picked(Array(text.unicodeScalars))))
      return try checked(value.isMarkup ? .markup(part) : .string(part))
    case .list(let list): return try checked(.list(picked(list.elements)))
    case .tuple(let list): return try checked(.tuple(picked(list.elements)))
    case .range: return try checked(.list(picked(try elements(of: value))))
    default:
      return .undefined(JinjaUndefined(message: "\(value.objectName) has no element slice"))
    }
  }

  /// What a `for` loop walks over.
  func elements(of value: JinjaValue) throws(TemplateError) -> [JinjaValue] {
    switch value {
    case .undefined(let missing):
      if missing.isSecurity { throw missing.error }
      return []
    case .list(let list), .tuple(let list), .generator(let list), .view(let list, _): return list.elements
    case .dict(let dict): return dict.keys
    case .string(let text), .markup(let text):
      try charge(16 * text.utf8.count)
      return text.unicodeScalars.map { value.isMarkup ? .markup(String($0)) : .string(String($0)) }
    case .range(let start, let stop, let step):
      return stride(from: start, to: stop, by: step).map { .int($0) }
    default: throw .runtime("'\(value.typeName)' object is not iterable")
    }
  }

  // MARK: Attributes and items

  @inline(never)
  func attribute(_ name: String, of value: JinjaValue) throws(TemplateError) -> JinjaValue {
    if case .undefined(let missing) = value { throw missing.error }
    if let found = try ownAttribute(name, of: value) { return found }
    if case .dict(let dict) = value, let found = dict[name] { return found }
    return missingAttribute(name, of: value)
  }

  /// What Python's `getattr` finds, without the members of a dict.
  private func ownAttribute(_ name: String, of value: JinjaValue) throws(TemplateError) -> JinjaValue? {
    if case .namespace(let namespace) = value { return namespace.attributes[name] }
    if case .loop(let loop) = value { return try loopAttribute(name, loop) }
    if case .macro(let macro) = value, name == "name" { return .string(macro.node.name) }
    if name.hasPrefix("__"), name.hasSuffix("__"), name.utf8.count > 4 { return unsafe(name, of: value) }
    guard JinjaMethods.has(name, of: value) else { return nil }
    return JinjaMethods.changes(name, value) ? unsafe(name, of: value) : .method(of: value, name)
  }

  private func unsafe(_ name: String, of value: JinjaValue) -> JinjaValue {
    let message = "access to attribute '\(name)' of '\(value.typeName)' object is unsafe."
    return .undefined(JinjaUndefined(message: message, isSecurity: true))
  }

  private func missingAttribute(_ name: String, of value: JinjaValue) -> JinjaValue {
    .undefined(JinjaUndefined(message: "'\(value.objectName)' has no attribute \(PythonText.quoted(name))"))
  }

  @inline(never)
  func item(_ index: JinjaValue, of value: JinjaValue) throws(TemplateError) -> JinjaValue {
    switch value {
    case .undefined(let missing): throw missing.error
    case .dict(let dict):
      if let key = try? index.key, let found = dict[key] { return found }
    case .list(let list), .tuple(let list):
      if let position = index.integer, let found = Self.element(position, of: list.elements) { return found }
    case .string(let text), .markup(let text):
      if let position = index.integer {
        let scalars = text.unicodeScalars
        let count = position < 0 || text.utf8.count > 64 ? scalars.count : 0
        let offset = position < 0 ? position + count : position
        if offset >= 0, let found = scalars.dropFirst(offset).first {
          return value.isMarkup ? .markup(String(found)) : .string(String(found))
        }
      }
    case .range:
      if let position = index.integer, let found = Self.element(position, of: try elements(of: value)) {
        return found
      }
    default: break
    }
    if let name = index.text {
      if let found = try ownAttribute(name, of: value) { return found }
      return missingAttribute(name, of: value)
    }
    if case .undefined = index {
      return .undefined(JinjaUndefined(message: "\(value.objectName) has no element Undefined"))
    }
    return .undefined(JinjaUndefined(message: "\(value.objectName) has no element \(index.representation)"))
  }

  private static func element(_ position: Int, of elements: [JinjaValue]) -> JinjaValue? {
    let index = position < 0 ? position.addingReportingOverflow(elements.count).partialValue : position
    return elements.indices.contains(index) ? elements[index] : nil
  }

  private func loopAttribute(_ name: String, _ loop: JinjaLoop) throws(TemplateError) -> JinjaValue? {
    switch name {
    case "index": return .int(loop.index0 + 1)
    case "index0": return .int(loop.index0)
    case "first": return .bool(loop.index0 == 0)
    case "last": return .bool(try peek(loop) == nil)
    case "length": return .int(try length(loop))
    case "revindex": return .int(try length(loop) - loop.index0)
    case "revindex0": return .int(try length(loop) - loop.index0 - 1)
    case "depth": return .int(loop.depth0 + 1)
    case "depth0": return .int(loop.depth0)
    case "previtem": return loop.previous ?? .undefined(JinjaUndefined(message: "there is no previous item"))
    case "nextitem": return try peek(loop) ?? .undefined(JinjaUndefined(message: "there is no next item"))
    case "cycle", "changed": return .method(of: .loop(loop), name)
    default: return nil
    }
  }
}

enum JinjaSlice {
  /// Positions that Python's `elements[start:stop:step]` picks.
  static func indices(count: Int, start: Int?, stop: Int?, step: Int) -> [Int] {
    func clamped(_ bound: Int?, _ defaultValue: Int) -> Int {
      guard let bound else { return defaultValue }
      let absolute = bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound
      return step > 0 ? min(max(absolute, 0), count) : min(max(absolute, -1), count - 1)
    }
    let first = clamped(start, step > 0 ? 0 : count - 1)
    let last = clamped(stop, step > 0 ? count : -1)
    var result: [Int] = []
    var index = first
    while step > 0 ? index < last : index > last {
      result.append(index)
      let (next, overflow) = index.addingReportingOverflow(step)
      if overflow { break }
      index = next
    }
    return result
  }
}
