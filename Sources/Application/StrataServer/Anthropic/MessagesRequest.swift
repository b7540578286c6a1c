// Owns the body of `POST /v1/messages`: turns of content blocks, tools and choices as Anthropic's API writes them.
import StrataCore

/// A checked request for a message.
struct MessagesRequest: Sendable {
  let model: String
  let isStream: Bool
  let generation: GenerationRequest

  /// - Parameter isCounted: whether only tokens are counted, which needs no `max_tokens`.
  init(_ body: JSONObject, isCounted: Bool = false) throws {
    let reader = ParameterReader(body)
    model = try reader.require("model", try reader.string("model"))
    isStream = try reader.bool("stream") ?? false
    let maxTokens = try reader.int("max_tokens", in: 1...10_000_000)
    if !isCounted { _ = try reader.require("max_tokens", maxTokens) }
    let given = try reader.require("messages", try reader.readers("messages"))
    guard !given.isEmpty else { throw reader.invalid("messages", "must have at least one message.") }
    var messages = try MessagesRequest.system(reader)
    for message in given { messages += try MessagesRequest.turns(message) }
    guard isCounted || messages.last?.role != .assistant else {
      throw reader.unsupported("messages", "the conversation must end with a user's turn; prefilling is not possible.")
    }
    let tools = try MessagesRequest.tools(reader)
    let (choice, isParallel) = try MessagesRequest.toolChoice(reader, tools)
    var sampling = SamplingParameters()
    if let value = try reader.float("temperature", in: 0...1) { sampling.temperature = value }
    if let value = try reader.float("top_p", in: 0...1) {
      guard value > 0 else { throw reader.invalid("top_p", "must be greater than 0.") }
      sampling.topP = value
    }
    if let value = try reader.int("top_k", in: 0...1_000_000) { sampling.topK = value }
    generation = GenerationRequest(
      .messages(messages), tools: choice == .none ? [] : tools, toolChoice: choice,
      output: try MessagesRequest.output(reader),
      sampling: sampling, maxTokens: maxTokens, stop: try MessagesRequest.stops(reader),
      parallelToolCalls: isParallel, priority: try reader.priority())
  }

  private static func system(_ reader: ParameterReader) throws -> [Message] {
    guard let value = reader["system"] else { return [] }
    if let text = value.stringValue { return [.system(text)] }
    return [.system(try text(of: "system", reader))]
  }

  /// A string, or text blocks, joined.
  private static func text(of name: String, _ reader: ParameterReader) throws -> String {
    guard let value = reader[name] else { return "" }
    if let text = value.stringValue { return text }
    guard value.arrayValue != nil else {
      throw reader.invalid(name, "expected a string or an array of content blocks, got \(value.typeName).")
    }
    var parts: [String] = []
    for block in try reader.readers(name) ?? [] {
      let type = try block.require("type", try block.string("type"))
      guard type == "text" else { throw unsupported(block, type) }
      parts.append(try block.require("text", try block.string("text")))
    }
    return parts.joined(separator: "\n")
  }

  private static func unsupported(_ block: ParameterReader, _ type: String) -> ServerError {
    block.unsupported("type", "content of type `\(type.prefix(40))`; this server reads text only.")
  }

  /// One turn of the API can be several for a chat template: results of tools are turns of their own.
  private static func turns(_ reader: ParameterReader) throws -> [Message] {
    let name = try reader.require("role", try reader.string("role"))
    guard let role = Message.Role(rawValue: name), [.user, .assistant, .system].contains(role) else {
      throw reader.invalid("role", "`\(name.prefix(40))` is neither user nor assistant.")
    }
    let content = try reader.require("content", reader["content"])
    if let text = content.stringValue { return [Message(role: role, content: text)] }
    guard content.arrayValue != nil else {
      throw reader.invalid("content", "expected a string or an array of content blocks, got \(content.typeName).")
    }
    var results: [Message] = []
    var texts: [String] = []
    var calls: [ToolCall] = []
    for block in try reader.readers("content") ?? [] {
      let type = try block.require("type", try block.string("type"))
      switch (type, role) {
      case ("text", _): texts.append(try block.require("text", try block.string("text")))
      case ("tool_use", .assistant):
        calls.append(
          ToolCall(
            id: try block.require("id", try block.string("id")),
            name: try block.require("name", try block.string("name")),
            arguments: try block.reader("input").map { .object($0.object) } ?? .object([:])))
      case ("tool_result", .user): results.append(try result(block))
      // What a model thought is not shown to another one.
      case ("thinking", .assistant), ("redacted_thinking", .assistant): continue
      default: throw unsupported(block, type)
      }
    }
    var turn = Message(role: role, content: texts.joined(separator: "\n"))
    turn.toolCalls = calls
    let isEmpty = texts.isEmpty && calls.isEmpty
    return results + (isEmpty && !results.isEmpty ? [] : [turn])
  }

  private static func result(_ block: ParameterReader) throws -> Message {
    let text = try text(of: "content", block)
    let isError = try block.bool("is_error") ?? false
    return Message(
      role: .tool, content: isError ? "Error: \(text)" : text,
      toolCallID: try block.require("tool_use_id", try block.string("tool_use_id")))
  }

  private static func tools(_ reader: ParameterReader) throws -> [ToolDefinition] {
    var tools = ToolReader()
    for tool in try ToolReader.list(reader) {
      if let type = try tool.string("type"), type != "custom" {
        throw tool.unsupported("type", "only tools that the client runs are possible, not `\(type.prefix(40))`.")
      }
      try tools.add(tool, schema: "input_schema")
    }
    return tools.tools
  }

  private static func toolChoice(_ reader: ParameterReader, _ tools: [ToolDefinition]) throws -> (ToolChoice, Bool) {
    guard let choice = try reader.reader("tool_choice") else { return (tools.isEmpty ? .none : .auto, true) }
    let isParallel = try choice.bool("disable_parallel_tool_use") != true
    let type = try choice.require("type", try choice.string("type"))
    guard !tools.isEmpty || type == "none" else { throw reader.invalid("tool_choice", "needs 'tools'.") }
    switch type {
    case "auto": return (.auto, isParallel)
    case "any": return (.required, isParallel)
    case "none": return (.none, isParallel)
    case "tool": return (try ToolReader.named(choice, tools), isParallel)
    default: throw choice.invalid("type", "must be auto, any, tool or none.")
    }
  }

  private static func stops(_ reader: ParameterReader) throws -> [String] {
    let values = try reader.array("stop_sequences") ?? []
    guard values.count <= 64 else { throw reader.invalid("stop_sequences", "has more than 64 entries.") }
    return try values.map { value in
      guard let text = value.stringValue, !text.isEmpty, text.utf8.count <= 1024 else {
        throw reader.invalid("stop_sequences", "each entry must be a string of 1 to 1024 bytes.")
      }
      return text
    }
  }

  private static func output(_ reader: ParameterReader) throws -> OutputConstraint {
    guard let format = try reader.reader("output_config")?.reader("format") ?? reader.reader("output_format") else {
      return .text
    }
    guard try format.string("type") == "json_schema" else { throw format.invalid("type", "must be json_schema.") }
    return .jsonSchema(.object(try format.require("schema", try format.reader("schema")).object))
  }
}
