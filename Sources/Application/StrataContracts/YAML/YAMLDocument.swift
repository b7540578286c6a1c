// Owns reading YAML that people write, as JSON: bounded in size, depth and expansion. Knows nothing about contracts.
import StrataCore
import Yams

/// A YAML 1.2 document (core schema: `yes` and `on` are strings) as JSON, with the line of each value.
package struct YAMLDocument: Sendable {
  package let json: JSON
  /// Line (from 1) by JSON pointer.
  package let lines: [String: Int]

  package struct Limits: Sendable {
    package var byteCount = 1 << 20
    package var depth = 64
    /// Values after aliases are expanded.
    package var valueCount = 100_000
    package init() {}
  }

  /// - Throws: ``ContractError`` with the line.
  package init(_ text: String, firstLine: Int = 1, limits: Limits = Limits()) throws(ContractError) {
    guard text.utf8.count <= limits.byteCount else {
      throw ContractError(
        ContractError.frontMatter, "The YAML has \(text.utf8.count) bytes; at most \(limits.byteCount) are read.",
        remedy: "Move bulk data out of the YAML.")
    }
    try Self.refuseAliasedKeys(text, firstLine: firstLine)
    let root: Node?
    do {
      root = try Yams.compose(yaml: text, .basic)
    } catch {
      throw Self.translate(error, firstLine: firstLine)
    }
    var reader = Reader(firstLine: firstLine, limits: limits)
    json = try root.map { node throws(ContractError) in try reader.read(node, pointer: "", depth: 0) } ?? .null
    lines = reader.lines
  }

  /// The parser hashes keys before anything can be counted, so a key that expands an alias could cost exponential time.
  private static func refuseAliasedKeys(_ text: String, firstLine: Int) throws(ContractError) {
    let bytes = Array(text.utf8)
    var line = firstLine
    for (index, byte) in bytes.enumerated() {
      if byte == 0x0A { line += 1 }
      guard byte == UInt8(ascii: "*"), index == 0 || " \n{[,".utf8.contains(bytes[index - 1]) else { continue }
      let name = bytes[(index + 1)...].prefix { $0 > 0x20 && !":,[]{}*".utf8.contains($0) }
      let rest = bytes[name.endIndex...].drop { $0 == 0x20 }
      if !name.isEmpty, rest.first == UInt8(ascii: ":") {
        throw ContractError(
          ContractError.frontMatter, "An alias is used as a key.", remedy: "Write the key out.",
          location: "line \(line)")
      }
    }
    for (offset, row) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let trimmed = row.drop { $0 == " " || $0 == "-" || $0 == "{" || $0 == "[" || $0 == "," }
      if trimmed.hasPrefix("? ") || trimmed == "?" || row.contains("{?") || row.contains("{ ?") {
        throw ContractError(
          ContractError.frontMatter, "Complex keys (`? …`) are not read.", remedy: "Use plain names as keys.",
          location: "line \(firstLine + offset)")
      }
    }
  }

  private static func translate(_ error: any Error, firstLine: Int) -> ContractError {
    func at(_ problem: String, _ line: Int) -> ContractError {
      ContractError(
        ContractError.frontMatter, "Invalid YAML: \(problem).",
        remedy: "Check indentation, quotes and brackets around that line.", location: "line \(firstLine + line - 1)")
    }
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return at(problem, mark.line)
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { $0.description }.joined(separator: ", ")
      return at("the key \(names) is written twice", context.mark.line)
    case .reader(let problem, _, _, _): return at(problem, 1)
    default: return at("\(error)", 1)
    }
  }
}

/// Turns nodes into JSON while it counts them.
private struct Reader {
  let firstLine: Int
  let limits: YAMLDocument.Limits
  var lines: [String: Int] = [:]
  var valueCount = 0

  mutating func read(_ node: Node, pointer: String, depth: Int) throws(ContractError) -> JSON {
    let line = firstLine + (node.mark?.line ?? 1) - 1
    valueCount += 1
    guard valueCount <= limits.valueCount, depth <= limits.depth else {
      throw ContractError(
        ContractError.frontMatter,
        depth > limits.depth
          ? "The YAML nests deeper than \(limits.depth) levels."
          : "The YAML has more than \(limits.valueCount) values once its aliases are expanded.",
        remedy: "Simplify the document.", location: "line \(line)")
    }
    lines[pointer] = line
    switch node {
    case .scalar(let scalar): return Self.resolve(scalar)
    case .sequence(let sequence):
      var values: [JSON] = []
      for (index, element) in sequence.enumerated() {
        values.append(try read(element, pointer: "\(pointer)/\(index)", depth: depth + 1))
      }
      return .array(values)
    case .mapping(let mapping):
      var object = JSONObject()
      for (key, value) in mapping {
        guard let name = key.scalar?.string else {
          throw ContractError(
            ContractError.frontMatter, "A key is not a plain name.", remedy: "Use plain names as keys.",
            location: "line \(line)")
        }
        let escaped = name.contains { $0 == "~" || $0 == "/" } ? escape(name) : name
        object[name] = try read(value, pointer: "\(pointer)/\(escaped)", depth: depth + 1)
      }
      return .object(object)
    case .alias:
      throw ContractError(ContractError.frontMatter, "An alias does not resolve.", location: "line \(line)")
    }
  }

  private func escape(_ name: String) -> String {
    name.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
      .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
  }

  /// The core schema of YAML 1.2, section 10.3.
  private static func resolve(_ scalar: Node.Scalar) -> JSON {
    let text = scalar.string
    guard scalar.style == .plain, scalar.tag.description != "tag:yaml.org,2002:str" else { return .string(text) }
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return true
    case "false", "False", "FALSE": return false
    default: break
    }
    guard let first = text.utf8.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
      text.utf8.count <= 64, case .number(let number)? = try? JSON(parsing: text)
    else { return .string(text) }
    return .number(number)
  }
}
