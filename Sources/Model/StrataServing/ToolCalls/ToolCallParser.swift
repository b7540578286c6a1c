// Owns the reading of tool calls out of what a model wrote of its own accord, and the schema that forces one.
import Foundation
import StrataCore
import StrataSchema

/// Tool calls in the forms that open models write: `<tool_call>{…}</tool_call>` (Hermes, Qwen) or a bare or fenced JSON
/// object with `name` and `arguments`.
package enum ToolCallParser {
  static let open = "<tool_call>"
  static let close = "</tool_call>"

  /// Where a call begins, or where the text ends with something that may yet become one.
  package static func possibleStart(in text: String) -> String.Index? {
    if let range = text.range(of: open) { return range.lowerBound }
    let trimmed = text.drop { $0.isWhitespace }
    if trimmed.hasPrefix("{") || trimmed.hasPrefix("`") || trimmed.isEmpty { return text.startIndex }
    // A list of calls, not a mark such as [1].
    if trimmed.hasPrefix("["), trimmed.dropFirst().drop(while: \.isWhitespace).first ?? "{" == "{" {
      return text.startIndex
    }
    for length in stride(from: min(open.count - 1, text.count), to: 0, by: -1) where open.hasPrefix(text.suffix(length))
    {
      return text.index(text.endIndex, offsetBy: -length)
    }
    return nil
  }

  /// Whether `text` begins a call beyond doubt, so that everything after it is held.
  static func isStart(_ text: Substring) -> Bool { text.hasPrefix(open) }

  package static func calls(in text: String, tools: [ToolDefinition]) -> [ToolCall] {
    let names = Set(tools.map(\.name))
    var bodies: [Substring] = []
    var rest = text[...]
    while let start = rest.range(of: open) {
      let end = rest.range(of: close, range: start.upperBound..<rest.endIndex)
      bodies.append(rest[start.upperBound..<(end?.lowerBound ?? rest.endIndex)])
      rest = end.map { rest[$0.upperBound...] } ?? rest[rest.endIndex...]
    }
    if bodies.isEmpty {
      // Models that were not trained on the marks write one object after the other, or a list of them.
      let objects = objects(in: text)
      bodies = objects.count > 1 ? objects : [text[...]]
    }
    return bodies.flatMap { body -> [ToolCall] in
      guard let value = (try? RepairedJSON(reading: String(body)))?.value else { return [] }
      return (value.arrayValue ?? [value]).compactMap { value in
        guard let name = value["name"]?.stringValue, names.contains(name) else { return nil }
        return call(name: name, arguments: value["arguments"] ?? value["parameters"] ?? .object([:]))
      }
    }
  }

  /// The outermost `{…}` of a text; braces within strings do not count.
  private static func objects(in text: String) -> [Substring] {
    var objects: [Substring] = []
    var start: String.Index?
    var depth = 0
    var isInString = false
    var isEscaped = false
    for index in text.utf8.indices {
      let byte = text.utf8[index]
      if isEscaped {
        isEscaped = false
      } else if isInString {
        if byte == UInt8(ascii: "\\") { isEscaped = true }
        if byte == UInt8(ascii: "\"") { isInString = false }
      } else if byte == UInt8(ascii: "\"") {
        isInString = depth > 0
      } else if byte == UInt8(ascii: "{") {
        if depth == 0 { start = index }
        depth += 1
      } else if byte == UInt8(ascii: "}"), depth > 0 {
        depth -= 1
        if depth == 0, let begin = start { objects.append(text[begin...index]) }
      }
    }
    return objects
  }

  static func call(name: String, arguments: JSON) -> ToolCall {
    let parsed = arguments.stringValue.flatMap { try? JSON(parsing: $0) } ?? arguments
    let id = UUID().uuidString.replacing("-", with: "").lowercased().prefix(24)
    return ToolCall(id: "call_\(id)", name: name, arguments: parsed)
  }
}

/// Calls that the request demands: the output is constrained to them.
package struct ForcedCall {
  package let schema: JSON
  /// Most calls in one answer where several are possible.
  private static let limit = 16

  /// Nil unless `tool_choice` demands a call.
  package init?(_ request: GenerationRequest) {
    let tools: [ToolDefinition] =
      switch request.toolChoice {
      case .none, .auto: []
      case .required: request.tools
      case .function(let name): request.tools.filter { $0.name == name }
      }
    guard !tools.isEmpty else { return nil }
    let branches = tools.map { tool -> JSON in
      [
        "type": "object",
        "properties": ["name": ["const": .string(tool.name)], "arguments": tool.parameters],
        "required": ["name", "arguments"], "additionalProperties": false,
      ]
    }
    let one: JSON = branches.count == 1 ? branches[0] : ["anyOf": .array(branches)]
    let isList = request.parallelToolCalls && request.toolChoice == .required
    schema = isList ? ["type": "array", "items": one, "minItems": 1, "maxItems": .int(Self.limit)] : one
  }

  package func calls(in text: String) -> [ToolCall] {
    guard let value = try? JSON(parsing: text) else { return [] }
    return (value.arrayValue ?? [value]).compactMap { value in
      value["name"]?.stringValue.map { ToolCallParser.call(name: $0, arguments: value["arguments"] ?? .object([:])) }
    }
  }
}
