// Owns the meaning of expressions: operators, members and comprehensions. Functions are in +Functions.
import StrataCore

/// One evaluation of one expression. A part without a value is an error, which `&&`, `||` and `? :` pass over when the
/// other parts decide alone, as in CEL.
struct ConditionEvaluation {
  /// Parameters that have a value, and variables of comprehensions.
  var values: [String: ConditionValue]
  private var steps = 0
  static let stepLimit = 100_000

  init(values: [String: ConditionValue]) { self.values = values }

  mutating func value(of expression: ConditionExpression) throws(ConditionError) -> ConditionValue {
    try spend(1)
    switch expression {
    case .constant(let value): return value
    case .name(let name):
      guard let value = values[name] else { throw ConditionError("The parameter \(name) is missing.") }
      return value
    case .list(let parts):
      var elements: [ConditionValue] = []
      for part in parts { elements.append(try value(of: part)) }
      return .list(elements)
    case .map(let pairs):
      var members: [ConditionValue: ConditionValue] = [:]
      for pair in pairs {
        let key = try value(of: pair.key)
        guard members.find(key) == nil else { throw ConditionError("A map has a key twice.") }
        members[key] = try value(of: pair.value)
      }
      return .map(members)
    case .member(let object, let name): return try member(.string(name), of: value(of: object))
    case .index(let object, let key):
      let object = try value(of: object)
      return try member(value(of: key), of: object)
    case .call(let name, let object, let arguments):
      var operands: [ConditionValue] = []
      if let object { operands.append(try value(of: object)) }
      for argument in arguments { operands.append(try value(of: argument)) }
      return object == nil ? try Self.function(name, operands) : try method(name, operands)
    case .comprehension(let kind, let object, let variable, let body):
      return try comprehension(kind, value(of: object), variable, body)
    case .has(let object, let name):
      guard case .map(let members) = try value(of: object) else { throw ConditionError("has looks into maps only.") }
      return .bool(members[.string(name)] != nil)
    case .not(let operand): return .bool(!(try truth(of: operand)))
    case .minus(let operand): return try Self.negated(value(of: operand))
    case .binary("&&", let left, let right): return .bool(try both(left, right, decisive: false))
    case .binary("||", let left, let right): return .bool(try both(left, right, decisive: true))
    case .binary(let sign, let left, let right):
      let left = try value(of: left)
      return try operation(sign, left, value(of: right))
    case .choice(let condition, let yes, let no): return try value(of: truth(of: condition) ? yes : no)
    }
  }

  mutating func spend(_ count: Int) throws(ConditionError) {
    steps += count
    guard steps <= Self.stepLimit else { throw ConditionError("The expression takes too many steps.") }
  }

  private mutating func truth(of expression: ConditionExpression) throws(ConditionError) -> Bool {
    guard case .bool(let value) = try value(of: expression) else { throw ConditionError("A truth value is needed.") }
    return value
  }

  /// `decisive` is the value that decides alone, whatever the other side is.
  private mutating func both(
    _ left: ConditionExpression, _ right: ConditionExpression, decisive: Bool
  ) throws(ConditionError) -> Bool {
    do throws(ConditionError) {
      if try truth(of: left) == decisive { return decisive }
    } catch {
      guard steps < Self.stepLimit, try truth(of: right) == decisive else { throw error }
      return decisive
    }
    return try truth(of: right)
  }

  private func member(_ key: ConditionValue, of object: ConditionValue) throws(ConditionError) -> ConditionValue {
    switch (object, key) {
    case (.map(let members), _):
      guard let value = members.find(key) else { throw ConditionError("A map has no such key.") }
      return value
    case (.list(let elements), .int(let number)):
      guard let index = Int(exactly: number), elements.indices.contains(index) else {
        throw ConditionError("A list has no element \(number).")
      }
      return elements[index]
    case (.list, .uint(let number)): return try member(.int(Int64(clamping: number)), of: object)
    case (.list, .double(let number)):
      guard let exact = Int64(exactly: number) else { throw ConditionError("An index is no integer.") }
      return try member(.int(exact), of: object)
    default: throw ConditionError("A \(object.typeName) has no members.")
    }
  }

