// Owns how tools are shown to a model whose chat template knows nothing about them.
import StrataCore

enum ToolPrompt {
  /// Messages as the template shall see them: with a system part that describes the tools where the template does not
  /// render them itself, in the Hermes format that most small models were trained on.
  static func messages(_ messages: [Message], tools: [ToolDefinition], templateRendersTools: Bool) -> [Message] {
    guard !tools.isEmpty, !templateRendersTools else { return messages }
    let list = tools.map { tool -> String in
      let function: JSON = [
        "name": .string(tool.name), "description": .string(tool.description), "parameters": tool.parameters,
      ]
      return (["type": "function", "function": function] as JSON).text()
    }
    let text = """
      You may call these functions:
      <tools>
      \(list.joined(separator: "\n"))
      </tools>
      To call one, reply with <tool_call>{"name": …, "arguments": {…}}</tool_call> and nothing else.
      """
    var result = messages
    if result.first?.role == .system {
      result[0].content += "\n\n" + text
    } else {
      result.insert(.system(text), at: 0)
    }
    return result.map { message in
      guard message.role == .tool else { return message }
      return Message(role: .user, content: "<tool_response>\(message.content)</tool_response>")
    }
  }
}
