// Owns reading an OpenAPI file and what its reading operations take. Knows nothing about agents or sockets.
import Foundation
import StrataCore
import Yams

/// The `GET` operations of a service, as its OpenAPI 3.0 or 3.1 description tells them.
///
/// Only `GET` is offered: by RFC 9110, section 9.2.1, it changes nothing. References within the file are followed; others
/// are refused, since following them would let a description reach out.
public struct OpenAPIService: Sendable {
  public struct Parameter: Sendable, Hashable {
    public enum Place: String, Sendable, Hashable {
      case path, query, header
    }

    public var name: String
    public var place: Place
    public var isRequired: Bool
    /// JSON Schema of the value.
    public var schema: JSON
    public var description: String
  }

  public struct Operation: Sendable, Hashable {
    /// The description's `operationId`, else made from the path.
    public var name: String
    /// With `{name}` where path parameters go.
    public var path: String
    public var summary: String
    public var parameters: [Parameter]

    /// JSON Schema of the arguments, an object with one member for each parameter.
    public var schema: JSON {
      var properties = JSONObject()
      for parameter in parameters {
        var schema = parameter.schema.objectValue ?? JSONObject()
        if !parameter.description.isEmpty, schema["description"] == nil {
          schema["description"] = .string(parameter.description)
        }
        properties[parameter.name] = .object(schema)
      }
      return [
        "type": "object", "properties": .object(properties),
        "required": .array(parameters.filter(\.isRequired).map { .string($0.name) }), "additionalProperties": false,
      ]
    }
  }

  public let title: String
  /// Without a slash at the end.
  public let baseURL: String
  public let operations: [Operation]

  /// - Parameters:
  ///   - file: JSON or YAML.
  ///   - baseURL: where the service is; nil takes the description's first server.
  /// - Throws: ``RetrievalError`` `service_description_invalid`.
  public init(file: String, baseURL: String? = nil) throws {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw RetrievalError.invalidService("The file cannot be read.", at: file)
    }
    try self.init(text: text, location: file, baseURL: baseURL)
  }

  package init(text: String, location: String, baseURL: String? = nil) throws {
    let root = try Self.parse(text, location)
    guard let version = root["openapi"]?.stringValue, version.hasPrefix("3.") else {
      throw RetrievalError.invalidService("The file is no OpenAPI 3 description.", at: location)
    }
    title = root["info"]?["title"]?.stringValue ?? "service"
    let server = baseURL ?? root["servers"]?[0]?["url"]?.stringValue ?? ""
    guard let url = URL(string: server), ["http", "https"].contains(url.scheme ?? ""), url.host != nil else {
      throw RetrievalError.invalidService("The description names no server with an http address.", at: location)
    }
    self.baseURL = server.hasSuffix("/") ? String(server.dropLast()) : server
    var operations: [Operation] = []
    for (path, item) in root["paths"]?.objectValue ?? [:] {
      guard let get = item["get"] else { continue }
      operations.append(try Self.operation(path, item, get, root, location))
    }
    self.operations = operations.sorted { $0.name < $1.name }
  }

  private static func parse(_ text: String, _ location: String) throws -> JSON {
    if let json = try? JSON(parsing: text) { return json }
    do {
      guard let node = try Yams.compose(yaml: text) else {
        throw RetrievalError.invalidService("The file is empty.", at: location)
      }
      return try json(node, depth: 0, location)
    } catch let error as RetrievalError {
      throw error
    } catch {
      throw RetrievalError.invalidService("The file is neither JSON nor YAML.", at: location)
    }
  }

  private static func json(_ node: Node, depth: Int, _ location: String) throws -> JSON {
    guard depth < 100 else { throw RetrievalError.invalidService("The file is nested too deeply.", at: location) }
    switch node {
    case .scalar(let scalar):
      if scalar.style == .plain || scalar.style == .any {
        if node.null != nil { return .null }
        if let value = node.bool { return .bool(value) }
        if let value = node.int { return .int(value) }
        if let value = node.float, value.isFinite { return .double(value) }
      }
      return .string(scalar.string)
    case .mapping(let mapping):
      var object = JSONObject()
      for (key, value) in mapping { object[key.string ?? ""] = try json(value, depth: depth + 1, location) }
      return .object(object)
    case .sequence(let sequence):
      return .array(try sequence.map { try json($0, depth: depth + 1, location) })
    default:
      throw RetrievalError.invalidService("YAML aliases are not allowed here.", at: location)
    }
  }

  private static func operation(
    _ path: String, _ item: JSON, _ get: JSON, _ root: JSON, _ location: String
  ) throws -> Operation {
    var parameters: [Parameter] = []
    // Those of the operation take the place of the path's (OpenAPI 3.1, section 4.8.10).
    for entry in (get["parameters"]?.arrayValue ?? []) + (item["parameters"]?.arrayValue ?? []) {
      let entry = try resolved(entry, root, depth: 0, location)
      guard let name = entry["name"]?.stringValue,
        let place = entry["in"]?.stringValue.flatMap(Parameter.Place.init),
        !parameters.contains(where: { $0.name == name })
      else { continue }
      let isRequired = place == .path || entry["required"]?.boolValue == true
      // Headers carry credentials more often than facts; an optional one is left out.
      guard place != .header || isRequired else { continue }
      parameters.append(
        Parameter(
          name: name, place: place, isRequired: isRequired,
          schema: try resolved(entry["schema"] ?? ["type": "string"], root, depth: 0, location),
          description: entry["description"]?.stringValue ?? ""))
    }
    let name = get["operationId"]?.stringValue ?? "get" + path
    return Operation(
      name: String(
        name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") ? $0 : "_" }.prefix(64)),
      path: path, summary: get["summary"]?.stringValue ?? get["description"]?.stringValue ?? path,
      parameters: parameters)
  }

  /// `json` with references of this file put in, also inside.
  private static func resolved(_ json: JSON, _ root: JSON, depth: Int, _ location: String) throws -> JSON {
    guard depth < 20 else { throw RetrievalError.invalidService("References lead round in a circle.", at: location) }
    if let reference = json["$ref"]?.stringValue {
      guard reference.hasPrefix("#/") else {
        throw RetrievalError.invalidService("The reference \(reference) leads out of the file.", at: location)
      }
      var target = root
      for part in reference.dropFirst(2).split(separator: "/") {
        let key = part.replacingOccurrences(of: "~1", with: "/").replacingOccurrences(of: "~0", with: "~")
        guard let next = target[key] else {
          throw RetrievalError.invalidService("The reference \(reference) leads nowhere.", at: location)
        }
        target = next
      }
      return try resolved(target, root, depth: depth + 1, location)
    }
    switch json {
    case .object(let object):
      var result = JSONObject()
      for (key, value) in object { result[key] = try resolved(value, root, depth: depth + 1, location) }
      return .object(result)
    case .array(let values):
      return .array(try values.map { try resolved($0, root, depth: depth + 1, location) })
    default: return json
    }
  }
}
