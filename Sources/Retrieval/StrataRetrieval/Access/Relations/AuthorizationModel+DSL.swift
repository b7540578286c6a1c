// Owns reading the DSL of authorization models (OpenFGA's modeling language, schema 1.1).
import StrataCore

extension AuthorizationModel {
  /// - Throws: ``RetrievalError`` `model_invalid` that names the line.
  public init(dsl text: String, file: String = "the model") throws {
    var parser = try ModelParser(text, file: file)
    let (types, conditions) = try parser.parse()
    try self.init(types: types, conditions: conditions)
  }
}

/// A word or sign of the DSL.
private struct ModelToken {
  var text: String
  var line: Int
  /// Statements begin only here, so that a relation may be called `type`.
  var isFirstOnLine: Bool
}

private struct ModelParser {
  private var tokens: [ModelToken] = []
  private var index = 0
  /// Bodies of conditions by the index of the token `{`, which stands for all of the body.
  private var bodies: [Int: String] = [:]
  private let file: String
  private static let nestingLimit = 64

  init(_ text: String, file: String) throws {
    self.file = file
    let scalars = Array(text.unicodeScalars)
    var position = 0
    var line = 1
    var isFirst = true
    while position < scalars.count {
      let scalar = scalars[position]
      if scalar == "\n" {
        line += 1
        isFirst = true
        position += 1
      } else if scalar.properties.isWhitespace {
        position += 1
      } else if scalar == "#", position == 0 || scalars[position - 1].properties.isWhitespace {
        while position < scalars.count, scalars[position] != "\n" { position += 1 }
      } else if scalar == "{" {
        let start = position + 1
        guard let end = Self.end(of: scalars, from: start) else {
          throw RetrievalError.invalidModel("The body that begins with { has no end.", line: line, file: file)
        }
        bodies[tokens.count] = String(String.UnicodeScalarView(scalars[start..<end]))
        tokens.append(ModelToken(text: "{", line: line, isFirstOnLine: isFirst))
        line += scalars[start..<end].count { $0 == "\n" }
        position = end + 1
        isFirst = false
      } else if "[](),:<>#*".unicodeScalars.contains(scalar) {
        tokens.append(ModelToken(text: String(scalar), line: line, isFirstOnLine: isFirst))
        position += 1
        isFirst = false
      } else {
        let start = position
        while position < scalars.count, !scalars[position].properties.isWhitespace,
          !"[](),:<>#*{}".unicodeScalars.contains(scalars[position])
        { position += 1 }
        if position == start {
          throw RetrievalError.invalidModel("\(scalar) is not expected here.", line: line, file: file)
        }
        tokens.append(
          ModelToken(
            text: String(String.UnicodeScalarView(scalars[start..<position])), line: line, isFirstOnLine: isFirst))
        isFirst = false
      }
    }
  }

  /// Where the brace that is open at `start` closes; braces in strings and comments do not count.
  private static func end(of scalars: [Unicode.Scalar], from start: Int) -> Int? {
    var depth = 1
    var quote: Unicode.Scalar?
    var position = start
    while position < scalars.count {
      let scalar = scalars[position]
      if let open = quote {
        if scalar == "\\" { position += 1 } else if scalar == open { quote = nil }
      } else if scalar == "\"" || scalar == "'" {
        quote = scalar
      } else if scalar == "/", position + 1 < scalars.count, scalars[position + 1] == "/" {
        while position + 1 < scalars.count, scalars[position + 1] != "\n" { position += 1 }
      } else if scalar == "{" {
        depth += 1
      } else if scalar == "}" {
        depth -= 1
        if depth == 0 { return position }
      }
      position += 1
    }
    return nil
  }

  // MARK: Statements

  mutating func parse() throws -> ([String: AuthorizationModel.TypeDefinition], [String: Condition]) {
    var types: [String: AuthorizationModel.TypeDefinition] = [:]
    var conditions: [String: Condition] = [:]
    try expect("model")
    try expect("schema")
    let schema = try next("the schema's version")
    guard ["1.1", "1.2"].contains(schema) else {
      throw invalid("The schema \(schema) is not known.", remedy: "Write: schema 1.1")
    }
    while let token = peek {
      guard token.isFirstOnLine else { throw invalid("\(token.text) is not expected here.") }
      switch token.text {
      case "type":
        index += 1
        let name = try self.name("a type's name")
        guard types[name] == nil else { throw invalid("The type \(name) is defined twice.") }
        types[name] = try type(name)
      case "condition":
        index += 1
        let name = try self.name("a condition's name")
        guard conditions[name] == nil else { throw invalid("The condition \(name) is defined twice.") }
        conditions[name] = try condition(name)
      case "module", "extend":
        throw invalid(
          "Modules are not supported: a model is one file.", remedy: "Join the modules: fga model transform.")
      default:
        throw invalid("\(token.text) is not expected here.", remedy: "A model has lines type NAME and condition NAME.")
      }
    }
    return (types, conditions)
  }

