// Owns what may stand after `is`.

extension JinjaInterpreter {
  /// `value is name(arguments)`.
  @inline(never)
  func test(
    _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> Bool {
    switch name {
    case "defined": return !value.isUndefined
    case "undefined": return value.isUndefined
    case "none": return value.isNone
    case "boolean": if case .bool = value { return true } else { return false }
    case "true": if case .bool(true) = value { return true } else { return false }
    case "false": if case .bool(false) = value { return true } else { return false }
    case "integer":
      switch value {
      case .int, .bigInt: return true
      default: return false
      }
    case "float": if case .double = value { return true } else { return false }
    case "number": return value.double != nil
    case "string": return value.text != nil
    case "mapping": if case .dict = value { return true } else { return false }
    case "sequence":
      switch value {
      case .undefined, .string, .markup, .list, .tuple, .dict, .range: return true
      default: return false
      }
    case "iterable":
      switch value {
      case .undefined, .string, .markup, .list, .tuple, .dict, .range, .generator, .view, .loop: return true
      default: return false
      }
    case "callable":
      switch value {
      case .macro, .function, .method, .undefined: return true
      case .loop: return true
      default: return false
      }
    case "lower": return JinjaMethods.classify("islower", value.string)
    case "upper": return JinjaMethods.classify("isupper", value.string)
    case "escaped": return value.isMarkup
    case "filter": return JinjaFilterName(rawValue: value.string) != nil
    case "test": return Self.testNames.contains(value.string)
    case "odd", "even", "divisibleby": return try testDivision(name, value, arguments)
    default: return try testComparison(name, value, arguments)
    }
  }

  private static let testNames: Set<String> = [
    "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean", "false", "true",
    "integer", "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable", "sameas",
    "escaped", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<", "lt", "lessthan",
    "<=", "le",
  ]

  private func testDivision(
    _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> Bool {
    let divisor = name == "divisibleby" ? try operand(name, arguments) : .int(2)
    let remainder = try value.arithmetic(.modulo, divisor)
    return remainder.equals(.int(name == "odd" ? 1 : 0))
  }

  private func operand(_ name: String, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    guard let operand = arguments.positional.first ?? arguments.named.first?.value else {
      throw .runtime("the test '\(name)' misses its argument")
    }
    return operand
  }

  private func testComparison(
    _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> Bool {
    let comparison: JinjaComparison
    switch name {
    case "==", "eq", "equalto": comparison = .equal
    case "!=", "ne": comparison = .notEqual
    case ">", "gt", "greaterthan": comparison = .greater
    case ">=", "ge": comparison = .greaterOrEqual
    case "<", "lt", "lessthan": comparison = .less
    case "<=", "le": comparison = .lessOrEqual
    case "in": comparison = .isIn
    case "sameas":
      let other = try operand(name, arguments)
      return value.typeName == other.typeName && value.equals(other)
    default: throw .runtime("No test named '\(name)' found.")
    }
    return try value.compare(comparison, try operand(name, arguments))
  }
}
