// Owns loading of a Prompty v2 file: front matter with its references resolved, shorthands expanded. Renders nothing.
import Foundation
import StrataCore

/// A loaded `.prompty` file in Prompty's own vocabulary.
public struct PromptyDocument: Sendable {
  /// All properties with shorthands expanded, `kind: prompt` and `instructions` added.
  public let json: JSON
  /// Where it came from, for messages.
  public let path: String
  let lines: [String: Int]
  let bodyLine: Int

  /// What references in the front matter may see. By default nothing of the process leaks into a contract.
  public struct Environment: Sendable {
    /// Values of `${env:NAME}`.
    public var variables: [String: String]
    /// Folder below which `${file:PATH}` reads; nil refuses such references.
    public var folder: String?

    public init(variables: [String: String] = [:], folder: String? = nil) {
      self.variables = variables
      self.folder = folder
    }
  }

  /// Reads and loads a file; `${file:…}` resolves inside its folder.
  public init(file path: String, variables: [String: String] = [:]) throws {
    let url = URL(fileURLWithPath: path)
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ContractError(
        ContractError.notFound, "There is no readable file \(path).", remedy: "Check the path.", location: path)
    }
    guard let text = String(bytes: data, encoding: .utf8) else {
      throw ContractError(ContractError.frontMatter, "The file is not UTF-8.", location: path)
    }
    let folder = url.deletingLastPathComponent().path
    try self.init(text, path: path, environment: Environment(variables: variables, folder: folder))
  }

  /// Loads `text` as if it stood in a file at `path`.
  public init(_ text: String, path: String, environment: Environment = Environment()) throws {
    do {
      let parts = try FrontMatter(text)
      let yaml = try YAMLDocument(parts.yaml, firstLine: parts.firstLine)
      guard yaml.json.objectValue != nil || yaml.json.isNull else {
        throw ContractError(
          ContractError.frontMatter, "The front matter is \(yaml.json.typeName), not a mapping.",
          remedy: "Write `name: …` and so on.", location: "line \(parts.firstLine)")
      }
      let resolved = try ReferenceResolver(environment: environment, lines: yaml.lines).resolve(yaml.json, pointer: "")
      json = try Self.expand(resolved.objectValue ?? JSONObject(), body: parts.body, lines: yaml.lines)
      lines = yaml.lines
      bodyLine = parts.bodyLine
      self.path = path
    } catch let error as ContractError {
      throw Self.located(error, path)
    }
  }

  /// `path:12` where the pointer is known, else the path.
  func location(_ pointer: String) -> String {
    var pointer = pointer
    while true {
      if let line = lines[pointer], !pointer.isEmpty { return "\(path):\(line)" }
      guard let cut = pointer.lastIndex(of: "/") else { return path }
      pointer = String(pointer[..<cut])
    }
  }

  private static func located(_ error: ContractError, _ path: String) -> ContractError {
    let place = error.location.map { $0.hasPrefix("line ") ? "\(path):\($0.dropFirst(5))" : $0 } ?? path
    return ContractError(error.code, error.message, remedy: error.remedy, location: place, cause: error.cause)
  }

  private static func expand(
    _ frontMatter: JSONObject, body: String, lines: [String: Int]
  ) throws(ContractError) -> JSON {
    var object = frontMatter
    object["kind"] = "prompt"
    if case .string(let id)? = object["model"] { object["model"] = ["id": .string(id)] }
    if let template = object["template"], template.objectValue == nil {
      throw ContractError(
        ContractError.invalid, "`template` is \(template.typeName): Invalid template format.",
        remedy: "Write `template: {format: {kind: jinja2}, parser: {kind: prompty}}`.",
        location: lines["/template"].map { "line \($0)" })
    }
    for key in ["inputs", "outputs"] {
      guard let value = object[key] else { continue }
      object[key] = .array(try properties(value, key, lines))
    }
    object["instructions"] = .string(body)
    return .object(object)
  }

  /// Properties are a list of objects, or a mapping from name to object or to a default value.
  private static func properties(
    _ value: JSON, _ key: String, _ lines: [String: Int]
  ) throws(ContractError) -> [JSON] {
    switch value {
    case .null: return []
    case .array(let list):
      for (index, element) in list.enumerated() where element["name"]?.stringValue == nil {
        throw ContractError(
          ContractError.invalid, "An entry of `\(key)` has no name.", remedy: "Write `- name: …`.",
          location: lines["/\(key)/\(index)"].map { "line \($0)" })
      }
      return list
    case .object(let members):
      return members.map { name, value in
        var property: JSONObject = ["name": .string(name)]
        if case .object(let details) = value {
          for (key, detail) in details { property[key] = detail }
        } else {
          property["kind"] = .string(PromptyProperty.kind(of: value))
          property["default"] = value
        }
        return .object(property)
      }
    default:
      throw ContractError(
        ContractError.invalid, "`\(key)` is \(value.typeName), not a list.", remedy: "Write a list of properties.",
        location: lines["/\(key)"].map { "line \($0)" })
    }
  }
}
