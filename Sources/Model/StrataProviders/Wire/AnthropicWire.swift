// Owns the Anthropic Messages protocol (version 2023-06-01).
import StrataCore

struct AnthropicWire: RemoteWire {
  private static let version = "2023-06-01"
  /// The protocol demands a bound; this one is used when the caller names none.
  private static let defaultMaxTokens = 4096
  /// The forced tool through which a JSON value is asked for.
  private static let outputTool = "output"

  private let wantsJSON: Bool
  private var calls: [Int: PartialCall] = [:]
  private var reason: FinishReason?
  private var stopString: String?
  private var usage = Usage()
  private var hasCalls = false

  init(_ request: GenerationRequest) {
    wantsJSON = request.output != .text
  }

  static func request(_ request: GenerationRequest, to endpoint: RemoteEndpoint) throws(ProviderError) -> RemoteRequest
  {
    guard case .messages(let messages) = request.input else {
      throw ProviderError(
        ProviderError.unsupported, "The Messages protocol continues no bare prompt.", remedy: "Send messages.")
    }
    guard request.topLogprobs == nil, request.sampling.logitBias.isEmpty else {
      throw ProviderError(
        ProviderError.unsupported, "The Messages protocol knows neither log-probabilities nor logit bias.",
        remedy: "Leave them away, or use an OpenAI-compatible server.")
    }
    var body: JSONObject = [
      "model": .string(endpoint.model), "max_tokens": .int(request.maxTokens ?? defaultMaxTokens), "stream": true,
    ]
    let system = messages.filter { $0.role == .system || $0.role == .developer }.map(\.content)
    if !system.isEmpty { body["system"] = .string(system.joined(separator: "\n\n")) }
    body["messages"] = .array(turns(messages))
    // The protocol's temperature ends at 1.
    body["temperature"] = .double(Double(min(request.sampling.temperature, 1)))
    if request.sampling.topP < 1 { body["top_p"] = .double(Double(request.sampling.topP)) }
    if request.sampling.topK > 0 { body["top_k"] = .int(request.sampling.topK) }
    if !request.stop.isEmpty { body["stop_sequences"] = .array(request.stop.map(JSON.string)) }
    var tools = request.tools.map { tool -> JSON in
      ["name": .string(tool.name), "description": .string(tool.description), "input_schema": tool.parameters]
    }
    var choice: JSONObject? =
      switch request.toolChoice {
      case _ where request.tools.isEmpty: nil
      case .none: ["type": "none"]
      case .auto: ["type": "auto"]
      case .required: ["type": "any"]
      case .function(let name): ["type": "tool", "name": .string(name)]
      }
    switch request.output {
    case .text: break
    case .jsonObject, .jsonSchema:
      // The protocol's way to a valid value is a tool that must be called with it.
      let schema: JSON = if case .jsonSchema(let schema) = request.output { schema } else { ["type": "object"] }
      tools = [["name": .string(outputTool), "description": "Gives the answer.", "input_schema": schema]]
      choice = ["type": "tool", "name": .string(outputTool)]
    }
    if !request.parallelToolCalls, choice != nil { choice?["disable_parallel_tool_use"] = true }
    if !tools.isEmpty { body["tools"] = .array(tools) }
    body["tool_choice"] = choice.map(JSON.object)
    var headers = [
      ("Content-Type", "application/json"), ("Accept", "text/event-stream"), ("anthropic-version", version),
    ]
    if let key = endpoint.apiKey { headers.append(("x-api-key", key)) }
    return RemoteRequest(
      url: endpoint.baseURL + "/messages", headers: headers, body: Array(JSON.object(body).text().utf8))
  }

