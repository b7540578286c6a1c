// Owns what an Anthropic message looks like, whole and as events.
import StrataCore

/// Builds one message out of generation events.
struct MessagesStream: EventEncoder {
  private let id: String
  private let model: String
  /// Prompt tokens as counted before the model ran, for the first event.
  private let promptTokens: Int
  private var blocks: [JSON] = []
  /// The text block that is being written.
  private var text: String?
  private var hasCalls = false
  private var reason = FinishReason.stop
  private var stopString: String?

  init(id: String, model: String, promptTokens: Int) {
    self.id = id
    self.model = model
    self.promptTokens = promptTokens
  }

  var keepAlive: ServerEvent? { ServerEvent(["type": "ping"], name: "ping") }

  mutating func opening() -> [ServerEvent] {
    let usage = Usage(promptTokens: promptTokens, completionTokens: 0)
    return [
      event("message_start", ["message": message(usage, stopReason: .null, stopSequence: .null)]), event("ping", [:]),
    ]
  }

  mutating func encode(_ index: Int, _ event: GenerationEvent) -> [ServerEvent] {
    switch event {
    case .text(let piece, _): return write(piece)
    case .toolCall(let call): return closeText() + add(call)
    case .stopString(let stop): stopString = stop
    case .finished(let reason, _, _): self.reason = reason
    }
    return []
  }

  mutating func closing(_ usage: Usage) -> [ServerEvent] {
    closeText() + [
      event(
        "message_delta",
        [
          "delta": ["stop_reason": .string(stopReason), "stop_sequence": stopString.map(JSON.string) ?? .null],
          "usage": MessagesStream.usage(usage),
        ]), event("message_stop", [:]),
    ]
  }

  func failure(_ reply: ErrorReply) -> [ServerEvent] { [ServerEvent(reply.anthropicJSON, name: "error")] }

  /// The finished message.
  func message(_ usage: Usage) -> JSON {
    message(usage, stopReason: .string(stopReason), stopSequence: stopString.map(JSON.string) ?? .null)
  }

  private func event(_ type: String, _ fields: JSONObject) -> ServerEvent {
    var object: JSONObject = ["type": .string(type)]
    for (key, value) in fields { object[key] = value }
    return ServerEvent(.object(object), name: type)
  }

  private var index: JSON { .int(blocks.count) }

  private mutating func write(_ piece: String) -> [ServerEvent] {
    guard !piece.isEmpty else { return [] }
    var events: [ServerEvent] = []
    if text == nil {
      events.append(event("content_block_start", ["index": index, "content_block": ["type": "text", "text": ""]]))
    }
    text = (text ?? "") + piece
    let delta: JSON = ["type": "text_delta", "text": .string(piece)]
    return events + [event("content_block_delta", ["index": index, "delta": delta])]
  }

  private mutating func closeText() -> [ServerEvent] {
    guard let done = text else { return [] }
    text = nil
    let events = [event("content_block_stop", ["index": index])]
    blocks.append(["type": "text", "text": .string(done)])
    return events
  }

  private mutating func add(_ call: ToolCall) -> [ServerEvent] {
    hasCalls = true
    func block(_ input: JSON) -> JSON {
      ["type": "tool_use", "id": .string(call.id), "name": .string(call.name), "input": input]
    }
    // Clients expect an object, whatever a model wrote.
    let input: JSON = call.arguments.objectValue == nil ? ["value": call.arguments] : call.arguments
    let delta: JSON = ["type": "input_json_delta", "partial_json": .string(input.text())]
    let events = [
      event("content_block_start", ["index": index, "content_block": block([:])]),
      event("content_block_delta", ["index": index, "delta": delta]),
      event("content_block_stop", ["index": index]),
    ]
    blocks.append(block(input))
    return events
  }

  private var stopReason: String {
    if stopString != nil { return "stop_sequence" }
    if hasCalls { return "tool_use" }
    return reason == .length ? "max_tokens" : "end_turn"
  }

  private func message(_ usage: Usage, stopReason: JSON, stopSequence: JSON) -> JSON {
    [
      "id": .string(id), "type": "message", "role": "assistant", "model": .string(model), "content": .array(blocks),
      "stop_reason": stopReason, "stop_sequence": stopSequence, "usage": MessagesStream.usage(usage),
    ]
  }

  /// Anthropic counts prompt tokens that were cached apart from the others.
  private static func usage(_ usage: Usage) -> JSON {
    [
      "input_tokens": .int(max(0, usage.promptTokens - usage.cachedTokens)), "cache_creation_input_tokens": 0,
      "cache_read_input_tokens": .int(usage.cachedTokens), "output_tokens": .int(usage.completionTokens),
    ]
  }
}
