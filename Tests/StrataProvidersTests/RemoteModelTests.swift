import StrataCore
import StrataProviders
import StrataTesting
import Synchronization
import Testing

/// Answers with recorded bytes, cut into small pieces.
private final class RecordedTransport: RemoteTransport {
  struct Answer: Sendable {
    var status = 200
    var headers: [String: String] = [:]
    var body: String
  }

  let requests = Mutex<[RemoteRequest]>([])
  private let answers: Mutex<[Answer]>

  init(_ answers: [Answer]) { self.answers = Mutex(answers) }

  func post(_ request: RemoteRequest, timeout: Duration) async throws -> RemoteReply {
    requests.withLock { $0.append(request) }
    let answer = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0.first }
    guard let answer else { throw ProviderError(ProviderError.unreachable, "Nobody there.") }
    let stream = AsyncThrowingStream<[UInt8], any Error> { continuation in
      let bytes = Array(answer.body.utf8)
      for start in stride(from: 0, to: bytes.count, by: 11) {
        continuation.yield(Array(bytes[start..<min(start + 11, bytes.count)]))
      }
      continuation.finish()
    }
    return RemoteReply(status: answer.status, headers: answer.headers, body: stream)
  }

  var bodies: [JSON] { requests.withLock { $0.compactMap { try? JSON(parsing: $0.body) } } }
}

@Suite("Remote models")
struct RemoteModelTests {
  private func model(
    _ transport: RecordedTransport, _ dialect: RemoteEndpoint.Dialect = .openAI, retries: Int = 2,
    pauses: (@Sendable (Duration) -> Void)? = nil
  ) throws -> RemoteModel {
    RemoteModel(
      endpoint: try RemoteEndpoint(
        dialect: dialect, baseURL: "https://models.example/v1", model: "big", apiKey: "secret-key", retries: retries),
      transport: transport, breaker: CircuitBreaker(threshold: 3, pause: .seconds(60)),
      sleep: { pauses?($0) }, jitter: { 1 })
  }

  private static let chat = [
    #"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
    #"{"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#,
    #"{"choices":[{"index":0,"delta":{"content":"lo"},"logprobs":{"content":[{"token":"lo","logprob":-0.5,"bytes":[108,111],"top_logprobs":[]}]}}]}"#,
    #"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
    #"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":5}}}"#,
    "[DONE]",
  ].map { "data: \($0)\n\n" }.joined()

  @Test("a streamed chat becomes text, log-probabilities, usage and an end")
  func chat() async throws {
    let transport = RecordedTransport([.init(body: Self.chat)])
    let result = try await model(transport).complete(
      GenerationRequest(
        .messages([.system("Be brief."), .user("Hi")]), sampling: SamplingParameters(temperature: 0.5, seed: 7),
        maxTokens: 2,
        stop: ["\n"]))
    #expect(result.text == "Hello" && result.finishReason == .length)
    #expect(result.usage == Usage(promptTokens: 7, completionTokens: 2, cachedTokens: 5))
    #expect(result.logprobs.map(\.token) == ["lo"])
    let body = try #require(transport.bodies.first)
    #expect(body["model"]?.stringValue == "big" && body["seed"]?.intValue == 7 && body["max_tokens"]?.intValue == 2)
    #expect(body["messages"]?[1]?["content"]?.stringValue == "Hi")
    #expect(transport.requests.withLock { $0[0].headers.contains { $0 == ("Authorization", "Bearer secret-key") } })
    #expect(transport.requests.withLock { $0[0].url } == "https://models.example/v1/chat/completions")
  }

  @Test("pieces of several tool calls become whole calls")
  func toolCalls() async throws {
    let pieces = [
      #"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
      #"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]}"#,
      #"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
      #"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
      #"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#, "[DONE]",
    ].map { "data: \($0)\n\n" }.joined()
    let tool = ToolDefinition(name: "f", description: "F", parameters: ["type": "object"])
    let transport = RecordedTransport([.init(body: pieces)])
    let result = try await model(transport).complete(
      GenerationRequest(.messages([.user("x")]), tools: [tool], toolChoice: .function("f"), parallelToolCalls: false))
    #expect(result.toolCalls.map(\.name) == ["f", "g"] && result.toolCalls[0].arguments == ["x": 1])
    #expect(result.finishReason == .toolCalls)
    let body = try #require(transport.bodies.first)
    #expect(body["tool_choice"]?["function"]?["name"]?.stringValue == "f")
    #expect(body["parallel_tool_calls"]?.boolValue == false)
  }

