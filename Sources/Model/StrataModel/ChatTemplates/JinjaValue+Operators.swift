// Owns equality, order, membership and arithmetic of template values, by the rules of Python.

import Foundation

extension JinjaValue {
  func equals(_ other: JinjaValue) -> Bool {
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): true
    case (.string(let a), .string(let b)), (.string(let a), .markup(let b)), (.markup(let a), .string(let b)),
      (.markup(let a), .markup(let b)), (.bigInt(let a), .bigInt(let b)):
      PythonText.equals(a, b)
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): Self.equal(a.elements, b.elements)
    case (.view(let a, let kind), .view(let b, let other)): kind == other && Self.equal(a.elements, b.elements)
    case (.dict(let a), .dict(let b)):
      a.count == b.count
        && zip(a.keys, a.values).allSatisfy { key, value in
          ((try? key.key).flatMap { b[$0] }).map { value.equals($0) } ?? false
        }
    case (.range(let a, let b, let c), .range(let d, let e, let f)): a == d && b == e && c == f
    case (.namespace(let a), .namespace(let b)): a === b
    case (.macro(let a), .macro(let b)): a === b
    case (.loop(let a), .loop(let b)): a === b
    default:
      if let a = integer, let b = other.integer {
        a == b
      } else if let a = double, let b = other.double {
        a == b
      } else {
        false
      }
    }
  }

  private static func equal(_ lhs: [JinjaValue], _ rhs: [JinjaValue]) -> Bool {
    lhs.count == rhs.count && zip(lhs, rhs).allSatisfy { $0.equals($1) }
  }

  /// Python's `<`; `symbol` is what the message shows.
  func isLess(than other: JinjaValue, symbol: String = "<") throws(TemplateError) -> Bool {
    if case .undefined(let missing) = self { throw missing.error }
    if case .undefined(let missing) = other { throw missing.error }
    if let a = text, let b = other.text { return PythonText.less(a, b) }
    if let a = integer, let b = other.integer { return a < b }
    if let a = double, let b = other.double { return a < b }
    switch (self, other) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (left, right) in zip(a.elements, b.elements) where !left.equals(right) {
        return try left.isLess(than: right, symbol: symbol)
      }
      return a.elements.count < b.elements.count
    default:
      throw .runtime("'\(symbol)' not supported between instances of '\(typeName)' and '\(other.typeName)'")
    }
  }

  func compare(_ comparison: JinjaComparison, _ other: JinjaValue) throws(TemplateError) -> Bool {
    switch comparison {
    case .equal: return equals(other)
    case .notEqual: return !equals(other)
    case .less: return try isLess(than: other)
    case .greater: return try isOrdered(">", before: other, reversed: true, orEqual: false)
    case .lessOrEqual: return try isOrdered("<=", before: other, reversed: false, orEqual: true)
    case .greaterOrEqual: return try isOrdered(">=", before: other, reversed: true, orEqual: true)
    case .isIn: return try other.contains(self)
    case .isNotIn: return try !other.contains(self)
    }
  }

  private func isOrdered(
    _ symbol: String, before other: JinjaValue, reversed: Bool, orEqual: Bool
  ) throws(TemplateError) -> Bool {
    // The types are checked in the written order, so that the message names them in that order.
    let isLess = try isLess(than: other, symbol: symbol)
    if orEqual, equals(other) { return true }
    return reversed ? try other.isLess(than: self) : isLess
  }

  /// `element in self`.
  func contains(_ element: JinjaValue) throws(TemplateError) -> Bool {
    switch self {
    case .undefined: return false
    case .string(let text), .markup(let text):
      guard let part = element.text else {
        throw .runtime("'in <string>' requires string as left operand, not \(element.typeName)")
      }
      return PythonText.contains(part, in: text)
    case .list(let list), .tuple(let list), .generator(let list), .view(let list, _):
      return list.elements.contains { $0.equals(element) }
    case .dict(let dict): return dict[try element.key] != nil
    case .range(let start, let stop, let step):
      guard let value = element.integer else { return false }
      let inside = step > 0 ? value >= start && value < stop : value <= start && value > stop
      return inside && value.subtractingReportingOverflow(start).partialValue % step == 0
    default: throw .runtime("argument of type '\(typeName)' is not iterable")
    }
  }

  /// `self op other`.
  /// - Throws: what Python throws; also ``TemplateError/limit`` when an integer outgrows 64 bits.
  func arithmetic(_ operation: JinjaArithmetic, _ other: JinjaValue) throws(TemplateError) -> JinjaValue {
    if case .string(let format) = self, operation == .modulo {
      return .string(try JinjaFormat.percent(format, other))
    }
    if case .undefined(let missing) = self { throw missing.error }
    if case .undefined(let missing) = other { throw missing.error }
    if let a = integer, let b = other.integer { return try Self.integers(a, operation, b) }
    if let a = double, let b = other.double, !isBigInt, !other.isBigInt { return try Self.doubles(a, operation, b) }
    switch (self, operation, other) {
    case (.string(let a), .add, .string(let b)): return .string(a + b)
    case (.markup(let a), .add, .markup(let b)): return .markup(a + b)
    case (.markup(let a), .add, .string(let b)): return .markup(a + PythonText.escaped(b))
    case (.string(let a), .add, .markup(let b)): return .markup(PythonText.escaped(a) + b)
    case (.list(let a), .add, .list(let b)): return .list(a.elements + b.elements)
    case (.tuple(let a), .add, .tuple(let b)): return .tuple(a.elements + b.elements)
    case (_, .multiply, _):
      if let count = other.integer, let result = try repeated(count) { return result }
      if let count = integer, let result = try other.repeated(count) { return result }
    default: break
    }
    if operation == .add, text != nil {
      throw .runtime("can only concatenate str (not \"\(other.typeName)\") to str")
    }
    if operation == .add, case .list = self {
      throw .runtime("can only concatenate list (not \"\(other.typeName)\") to list")
    }
    if operation == .add, case .tuple = self {
      throw .runtime("can only concatenate tuple (not \"\(other.typeName)\") to tuple")
    }
    throw .runtime(
      "unsupported operand type(s) for \(operation.rawValue): '\(typeName)' and '\(other.typeName)'")
  }

  private var isBigInt: Bool { if case .bigInt = self { true } else { false } }

  /// A sequence `count` times over, nil when this is no sequence.
  private func repeated(_ count: Int) throws(TemplateError) -> JinjaValue? {
    let length: Int
    switch self {
    case .string(let text), .markup(let text): length = text.utf8.count
    case .list(let list), .tuple(let list): length = list.elements.count
    default: return nil
    }
    let count = max(count, 0)
    let (total, overflow) = length.multipliedReportingOverflow(by: count)
    guard !overflow, total <= 1 << 24 else { throw .limit("A repeated sequence is too long.") }
    switch self {
    case .string(let text): return .string(String(repeating: text, count: count))
    case .markup(let text): return .markup(String(repeating: text, count: count))
    case .list(let list): return .list(Array(repeatElement(list.elements, count: count).joined()))
    case .tuple(let list): return .tuple(Array(repeatElement(list.elements, count: count).joined()))
    default: return nil
    }
  }

  private static func integers(
    _ a: Int, _ operation: JinjaArithmetic, _ b: Int
  ) throws(TemplateError) -> JinjaValue {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = a.addingReportingOverflow(b)
    case .subtract: result = a.subtractingReportingOverflow(b)
    case .multiply: result = a.multipliedReportingOverflow(by: b)
    case .divide:
      guard b != 0 else { throw .runtime("division by zero") }
      return .double(Double(a) / Double(b))
    case .floorDivide, .modulo:
      guard b != 0 else { throw .runtime("integer division or modulo by zero") }
      let (quotient, overflow) = a.dividedReportingOverflow(by: b)
      let remainder = b == -1 ? 0 : a % b
      let adjusts = remainder != 0 && (remainder < 0) != (b < 0)
      result =
        operation == .modulo
        ? (adjusts ? remainder + b : remainder, false) : (adjusts ? quotient - 1 : quotient, overflow)
    case .power:
      if b < 0 {
        guard a != 0 else { throw .runtime("0.0 cannot be raised to a negative power") }
        return .double(pow(Double(a), Double(b)))
      }
      var power = (partialValue: 1, overflow: false)
      var remaining = abs(a) <= 1 ? b & 1 | (b > 0 ? 2 : 0) : b
      while remaining > 0, !power.overflow {
        power = power.partialValue.multipliedReportingOverflow(by: a)
        remaining -= 1
      }
      result = power
    }
    guard !result.overflow else { throw .limit("An integer outgrew 64 bits.") }
    return .int(result.partialValue)
  }

  private static func doubles(
    _ a: Double, _ operation: JinjaArithmetic, _ b: Double
  ) throws(TemplateError) -> JinjaValue {
    switch operation {
    case .add: return .double(a + b)
    case .subtract: return .double(a - b)
    case .multiply: return .double(a * b)
    case .divide:
      guard b != 0 else { throw .runtime("float division by zero") }
      return .double(a / b)
    case .floorDivide:
      guard b != 0 else { throw .runtime("float floor division by zero") }
      return .double((a / b).rounded(.down))
    case .modulo:
      guard b != 0 else { throw .runtime("float modulo") }
      let remainder = a.truncatingRemainder(dividingBy: b)
      return .double(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder)
    case .power: return .double(pow(a, b))
    }
  }
}