  /// Turns must alternate: neighbours of one role become blocks of one message, results of tools belong to the user.
  private static func turns(_ messages: [Message]) -> [JSON] {
    var turns: [(role: String, blocks: [JSON])] = []
    for message in messages where message.role != .system && message.role != .developer {
      let role = message.role == .assistant ? "assistant" : "user"
      var blocks: [JSON] = []
      if message.role == .tool {
        blocks.append([
          "type": "tool_result", "tool_use_id": .string(message.toolCallID ?? ""), "content": .string(message.content),
        ])
      } else if !message.content.isEmpty {
        blocks.append(["type": "text", "text": .string(message.content)])
      }
      for call in message.toolCalls {
        blocks.append([
          "type": "tool_use", "id": .string(call.id), "name": .string(call.name), "input": call.arguments,
        ])
      }
      guard !blocks.isEmpty else { continue }
      if turns.last?.role == role {
        turns[turns.count - 1].blocks += blocks
      } else {
        turns.append((role, blocks))
      }
    }
    return turns.map { ["role": .string($0.role), "content": .array($0.blocks)] }
  }

  mutating func push(_ event: ServerSentEvents.Event) throws(ProviderError) -> [GenerationEvent] {
    let value = try parsed(event.data)
    switch value["type"]?.stringValue {
    case "error":
      let message = Self.message(of: value) ?? "an error without a message"
      let isBusy = value["error"]?["type"]?.stringValue == "overloaded_error"
      throw ProviderError(isBusy ? ProviderError.overloaded : ProviderError.failed, "The server says: \(message)")
    case "message_start": count(value["message"]?["usage"])
    case "message_delta":
      count(value["usage"])
      switch value["delta"]?["stop_reason"]?.stringValue {
      case "max_tokens", "model_context_window_exceeded": reason = .length
      case "tool_use": reason = .toolCalls
      case nil: break
      default: reason = .stop
      }
      stopString = value["delta"]?["stop_sequence"]?.stringValue ?? stopString
    case "content_block_start":
      guard let block = value["content_block"], block["type"]?.stringValue == "tool_use",
        let index = value["index"]?.intValue, calls.count < 256
      else { break }
      calls[index] = PartialCall(id: block["id"]?.stringValue ?? "", name: block["name"]?.stringValue ?? "")
    case "content_block_delta": return delta(value)
    case "content_block_stop":
      guard let index = value["index"]?.intValue, let call = calls.removeValue(forKey: index), !wantsJSON else { break }
      hasCalls = true
      return [.toolCall(try call.finished())]
    default: break
    }
    return []
  }

  private mutating func delta(_ value: JSON) -> [GenerationEvent] {
    switch value["delta"]?["type"]?.stringValue {
    case "text_delta":
      // Beside a forced value, prose is not part of the output.
      guard !wantsJSON, let text = value["delta"]?["text"]?.stringValue, !text.isEmpty else { return [] }
      return [.text(text, logprobs: [])]
    case "input_json_delta":
      guard let index = value["index"]?.intValue, let piece = value["delta"]?["partial_json"]?.stringValue else {
        return []
      }
      if wantsJSON { return piece.isEmpty ? [] : [.text(piece, logprobs: [])] }
      calls[index]?.arguments += piece
      return []
    default: return []
    }
  }

  private mutating func count(_ counts: JSON?) {
    guard let counts else { return }
    let cached = counts["cache_read_input_tokens"]?.intValue
    if let input = counts["input_tokens"]?.intValue {
      let created = counts["cache_creation_input_tokens"]?.intValue ?? 0
      usage.promptTokens = input + created + (cached ?? usage.cachedTokens)
    }
    if let cached { usage.cachedTokens = cached }
    if let output = counts["output_tokens"]?.intValue { usage.completionTokens = output }
  }

  var isComplete: Bool { reason != nil }

  mutating func finish() throws(ProviderError) -> [GenerationEvent] {
    var events: [GenerationEvent] = []
    if let stopString { events.append(.stopString(stopString)) }
    let ending: FinishReason = hasCalls ? .toolCalls : reason == .toolCalls ? .stop : reason ?? .stop
    events.append(.finished(ending, usage, GenerationTimings()))
    return events
  }

  static func message(of body: JSON) -> String? {
    guard body["type"]?.stringValue == "error" || body["error"] != nil else { return nil }
    return body["error"]?["message"]?.stringValue
  }
}
