// Owns reading typed values out of a request body, with errors that name the parameter. Knows nothing about what they
// mean.
import StrataCore

/// One JSON object of a request and where it stands in it. `null` counts as absent.
struct ParameterReader {
  let object: JSONObject
  /// For example `messages[2].`; empty for the body itself.
  let prefix: String

  init(_ object: JSONObject, prefix: String = "") {
    self.object = object
    self.prefix = prefix
  }

  func path(_ name: String) -> String { prefix + name }

  subscript(name: String) -> JSON? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  func require<Value>(_ name: String, _ value: Value?) throws -> Value {
    guard let value else {
      throw ServerError(.missingParameter, "Missing required parameter: '\(path(name))'.", parameter: path(name))
    }
    return value
  }

  func invalid(_ name: String, _ reason: String) -> ServerError {
    ServerError(.invalidParameter, "Invalid '\(path(name))': \(reason)", parameter: path(name))
  }

  func unsupported(_ name: String, _ reason: String) -> ServerError {
    ServerError(.unsupportedParameter, "Unsupported '\(path(name))': \(reason)", parameter: path(name))
  }

  private func typed<Value>(_ name: String, _ expected: String, _ read: (JSON) -> Value?) throws -> Value? {
    guard let value = self[name] else { return nil }
    guard let result = read(value) else { throw invalid(name, "expected \(expected), got \(value.typeName).") }
    return result
  }

  func string(_ name: String) throws -> String? { try typed(name, "a string", \.stringValue) }
  func bool(_ name: String) throws -> Bool? { try typed(name, "a boolean", \.boolValue) }
  func array(_ name: String) throws -> [JSON]? { try typed(name, "an array", \.arrayValue) }

  func reader(_ name: String) throws -> ParameterReader? {
    try typed(name, "an object", \.objectValue).map { ParameterReader($0, prefix: path(name) + ".") }
  }

  /// The members of an array, which must be objects.
  func readers(_ name: String) throws -> [ParameterReader]? {
    try array(name)?.enumerated().map { index, value in
      guard let object = value.objectValue else {
        throw invalid("\(name)[\(index)]", "expected an object, got \(value.typeName).")
      }
      return ParameterReader(object, prefix: "\(path(name))[\(index)].")
    }
  }

  func int(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let value = try typed(name, "an integer", \.intValue) else { return nil }
    guard range.contains(value) else {
      let bound = value < range.lowerBound ? "at least \(range.lowerBound)" : "at most \(range.upperBound)"
      throw invalid(name, "must be \(bound), got \(value).")
    }
    return value
  }

  func float(_ name: String, in range: ClosedRange<Double>) throws -> Float? {
    guard let value = try typed(name, "a number", \.doubleValue) else { return nil }
    guard range.contains(value) else {
      throw invalid(name, "must be between \(range.lowerBound) and \(range.upperBound), got \(value).")
    }
    return Float(value)
  }
}
