// Owns reading expressions: the grammar of CEL (https://github.com/google/cel-spec) without bytes, types and messages.
import StrataCore

indirect enum ConditionExpression: Sendable, Hashable {
  case constant(ConditionValue)
  /// A parameter, or a variable of an enclosing comprehension.
  case name(String)
  case list([ConditionExpression])
  case map([Pair])
  case member(ConditionExpression, String)
  case index(ConditionExpression, ConditionExpression)
  case call(String, on: ConditionExpression?, [ConditionExpression])
  case comprehension(Comprehension, ConditionExpression, variable: String, ConditionExpression)
  case has(ConditionExpression, String)
  case not(ConditionExpression)
  case minus(ConditionExpression)
  case binary(String, ConditionExpression, ConditionExpression)
  case choice(ConditionExpression, ConditionExpression, ConditionExpression)

  struct Pair: Sendable, Hashable {
    var key: ConditionExpression
    var value: ConditionExpression
  }

  enum Comprehension: String, Sendable {
    case all, exists, existsOne = "exists_one", filter, map
  }
}

struct ConditionParser {
  private enum Token: Hashable {
    case name(String)
    case constant(ConditionValue)
    case sign(String)
  }

  private var tokens: [Token] = []
  private var index = 0
  private var depth = 0
  /// Names that have a value here.
  private var names: Set<String>

  static func parse(_ text: String, names: Set<String>) throws(ConditionError) -> ConditionExpression {
    guard text.utf8.count <= 16_384 else { throw ConditionError("The expression is longer than 16 KiB.") }
    var parser = ConditionParser(names: names)
    try parser.tokenize(Array(text.unicodeScalars))
    let expression = try parser.expression()
    guard parser.index == parser.tokens.count else { throw parser.unexpected() }
    return expression
  }

  private init(names: Set<String>) { self.names = names }

  // MARK: Expressions

