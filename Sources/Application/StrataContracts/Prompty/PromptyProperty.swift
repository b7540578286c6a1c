// Owns properties of inputs and outputs, and what they are as JSON Schema.
import StrataCore

/// One declared input or output.
public struct PromptyProperty: Sendable, Hashable {
  public var name: String
  /// `string`, `integer`, `number`, `float`, `boolean`, `array`, `object`, `thread`, `image`, `file` or `audio`.
  public var kind: String
  public var isRequired: Bool
  public var defaultValue: JSON?
  /// A value that may not look like the start of a message.
  public var isStrict: Bool
  /// All of it, as written.
  public var json: JSON

  static let jsonTypes: [String: String] = [
    "string": "string", "integer": "integer", "number": "number", "float": "number", "boolean": "boolean",
    "array": "array", "object": "object",
  ]

  init(_ json: JSON) {
    name = json["name"]?.stringValue ?? ""
    kind = json["kind"]?.stringValue ?? json["default"].map(Self.kind(of:)) ?? "string"
    isRequired = json["required"]?.boolValue ?? false
    isStrict = json["strict"]?.boolValue ?? false
    defaultValue = json["default"]
    self.json = json
  }

  static func kind(of value: JSON) -> String {
    switch value {
    case .number(let number): number.isInteger ? "integer" : "number"
    case .null: "string"
    default: value.typeName
    }
  }

  /// Constraints that a property may carry beside Prompty's own members.
  private static let keywords = [
    "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "uniqueItems", "format", "const",
  ]

  /// JSON Schema of one value.
  /// - Parameter isClosed: objects list all their members as required, optional ones may be null (what constrained
  ///   generation wants).
  static func schema(_ property: JSON, isClosed: Bool) -> JSONObject {
    var schema = JSONObject()
    let kind = property["kind"]?.stringValue ?? "string"
    if let type = jsonTypes[kind] { schema["type"] = .string(type) }
    if let description = property["description"] { schema["description"] = description }
    if let values = property["enumValues"] ?? property["enum"] { schema["enum"] = values }
    for keyword in keywords { if let value = property[keyword] { schema[keyword] = value } }
    if kind == "array" || kind == "thread" {
      // A thread is a list of messages or an object that holds one.
      schema["type"] = kind == "array" ? "array" : ["array", "object"]
      if let items = property["items"] { schema["items"] = .object(Self.schema(items, isClosed: isClosed)) }
    }
    if let members = property["properties"]?.arrayValue {
      for (key, value) in objectSchema(members, isClosed: isClosed) { schema[key] = value }
    }
    return schema
  }

  static func objectSchema(_ properties: [JSON], isClosed: Bool) -> JSONObject {
    var members = JSONObject()
    var required: [JSON] = []
    for property in properties {
      guard let name = property["name"]?.stringValue else { continue }
      var schema = schema(property, isClosed: isClosed)
      let isRequired = property["required"]?.boolValue ?? false
      if isClosed, !isRequired, let type = schema["type"] { schema["type"] = [type, "null"] }
      if isClosed || isRequired { required.append(.string(name)) }
      members[name] = .object(schema)
    }
    var schema: JSONObject = ["type": "object", "properties": .object(members)]
    if !required.isEmpty { schema["required"] = .array(required) }
    schema["additionalProperties"] = false
    return schema
  }
}