  private mutating func type(_ type: String) throws -> AuthorizationModel.TypeDefinition {
    var definition = AuthorizationModel.TypeDefinition()
    guard let token = peek, token.isFirstOnLine, token.text == "relations" else { return definition }
    index += 1
    while let token = peek, token.isFirstOnLine, token.text == "define" {
      index += 1
      let name = try self.name("a relation's name")
      guard definition.relations[name] == nil else { throw invalid("\(type)#\(name) is defined twice.") }
      try expect(":")
      var direct: [AuthorizationModel.Restriction]?
      let rewrite = try expression(&direct, depth: 0)
      definition.relations[name] = AuthorizationModel.Relation(rewrite, direct: direct ?? [])
    }
    return definition
  }

  // MARK: Expressions

  private mutating func expression(
    _ direct: inout [AuthorizationModel.Restriction]?, depth: Int
  ) throws -> AuthorizationModel.Rewrite {
    guard depth < Self.nestingLimit else { throw invalid("The definition is nested too deeply.") }
    var parts = [try operand(&direct, depth: depth)]
    var sign: String?
    while let token = peek, !token.isFirstOnLine || !isStatement(token), ["or", "and", "but"].contains(token.text) {
      if let sign, sign != token.text || sign == "but" {
        throw invalid(
          "\(sign) and \(token.text) stand side by side.", remedy: "Say with parentheses which comes first.")
      }
      sign = token.text
      index += 1
      if sign == "but" { try expect("not") }
      parts.append(try operand(&direct, depth: depth))
    }
    switch sign {
    case "or": return .union(parts)
    case "and": return .intersection(parts)
    case "but": return .exclusion(base: parts[0], subtracted: parts[1])
    default: return parts[0]
    }
  }

  private func isStatement(_ token: ModelToken) -> Bool { ["define", "type", "condition"].contains(token.text) }

  private mutating func operand(
    _ direct: inout [AuthorizationModel.Restriction]?, depth: Int
  ) throws -> AuthorizationModel.Rewrite {
    if peek?.text == "(" {
      index += 1
      let inner = try expression(&direct, depth: depth + 1)
      try expect(")")
      return inner
    }
    if peek?.text == "[" {
      guard direct == nil else { throw invalid("A relation says twice whom its tuples may name.") }
      direct = try restrictions()
      return .direct
    }
    let relation = try name("a relation's name")
    guard let token = peek, !token.isFirstOnLine, token.text == "from" else { return .computed(relation) }
    index += 1
    return .from(tupleset: try name("a relation's name"), relation: relation)
  }

  private mutating func restrictions() throws -> [AuthorizationModel.Restriction] {
    try expect("[")
    var result: [AuthorizationModel.Restriction] = []
    repeat {
      var restriction = AuthorizationModel.Restriction(try name("a type's name"))
      if peek?.text == ":" {
        index += 1
        try expect("*")
        restriction.isWildcard = true
      } else if peek?.text == "#" {
        index += 1
        restriction.relation = try name("a relation's name")
      }
      if peek?.text == "with" {
        index += 1
        restriction.condition = try name("a condition's name")
      }
      result.append(restriction)
    } while accept(",")
    try expect("]")
    return result
  }

  private mutating func condition(_ name: String) throws -> Condition {
    try expect("(")
    var parameters: [String: Condition.Parameter] = [:]
    if peek?.text != ")" {
      repeat {
        let parameter = try self.name("a parameter's name")
        guard parameters[parameter] == nil else { throw invalid("The parameter \(parameter) is there twice.") }
        try expect(":")
        parameters[parameter] = try parameterType(depth: 0)
      } while accept(",")
    }
    try expect(")")
    guard let body = bodies[index] else { throw invalid("The condition \(name) has no body.") }
    let line = tokens[index].line
    index += 1
    do {
      return try Condition(name: name, parameters: parameters, expression: body)
    } catch {
      throw RetrievalError.invalidModel(
        "The condition \(name) cannot be understood: \(error.message)", line: line, file: file)
    }
  }

  private mutating func parameterType(depth: Int) throws -> Condition.Parameter {
    let name = try name("a parameter's type")
    guard depth < 8 else { throw invalid("The type of a parameter is nested too deeply.") }
    if name == "list" || name == "map" {
      try expect("<")
      let element = try parameterType(depth: depth + 1)
      try expect(">")
      return name == "list" ? .list(element) : .map(element)
    }
    guard let type = Condition.Parameter(simple: name) else {
      throw invalid("\(name) is no type of parameters.", remedy: Condition.Parameter.remedy)
    }
    return type
  }

  // MARK: Tokens

  private var peek: ModelToken? { index < tokens.count ? tokens[index] : nil }

  private mutating func next(_ what: String) throws -> String {
    guard let token = peek else { throw invalid("The model ends where \(what) should be.") }
    index += 1
    return token.text
  }

  private mutating func name(_ what: String) throws -> String {
    guard let token = peek, RelationName.isValid(token.text), !"[](),<>{".contains(token.text) else {
      throw invalid("\(peek?.text ?? "The end") stands where \(what) should be.")
    }
    index += 1
    return token.text
  }

  private mutating func accept(_ text: String) -> Bool {
    guard peek?.text == text else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ text: String) throws {
    guard accept(text) else { throw invalid("\(peek?.text ?? "The end") stands where \(text) should be.") }
  }

  private func invalid(_ message: String, remedy: String? = nil) -> RetrievalError {
    let line = (index < tokens.count ? tokens[index] : tokens.last)?.line
    return .invalidModel(message, line: line, file: file, remedy: remedy)
  }
}
