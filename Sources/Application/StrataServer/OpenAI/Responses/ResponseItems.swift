// Owns input items: what a client says happened, as the Responses API writes it, and the turns that a model reads.
import StrataCore

enum ResponseItems {
  /// Text, or items.
  static func read(_ input: JSON, _ reader: ParameterReader) throws -> (items: [JSON], turns: [Message]) {
    if let text = input.stringValue {
      let item: JSON = [
        "id": .string(newID("msg")), "type": "message", "role": "user", "status": "completed",
        "content": [["type": "input_text", "text": .string(text)]],
      ]
      return ([item], [.user(text)])
    }
    guard input.arrayValue != nil else {
      throw reader.invalid("input", "expected a string or an array of items, got \(input.typeName).")
    }
    var items: [JSON] = []
    var turns = Turns()
    for item in try reader.readers("input") ?? [] {
      try add(item, to: &turns)
      var object = item.object
      if item["type"] == nil { object["type"] = "message" }
      if item["id"] == nil { object["id"] = .string(newID(item["role"] == nil ? "item" : "msg")) }
      items.append(.object(object))
    }
    guard !turns.messages.isEmpty else { throw reader.invalid("input", "must have at least one message.") }
    return (items, turns.messages)
  }

  static func newID(_ prefix: String) -> String { "\(prefix)_" + RandomID.make(32) }

  private static func add(_ item: ParameterReader, to turns: inout Turns) throws {
    let type = try item.string("type") ?? "message"
    switch type {
    case "message":
      let name = try item.require("role", try item.string("role"))
      guard let role = Message.Role(rawValue: name), role != .tool else {
        throw item.invalid("role", "`\(name.prefix(40))` is none of system, developer, user, assistant.")
      }
      turns.append(Message(role: role, content: try text(of: "content", item)))
    case "function_call":
      turns.append(
        ToolCall(
          id: try item.require("call_id", try item.string("call_id")),
          name: try item.require("name", try item.string("name")),
          arguments: ToolReader.arguments(try item.string("arguments"))))
    case "function_call_output":
      let id = try item.require("call_id", try item.string("call_id"))
      turns.append(Message(role: .tool, content: try text(of: "output", item), toolCallID: id))
    case "reasoning": break
    default: throw item.unsupported("type", "items of type `\(type.prefix(40))`.")
    }
  }

  /// A string, or parts with text, joined.
  private static func text(of name: String, _ item: ParameterReader) throws -> String {
    let value = try item.require(name, item[name])
    if let text = value.stringValue { return text }
    guard value.arrayValue != nil else {
      throw item.invalid(name, "expected a string or an array of parts, got \(value.typeName).")
    }
    var text = ""
    for part in try item.readers(name) ?? [] {
      let type = try part.require("type", try part.string("type"))
      switch type {
      case "input_text", "output_text", "text": text += try part.require("text", try part.string("text"))
      case "refusal": text += try part.require("refusal", try part.string("refusal"))
      default: throw part.unsupported("type", "content of type `\(type.prefix(40))`; this server reads text only.")
      }
    }
    return text
  }
}

/// Turns as chat templates know them: calls belong to the assistant's turn before them.
struct Turns {
  private(set) var messages: [Message] = []

  mutating func append(_ message: Message) { messages.append(message) }

  mutating func append(_ call: ToolCall) {
    if messages.last?.role == .assistant {
      messages[messages.count - 1].toolCalls.append(call)
    } else {
      messages.append(Message(role: .assistant, content: "", toolCalls: [call]))
    }
  }
}
