import StrataCore
import StrataServer
import StrataTesting
import Testing

private let path = "/v1/chat/completions"
private let hello: JSON = ["model": "scripted", "messages": [["role": "user", "content": "Hi"]]]

private func chat(_ more: JSONObject) -> JSON {
  var body = hello.objectValue ?? [:]
  for (key, value) in more { body[key] = value }
  return .object(body)
}

@Suite("Chat completions")
struct ChatTests {
  @Test("a whole answer has the shape of the OpenAI API")
  func whole() async throws {
    try await withServer { server in
      let response = try await server.post(path, hello)
      #expect(response.status == 200)
      let body = response.json
      #expect(body["object"] == "chat.completion")
      #expect(body["choices"]?[0]?["message"]?["content"] == "Hello there, friend.")
      #expect(body["choices"]?[0]?["message"]?["role"] == "assistant")
      #expect(body["choices"]?[0]?["finish_reason"] == "stop")
      #expect(body["usage"]?["total_tokens"] == 15)
    }
  }

  @Test("a stream is role, pieces, reason, usage and the end mark")
  func stream() async throws {
    try await withServer { server in
      let response = try await server.post(path, chat(["stream": true, "stream_options": ["include_usage": true]]))
      #expect(response.status == 200)
      #expect(response.headers["content-type"] == "text/event-stream; charset=utf-8")
      let events = response.events.map(\.data)
      #expect(events.last == "[DONE]")
      let chunks = try events.dropLast().map { try JSON(parsing: $0) }
      #expect(chunks.first?["choices"]?[0]?["delta"]?["role"] == "assistant")
      let text = chunks.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.stringValue }.joined()
      #expect(text == "Hello there, friend.")
      #expect(chunks[chunks.count - 2]["choices"]?[0]?["finish_reason"] == "stop")
      #expect(chunks.last?["choices"] == [])
      #expect(chunks.last?["usage"]?["prompt_tokens"] == 10)
      #expect(Set(chunks.compactMap { $0["id"]?.stringValue }).count == 1)
    }
  }

  @Test("everything a request can say reaches the model")
  func parameters() async throws {
    let model = ScriptedModel(["{}"])
    try await withServer(models: [model]) { server in
      let body: JSON = [
        "model": "scripted",
        "messages": [
          ["role": "developer", "content": "Be brief."],
          ["role": "user", "content": [["type": "text", "text": "What is "], ["type": "text", "text": "this?"]]],
          [
            "role": "assistant", "content": .null,
            "tool_calls": [
              ["id": "c1", "type": "function", "function": ["name": "look", "arguments": "{\"at\":1}"]]
            ],
          ],
          ["role": "tool", "tool_call_id": "c1", "content": "a cat"],
        ],
        "tools": [
          ["type": "function", "function": ["name": "look", "description": "Looks", "parameters": ["type": "object"]]]
        ],
        "tool_choice": ["type": "function", "function": ["name": "look"]], "temperature": 0.25, "top_p": 0.5,
        "frequency_penalty": 0.5, "presence_penalty": -0.5, "seed": -1, "stop": ["END", "STOP"],
        "max_completion_tokens": 77, "logprobs": true, "top_logprobs": 3, "logit_bias": ["5": -100, "9": 2.5],
        "response_format": [
          "type": "json_schema",
          "json_schema": [
            "name": "s", "strict": true, "schema": ["type": "object", "properties": ["z": [:], "a": [:]]],
          ],
        ],
      ]
      let response = try await server.post(path, body)
      #expect(response.status == 200)
    }
    let request = try #require(model.requests.first)
    #expect(
      request.input
        == .messages([
          Message(role: .developer, content: "Be brief."), .user("What is this?"),
          Message(role: .assistant, content: "", toolCalls: [ToolCall(id: "c1", name: "look", arguments: ["at": 1])]),
          Message(role: .tool, content: "a cat", toolCallID: "c1"),
        ]))
    #expect(request.toolChoice == .function("look"))
    #expect(request.tools.map(\.name) == ["look"])
    #expect(request.sampling.temperature == 0.25)
    #expect(request.sampling.topP == 0.5)
    #expect(request.sampling.frequencyPenalty == 0.5)
    #expect(request.sampling.presencePenalty == -0.5)
    #expect(request.sampling.seed == .max)
    #expect(request.sampling.logitBias == [5: -100, 9: 2.5])
    #expect(request.stop == ["END", "STOP"])
    #expect(request.maxTokens == 77)
    #expect(request.topLogprobs == 3)
    guard case .jsonSchema(let schema) = request.output else {
      Issue.record("The schema did not arrive.")
      return
    }
    #expect(schema["properties"]?.objectValue?.keys == ["z", "a"])
  }

  @Test("several choices run with seeds of their own and share one usage")
  func choices() async throws {
    let model = ScriptedModel { _, index in "answer \(index)" }
    try await withServer(models: [model]) { server in
      let body = try await server.post(path, chat(["n": 3, "seed": 7])).json
      let texts = (0..<3).compactMap { body["choices"]?[$0]?["message"]?["content"]?.stringValue }
      #expect(Set(texts) == ["answer 0", "answer 1", "answer 2"])
      #expect(body["usage"]?["prompt_tokens"] == 10)
      #expect(body["usage"]?["completion_tokens"] == 6)
    }
    #expect(Set(model.requests.map(\.sampling.seed)) == [7, 8, 9])
  }

  @Test("tool calls come whole and streamed")
  func toolCalls() async throws {
    let model = FixedModel([
      .toolCall(ToolCall(id: "call_9", name: "add", arguments: ["a": 1])),
      .finished(.toolCalls, Usage(promptTokens: 1, completionTokens: 1), GenerationTimings()),
    ])
    try await withServer(models: [model]) { server in
      let tools: JSON = [["type": "function", "function": ["name": "add"]]]
      let body: JSON = ["model": "fixed", "messages": [["role": "user", "content": "1+1"]], "tools": tools]
      let choice = try await server.post(path, body).json["choices"]?[0]
      #expect(choice?["finish_reason"] == "tool_calls")
      #expect(choice?["message"]?["content"] == .null)
      #expect(choice?["message"]?["tool_calls"]?[0]?["function"] == ["name": "add", "arguments": "{\"a\":1}"])
      var streamed = body.objectValue ?? [:]
      streamed["stream"] = true
      let events = try await server.post(path, .object(streamed)).events
      let call = try JSON(parsing: events[1].data)["choices"]?[0]?["delta"]?["tool_calls"]?[0]
      #expect(call?["index"] == 0)
      #expect(call?["id"] == "call_9")
    }
  }

  @Test("log-probabilities have tokens, bytes and alternatives")
  func logprobs() async throws {
    let token = TokenLogprob(
      token: "é", bytes: [0xC3, 0xA9], logprob: -0.5,
      alternatives: [TokenLogprob(token: "e", bytes: [0x65], logprob: -1.25)])
    let model = FixedModel([
      .text("é", logprobs: [token]),
      .finished(.stop, Usage(promptTokens: 1, completionTokens: 1), GenerationTimings()),
    ])
    try await withServer(models: [model]) { server in
      let body: JSON = [
        "model": "fixed", "messages": [["role": "user", "content": "?"]], "logprobs": true, "top_logprobs": 1,
      ]
      let entry = try await server.post(path, body).json["choices"]?[0]?["logprobs"]?["content"]?[0]
      #expect(
        entry == [
          "token": "é", "logprob": -0.5, "bytes": [195, 169],
          "top_logprobs": [["token": "e", "logprob": -1.25, "bytes": [101]]],
        ])
    }
  }

  @Test("what is wrong is named by its parameter", arguments: badRequests)
  func refused(request: BadRequest) async throws {
    try await withServer { server in
      let response = try await server.post(path, chat(request.change))
      #expect(response.status == request.status)
      #expect(response.json["error"]?["param"] == .string(request.parameter))
      #expect(response.json["error"]?["type"] == "invalid_request_error")
      #expect(response.json["error"]?["message"]?.stringValue?.isEmpty == false)
    }
  }

  @Test("a prompt longer than the context is refused before it reaches the model")
  func contextLength() async throws {
    let model = ScriptedModel(contextLength: 8) { _, _ in "never" }
    try await withServer(models: [model]) { server in
      let long = "one two three four five six seven eight nine"
      for isStream in [true, false] {
        let response = try await server.post(
          path, chat(["messages": [["role": "user", "content": .string(long)]], "stream": .bool(isStream)]))
        #expect(response.status == 400)
        #expect(response.errorCode == "context_length_exceeded")
      }
    }
    #expect(model.requests.isEmpty)
  }

  @Test("an error of the model keeps its status, in a stream too when it comes first; the inside stays inside")
  func modelErrors() async throws {
    struct Secret: Error {}
    let model = ScriptedModel { _, index in
      if index < 2 { throw Secret() }
      throw ServerError(ErrorCode("engine_stopped", .unavailable), "The engine is restarting.")
    }
    try await withServer(models: [model]) { server in
      for isStream in [false, true] {
        let response = try await server.post(path, chat(["stream": .bool(isStream)]))
        #expect(response.status == 500)
        #expect(!response.body.contains("Secret"))
        #expect(response.json["error"]?["type"] == "server_error")
      }
      let busy = try await server.post(path, hello)
      #expect(busy.status == 503)
      #expect(busy.errorCode == "engine_stopped")
      #expect(busy.headers["retry-after"] != nil)
    }
  }

  @Test("an error in the middle of a stream is its last event")
  func lateError() async throws {
    let model = FixedModel(
      [.text("Half ", logprobs: [])], then: ServerError(ErrorCode("disk_full", .exhausted), "The disk is full."))
    try await withServer(models: [model]) { server in
      let body: JSON = ["model": "fixed", "messages": [["role": "user", "content": "?"]], "stream": true]
      let events = try await server.post(path, body).events
      let last = try JSON(parsing: events.last?.data ?? "")
      #expect(last["error"]?["code"] == "disk_full")
      #expect(!events.contains { $0.data == "[DONE]" })
    }
  }
}