  @Test("a Messages stream becomes text, calls, usage and the stop string")
  func anthropic() async throws {
    let events = [
      (
        "message_start",
        #"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens":1}}}"#
      ),
      ("content_block_start", #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
      ("ping", #"{"type":"ping"}"#),
      ("content_block_delta", #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Look"}}"#),
      ("content_block_stop", #"{"type":"content_block_stop","index":0}"#),
      (
        "content_block_start",
        #"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}"#
      ),
      (
        "content_block_delta",
        #"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\": "}}"#
      ),
      (
        "content_block_delta",
        #"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"2}"}}"#
      ),
      ("content_block_stop", #"{"type":"content_block_stop","index":1}"#),
      (
        "message_delta",
        #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":20}}"#
      ),
      ("message_stop", #"{"type":"message_stop"}"#),
    ].map { "event: \($0.0)\ndata: \($0.1)\n\n" }.joined()
    let transport = RecordedTransport([.init(body: events)])
    let call = ToolCall(id: "t0", name: "f", arguments: ["a": 1])
    let result = try await model(transport, .anthropic).complete(
      GenerationRequest(
        .messages([
          .system("S"), .user("u1"), Message(role: .assistant, content: "", toolCalls: [call]),
          Message(role: .tool, content: "42", toolCallID: "t0"), .user("u2"),
        ]), tools: [ToolDefinition(name: "f", description: "F", parameters: ["type": "object"])]))
    #expect(result.text == "Look" && result.toolCalls == [ToolCall(id: "t1", name: "f", arguments: ["a": 2])])
    #expect(result.usage == Usage(promptTokens: 14, completionTokens: 20, cachedTokens: 4))
    let body = try #require(transport.bodies.first)
    #expect(body["system"]?.stringValue == "S" && body["max_tokens"]?.intValue == 4096)
    #expect(body["messages"]?.arrayValue?.compactMap { $0["role"]?.stringValue } == ["user", "assistant", "user"])
    #expect(body["messages"]?[2]?["content"]?[0]?["type"]?.stringValue == "tool_result")
    #expect(body["messages"]?[2]?["content"]?[1]?["text"]?.stringValue == "u2")
  }

  @Test("a busy server is asked again after the time it names; a rejection is not")
  func retries() async throws {
    let pauses = Mutex<[Duration]>([])
    let busy = RecordedTransport([
      .init(status: 429, headers: ["retry-after": "3"], body: #"{"error":{"message":"slow down"}}"#),
      .init(status: 500, body: "oops"), .init(body: Self.chat),
    ])
    let result = try await model(busy) { pause in pauses.withLock { $0.append(pause) } }
      .complete(GenerationRequest(.messages([.user("x")])))
    #expect(result.text == "Hello")
    #expect(pauses.withLock { $0 } == [.seconds(3), .seconds(1)])
    let wrong = RecordedTransport([.init(status: 400, body: #"{"error":{"message":"no such field"}}"#)])
    let error = await #expect(throws: ProviderError.self) {
      _ = try await model(wrong).complete(GenerationRequest(.messages([.user("x")])))
    }
    #expect(error?.code == ProviderError.rejected && error?.message.contains("no such field") == true)
    #expect(wrong.requests.withLock { $0.count } == 1)
    #expect(error.map { "\($0)".contains("secret-key") } == false)
  }

  @Test("an answer that breaks off after its first words is an error, not a second answer")
  func brokenOff() async throws {
    let cut = RecordedTransport([.init(body: String(Self.chat.prefix(160))), .init(body: Self.chat)])
    let error = await #expect(throws: ProviderError.self) {
      _ = try await model(cut).complete(GenerationRequest(.messages([.user("x")])))
    }
    #expect(error?.code == ProviderError.unreachable)
    #expect(cut.requests.withLock { $0.count } == 1)
  }

  @Test("after failures in a row the server is left alone")
  func circuit() async throws {
    let down = RecordedTransport([])
    let model = try model(down, retries: 0)
    for _ in 0..<3 {
      await #expect(throws: ProviderError.self) { _ = try await model.complete(GenerationRequest(.prompt("x"))) }
    }
    #expect(!model.isAvailable)
    let error = await #expect(throws: ProviderError.self) {
      _ = try await model.complete(GenerationRequest(.prompt("x")))
    }
    #expect(error?.code == ProviderError.circuitOpen && error?.retryAfter != nil)
    #expect(down.requests.withLock { $0.count } == 3)
  }

  @Test("data that must stay never reaches a transport, also when the local model fails")
  func localOnly() async throws {
    struct Full: StrataError {
      let code = ErrorCode("queue_full", .exhausted)
      let message = "Full."
    }
    let transport = RecordedTransport([.init(body: Self.chat)])
    let remote = try model(transport)
    let local = ScriptedModel { _, _ in throw Full() }
    let hybrid = HybridModel(local: local, remote: remote, policy: RoutingPolicy(queueLimit: 0), localQueue: { 100 })
    let secret = GenerationRequest(.messages([.user("x")]), isLocalOnly: true)
    await #expect(throws: Full.self) { _ = try await hybrid.complete(secret) }
    await #expect(throws: ProviderError.self) { _ = try await remote.complete(secret) }
    #expect(transport.requests.withLock { $0.isEmpty })
    let open = try await hybrid.complete(GenerationRequest(.messages([.user("x")])))
    #expect(open.text == "Hello")
  }

  @Test("a failing remote model falls back to the local one")
  func fallback() async throws {
    let remote = try model(RecordedTransport([]), retries: 0)
    let routes = Mutex<[String]>([])
    let hybrid = HybridModel(
      local: ScriptedModel(["from here"]), remote: remote, policy: RoutingPolicy(queueLimit: 0), localQueue: { 5 },
      onRoute: { route, reason in routes.withLock { $0.append("\(route.rawValue) \(reason)") } })
    #expect(try await hybrid.complete(GenerationRequest(.prompt("x"))).text == "from here")
    #expect(routes.withLock { $0 } == ["remote queue", "local fallback"])
  }
}