  private mutating func comprehension(
    _ kind: ConditionExpression.Comprehension, _ object: ConditionValue, _ variable: String,
    _ body: ConditionExpression
  ) throws(ConditionError) -> ConditionValue {
    let elements: [ConditionValue]
    switch object {
    case .list(let list): elements = list
    case .map(let members): elements = Array(members.keys)
    default: throw ConditionError("\(kind.rawValue) needs a list or a map.")
    }
    let outer = values[variable]
    defer { values[variable] = outer }
    var kept: [ConditionValue] = []
    var failure: ConditionError?
    for element in elements {
      values[variable] = element
      if kind == .map {
        kept.append(try value(of: body))
        continue
      }
      do throws(ConditionError) {
        let isTrue = try truth(of: body)
        if kind == .all, !isTrue { return .bool(false) }
        if kind == .exists, isTrue { return .bool(true) }
        if isTrue { kept.append(element) }
      } catch {
        guard kind == .all || kind == .exists, steps < Self.stepLimit else { throw error }
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    switch kind {
    case .all: return .bool(true)
    case .exists: return .bool(false)
    case .existsOne: return .bool(kept.count == 1)
    case .filter, .map: return .list(kept)
    }
  }

  // MARK: Operators

  private mutating func operation(
    _ sign: String, _ left: ConditionValue, _ right: ConditionValue
  ) throws(ConditionError) -> ConditionValue {
    switch sign {
    case "==": return .bool(left.isEqual(to: right))
    case "!=": return .bool(!left.isEqual(to: right))
    case "<", "<=", ">", ">=":
      guard let order = left.order(right) else { throw Self.mismatch(sign, left, right) }
      switch order {
      case .less: return .bool(sign == "<" || sign == "<=")
      case .equal: return .bool(sign == "<=" || sign == ">=")
      case .greater: return .bool(sign == ">" || sign == ">=")
      case .unordered: return .bool(false)
      }
    case "in":
      switch right {
      case .list(let elements):
        try spend(elements.count)
        return .bool(elements.contains { left.isEqual(to: $0) })
      case .map(let members): return .bool(members.find(left) != nil)
      default: throw Self.mismatch(sign, left, right)
      }
    default: return try arithmetic(sign, left, right)
    }
  }

  private mutating func arithmetic(
    _ sign: String, _ left: ConditionValue, _ right: ConditionValue
  ) throws(ConditionError) -> ConditionValue {
    switch (left, right) {
    case (.int(let a), .int(let b)): return .int(try Self.whole(sign, a, b))
    case (.uint(let a), .uint(let b)): return .uint(try Self.whole(sign, a, b))
    case (.double(let a), .double(let b)):
      switch sign {
      case "+": return .double(a + b)
      case "-": return .double(a - b)
      case "*": return .double(a * b)
      case "/": return .double(a / b)
      default: throw Self.mismatch(sign, left, right)
      }
    case (.string(let a), .string(let b)) where sign == "+":
      try spend((a.utf8.count + b.utf8.count) / 8)
      return .string(a + b)
    case (.list(let a), .list(let b)) where sign == "+":
      try spend(a.count + b.count)
      return .list(a + b)
    case (.duration(let a), .duration(let b)) where sign == "+" || sign == "-":
      return .duration(try Self.whole(sign, a, b))
    case (.timestamp(let a), .duration(let b)) where sign == "+" || sign == "-":
      return .timestamp(try Self.whole(sign, a, Int128(b)))
    case (.duration(let a), .timestamp(let b)) where sign == "+": return .timestamp(try Self.whole(sign, Int128(a), b))
    case (.timestamp(let a), .timestamp(let b)) where sign == "-":
      guard let difference = Int64(exactly: a - b) else { throw ConditionError("A duration is too long.") }
      return .duration(difference)
    default: throw Self.mismatch(sign, left, right)
    }
  }

  private static func whole<Number: FixedWidthInteger>(
    _ sign: String, _ left: Number, _ right: Number
  ) throws(ConditionError) -> Number {
    let result: (partialValue: Number, overflow: Bool)
    switch sign {
    case "+": result = left.addingReportingOverflow(right)
    case "-": result = left.subtractingReportingOverflow(right)
    case "*": result = left.multipliedReportingOverflow(by: right)
    case "/": result = left.dividedReportingOverflow(by: right)
    default: result = left.remainderReportingOverflow(dividingBy: right)
    }
    guard !result.overflow else { throw ConditionError("\(left) \(sign) \(right) has no value.") }
    return result.partialValue
  }

  private static func negated(_ value: ConditionValue) throws(ConditionError) -> ConditionValue {
    switch value {
    case .int(let number): return .int(try whole("-", 0, number))
    case .double(let number): return .double(-number)
    case .duration(let length): return .duration(try whole("-", 0, length))
    default: throw ConditionError("A \(value.typeName) has no negative.")
    }
  }

  private static func mismatch(_ sign: String, _ left: ConditionValue, _ right: ConditionValue) -> ConditionError {
    ConditionError("\(sign) is not defined for \(left.typeName) and \(right.typeName).")
  }
}
