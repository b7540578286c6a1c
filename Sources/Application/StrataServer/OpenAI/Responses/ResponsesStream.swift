// Owns what a response looks like, whole and while it comes into being: items and the typed events about them.
import StrataCore

/// Builds one response out of generation events.
struct ResponsesStream: EventEncoder {
  /// The message that is being written.
  struct OpenMessage {
    let id: String
    var text = ""
    var logprobs: [TokenLogprob] = []
  }

  private let id: String
  private let model: String
  private let created: Int
  private let request: ResponsesRequest
  private var sequence = 0
  private var output: [JSON] = []
  private var message: OpenMessage?
  private var isCutShort = false
  /// What the assistant said and called, for the next response that builds on this one.
  private(set) var turns = Turns()
  /// The response as it is now.
  private(set) var response: JSON = .null

  init(id: String, model: String, created: Int, request: ResponsesRequest) {
    self.id = id
    self.model = model
    self.created = created
    self.request = request
    response = snapshot("in_progress")
  }

  // MARK: Events

  mutating func opening() -> [ServerEvent] {
    [event("response.created", ["response": response]), event("response.in_progress", ["response": response])]
  }

  mutating func encode(_ index: Int, _ event: GenerationEvent) -> [ServerEvent] {
    switch event {
    case .text(let piece, let logprobs):
      guard !piece.isEmpty || !logprobs.isEmpty else { return [] }
      return openMessage() + [delta(piece, logprobs)]
    case .toolCall(let call): return closeMessage() + add(call)
    case .stopString: return []
    case .finished(let reason, _, _):
      isCutShort = reason == .length
      return []
    }
  }

  mutating func closing(_ usage: Usage) -> [ServerEvent] {
    var events: [ServerEvent] = []
    // A response without any item would leave clients without a text.
    if output.isEmpty { events += openMessage() }
    events += closeMessage()
    response = snapshot(
      isCutShort ? "incomplete" : "completed", usage: usage,
      ["incomplete_details": isCutShort ? ["reason": "max_output_tokens"] : .null])
    events.append(event(isCutShort ? "response.incomplete" : "response.completed", ["response": response]))
    return events
  }

  mutating func failure(_ reply: ErrorReply) -> [ServerEvent] {
    let code = reply.status.code == 429 ? "rate_limit_exceeded" : "server_error"
    let events = closeMessage()
    response = snapshot("failed", ["error": ["code": .string(code), "message": .string(reply.message)]])
    return events + [event("response.failed", ["response": response])]
  }

  private mutating func event(_ type: String, _ fields: JSONObject) -> ServerEvent {
    var object: JSONObject = ["type": .string(type), "sequence_number": .int(sequence)]
    for (key, value) in fields { object[key] = value }
    sequence += 1
    return ServerEvent(.object(object), name: type)
  }

  // MARK: Messages

  private mutating func openMessage() -> [ServerEvent] {
    guard message == nil else { return [] }
    let opened = OpenMessage(id: ResponseItems.newID("msg"))
    message = opened
    return [
      event(
        "response.output_item.added",
        ["output_index": .int(output.count), "item": item(opened, status: "in_progress", content: [])]),
      event(
        "response.content_part.added",
        ["item_id": .string(opened.id), "output_index": .int(output.count), "content_index": 0, "part": part(opened)]),
    ]
  }

  private mutating func delta(_ piece: String, _ logprobs: [TokenLogprob]) -> ServerEvent {
    message?.text += piece
    message?.logprobs += logprobs
    return event(
      "response.output_text.delta",
      [
        "item_id": .string(message?.id ?? ""), "output_index": .int(output.count), "content_index": 0,
        "delta": .string(piece), "logprobs": ResponsesStream.logprobs(logprobs),
      ])
  }

  private mutating func closeMessage() -> [ServerEvent] {
    guard let done = message else { return [] }
    message = nil
    let place: JSONObject = [
      "item_id": .string(done.id), "output_index": .int(output.count), "content_index": 0,
    ]
    var text = place
    text["text"] = .string(done.text)
    text["logprobs"] = ResponsesStream.logprobs(done.logprobs)
    var whole = place
    whole["part"] = part(done)
    let finished = item(done, status: isCutShort ? "incomplete" : "completed", content: [part(done)])
    let events = [
      event("response.output_text.done", text), event("response.content_part.done", whole),
      event("response.output_item.done", ["output_index": .int(output.count), "item": finished]),
    ]
    output.append(finished)
    turns.append(.assistant(done.text))
    return events
  }

  private func item(_ message: OpenMessage, status: String, content: [JSON]) -> JSON {
    [
      "id": .string(message.id), "type": "message", "status": .string(status), "role": "assistant",
      "content": .array(content),
    ]
  }

  private func part(_ message: OpenMessage) -> JSON {
    [
      "type": "output_text", "text": .string(message.text), "annotations": [],
      "logprobs": ResponsesStream.logprobs(message.logprobs),
    ]
  }

  private static func logprobs(_ tokens: [TokenLogprob]) -> JSON {
    ChatFormat.logprobs(tokens)["content"] ?? []
  }

  // MARK: Calls

  private mutating func add(_ call: ToolCall) -> [ServerEvent] {
    let id = ResponseItems.newID("fc")
    func item(_ arguments: String, _ status: String) -> JSON {
      [
        "id": .string(id), "type": "function_call", "status": .string(status), "call_id": .string(call.id),
        "name": .string(call.name), "arguments": .string(arguments),
      ]
    }
    let index = JSON.int(output.count)
    let place: JSONObject = ["item_id": .string(id), "output_index": index]
    var delta = place
    delta["delta"] = .string(call.argumentText)
    var done = place
    done["name"] = .string(call.name)
    done["arguments"] = .string(call.argumentText)
    let finished = item(call.argumentText, "completed")
    let events = [
      event("response.output_item.added", ["output_index": index, "item": item("", "in_progress")]),
      event("response.function_call_arguments.delta", delta),
      event("response.function_call_arguments.done", done),
      event("response.output_item.done", ["output_index": index, "item": finished]),
    ]
    output.append(finished)
    turns.append(call)
    return events
  }

  // MARK: The whole

  private func snapshot(_ status: String, usage: Usage? = nil, _ more: JSONObject = [:]) -> JSON {
    var body: JSONObject = [
      "id": .string(id), "object": "response", "created_at": .int(created), "status": .string(status),
      "error": .null, "incomplete_details": .null, "model": .string(model), "output": .array(output),
      "usage": usage.map(ResponsesStream.usage) ?? .null,
    ]
    for (key, value) in request.echo { body[key] = value }
    if status == "completed" { body["completed_at"] = .int(UnixTime.now) }
    for (key, value) in more { body[key] = value }
    return .object(body)
  }

  private static func usage(_ usage: Usage) -> JSON {
    [
      "input_tokens": .int(usage.promptTokens),
      "input_tokens_details": ["cached_tokens": .int(usage.cachedTokens), "cache_write_tokens": 0],
      "output_tokens": .int(usage.completionTokens), "output_tokens_details": ["reasoning_tokens": 0],
      "total_tokens": .int(usage.totalTokens),
    ]
  }
}
