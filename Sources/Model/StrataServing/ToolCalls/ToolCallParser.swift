// Owns the reading of tool calls out of what a model wrote of its own accord, and the schema that forces one.
import Foundation
import StrataCore
import StrataSchema

/// Tool calls in the forms that open models write: `<tool_call>{…}</tool_call>` (Hermes, Qwen) or a bare or fenced JSON
/// object with `name` and `arguments`.
enum ToolCallParser {
  static let open = "<tool_call>"
  static let close = "</tool_call>"

  /// Where a call begins, or where the text ends with something that may yet become one.
  static func possibleStart(in text: String) -> String.Index? {
    if let range = text.range(of: open) { return range.lowerBound }
    let trimmed = text.drop { $0.isWhitespace }
    if trimmed.hasPrefix("{") || trimmed.hasPrefix("`") || trimmed.isEmpty { return text.startIndex }
    for length in stride(from: min(open.count - 1, text.count), to: 0, by: -1) where open.hasPrefix(text.suffix(length))
    {
      return text.index(text.endIndex, offsetBy: -length)
    }
    return nil
  }

  /// Whether `text` begins a call beyond doubt, so that everything after it is held.
  static func isStart(_ text: Substring) -> Bool { text.hasPrefix(open) }

  static func calls(in text: String, tools: [ToolDefinition]) -> [ToolCall] {
    let names = Set(tools.map(\.name))
    var bodies: [Substring] = []
    var rest = text[...]
    while let start = rest.range(of: open) {
      let end = rest.range(of: close, range: start.upperBound..<rest.endIndex)
      bodies.append(rest[start.upperBound..<(end?.lowerBound ?? rest.endIndex)])
      rest = end.map { rest[$0.upperBound...] } ?? rest[rest.endIndex...]
    }
    if bodies.isEmpty { bodies = [text[...]] }
    return bodies.compactMap { body in
      guard let value = (try? RepairedJSON(reading: String(body)))?.value, let name = value["name"]?.stringValue,
        names.contains(name)
      else { return nil }
      return call(name: name, arguments: value["arguments"] ?? value["parameters"] ?? .object([:]))
    }
  }

  static func call(name: String, arguments: JSON) -> ToolCall {
    let parsed = arguments.stringValue.flatMap { try? JSON(parsing: $0) } ?? arguments
    let id = UUID().uuidString.replacing("-", with: "").lowercased().prefix(24)
    return ToolCall(id: "call_\(id)", name: name, arguments: parsed)
  }
}

/// A call that the request demands: the output is constrained to it.
struct ForcedCall {
  let schema: JSON

  /// Nil unless `tool_choice` demands a call.
  init?(_ request: GenerationRequest) {
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
    schema = branches.count == 1 ? branches[0] : ["anyOf": .array(branches)]
  }

  func calls(in text: String) -> [ToolCall] {
    guard let value = try? JSON(parsing: text), let name = value["name"]?.stringValue else { return [] }
    return [ToolCallParser.call(name: name, arguments: value["arguments"] ?? .object([:]))]
  }
}
