// Owns the expressions of the template language and their precedence.

extension JinjaParser {
  mutating func parseExpression(conditional: Bool = true) throws(TemplateError) -> JinjaExpression {
    try nested { parser throws(TemplateError) in
      conditional ? try parser.parseConditionalExpression() : try parser.parseOr()
    }
  }

  /// One expression, or several with commas between them.
  mutating func parseTuple(
    conditional: Bool = true, endingWith ending: String? = nil, inParentheses: Bool = false
  ) throws(TemplateError) -> JinjaExpression {
    var elements: [JinjaExpression] = []
    var isTuple = false
    while true {
      if isTupleEnd(ending) { break }
      elements.append(try parseExpression(conditional: conditional))
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    if !isTuple {
      if let only = elements.first { return only }
      guard inParentheses else { throw unexpected("an expression") }
    }
    return .tuple(elements)
  }

  private func isTupleEnd(_ ending: String?) -> Bool {
    switch current {
    case .variableEnd, .blockEnd, .symbol(")"), .end: true
    case .name(let name): name == ending
    default: false
    }
  }

  private mutating func parseConditionalExpression() throws(TemplateError) -> JinjaExpression {
    var result = try parseOr()
    var count = 0
    while isName("if") {
      let line = line
      advance()
      let test = try parseOr()
      let otherwise =
        skip(name: "else")
        ? try nested { parser throws(TemplateError) in try parser.parseConditionalExpression() } : nil
      result = .conditional(test: test, then: result, otherwise: otherwise, line: line)
      try countChain(&count)
    }
    return result
  }

  /// Links of a chain that the tree holds as nesting.
  private func countChain(_ count: inout Int) throws(TemplateError) {
    count += 1
    guard count <= 40 else {
      throw TemplateError(code: TemplateError.limit, message: "The template chains too many operations.", line: line)
    }
  }

  private mutating func parseOr() throws(TemplateError) -> JinjaExpression {
    var operands = [try parseAnd()]
    while skip(name: "or") { operands.append(try parseAnd()) }
    return operands.count == 1 ? operands[0] : .or(operands)
  }

  private mutating func parseAnd() throws(TemplateError) -> JinjaExpression {
    var operands = [try parseNot()]
    while skip(name: "and") { operands.append(try parseNot()) }
    return operands.count == 1 ? operands[0] : .and(operands)
  }

  private mutating func parseNot() throws(TemplateError) -> JinjaExpression {
    guard skip(name: "not") else { return try parseComparison() }
    return .not(try nested { parser throws(TemplateError) in try parser.parseNot() })
  }

  private mutating func parseComparison() throws(TemplateError) -> JinjaExpression {
    let first = try parseSum()
    var rest: [(JinjaComparison, JinjaExpression)] = []
    while let comparison = skipComparison() { rest.append((comparison, try parseSum())) }
    return rest.isEmpty ? first : .comparison(first, rest)
  }

  private mutating func skipComparison() -> JinjaComparison? {
    let comparison: JinjaComparison
    switch current {
    case .symbol("=="): comparison = .equal
    case .symbol("!="): comparison = .notEqual
    case .symbol("<"): comparison = .less
    case .symbol("<="): comparison = .lessOrEqual
    case .symbol(">"): comparison = .greater
    case .symbol(">="): comparison = .greaterOrEqual
    case .name("in"): comparison = .isIn
    case .name("not"):
      guard next == .name("in") else { return nil }
      advance()
      comparison = .isNotIn
    default: return nil
    }
    advance()
    return comparison
  }

  private mutating func parseSum() throws(TemplateError) -> JinjaExpression {
    let first = try parseConcatenation()
    var rest: [(JinjaArithmetic, JinjaExpression)] = []
    while isSymbol("+") || isSymbol("-") {
      let operation: JinjaArithmetic = isSymbol("+") ? .add : .subtract
      advance()
      rest.append((operation, try parseConcatenation()))
    }
    return rest.isEmpty ? first : .arithmetic(first, rest)
  }

  private mutating func parseConcatenation() throws(TemplateError) -> JinjaExpression {
    var operands = [try parseProduct()]
    while skip(symbol: "~") { operands.append(try parseProduct()) }
    return operands.count == 1 ? operands[0] : .concatenation(operands)
  }

  private mutating func parseProduct() throws(TemplateError) -> JinjaExpression {
    let first = try parsePower()
    var rest: [(JinjaArithmetic, JinjaExpression)] = []
    while case .symbol(let symbol) = current, ["*", "/", "//", "%"].contains(symbol),
      let operation = JinjaArithmetic(rawValue: symbol)
    {
      advance()
      rest.append((operation, try parsePower()))
    }
    return rest.isEmpty ? first : .arithmetic(first, rest)
  }

  /// Left-associative, unlike Python's: jinja2 builds the tree that way.
  private mutating func parsePower() throws(TemplateError) -> JinjaExpression {
    let first = try parseUnary()
    var rest: [(JinjaArithmetic, JinjaExpression)] = []
    while skip(symbol: "**") { rest.append((.power, try parseUnary())) }
    return rest.isEmpty ? first : .arithmetic(first, rest)
  }

  private mutating func parseUnary(filters: Bool = true) throws(TemplateError) -> JinjaExpression {
    var result: JinjaExpression
    if isSymbol("-") || isSymbol("+") {
      let isNegative = isSymbol("-")
      advance()
      let operand = try nested { parser throws(TemplateError) in try parser.parseUnary(filters: false) }
      result = isNegative ? .negative(operand) : .positive(operand)
    } else {
      result = try parsePrimary()
    }
    result = try parsePostfix(result)
    return filters ? try parseFiltersAndTests(result) : result
  }

  private mutating func parsePrimary() throws(TemplateError) -> JinjaExpression {
    switch current {
    case .name(let name):
      advance()
      switch name {
      case "true", "True": return .constant(.bool(true))
      case "false", "False": return .constant(.bool(false))
      case "none", "None": return .constant(.none)
      default:
        mentioned[mentioned.count - 1].insert(name)
        return .name(name)
      }
    case .string(var text):
      advance()
      while case .string(let more) = current {
        text += more
        advance()
      }
      return .constant(.string(text))
    case .integer(let digits):
      advance()
      return .constant(Int(digits).map(JinjaConstant.int) ?? .bigInt(digits))
    case .float(let value):
      advance()
      return .constant(.double(value))
    case .symbol("("):
      advance()
      let result = try parseTuple(inParentheses: true)
      try expect(symbol: ")")
      return result
    case .symbol("["): return try parseList()
    case .symbol("{"): return try parseDict()
    default: throw unexpected("an expression")
    }
  }

  private mutating func parseList() throws(TemplateError) -> JinjaExpression {
    advance()
    var elements: [JinjaExpression] = []
    while !isSymbol("]") {
      if !elements.isEmpty {
        try expect(symbol: ",")
        if isSymbol("]") { break }
      }
      elements.append(try parseExpression())
    }
    try expect(symbol: "]")
    return .list(elements)
  }

  private mutating func parseDict() throws(TemplateError) -> JinjaExpression {
    advance()
    var members: [(key: JinjaExpression, value: JinjaExpression)] = []
    while !isSymbol("}") {
      if !members.isEmpty {
        try expect(symbol: ",")
        if isSymbol("}") { break }
      }
      let key = try parseExpression()
      try expect(symbol: ":")
      members.append((key, try parseExpression()))
    }
    try expect(symbol: "}")
    return .dict(members)
  }

  private mutating func parsePostfix(_ base: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    var result = base
    var count = 0
    while true {
      switch current {
      case .symbol("."):
        advance()
        switch current {
        case .name(let name): result = .attribute(result, name)
        case .integer(let digits): result = .item(result, .constant(.int(Int(digits) ?? .max)))
        default: throw unexpected("a name or a number")
        }
        advance()
      case .symbol("["): result = try parseSubscript(result)
      case .symbol("("): result = .call(result, try parseArguments())
      default: return result
      }
      try countChain(&count)
    }
  }

  private mutating func parseSubscript(_ base: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    advance()
    if isSymbol(":") { return try parseSlice(base, start: nil) }
    let first = try parseExpression()
    if isSymbol(":") { return try parseSlice(base, start: first) }
    var elements = [first]
    while skip(symbol: ",") { elements.append(try parseExpression()) }
    try expect(symbol: "]")
    return .item(base, elements.count == 1 ? first : .tuple(elements))
  }

  private mutating func parseSlice(
    _ base: JinjaExpression, start: JinjaExpression?
  ) throws(TemplateError) -> JinjaExpression {
    try expect(symbol: ":")
    let stop = isSymbol(":") || isSymbol("]") ? nil : try parseExpression()
    let step = skip(symbol: ":") && !isSymbol("]") ? try parseExpression() : nil
    try expect(symbol: "]")
    return .slice(base, start: start, stop: stop, step: step)
  }

  private mutating func parseFiltersAndTests(_ base: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    var result = base
    var count = 0
    while true {
      if isSymbol("|") {
        result = try parseFilters(result)
      } else if isName("is") {
        result = try parseTest(result)
      } else if isSymbol("(") {
        result = .call(result, try parseArguments())
      } else {
        return result
      }
      try countChain(&count)
    }
  }

  mutating func parseFilters(
    _ base: JinjaExpression, startsInline: Bool = false
  ) throws(TemplateError) -> JinjaExpression {
    var result = base
    var inline = startsInline
    var count = 0
    while inline || skip(symbol: "|") {
      inline = false
      let name = try parseDottedName()
      result = .filter(result, name, isSymbol("(") ? try parseArguments() : JinjaCallArguments())
      try countChain(&count)
    }
    return result
  }

  private mutating func parseDottedName() throws(TemplateError) -> String {
    var name = try expectName()
    while skip(symbol: ".") { name += "." + (try expectName()) }
    return name
  }

  private mutating func parseTest(_ base: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    advance()
    let isNegated = skip(name: "not")
    let name = try parseDottedName()
    var arguments = JinjaCallArguments()
    switch current {
    case .symbol("("): arguments = try parseArguments()
    case .name("else"), .name("or"), .name("and"): break
    case .name("is"): throw .syntax("You cannot chain multiple tests with is", line: line)
    case .name, .string, .integer, .float, .symbol("["), .symbol("{"):
      arguments.positional = [try parsePostfix(try parsePrimary())]
    default: break
    }
    let test = JinjaExpression.test(base, name, arguments)
    return isNegated ? .not(test) : test
  }

  private mutating func parseArguments() throws(TemplateError) -> JinjaCallArguments {
    try expect(symbol: "(")
    var arguments = JinjaCallArguments()
    var isFirst = true
    while !isSymbol(")") {
      if !isFirst {
        try expect(symbol: ",")
        if isSymbol(")") { break }
      }
      isFirst = false
      let invalid = TemplateError.syntax("invalid syntax for function call expression", line: line)
      if skip(symbol: "*") {
        guard arguments.splat == nil, arguments.namedSplat == nil else { throw invalid }
        arguments.splat = try parseExpression()
      } else if skip(symbol: "**") {
        guard arguments.namedSplat == nil else { throw invalid }
        arguments.namedSplat = try parseExpression()
      } else if case .name(let name) = current, next == .symbol("=") {
        guard arguments.namedSplat == nil else { throw invalid }
        advance()
        advance()
        arguments.named.append((name, try parseExpression()))
      } else {
        guard arguments.splat == nil, arguments.namedSplat == nil, arguments.named.isEmpty else { throw invalid }
        arguments.positional.append(try parseExpression())
      }
    }
    try expect(symbol: ")")
    return arguments
  }
}
