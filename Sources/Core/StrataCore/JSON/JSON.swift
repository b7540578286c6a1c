// Owns the JSON value used everywhere: objects keep their order, numbers keep their digits.

/// A JSON value (RFC 8259) that loses nothing: object members stay in order, numbers keep their exact text.
public enum JSON: Sendable, Hashable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSON])
  case object(JSONObject)
}

extension JSON {
  public static func int(_ value: Int) -> JSON { .number(JSONNumber(value)) }
  /// Non-finite values become `null`, since JSON cannot say them.
  public static func double(_ value: Double) -> JSON {
    JSONNumber(exactly: value).map(JSON.number) ?? .null
  }

  public var isNull: Bool { self == .null }
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  public var arrayValue: [JSON]? { if case .array(let value) = self { value } else { nil } }
  public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
  public var numberValue: JSONNumber? { if case .number(let value) = self { value } else { nil } }
  /// The integer, if this is a number without a fractional part that fits (so `1.0` is 1).
  public var intValue: Int? { numberValue?.intValue }
  public var doubleValue: Double? { numberValue?.doubleValue }

  /// The member named `key`, or nil when this is no object or has no such member.
  public subscript(key: String) -> JSON? { objectValue?[key] }
  /// The element at `index`, or nil when this is no array or the index is out of range.
  public subscript(index: Int) -> JSON? {
    guard case .array(let values) = self, values.indices.contains(index) else { return nil }
    return values[index]
  }

  /// The JSON type's name as JSON Schema uses it (`integer` is reported as `number`).
  public var typeName: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(JSONObject(elements))
  }
}
