// Owns the operators, filters and tests of the Jinja subset, as functions of values.
import StrataCore

enum JinjaOperations {
  static func member(_ base: JSON, _ key: JSON) -> JSON {
    switch (base, key) {
    case (.object(let object), .string(let name)): return object[name] ?? .null
    case (.array(let values), let key):
      guard let index = key.intValue else { return .null }
      let position = index < 0 ? index + values.count : index
      return values.indices.contains(position) ? values[position] : .null
    default: return .null
    }
  }

  static func binary(_ symbol: String, _ left: JSON, _ right: JSON) throws(ContractError) -> JSON {
    switch symbol {
    case "==": return .bool(left == right)
    case "!=": return .bool(left != right)
    case "~": return .string(left.promptText + right.promptText)
    case "<": return .bool(try compare(left, right) < 0)
    case ">": return .bool(try compare(left, right) > 0)
    case "<=": return .bool(try compare(left, right) <= 0)
    case ">=": return .bool(try compare(left, right) >= 0)
    case "in":
      switch right {
      case .array(let values): return .bool(values.contains(left))
      case .object(let object): return .bool(object[left.stringValue ?? ""] != nil)
      case .string(let text): return .bool(left.stringValue.map { $0.isEmpty || text.contains($0) } ?? false)
      default: return false
      }
    default: return try arithmetic(symbol, left, right)
    }
  }

  private static func compare(_ left: JSON, _ right: JSON) throws(ContractError) -> Int {
    switch (left, right) {
    case (.number(let a), .number(let b)): return a < b ? -1 : a > b ? 1 : 0
    case (.string(let a), .string(let b)): return a < b ? -1 : a > b ? 1 : 0
    default:
      throw ContractError(ContractError.template, "\(left.typeName) and \(right.typeName) have no order.")
    }
  }

  static func arithmetic(_ symbol: String, _ left: JSON, _ right: JSON) throws(ContractError) -> JSON {
    switch (left, right) {
    case (.string(let a), .string(let b)) where symbol == "+": return .string(a + b)
    case (.array(let a), .array(let b)) where symbol == "+": return .array(a + b)
    default: break
    }
    guard let a = left.doubleValue, let b = right.doubleValue else {
      throw ContractError(
        ContractError.template, "`\(symbol)` needs numbers, not \(left.typeName) and \(right.typeName).")
    }
    guard !(["/", "//", "%"].contains(symbol) && b == 0) else {
      throw ContractError(ContractError.template, "A number is divided by zero.")
    }
    switch symbol {
    case "+": return .double(a + b)
    case "-": return .double(a - b)
    case "*": return .double(a * b)
    case "/": return .double(a / b)
    case "//": return .double((a / b).rounded(.down))
    default: return .double(a - b * (a / b).rounded(.down))
    }
  }

  static func filter(
    _ name: String, _ value: JSON, _ arguments: [JSON], isDefined: Bool
  ) throws(ContractError) -> JSON {
    switch name {
    case "upper": return .string(value.promptText.uppercased())
    case "lower": return .string(value.promptText.lowercased())
    case "trim": return .string(value.promptText.trimmingSpaces)
    case "string": return .string(value.promptText)
    case "capitalize":
      let text = value.promptText.lowercased()
      return .string(text.prefix(1).uppercased() + text.dropFirst())
    case "title":
      let words = value.promptText.lowercased().split(separator: " ", omittingEmptySubsequences: false)
      return .string(words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: " "))
    case "length", "count":
      switch value {
      case .string(let text): return .int(text.unicodeScalars.count)
      case .array(let values): return .int(values.count)
      case .object(let object): return .int(object.count)
      default: return .int(0)
      }
    case "join":
      return .string((value.arrayValue ?? []).map(\.promptText).joined(separator: arguments.first?.promptText ?? ""))
    case "default", "d":
      let isMissing = arguments.count > 1 && arguments[1].isTruthy ? !value.isTruthy : !isDefined
      return isMissing ? arguments.first ?? .string("") : value
    case "first": return value[0] ?? .null
    case "last": return value.arrayValue?.last ?? .null
    case "replace":
      guard let old = arguments.first?.stringValue, let new = arguments.dropFirst().first?.stringValue, !old.isEmpty
      else { throw ContractError(ContractError.template, "`replace` takes the old and the new text.") }
      return .string(value.promptText.components(splitBy: old).joined(separator: new))
    case "tojson", "json": return .string(value.text())
    case "safe": return value
    default:
      throw ContractError(ContractError.template, "There is no filter `\(name)`.")
    }
  }

  static func test(_ name: String, _ value: JSON, isDefined: Bool) throws(ContractError) -> Bool {
    switch name {
    case "defined": isDefined
    case "undefined": !isDefined
    case "none", "null": isDefined && value.isNull
    case "string": value.stringValue != nil
    case "number": value.numberValue != nil
    case "boolean": value.boolValue != nil
    case "mapping": value.objectValue != nil
    case "sequence", "iterable": value.arrayValue != nil || value.stringValue != nil
    default: throw ContractError(ContractError.template, "There is no test `\(name)`.")
    }
  }
}

extension String {
  fileprivate func components(splitBy separator: String) -> [String] {
    let (bytes, needle) = (Array(utf8), Array(separator.utf8))
    var parts: [String] = []
    var start = 0
    var index = 0
    while index + needle.count <= bytes.count {
      if bytes[index..<(index + needle.count)].elementsEqual(needle) {
        parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
        index += needle.count
        start = index
      } else {
        index += 1
      }
    }
    return parts + [String(decoding: bytes[start...], as: UTF8.self)]
  }
}