  private mutating func expression() throws(ConditionError) -> ConditionExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw ConditionError("The expression is nested too deeply.") }
    let condition = try operation(0)
    guard accept("?") else { return condition }
    let yes = try operation(0)
    try expect(":")
    return .choice(condition, yes, try expression())
  }

  /// Loosest first.
  private static let levels: [Set<String>] = [
    ["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">=", "in"], ["+", "-"], ["*", "/", "%"],
  ]

  private mutating func operation(_ level: Int) throws(ConditionError) -> ConditionExpression {
    guard level < Self.levels.count else { return try prefix() }
    var left = try operation(level + 1)
    while let sign = currentSign, Self.levels[level].contains(sign) {
      index += 1
      left = .binary(sign, left, try operation(level + 1))
    }
    return left
  }

  private var currentSign: String? {
    guard index < tokens.count else { return nil }
    switch tokens[index] {
    case .sign(let sign): return sign
    case .name("in"): return "in"
    default: return nil
    }
  }

  private mutating func prefix() throws(ConditionError) -> ConditionExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw ConditionError("The expression is nested too deeply.") }
    if accept("!") { return .not(try prefix()) }
    if accept("-") {
      // The smallest integer has no positive twin.
      if index < tokens.count, case .constant(.uint(let magnitude)) = tokens[index], magnitude == 1 << 63,
        isIntegerLiteral(index)
      {
        index += 1
        return .constant(.int(.min))
      }
      return .minus(try prefix())
    }
    return try suffixes(of: try primary())
  }

  private func isIntegerLiteral(_ index: Int) -> Bool { bigLiterals.contains(index) }
  /// Integer literals too large for an Int64, which only a minus makes valid.
  private var bigLiterals: Set<Int> = []

  private mutating func suffixes(of start: ConditionExpression) throws(ConditionError) -> ConditionExpression {
    var result = start
    while true {
      if accept(".") {
        let name = try self.name()
        result = accept("(") ? try method(name, on: result) : .member(result, name)
      } else if accept("[") {
        result = .index(result, try expression())
        try expect("]")
      } else {
        return result
      }
    }
  }

  private mutating func primary() throws(ConditionError) -> ConditionExpression {
    guard index < tokens.count else { throw unexpected() }
    let token = tokens[index]
    switch token {
    case .constant(let value):
      guard !bigLiterals.contains(index) else { throw ConditionError("A number is too large.") }
      index += 1
      return .constant(value)
    case .name(let name):
      index += 1
      if accept("(") { return try function(name) }
      guard names.contains(name) else { throw ConditionError("\(name) is no parameter.") }
      return .name(name)
    case .sign("("):
      index += 1
      let inner = try expression()
      try expect(")")
      return inner
    case .sign("["):
      index += 1
      return .list(try expressions(until: "]"))
    case .sign("{"):
      index += 1
      var pairs: [ConditionExpression.Pair] = []
      while !accept("}") {
        let key = try expression()
        try expect(":")
        pairs.append(ConditionExpression.Pair(key: key, value: try expression()))
        if !accept(",") {
          try expect("}")
          break
        }
      }
      return .map(pairs)
    default: throw unexpected()
    }
  }

  private mutating func expressions(until end: String) throws(ConditionError) -> [ConditionExpression] {
    var result: [ConditionExpression] = []
    while !accept(end) {
      result.append(try expression())
      if !accept(",") {
        try expect(end)
        break
      }
    }
    return result
  }

  // MARK: Calls

  private mutating func function(_ name: String) throws(ConditionError) -> ConditionExpression {
    if name == "has" {
      let argument = try expression()
      try expect(")")
      guard case .member(let object, let field) = argument else {
        throw ConditionError("has takes a member: has(a.b).")
      }
      return .has(object, field)
    }
    guard let counts = ConditionEvaluation.functions[name] else {
      throw ConditionError("There is no function \(name).")
    }
    let arguments = try expressions(until: ")")
    guard counts.contains(arguments.count) else { throw ConditionError("\(name) takes another number of arguments.") }
    return .call(name, on: nil, arguments)
  }

  private mutating func method(
    _ name: String, on object: ConditionExpression
  ) throws(ConditionError) -> ConditionExpression {
    if let comprehension = ConditionExpression.Comprehension(rawValue: name) {
      let variable = try self.name()
      try expect(",")
      let isNew = names.insert(variable).inserted
      let body = try expression()
      if isNew { names.remove(variable) }
      try expect(")")
      return .comprehension(comprehension, object, variable: variable, body)
    }
    guard let counts = ConditionEvaluation.methods[name] else { throw ConditionError("There is no method \(name).") }
    let arguments = try expressions(until: ")")
    guard counts.contains(arguments.count) else { throw ConditionError("\(name) takes another number of arguments.") }
    if name == "matches", case .constant(.string(let pattern)) = arguments[0] {
      _ = try TextPattern(pattern)
    }
    return .call(name, on: object, arguments)
  }

  // MARK: Tokens

  private mutating func accept(_ sign: String) -> Bool {
    guard index < tokens.count, tokens[index] == .sign(sign) else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ sign: String) throws(ConditionError) {
    guard accept(sign) else { throw unexpected() }
  }

  private mutating func name() throws(ConditionError) -> String {
    guard index < tokens.count, case .name(let name) = tokens[index] else { throw unexpected() }
    index += 1
    return name
  }

  private func unexpected() -> ConditionError {
    guard index < tokens.count else { return ConditionError("It ends too early.") }
    switch tokens[index] {
    case .name(let text), .sign(let text): return ConditionError("\(text) is not expected.")
    case .constant(let value): return ConditionError("A \(value.typeName) is not expected.")
    }
  }

  private mutating func tokenize(_ text: [Unicode.Scalar]) throws(ConditionError) {
    var position = 0
    while position < text.count {
      let scalar = text[position]
      let next = position + 1 < text.count ? text[position + 1] : " "
      if scalar.properties.isWhitespace {
        position += 1
      } else if scalar == "/", next == "/" {
        while position < text.count, text[position] != "\n" { position += 1 }
      } else if scalar == "\"" || scalar == "'" {
        tokens.append(.constant(.string(try Self.string(text, &position, isRaw: false))))
      } else if scalar == "r" || scalar == "R", next == "\"" || next == "'" {
        position += 1
        tokens.append(.constant(.string(try Self.string(text, &position, isRaw: true))))
      } else if Self.isDigit(scalar) || scalar == "." && Self.isDigit(next) {
        try number(text, &position)
      } else if scalar == "_" || scalar.properties.isAlphabetic && scalar.isASCII {
        let start = position
        while position < text.count,
          text[position] == "_" || Self.isDigit(text[position])
            || text[position].isASCII && text[position].properties.isAlphabetic
        { position += 1 }
        let word = String(String.UnicodeScalarView(text[start..<position]))
        switch word {
        case "true": tokens.append(.constant(.bool(true)))
        case "false": tokens.append(.constant(.bool(false)))
        case "null": tokens.append(.constant(.null))
        default: tokens.append(.name(word))
        }
      } else if ["&&", "||", "==", "!=", "<=", ">="].contains("\(scalar)\(next)") {
        tokens.append(.sign("\(scalar)\(next)"))
        position += 2
      } else if "()[]{}.,?:!<>+-*/%".unicodeScalars.contains(scalar) {
        tokens.append(.sign(String(scalar)))
        position += 1
      } else {
        throw ConditionError("\(scalar) is not expected.")
      }
    }
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  private mutating func number(_ text: [Unicode.Scalar], _ position: inout Int) throws(ConditionError) {
    let start = position
    let isHexadecimal =
      text[start] == "0" && start + 1 < text.count && (text[start + 1] == "x" || text[start + 1] == "X")
    if isHexadecimal { position += 2 }
    while position < text.count {
      let scalar = text[position]
      let isExponentSign =
        !isHexadecimal && (scalar == "+" || scalar == "-") && (text[position - 1] == "e" || text[position - 1] == "E")
      let isExponent = !isHexadecimal && (scalar == "e" || scalar == "E" || scalar == ".")
      guard Self.isDigit(scalar) || isHexadecimal && scalar.properties.isASCIIHexDigit || isExponent || isExponentSign
      else { break }
      position += 1
    }
    let word = String(String.UnicodeScalarView(text[start..<position]))
    let isUnsigned = position < text.count && (text[position] == "u" || text[position] == "U")
    if isUnsigned { position += 1 }
    let digits = isHexadecimal ? String(word.dropFirst(2)) : word
    if let magnitude = UInt64(digits, radix: isHexadecimal ? 16 : 10) {
      if isUnsigned {
        tokens.append(.constant(.uint(magnitude)))
      } else if let value = Int64(exactly: magnitude) {
        tokens.append(.constant(.int(value)))
      } else {
        bigLiterals.insert(tokens.count)
        tokens.append(.constant(.uint(magnitude)))
      }
    } else if !isHexadecimal, !isUnsigned, let value = Double(word) {
      tokens.append(.constant(.double(value)))
    } else {
      throw ConditionError("\(word) is no number.")
    }
  }

  private static func string(
    _ text: [Unicode.Scalar], _ position: inout Int, isRaw: Bool
  ) throws(ConditionError) -> String {
    let quote = text[position]
    let isTriple = position + 2 < text.count && text[position + 1] == quote && text[position + 2] == quote
    let width = isTriple ? 3 : 1
    position += width
    var result = String.UnicodeScalarView()
    while position < text.count {
      let scalar = text[position]
      if scalar == quote,
        !isTriple || position + 2 < text.count && text[position + 1] == quote && text[position + 2] == quote
      {
        position += width
        return String(result)
      }
      if scalar == "\n", !isTriple { break }
      position += 1
      if scalar == "\\", !isRaw {
        result.append(try escape(text, &position))
      } else {
        result.append(scalar)
      }
    }
    throw ConditionError("A string has no end.")
  }

  private static func escape(
    _ text: [Unicode.Scalar], _ position: inout Int
  ) throws(ConditionError) -> Unicode.Scalar {
    guard position < text.count else { throw ConditionError("A string has no end.") }
    let scalar = text[position]
    position += 1
    let simple: [Unicode.Scalar: Unicode.Scalar] = [
      "n": "\n", "t": "\t", "r": "\r", "a": "\u{7}", "b": "\u{8}", "f": "\u{C}", "v": "\u{B}", "\\": "\\", "?": "?",
      "\"": "\"", "'": "'", "`": "`",
    ]
    if let value = simple[scalar] { return value }
    let (count, radix): (Int, Int)
    switch scalar {
    case "x", "X": (count, radix) = (2, 16)
    case "u": (count, radix) = (4, 16)
    case "U": (count, radix) = (8, 16)
    case "0"..."3":
      position -= 1
      (count, radix) = (3, 8)
    default: throw ConditionError("\\\(scalar) is no escape.")
    }
    let end = min(text.count, position + count)
    guard end - position == count,
      let code = UInt32(String(String.UnicodeScalarView(text[position..<end])), radix: radix),
      let value = Unicode.Scalar(code)
    else { throw ConditionError("\\\(scalar) is not followed by \(count) digits.") }
    position = end
    return value
  }
}
