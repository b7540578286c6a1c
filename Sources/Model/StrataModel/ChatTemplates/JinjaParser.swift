// Owns the statements of the template language: tokens in, syntax tree out, nesting bounded.
// Expressions are in JinjaParser+Expressions.swift.

/// Recursive descent over the grammar of jinja2 3.1 with its loop controls and the `generation` tag of
/// Hugging Face transformers.
struct JinjaParser {
  private let tokens: [JinjaToken]
  private var position = 0
  private let depthLimit: Int
  private var depth = 0
  /// Loops around the current statement inside the current macro; `break` needs one.
  private var loopDepth = 0
  /// Names that the open macros mention, innermost last.
  var mentioned: [Set<String>] = [[]]

  static func parse(_ source: String, limits: JinjaLimits) throws(TemplateError) -> [JinjaStatement] {
    guard source.utf8.count <= limits.sourceBytes else {
      throw .limit("The template is longer than \(limits.sourceBytes) bytes.")
    }
    var parser = JinjaParser(tokens: try JinjaLexer.tokens(of: source), depthLimit: limits.syntaxDepth)
    return try parser.parseBody(until: []).body
  }

  private init(tokens: [JinjaToken], depthLimit: Int) {
    self.tokens = tokens
    self.depthLimit = depthLimit
  }

  // MARK: Tokens

  var current: JinjaTokenKind { tokens[position].kind }
  var next: JinjaTokenKind { tokens[min(position + 1, tokens.count - 1)].kind }
  var line: Int { tokens[position].line }

  mutating func advance() { position = min(position + 1, tokens.count - 1) }

  func isSymbol(_ text: String) -> Bool { current == .symbol(text) }
  func isName(_ text: String) -> Bool { current == .name(text) }

  mutating func skip(symbol text: String) -> Bool {
    guard isSymbol(text) else { return false }
    advance()
    return true
  }

  mutating func skip(name text: String) -> Bool {
    guard isName(text) else { return false }
    advance()
    return true
  }

  mutating func expect(_ kind: JinjaTokenKind, _ what: String) throws(TemplateError) {
    guard current == kind else { throw unexpected(what) }
    advance()
  }

  mutating func expect(symbol text: String) throws(TemplateError) { try expect(.symbol(text), "'\(text)'") }

  mutating func expectName() throws(TemplateError) -> String {
    guard case .name(let name) = current else { throw unexpected("a name") }
    advance()
    return name
  }

  func unexpected(_ wanted: String) -> TemplateError {
    let found =
      switch current {
      case .data: "template data"
      case .variableBegin: "'{{'"
      case .variableEnd: "'}}'"
      case .blockBegin: "'{%'"
      case .blockEnd: "'%}'"
      case .name(let text), .symbol(let text), .integer(let text): "'\(text)'"
      case .string: "a string"
      case .float: "a number"
      case .end: "the end of the template"
      }
    return .syntax("expected \(wanted), got \(found)", line: line)
  }

