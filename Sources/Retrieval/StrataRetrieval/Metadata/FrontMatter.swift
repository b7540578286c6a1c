// Owns the block of metadata that a text may begin with. Knows nothing about what the metadata means.
import Foundation
import StrataCore
import Yams

/// YAML between `---` lines at the start of a Markdown file.
enum FrontMatter {
  /// - Returns: the members, names in lower case; nil when `yaml` is no mapping, or costs more than its size says.
  static func metadata(_ yaml: String) -> JSONObject? {
    // Aliases can make a small text large, and deep nesting exhausts the parser.
    guard yaml.utf8.count <= 64 << 10, !yaml.contains("&"), isShallow(yaml) else { return nil }
    guard let node = try? Yams.compose(yaml: yaml), case .object(let metadata) = json(node) else { return nil }
    return metadata
  }

  private static func isShallow(_ yaml: String) -> Bool {
    var open = 0
    for byte in yaml.utf8 {
      if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { open += 1 }
      if open > 32 { return false }
    }
    return yaml.split(separator: "\n").allSatisfy { $0.prefix { $0 == " " || $0 == "-" }.count <= 64 }
  }

  private static func json(_ node: Node) -> JSON {
    switch node {
    case .mapping(let mapping):
      return .object(
        JSONObject(mapping.compactMap { key, value in key.scalar.map { ($0.string.lowercased(), json(value)) } }))
    case .sequence(let sequence): return .array(sequence.map(json))
    case .scalar(let scalar):
      let text = scalar.string
      guard scalar.style == .plain || scalar.style == .any else { return .string(text) }
      if text.isEmpty || ["null", "~", "Null", "NULL"].contains(text) { return .null }
      if ["true", "True", "TRUE"].contains(text) { return .bool(true) }
      if ["false", "False", "FALSE"].contains(text) { return .bool(false) }
      if let number = try? JSON(parsing: text), case .number = number { return number }
      return .string(text)
    case .alias: return .null
    }
  }
}
