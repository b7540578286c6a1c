// Owns the syntax tree of the Jinja subset and the lexer of its expressions.
import StrataCore

indirect enum JinjaExpression {
  case literal(JSON)
  case list([JinjaExpression])
  case name(String)
  case member(JinjaExpression, JinjaExpression)
  case items(JinjaExpression)
  case not(JinjaExpression)
  case negated(JinjaExpression)
  case binary(String, JinjaExpression, JinjaExpression)
  case choice(JinjaExpression, condition: JinjaExpression, otherwise: JinjaExpression)
  case filter(String, JinjaExpression, [JinjaExpression])
  case test(String, JinjaExpression, negated: Bool)
}

indirect enum JinjaNode {
  case text(String)
  case output(JinjaExpression)
  case condition([(JinjaExpression, [JinjaNode])], otherwise: [JinjaNode])
  case loop(names: [String], JinjaExpression, body: [JinjaNode], otherwise: [JinjaNode])
  case assignment(String, JinjaExpression)
}

enum JinjaToken: Hashable {
  case name(String)
  case string(String)
  case number(JSONNumber)
  case symbol(String)
  case end
}

/// Splits the inside of a tag into tokens.
struct JinjaLexer {
  static func tokens(_ source: ArraySlice<UInt8>) throws(ContractError) -> [JinjaToken] {
    var tokens: [JinjaToken] = []
    var rest = source
    while let byte = rest.first {
      switch byte {
      case 0x20, 0x09, 0x0A, 0x0D: rest = rest.dropFirst()
      case UInt8(ascii: "'"), UInt8(ascii: "\""): tokens.append(try string(&rest, quote: byte))
      case UInt8(ascii: "0")...UInt8(ascii: "9"): tokens.append(try number(&rest))
      case _ where isNameByte(byte):
        let name = rest.prefix { isNameByte($0) || (0x30...0x39).contains($0) }
        rest = rest[name.endIndex...]
        tokens.append(.name(String(decoding: name, as: UTF8.self)))
      default:
        let pair = String(decoding: rest.prefix(2), as: UTF8.self)
        if ["==", "!=", "<=", ">=", "//", "**"].contains(pair) {
          tokens.append(.symbol(pair))
          rest = rest.dropFirst(2)
        } else if "()[].,|<>+-*/%~:=".utf8.contains(byte) {
          tokens.append(.symbol(String(decoding: [byte], as: UTF8.self)))
          rest = rest.dropFirst()
        } else {
          throw ContractError(ContractError.template, "`\(String(decoding: [byte], as: UTF8.self))` has no place here.")
        }
      }
    }
    return tokens + [.end]
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte >= 0x80
  }

  private static func number(_ rest: inout ArraySlice<UInt8>) throws(ContractError) -> JinjaToken {
    var digits = rest.prefix { (0x30...0x39).contains($0) }
    let after = rest[digits.endIndex...]
    if after.first == UInt8(ascii: "."), let next = after.dropFirst().first, (0x30...0x39).contains(next) {
      let fraction = after.dropFirst().prefix { (0x30...0x39).contains($0) }
      digits = rest[digits.startIndex..<fraction.endIndex]
    }
    rest = rest[digits.endIndex...]
    guard case .number(let value)? = try? JSON(parsing: Array(digits)) else {
      throw ContractError(ContractError.template, "`\(String(decoding: digits, as: UTF8.self))` is no number.")
    }
    return .number(value)
  }

  private static func string(_ rest: inout ArraySlice<UInt8>, quote: UInt8) throws(ContractError) -> JinjaToken {
    rest = rest.dropFirst()
    var bytes: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == quote { return .string(String(decoding: bytes, as: UTF8.self)) }
      guard byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() else {
        bytes.append(byte)
        continue
      }
      switch escaped {
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "r"): bytes.append(0x0D)
      default: bytes.append(escaped)
      }
    }
    throw ContractError(ContractError.template, "A quoted text is not closed.")
  }
}