  mutating func nested<Result>(
    _ body: (inout JinjaParser) throws(TemplateError) -> Result
  ) throws(TemplateError) -> Result {
    guard depth < depthLimit else {
      throw TemplateError(
        code: TemplateError.limit, message: "The template nests deeper than \(depthLimit) levels.", line: line)
    }
    depth += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  // MARK: Bodies

  /// Statements up to a tag named in `endings` (whose name is consumed), or to the end of the template.
  private mutating func parseBody(
    until endings: [String]
  ) throws(TemplateError) -> (body: [JinjaStatement], ending: String) {
    try nested { parser throws(TemplateError) in
      var body: [JinjaStatement] = []
      while true {
        switch parser.current {
        case .data(let text):
          body.append(.text(text))
          parser.advance()
        case .variableBegin:
          let line = parser.line
          parser.advance()
          body.append(.output(try parser.parseTuple(), line: line))
          try parser.expect(.variableEnd, "'}}'")
        case .blockBegin:
          parser.advance()
          if case .name(let name) = parser.current, endings.contains(name) {
            parser.advance()
            return (body, name)
          }
          body.append(contentsOf: try parser.parseStatement())
          try parser.expect(.blockEnd, "'%}'")
        case .end:
          guard endings.isEmpty else { throw parser.unexpected(endings.map { "'\($0)'" }.joined(separator: " or ")) }
          return (body, "")
        default:
          throw parser.unexpected("text or a tag")
        }
      }
    }
  }

  /// A body whose opening tag ends here and whose closing tag is `ending`.
  private mutating func parseBlock(_ ending: String) throws(TemplateError) -> [JinjaStatement] {
    try parseBlock([ending]).body
  }

  private mutating func parseBlock(
    _ endings: [String]
  ) throws(TemplateError) -> (body: [JinjaStatement], ending: String) {
    _ = skip(symbol: ":")
    try expect(.blockEnd, "'%}'")
    return try parseBody(until: endings)
  }

  private mutating func parseStatement() throws(TemplateError) -> [JinjaStatement] {
    let line = line
    guard case .name(let tag) = current else { throw unexpected("a tag name") }
    advance()
    switch tag {
    case "if": return [try parseConditional(line)]
    case "for": return [try parseLoop(line)]
    case "set": return [try parseSet(line)]
    case "macro": return [try parseMacro()]
    case "call": return [try parseCall(line)]
    case "filter": return [try parseFilterBlock(line)]
    case "with": return [try parseWith(line)]
    case "print": return try parsePrint(line)
    case "generation":
      return [
        .scope(
          try withoutLoops { parser throws(TemplateError) in
            try parser.parseBlock("endgeneration")
          })
      ]
    case "autoescape":
      _ = try parseExpression()
      return [.scope(try parseBlock("endautoescape"))]
    case "block":
      let name = try expectName()
      while isName("scoped") || isName("required") { advance() }
      let body = try withoutLoops { parser throws(TemplateError) in try parser.parseBlock("endblock") }
      _ = skip(name: name)
      return [.scope(body)]
    case "break", "continue":
      guard loopDepth > 0 else { throw .syntax("'\(tag)' outside a loop", line: line) }
      return [tag == "break" ? .breakLoop : .continueLoop]
    case "include", "import", "from", "extends":
      while current != .blockEnd, current != .end { advance() }
      return [.loading(tag: tag, line: line)]
    default: throw .syntax("Encountered unknown tag '\(tag)'.", line: line)
    }
  }

  private mutating func withoutLoops<Result>(
    _ body: (inout JinjaParser) throws(TemplateError) -> Result
  ) throws(TemplateError) -> Result {
    let outer = loopDepth
    loopDepth = 0
    defer { loopDepth = outer }
    return try body(&self)
  }

  // MARK: Statements

  private mutating func parseConditional(_ line: Int) throws(TemplateError) -> JinjaStatement {
    var branches: [(test: JinjaExpression, body: [JinjaStatement])] = []
    while true {
      let test = try parseTuple(conditional: false)
      let (body, ending) = try parseBlock(["elif", "else", "endif"])
      branches.append((test, body))
      switch ending {
      case "elif": continue
      case "else": return .conditional(branches, otherwise: try parseBlock("endif"), line: line)
      default: return .conditional(branches, otherwise: [], line: line)
      }
    }
  }

  private mutating func parseLoop(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let target = try parseTarget(endingWith: "in")
    guard skip(name: "in") else { throw unexpected("'in'") }
    let iterable = try parseTuple(conditional: false, endingWith: "recursive")
    let condition = skip(name: "if") ? try parseExpression() : nil
    let isRecursive = skip(name: "recursive")
    loopDepth += 1
    defer { loopDepth -= 1 }
    let (body, ending) = try parseBlock(["endfor", "else"])
    let otherwise = ending == "else" ? try parseBlock("endfor") : []
    let node = JinjaLoopNode(
      target: target, iterable: iterable, condition: condition, body: body, otherwise: otherwise,
      isRecursive: isRecursive)
    return .loop(node, line: line)
  }

  private mutating func parseSet(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let target = try parseTarget(namespaces: true)
    if skip(symbol: "=") { return .set(target, try parseTuple(), line: line) }
    let filter = isSymbol("|") ? try parseFilters(.blockBody) : nil
    return .setBlock(target, filter: filter, try parseBlock("endset"), line: line)
  }

  private mutating func parseMacro() throws(TemplateError) -> JinjaStatement {
    let name = try expectName()
    let parameters = try parseParameters()
    return .macro(try parseMacroBody(name, parameters, ending: "endmacro"))
  }

  private mutating func parseMacroBody(
    _ name: String, _ parameters: [(name: String, defaultValue: JinjaExpression?)], ending: String
  ) throws(TemplateError) -> JinjaMacroNode {
    mentioned.append([])
    let body = try withoutLoops { parser throws(TemplateError) in try parser.parseBlock(ending) }
    let names = mentioned.removeLast()
    if !mentioned.isEmpty { mentioned[mentioned.count - 1].formUnion(names) }
    return JinjaMacroNode(
      name: name, parameters: parameters, body: body, mentioned: names.subtracting(parameters.map(\.name)))
  }

  private mutating func parseParameters()
    throws(TemplateError) -> [(name: String, defaultValue: JinjaExpression?)]
  {
    var parameters: [(name: String, defaultValue: JinjaExpression?)] = []
    try expect(symbol: "(")
    while !isSymbol(")") {
      if !parameters.isEmpty { try expect(symbol: ",") }
      let name = try expectName()
      if skip(symbol: "=") {
        parameters.append((name, try parseExpression()))
      } else if let last = parameters.last, last.defaultValue != nil {
        throw .syntax("non-default argument follows default argument", line: line)
      } else {
        parameters.append((name, nil))
      }
    }
    try expect(symbol: ")")
    return parameters
  }

  private mutating func parseCall(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let parameters = isSymbol("(") ? try parseParameters() : []
    let call = try parseExpression()
    guard case .call = call else { throw .syntax("expected call", line: line) }
    return .call(try parseMacroBody("caller", parameters, ending: "endcall"), call, line: line)
  }

  private mutating func parseFilterBlock(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let filter = try parseFilters(.blockBody, startsInline: true)
    return .filterBlock(filter, try parseBlock("endfilter"), line: line)
  }

  private mutating func parseWith(_ line: Int) throws(TemplateError) -> JinjaStatement {
    var assignments: [(JinjaTarget, JinjaExpression)] = []
    while current != .blockEnd {
      if !assignments.isEmpty { try expect(symbol: ",") }
      let target = try parseTarget()
      try expect(symbol: "=")
      assignments.append((target, try parseExpression()))
    }
    return .with(assignments, try parseBlock("endwith"), line: line)
  }

  private mutating func parsePrint(_ line: Int) throws(TemplateError) -> [JinjaStatement] {
    var statements: [JinjaStatement] = []
    while current != .blockEnd {
      if !statements.isEmpty { try expect(symbol: ",") }
      statements.append(.output(try parseExpression(), line: line))
    }
    return statements
  }

  // MARK: Targets

  private mutating func parseTarget(
    endingWith ending: String? = nil, namespaces: Bool = false
  ) throws(TemplateError) -> JinjaTarget {
    var targets: [JinjaTarget] = []
    var isTuple = false
    while true {
      if let ending, isName(ending), isTuple { break }
      if isTuple, current == .blockEnd || isSymbol("=") || isSymbol(")") { break }
      targets.append(try parseSingleTarget(namespaces: namespaces))
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    return isTuple ? .tuple(targets) : targets[0]
  }

  private mutating func parseSingleTarget(namespaces: Bool) throws(TemplateError) -> JinjaTarget {
    if skip(symbol: "(") {
      let target = try nested { parser throws(TemplateError) in try parser.parseTarget(namespaces: namespaces) }
      try expect(symbol: ")")
      return target
    }
    let name = try expectName()
    if ["true", "false", "none", "True", "False", "None"].contains(name) {
      throw .syntax("can't assign to '\(name)'", line: line)
    }
    if namespaces, skip(symbol: ".") { return .attribute(of: name, try expectName()) }
    return .name(name)
  }
}
