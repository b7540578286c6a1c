// Owns the body of `POST /v1/responses`: input items, tools and formats as the Responses API writes them.
import StrataCore

/// A checked request for a response.
struct ResponsesRequest: Sendable {
  let model: String
  let isStream: Bool
  let isStored: Bool
  let previous: String?
  let instructions: String?
  /// What the client sent, item by item, each with an id.
  let items: [JSON]
  /// The same as turns, without instructions.
  let turns: [Message]
  /// Everything but the input, which depends on the response before.
  let generation: GenerationRequest
  /// The parameters that a response repeats.
  let echo: JSONObject

  init(_ body: JSONObject) throws {
    let reader = ParameterReader(body)
    model = try reader.require("model", try reader.string("model"))
    isStream = try reader.bool("stream") ?? false
    isStored = try reader.bool("store") ?? true
    previous = try reader.string("previous_response_id")
    instructions = try reader.string("instructions")
    for name in ["conversation", "prompt"] where reader[name] != nil {
      throw reader.unsupported(name, "is not offered by this server.")
    }
    if try reader.bool("background") ?? false {
      throw reader.unsupported("background", "is not offered by this server.")
    }
    if let truncation = try reader.string("truncation"), truncation != "disabled" {
      throw reader.unsupported("truncation", "must be disabled on this server.")
    }
    (items, turns) = try ResponseItems.read(try reader.require("input", reader["input"]), reader)
    let tools = try ResponsesRequest.tools(reader)
    let (offered, choice) = try ResponsesRequest.toolChoice(reader, tools)
    let include = try reader.array("include") ?? []
    let topLogprobs = try reader.int("top_logprobs", in: 0...20)
    let isParallel = try reader.bool("parallel_tool_calls") ?? true
    let maxTokens = try reader.int("max_output_tokens", in: 1...10_000_000)
    let sampling = try reader.sampling()
    generation = GenerationRequest(
      .messages([]), tools: choice == .none ? [] : offered, toolChoice: choice,
      output: try ResponsesRequest.output(reader),
      sampling: sampling, maxTokens: maxTokens,
      topLogprobs: topLogprobs ?? (include.contains("message.output_text.logprobs") ? 0 : nil),
      parallelToolCalls: isParallel, priority: try reader.priority())
    try reader.checkIgnored()
    echo = [
      "background": false, "instructions": reader["instructions"] ?? .null,
      "max_output_tokens": reader["max_output_tokens"] ?? .null, "max_tool_calls": reader["max_tool_calls"] ?? .null,
      "metadata": reader["metadata"] ?? [:], "parallel_tool_calls": .bool(isParallel),
      "previous_response_id": reader["previous_response_id"] ?? .null,
      "reasoning": reader["reasoning"] ?? ["effort": .null, "summary": .null], "service_tier": "default",
      "store": .bool(isStored), "temperature": .float(sampling.temperature),
      "text": reader["text"] ?? ["format": ["type": "text"]], "tool_choice": reader["tool_choice"] ?? "auto",
      "tools": reader["tools"] ?? [], "top_logprobs": .int(topLogprobs ?? 0), "top_p": .float(sampling.topP),
      "truncation": "disabled", "user": reader["user"] ?? .null,
    ]
  }

  /// The whole request, after the turns of earlier responses.
  func generation(after history: [Message]) -> GenerationRequest {
    var request = generation
    let system = instructions.map { [Message.system($0)] } ?? []
    request.input = .messages(system + history + turns)
    return request
  }

  private static func tools(_ reader: ParameterReader) throws -> [ToolDefinition] {
    var tools = ToolReader()
    for tool in try ToolReader.list(reader) {
      let type = try tool.require("type", try tool.string("type"))
      guard type == "function" else {
        throw tool.unsupported("type", "only tools of type `function` are possible, not `\(type.prefix(40))`.")
      }
      try tools.add(tool, schema: "parameters")
    }
    return tools.tools
  }

  /// The tools that may be called and whether one must be; `allowed_tools` narrows the first.
  private static func toolChoice(
    _ reader: ParameterReader, _ tools: [ToolDefinition]
  ) throws -> ([ToolDefinition], ToolChoice) {
    guard let value = reader["tool_choice"] else { return (tools, tools.isEmpty ? .none : .auto) }
    guard !tools.isEmpty || value == "none" || value == "auto" else {
      throw reader.invalid("tool_choice", "needs 'tools'.")
    }
    if let word = value.stringValue {
      return (tools, tools.isEmpty ? .none : try ToolReader.choice(word: word, reader))
    }
    guard let choice = try reader.reader("tool_choice") else { return (tools, .auto) }
    switch try choice.string("type") {
    case "function": return (tools, try ToolReader.named(choice, tools))
    case "allowed_tools":
      let names = try (try choice.readers("tools") ?? []).map { tool -> String in
        _ = try ToolReader.named(tool, tools)
        return try tool.string("name") ?? ""
      }
      let mode = try choice.string("mode") ?? "auto"
      return (tools.filter { names.contains($0.name) }, try ToolReader.choice(word: mode, choice))
    default: throw choice.unsupported("type", "must be function or allowed_tools.")
    }
  }

  private static func output(_ reader: ParameterReader) throws -> OutputConstraint {
    guard let text = try reader.reader("text"), let format = try text.reader("format") else { return .text }
    let type = try format.require("type", try format.string("type"))
    switch type {
    case "text": return .text
    case "json_object": return .jsonObject
    case "json_schema":
      _ = try format.require("name", try format.string("name"))
      let schema = try format.require("schema", format["schema"])
      guard schema.objectValue != nil || schema.boolValue != nil else {
        throw format.invalid("schema", "expected an object, got \(schema.typeName).")
      }
      return .jsonSchema(schema)
    default: throw format.invalid("type", "must be text, json_object or json_schema.")
    }
  }
}