struct BadRequest: Sendable, CustomTestStringConvertible {
  let change: JSONObject
  let parameter: String
  var status = 400
  var testDescription: String { "\(parameter) \(JSON.object(change).text().prefix(60))" }
}

private let badRequests: [BadRequest] = [
  BadRequest(change: ["model": .null], parameter: "model"),
  BadRequest(change: ["model": "gpt-9"], parameter: "model", status: 404),
  BadRequest(change: ["messages": .null], parameter: "messages"),
  BadRequest(change: ["messages": []], parameter: "messages"),
  BadRequest(change: ["messages": ["hi"]], parameter: "messages[0]"),
  BadRequest(change: ["messages": [["role": "wizard", "content": "x"]]], parameter: "messages[0].role"),
  BadRequest(change: ["messages": [["role": "user"]]], parameter: "messages[0].content"),
  BadRequest(change: ["messages": [["role": "tool", "content": "x"]]], parameter: "messages[0].tool_call_id"),
  BadRequest(
    change: ["messages": [["role": "user", "content": [["type": "image_url"]]]]],
    parameter: "messages[0].content[0].type"),
  BadRequest(change: ["temperature": 3], parameter: "temperature"),
  BadRequest(change: ["temperature": "hot"], parameter: "temperature"),
  BadRequest(change: ["top_p": 0], parameter: "top_p"),
  BadRequest(change: ["n": 0], parameter: "n"),
  BadRequest(change: ["n": 1000], parameter: "n"),
  BadRequest(change: ["max_tokens": -5], parameter: "max_tokens"),
  BadRequest(change: ["max_tokens": 1.5], parameter: "max_tokens"),
  BadRequest(change: ["stop": [""]], parameter: "stop"),
  BadRequest(change: ["stop": 3], parameter: "stop"),
  BadRequest(change: ["seed": "x"], parameter: "seed"),
  BadRequest(change: ["top_logprobs": 2], parameter: "top_logprobs"),
  BadRequest(change: ["logprobs": true, "top_logprobs": 21], parameter: "top_logprobs"),
  BadRequest(change: ["logit_bias": ["x": 1]], parameter: "logit_bias"),
  BadRequest(change: ["logit_bias": ["1": 101]], parameter: "logit_bias.1"),
  BadRequest(change: ["response_format": ["type": "xml"]], parameter: "response_format.type"),
  BadRequest(
    change: ["response_format": ["type": "json_schema", "json_schema": ["name": "x"]]],
    parameter: "response_format.json_schema.schema"),
  BadRequest(
    change: ["tools": [["type": "function", "function": ["name": "a b"]]]], parameter: "tools[0].function.name"),
  BadRequest(change: ["tools": [["type": "magic"]]], parameter: "tools[0].type"),
  BadRequest(change: ["tool_choice": "required"], parameter: "tool_choice"),
  BadRequest(change: ["stream_options": ["include_usage": true]], parameter: "stream_options"),
  BadRequest(change: ["functions": []], parameter: "functions"),
]

/// Streams exactly these events.
final class FixedModel: LanguageModel {
  let info = ModelInfo(id: "fixed", contextLength: 100)
  private let events: [GenerationEvent]
  private let failure: (any Error)?

  init(_ events: [GenerationEvent], then failure: (any Error)? = nil) {
    self.events = events
    self.failure = failure
  }

  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream { continuation in
      for event in events { continuation.yield(event) }
      continuation.finish(throwing: failure)
    }
  }

  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int { 1 }
}
