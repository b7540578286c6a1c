// Owns reading the JSON form of authorization models (what OpenFGA's API takes).
import StrataCore

extension AuthorizationModel {
  /// - Throws: ``RetrievalError`` `model_invalid`.
  public init(json text: String, file: String = "the model") throws {
    let root: JSON
    do {
      root = try JSON(parsing: text)
    } catch {
      throw RetrievalError.invalidModel("The model is not valid JSON: \(error).", file: file)
    }
    let reader = ModelReader(file: file)
    guard let schema = root["schema_version"]?.stringValue, ["1.1", "1.2"].contains(schema) else {
      throw reader.invalid("schema_version is not 1.1.")
    }
    var types: [String: TypeDefinition] = [:]
    for value in root["type_definitions"]?.arrayValue ?? [] {
      let name = try reader.name(value["type"], "a type")
      guard types[name] == nil else { throw reader.invalid("The type \(name) is defined twice.") }
      types[name] = try reader.type(value, name)
    }
    var conditions: [String: Condition] = [:]
    for (name, value) in root["conditions"]?.objectValue ?? [:] { conditions[name] = try reader.condition(value, name) }
    try self.init(types: types, conditions: conditions)
  }
}

private struct ModelReader {
  let file: String

  func type(_ value: JSON, _ type: String) throws -> AuthorizationModel.TypeDefinition {
    var definition = AuthorizationModel.TypeDefinition()
    for (name, body) in value["relations"]?.objectValue ?? [:] {
      let place = "\(type)#\(try self.name(.string(name), "a relation"))"
      let allowed = value["metadata"]?["relations"]?[name]?["directly_related_user_types"]?.arrayValue ?? []
      definition.relations[name] = AuthorizationModel.Relation(
        try rewrite(body, place, depth: 0), direct: try allowed.map { try restriction($0, place) })
    }
    return definition
  }

  private func restriction(_ value: JSON, _ place: String) throws -> AuthorizationModel.Restriction {
    let relation = value["relation"]?.stringValue
    let condition = value["condition"]?.stringValue
    return AuthorizationModel.Restriction(
      try name(value["type"], "a type of \(place)"), relation: relation == "" ? nil : relation,
      isWildcard: value["wildcard"]?.objectValue != nil, condition: condition == "" ? nil : condition)
  }

  private func rewrite(_ value: JSON, _ place: String, depth: Int) throws -> AuthorizationModel.Rewrite {
    guard depth < 64 else { throw invalid("\(place) is nested too deeply.") }
    guard let object = value.objectValue, object.count == 1, let (key, body) = object.first(where: { _ in true }) else {
      throw invalid("\(place) does not say in one way who is in it.")
    }
    func children(_ body: JSON) throws -> [AuthorizationModel.Rewrite] {
      guard let parts = body["child"]?.arrayValue, !parts.isEmpty else { throw invalid("\(place) has no children.") }
      return try parts.map { try rewrite($0, place, depth: depth + 1) }
    }
    switch key {
    case "this": return .direct
    case "computedUserset": return .computed(try name(body["relation"], "a relation of \(place)"))
    case "tupleToUserset":
      return .from(
        tupleset: try name(body["tupleset"]?["relation"], "a relation of \(place)"),
        relation: try name(body["computedUserset"]?["relation"], "a relation of \(place)"))
    case "union": return .union(try children(body))
    case "intersection": return .intersection(try children(body))
    case "difference":
      guard let base = body["base"], let subtracted = body["subtract"] else {
        throw invalid("\(place) lacks base or subtract.")
      }
      return .exclusion(
        base: try rewrite(base, place, depth: depth + 1), subtracted: try rewrite(subtracted, place, depth: depth + 1))
    default: throw invalid("\(place) has the unknown form \(key).")
    }
  }

  func condition(_ value: JSON, _ name: String) throws -> Condition {
    var parameters: [String: Condition.Parameter] = [:]
    for (parameter, type) in value["parameters"]?.objectValue ?? [:] {
      parameters[parameter] = try parameterType(type, "\(name).\(parameter)", depth: 0)
    }
    do {
      return try Condition(
        name: name, parameters: parameters, expression: value["expression"]?.stringValue ?? "")
    } catch {
      throw invalid("The condition \(name) cannot be understood: \(error.message)")
    }
  }

  private func parameterType(_ value: JSON, _ place: String, depth: Int) throws -> Condition.Parameter {
    let name = value["type_name"]?.stringValue ?? ""
    let prefix = "TYPE_NAME_"
    let simple = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)).lowercased() : name
    if simple == "list" || simple == "map", depth < 8, let element = value["generic_types"]?[0] {
      let element = try parameterType(element, place, depth: depth + 1)
      return simple == "list" ? .list(element) : .map(element)
    }
    guard let type = Condition.Parameter(simple: simple) else {
      throw invalid("\(place) has the unknown type \(name).")
    }
    return type
  }

  func name(_ value: JSON?, _ what: String) throws -> String {
    guard let name = value?.stringValue, RelationName.isValid(name) else { throw invalid("\(what) has no valid name.") }
    return name
  }

  func invalid(_ message: String) -> RetrievalError { .invalidModel(message, file: file) }
}
