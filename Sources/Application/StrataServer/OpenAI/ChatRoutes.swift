// Owns `POST /v1/chat/completions`: whole answers and chunks of models. Questions to the documents go to DocumentChat.
import Hummingbird
import StrataCore

struct ChatRoutes: Sendable {
  let catalog: ModelCatalog
  let runner: GenerationRunner
  let documents: DocumentChat?

  var routes: [Route] {
    [Route(.post, "/v1/chat/completions") { request, context in try await complete(request, context) }]
  }

  private func complete(_ request: Request, _ context: RequestContext) async throws -> Response {
    let body = try await RequestBodyReader.object(of: request, limits: runner.limits)
    let chat = try ChatRequest(body, limits: runner.limits)
    if let documents, documents.isNamed(chat.model) {
      return try await documents.complete(chat, ParameterReader(body), request, context)
    }
    let model = try await catalog.model(chat.model, for: context)
    let session = try await runner.start(
      chat.generation.repeated(chat.choices), on: model, prompt: "messages", for: context)
    let format = ChatFormat(
      id: "chatcmpl-" + RandomID.make(24), model: model.name, created: UnixTime.now,
      hasLogprobs: chat.generation.topLogprobs != nil)
    guard chat.isStream else {
      defer { session.end() }
      let results = try await session.results()
      return .json(format.completion(results, usage: session.usage))
    }
    let first = try await session.first()
    let logger = context.logger
    return .events { writer in
      var chunks = ChatChunks(format: format, choices: chat.choices, includesUsage: chat.includesUsage)
      try await writer.send(session, startingWith: first, as: &chunks, logger: logger)
    }
  }
}

extension GenerationRequest {
  /// The same request `count` times; each choice after the first gets a seed of its own.
  func repeated(_ count: Int) -> [GenerationRequest] {
    (0..<count).map { index in
      var copy = self
      copy.sampling.seed = sampling.seed.map { $0 &+ UInt64(index) }
      return copy
    }
  }
}

/// How chat results look in JSON.
struct ChatFormat: Sendable {
  let id: String
  let model: String
  let created: Int
  let hasLogprobs: Bool

  func head(_ object: String) -> JSONObject {
    ["id": .string(id), "object": .string(object), "created": .int(created), "model": .string(model)]
  }

  func completion(_ results: [GenerationResult], usage: Usage) -> JSON {
    var body = head("chat.completion")
    body["choices"] = .array(
      results.enumerated().map { index, result in
        [
          "index": .int(index), "message": message(result),
          "logprobs": hasLogprobs ? ChatFormat.logprobs(result.logprobs) : .null,
          "finish_reason": .string(ChatFormat.reason(result.finishReason, hasCalls: !result.toolCalls.isEmpty)),
        ]
      })
    body["usage"] = usage.json
    return .object(body)
  }

  private func message(_ result: GenerationResult) -> JSON {
    let isCall = !result.toolCalls.isEmpty
    var message: JSONObject = [
      "role": "assistant", "content": isCall && result.text.isEmpty ? .null : .string(result.text), "refusal": .null,
    ]
    if isCall { message["tool_calls"] = .array(result.toolCalls.map { .object(ChatFormat.toolCall($0)) }) }
    return .object(message)
  }

  func usageChunk(_ usage: Usage) -> JSON {
    var chunk = head("chat.completion.chunk")
    chunk["choices"] = []
    chunk["usage"] = usage.json
    return .object(chunk)
  }

  static func toolCall(_ call: ToolCall) -> JSONObject {
    [
      "id": .string(call.id), "type": "function",
      "function": ["name": .string(call.name), "arguments": .string(call.argumentText)],
    ]
  }

  static func reason(_ reason: FinishReason, hasCalls: Bool) -> String {
    (hasCalls && reason == .stop ? .toolCalls : reason).rawValue
  }

  static func logprobs(_ tokens: [TokenLogprob]) -> JSON {
    func entry(_ token: TokenLogprob) -> JSONObject {
      [
        "token": .string(token.token), "logprob": .float(token.logprob),
        "bytes": .array(token.bytes.map { .int(Int($0)) }),
      ]
    }
    return [
      "content": .array(
        tokens.map { token in
          var object = entry(token)
          object["top_logprobs"] = .array(token.alternatives.map { .object(entry($0)) })
          return .object(object)
        }),
      "refusal": .null,
    ]
  }
}

/// Turns generation events into chunks.
struct ChatChunks: EventEncoder {
  let format: ChatFormat
  let choices: Int
  let includesUsage: Bool
  private var callCounts: [Int: Int] = [:]

  init(format: ChatFormat, choices: Int, includesUsage: Bool) {
    self.format = format
    self.choices = choices
    self.includesUsage = includesUsage
  }

  func opening() -> [ServerEvent] {
    (0..<choices).map { chunk($0, ["role": "assistant", "content": "", "refusal": .null]) }
  }

  func closing(_ usage: Usage) -> [ServerEvent] {
    (includesUsage ? [ServerEvent(format.usageChunk(usage))] : []) + [.done]
  }

  func failure(_ reply: ErrorReply) -> [ServerEvent] { [ServerEvent(reply.json)] }

  mutating func encode(_ index: Int, _ event: GenerationEvent) -> [ServerEvent] {
    switch event {
    case .text(let piece, let logprobs):
      guard !piece.isEmpty || !logprobs.isEmpty else { return [] }
      return [
        chunk(
          index, ["content": .string(piece)],
          logprobs: format.hasLogprobs ? ChatFormat.logprobs(logprobs) : .null)
      ]
    case .toolCall(let call):
      let position = callCounts[index, default: 0]
      callCounts[index] = position + 1
      var object: JSONObject = ["index": .int(position)]
      for (key, value) in ChatFormat.toolCall(call) { object[key] = value }
      return [chunk(index, ["tool_calls": [.object(object)]])]
    case .stopString: return []
    case .finished(let reason, _, _):
      return [
        chunk(index, [:], reason: .string(ChatFormat.reason(reason, hasCalls: callCounts[index] != nil)))
      ]
    }
  }

  func chunk(_ index: Int, _ delta: JSONObject, logprobs: JSON = .null, reason: JSON = .null) -> ServerEvent {
    var chunk = format.head("chat.completion.chunk")
    chunk["choices"] = [
      ["index": .int(index), "delta": .object(delta), "logprobs": logprobs, "finish_reason": reason]
    ]
    if includesUsage { chunk["usage"] = .null }
    return ServerEvent(.object(chunk))
  }
}

extension JSON {
  /// The shortest digits that read back as the same Float; null when it is not finite.
  static func float(_ value: Float) -> JSON {
    value.isFinite ? .number(JSONNumber(validated: "\(value)")) : .null
  }
}
