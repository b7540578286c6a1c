// Owns the body of a chat completion: messages, tools and formats as the OpenAI API writes them.
import StrataCore

/// A checked chat request.
struct ChatRequest: Sendable {
  var model: String
  var isStream: Bool
  var includesUsage: Bool
  var choices: Int
  var generation: GenerationRequest

  init(_ body: JSONObject, limits: ServerLimits) throws {
    let reader = ParameterReader(body)
    model = try reader.require("model", try reader.string("model"))
    isStream = try reader.bool("stream") ?? false
    includesUsage = try reader.includesUsage(isStream: isStream)
    choices = try reader.int("n", in: 1...limits.choices) ?? 1
    for name in ["functions", "function_call"] where reader[name] != nil {
      throw reader.unsupported(name, "is deprecated; use 'tools' and 'tool_choice'.")
    }
    for name in ["audio", "prediction", "web_search_options"] where reader[name] != nil {
      throw reader.unsupported(name, "is not offered by this server.")
    }
    if let modalities = try reader.array("modalities"), modalities != ["text"] {
      throw reader.unsupported("modalities", "only [\"text\"] is possible.")
    }
    let messages = try reader.require("messages", try reader.readers("messages"))
    guard !messages.isEmpty else { throw reader.invalid("messages", "must have at least one message.") }
    let tools = try ChatRequest.tools(reader)
    let choice = try ChatRequest.toolChoice(reader, tools)
    // Tools that may not be called are not shown: small models call whatever they see.
    generation = GenerationRequest(
      .messages(try messages.map(ChatRequest.message)), tools: choice == .none ? [] : tools, toolChoice: choice,
      output: try ChatRequest.output(reader),
      sampling: try reader.sampling(),
      maxTokens: try reader.int("max_completion_tokens", in: 1...10_000_000)
        ?? reader.int("max_tokens", in: 1...10_000_000),
      stop: try reader.stop(), topLogprobs: try ChatRequest.topLogprobs(reader),
      parallelToolCalls: try reader.bool("parallel_tool_calls") ?? true, priority: try reader.priority())
    try reader.checkIgnored()
  }

  private static func topLogprobs(_ reader: ParameterReader) throws -> Int? {
    let count = try reader.int("top_logprobs", in: 0...20)
    guard try reader.bool("logprobs") ?? false else {
      guard count == nil else { throw reader.invalid("top_logprobs", "needs 'logprobs': true.") }
      return nil
    }
    return count ?? 0
  }

  private static func message(_ reader: ParameterReader) throws -> Message {
    let name = try reader.require("role", try reader.string("role"))
    guard let role = Message.Role(rawValue: name) else {
      let roles = Message.Role.allCases.map(\.rawValue).joined(separator: ", ")
      throw reader.invalid("role", "`\(name.prefix(40))` is none of \(roles).")
    }
    var message = Message(role: role, content: "", name: try reader.string("name"))
    if role == .assistant { message.toolCalls = try toolCalls(reader) }
    if role == .tool { message.toolCallID = try reader.require("tool_call_id", try reader.string("tool_call_id")) }
    if let content = reader["content"] {
      message.content = try text(content, reader)
    } else if message.toolCalls.isEmpty {
      throw ServerError(
        .missingParameter, "Missing required parameter: '\(reader.path("content"))'.", parameter: reader.path("content")
      )
    }
    return message
  }

  /// A string, or parts of type text, joined.
  private static func text(_ content: JSON, _ reader: ParameterReader) throws -> String {
    if let text = content.stringValue { return text }
    guard content.arrayValue != nil else {
      throw reader.invalid("content", "expected a string or an array of parts, got \(content.typeName).")
    }
    var text = ""
    for part in try reader.readers("content") ?? [] {
      let type = try part.require("type", try part.string("type"))
      switch type {
      case "text": text += try part.require("text", try part.string("text"))
      case "refusal": text += try part.require("refusal", try part.string("refusal"))
      default: throw part.unsupported("type", "content of type `\(type.prefix(40))`; this server reads text only.")
      }
    }
    return text
  }

  private static func toolCalls(_ reader: ParameterReader) throws -> [ToolCall] {
    try (try reader.readers("tool_calls") ?? []).map { call in
      let function = try call.require("function", try call.reader("function"))
      return ToolCall(
        id: try call.require("id", try call.string("id")),
        name: try function.require("name", try function.string("name")),
        arguments: ToolReader.arguments(try function.string("arguments")))
    }
  }

  private static func tools(_ reader: ParameterReader) throws -> [ToolDefinition] {
    var tools = ToolReader()
    for tool in try ToolReader.list(reader) {
      let type = try tool.require("type", try tool.string("type"))
      guard type == "function" else {
        throw tool.unsupported("type", "only tools of type `function` are possible, not `\(type.prefix(40))`.")
      }
      try tools.add(try tool.require("function", try tool.reader("function")), schema: "parameters")
    }
    return tools.tools
  }

  private static func toolChoice(_ reader: ParameterReader, _ tools: [ToolDefinition]) throws -> ToolChoice {
    guard let value = reader["tool_choice"] else { return tools.isEmpty ? .none : .auto }
    guard !tools.isEmpty || value == "none" else { throw reader.invalid("tool_choice", "needs 'tools'.") }
    if let word = value.stringValue { return try ToolReader.choice(word: word, reader) }
    guard let choice = try reader.reader("tool_choice"), let function = try choice.reader("function") else {
      throw reader.invalid("tool_choice", "must be none, auto, required or a function.")
    }
    return try ToolReader.named(function, tools)
  }

  private static func output(_ reader: ParameterReader) throws -> OutputConstraint {
    guard let format = try reader.reader("response_format") else { return .text }
    let type = try format.require("type", try format.string("type"))
    switch type {
    case "text": return .text
    case "json_object": return .jsonObject
    case "json_schema":
      let definition = try format.require("json_schema", try format.reader("json_schema"))
      _ = try definition.require("name", try definition.string("name"))
      let schema = try definition.require("schema", definition["schema"])
      guard schema.objectValue != nil || schema.boolValue != nil else {
        throw definition.invalid("schema", "expected an object, got \(schema.typeName).")
      }
      return .jsonSchema(schema)
    default: throw format.invalid("type", "must be text, json_object or json_schema.")
    }
  }
}
