// Owns the grammar of expressions in the Jinja subset, by precedence climbing.
import StrataCore

struct JinjaExpressionParser {
  let tokens: [JinjaToken]
  let depthLimit: Int
  private var index = 0
  private var depth = 0

  init(tokens: [JinjaToken], depthLimit: Int) {
    self.tokens = tokens
    self.depthLimit = depthLimit
  }

  mutating func parseWhole() throws(ContractError) -> JinjaExpression {
    let result = try choice()
    guard current == .end else { throw failure("An expression goes on where it should end.") }
    return result
  }

  private var current: JinjaToken { index < tokens.count ? tokens[index] : .end }

  private func failure(_ message: String) -> ContractError { ContractError(ContractError.template, message) }

  private mutating func take(_ token: JinjaToken) -> Bool {
    guard current == token else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ symbol: String) throws(ContractError) {
    guard take(.symbol(symbol)) else { throw failure("`\(symbol)` is missing.") }
  }

  private mutating func choice() throws(ContractError) -> JinjaExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= depthLimit else { throw failure("An expression nests too deep.") }
    let value = try disjunction()
    guard take(.name("if")) else { return value }
    let condition = try disjunction()
    let otherwise = take(.name("else")) ? try choice() : .literal(.null)
    return .choice(value, condition: condition, otherwise: otherwise)
  }

  private mutating func disjunction() throws(ContractError) -> JinjaExpression {
    var left = try conjunction()
    while take(.name("or")) { left = .binary("or", left, try conjunction()) }
    return left
  }

  private mutating func conjunction() throws(ContractError) -> JinjaExpression {
    var left = try negation()
    while take(.name("and")) { left = .binary("and", left, try negation()) }
    return left
  }

  private mutating func negation() throws(ContractError) -> JinjaExpression {
    var count = 0
    while take(.name("not")) { count += 1 }
    let value = try comparison()
    return count % 2 == 1 ? .not(value) : count > 0 ? .not(.not(value)) : value
  }

  private mutating func comparison() throws(ContractError) -> JinjaExpression {
    var left = try sum()
    while true {
      if case .symbol(let symbol) = current, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
        index += 1
        left = .binary(symbol, left, try sum())
      } else if take(.name("in")) {
        left = .binary("in", left, try sum())
      } else if current == .name("not"), index + 1 < tokens.count, tokens[index + 1] == .name("in") {
        index += 2
        left = .not(.binary("in", left, try sum()))
      } else {
        return left
      }
    }
  }

  private mutating func sum() throws(ContractError) -> JinjaExpression {
    var left = try product()
    while case .symbol(let symbol) = current, ["+", "-", "~"].contains(symbol) {
      index += 1
      left = .binary(symbol, left, try product())
    }
    return left
  }

  private mutating func product() throws(ContractError) -> JinjaExpression {
    var left = try unary()
    while case .symbol(let symbol) = current, ["*", "/", "//", "%"].contains(symbol) {
      index += 1
      left = .binary(symbol, left, try unary())
    }
    return left
  }

  private mutating func unary() throws(ContractError) -> JinjaExpression {
    if take(.symbol("-")) { return .negated(try postfix()) }
    return try postfix()
  }

  private mutating func postfix() throws(ContractError) -> JinjaExpression {
    var value = try primary()
    while true {
      if take(.symbol(".")) {
        switch current {
        case .name("items") where index + 2 < tokens.count && tokens[index + 1] == .symbol("("):
          index += 2
          try expect(")")
          value = .items(value)
          continue
        case .name(let name): value = .member(value, .literal(.string(name)))
        case .number(let number): value = .member(value, .literal(.number(number)))
        default: throw failure("A name must follow the point.")
        }
        index += 1
      } else if take(.symbol("[")) {
        value = .member(value, try choice())
        try expect("]")
      } else if take(.symbol("|")) {
        value = try filter(value)
      } else if take(.name("is")) {
        let negated = take(.name("not"))
        guard case .name(let name) = current else { throw failure("A test's name must follow `is`.") }
        index += 1
        value = .test(name, value, negated: negated)
      } else {
        return value
      }
    }
  }

  private mutating func filter(_ value: JinjaExpression) throws(ContractError) -> JinjaExpression {
    guard case .name(let name) = current else { throw failure("A filter's name must follow `|`.") }
    index += 1
    var arguments: [JinjaExpression] = []
    if take(.symbol("(")), !take(.symbol(")")) {
      repeat { arguments.append(try choice()) } while take(.symbol(","))
      try expect(")")
    }
    return .filter(name, value, arguments)
  }

  private mutating func primary() throws(ContractError) -> JinjaExpression {
    let token = current
    index += 1
    switch token {
    case .string(let text): return .literal(.string(text))
    case .number(let number): return .literal(.number(number))
    case .name("true"), .name("True"): return .literal(true)
    case .name("false"), .name("False"): return .literal(false)
    case .name("none"), .name("None"), .name("null"): return .literal(.null)
    case .name(let name): return .name(name)
    case .symbol("("):
      let value = try choice()
      try expect(")")
      return value
    case .symbol("["):
      var values: [JinjaExpression] = []
      if take(.symbol("]")) { return .list(values) }
      repeat { values.append(try choice()) } while take(.symbol(","))
      try expect("]")
      return .list(values)
    default: throw failure("A value is missing.")
    }
  }
}
