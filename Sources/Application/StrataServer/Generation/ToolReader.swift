// Owns the checks that tools and tool choices share in all dialects.
import StrataCore

/// Collects the tools of one request.
struct ToolReader {
  private(set) var tools: [ToolDefinition] = []
  private var names: Set<String> = []
  static let limit = 128

  /// - Parameters:
  ///   - reader: the object that has `name`, `description` and the schema.
  ///   - schema: the name of the member with the schema of the arguments.
  mutating func add(_ reader: ParameterReader, schema: String) throws {
    let name = try reader.require("name", try reader.string("name"))
    guard ToolReader.isName(name) else {
      throw reader.invalid("name", "must be 1 to 64 letters, digits, underscores, dots or dashes.")
    }
    guard names.insert(name).inserted else { throw reader.invalid("name", "`\(name)` is there twice.") }
    let parameters = try reader.reader(schema)?.object ?? ["type": "object", "properties": [:]]
    tools.append(
      ToolDefinition(
        name: name, description: try reader.string("description") ?? "", parameters: .object(parameters)))
  }

  /// The `tools` of a body, each of them checked.
  static func list(_ reader: ParameterReader) throws -> [ParameterReader] {
    guard let list = try reader.readers("tools") else { return [] }
    guard list.count <= limit else { throw reader.invalid("tools", "has more than \(limit) entries.") }
    return list
  }

  private static func isName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
          || byte == 0x2D || byte == 0x2E
      }
  }

  /// `none`, `auto` or `required`.
  static func choice(word: String, _ reader: ParameterReader) throws -> ToolChoice {
    switch word {
    case "none": return .none
    case "auto": return .auto
    case "required": return .required
    default: throw reader.invalid("tool_choice", "must be none, auto, required or a function.")
    }
  }

  /// The tool of that `name`, which must be there.
  static func named(_ reader: ParameterReader, _ tools: [ToolDefinition]) throws -> ToolChoice {
    let name = try reader.require("name", try reader.string("name"))
    guard tools.contains(where: { $0.name == name }) else {
      throw reader.invalid("name", "`\(name.prefix(64))` is none of the tools.")
    }
    return .function(name)
  }

  /// The arguments of a call as clients send them back: text that should be JSON.
  static func arguments(_ text: String?) -> JSON {
    guard let text, !text.isEmpty else { return .object([:]) }
    return (try? JSON(parsing: text)) ?? .string(text)
  }
}

extension ToolCall {
  /// Arguments go over the wire as text: what the model wrote, when that was no JSON.
  var argumentText: String { arguments.stringValue ?? arguments.text() }
}
