// Owns a named condition: typed parameters and an expression over them. How expressions are read and evaluated is in
// the other files of this folder. Knows nothing about tuples.
import StrataCore

/// A condition of an authorization model: an expression in a subset of the Common Expression Language (CEL) that is
/// true or false for given parameters. Evaluation has no effects, and ends after a bounded number of steps.
public struct Condition: Sendable, Hashable {
  /// The type of a parameter, and how its JSON form is read.
  public indirect enum Parameter: Sendable, Hashable {
    case string, int, uint, double, bool
    /// `1h30m`.
    case duration
    /// RFC 3339.
    case timestamp
    /// IPv4 or IPv6.
    case ipAddress
    case any
    case list(Parameter)
    case map(Parameter)
  }

  public let name: String
  public let parameters: [String: Parameter]
  /// As it was written.
  public let expression: String
  let root: ConditionExpression

  /// - Throws: ``ConditionError`` when the expression cannot be read, or names what is not there.
  init(name: String, parameters: [String: Parameter], expression: String) throws(ConditionError) {
    self.name = name
    self.parameters = parameters
    self.expression = expression
    root = try ConditionParser.parse(expression, names: Set(parameters.keys))
  }

  /// - Parameters:
  ///   - fixed: the tuple's own values, which go first.
  ///   - given: those of whoever asks. What is no parameter is passed over.
  /// - Throws: ``ConditionError`` when a parameter that matters is missing or of the wrong type, or something has no
  ///   value, such as a division by zero.
  func holds(in fixed: JSONObject, _ given: JSONObject) throws(ConditionError) -> Bool {
    var values: [String: ConditionValue] = [:]
    for (name, parameter) in parameters {
      guard let json = fixed[name] ?? given[name] else { continue }
      values[name] = try parameter.value(of: json, name)
    }
    var evaluation = ConditionEvaluation(values: values)
    guard case .bool(let result) = try evaluation.value(of: root) else {
      throw ConditionError("The expression is neither true nor false.")
    }
    return result
  }
}

/// What is wrong with an expression or its values, in a sentence.
struct ConditionError: Error, Hashable {
  let message: String
  init(_ message: String) { self.message = message }
}

extension Condition.Parameter {
  static let remedy =
    "Known types: string, int, uint, double, bool, duration, timestamp, ipaddress, any, list<T>, map<T>."

  init?(simple name: String) {
    switch name {
    case "string": self = .string
    case "int": self = .int
    case "uint": self = .uint
    case "double": self = .double
    case "bool": self = .bool
    case "duration": self = .duration
    case "timestamp": self = .timestamp
    case "ipaddress": self = .ipAddress
    case "any": self = .any
    default: return nil
    }
  }

  /// - Throws: ``ConditionError`` when `json` is no value of this type.
  func value(of json: JSON, _ name: String) throws(ConditionError) -> ConditionValue {
    let found: ConditionValue?
    switch self {
    case .string: found = json.stringValue.map(ConditionValue.string)
    case .int: found = (json.intValue ?? json.stringValue.flatMap { Int($0) }).map { .int(Int64($0)) }
    case .uint: found = Self.unsigned(json).map(ConditionValue.uint)
    case .double: found = (json.doubleValue ?? json.stringValue.flatMap { Double($0) }).map(ConditionValue.double)
    case .bool: found = json.boolValue.map(ConditionValue.bool)
    case .duration: found = json.stringValue.flatMap(ConditionTime.duration).map(ConditionValue.duration)
    case .timestamp: found = json.stringValue.flatMap(ConditionTime.timestamp).map(ConditionValue.timestamp)
    case .ipAddress: found = json.stringValue.flatMap { IPAddress($0) }.map(ConditionValue.ipAddress)
    case .any: found = ConditionValue(json)
    case .list(let element):
      guard let elements = json.arrayValue else { throw mismatch(json, name) }
      var values: [ConditionValue] = []
      for (index, json) in elements.enumerated() { values.append(try element.value(of: json, "\(name)[\(index)]")) }
      return .list(values)
    case .map(let element):
      guard let members = json.objectValue else { throw mismatch(json, name) }
      var values: [ConditionValue: ConditionValue] = [:]
      for (key, json) in members { values[.string(key)] = try element.value(of: json, "\(name).\(key)") }
      return .map(values)
    }
    guard let found else { throw mismatch(json, name) }
    return found
  }

  private static func unsigned(_ json: JSON) -> UInt64? {
    if let text = json.stringValue { return UInt64(text) }
    return json.intValue.flatMap { UInt64(exactly: $0) }
  }

  private func mismatch(_ json: JSON, _ name: String) -> ConditionError {
    ConditionError("The parameter \(name) is no \(self): \(json.text().prefix(80)).")
  }
}

extension Condition.Parameter: CustomStringConvertible {
  public var description: String {
    switch self {
    case .string: "string"
    case .int: "int"
    case .uint: "uint"
    case .double: "double"
    case .bool: "bool"
    case .duration: "duration"
    case .timestamp: "timestamp"
    case .ipAddress: "ipaddress"
    case .any: "any"
    case .list(let element): "list<\(element)>"
    case .map(let element): "map<\(element)>"
    }
  }
}
