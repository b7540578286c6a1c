import StrataCore
import StrataServer
import StrataTesting
import Testing

private let path = "/v1/messages"

private func body(_ more: JSONObject = [:]) -> JSON {
  var body: JSONObject = [
    "model": "scripted", "max_tokens": 64, "messages": [["role": "user", "content": "Hi"]],
  ]
  for (key, value) in more { body[key] = value }
  return .object(body)
}

private let weather: JSON = [
  ["name": "weather", "description": "Looks", "input_schema": ["type": "object", "properties": ["city": [:]]]]
]

@Suite("Messages")
struct MessagesTests {
  @Test("a whole message has blocks, a reason and usage")
  func whole() async throws {
    try await withServer { server in
      let response = try await server.post(path, body())
      #expect(response.status == 200)
      #expect(response.headers["request-id"]?.hasPrefix("req_") == true)
      let message = response.json
      #expect(message["type"] == "message")
      #expect(message["role"] == "assistant")
      #expect(message["content"] == [["type": "text", "text": "Hello there, friend."]])
      #expect(message["stop_reason"] == "end_turn")
      #expect(message["stop_sequence"] == .null)
      #expect(message["usage"]?["output_tokens"] == 5)
    }
  }

  @Test("a stream opens and closes each block, then tells the reason and the usage")
  func stream() async throws {
    let model = FixedModel([
      .text("Let me ", logprobs: []), .text("look.", logprobs: []),
      .toolCall(ToolCall(id: "toolu_1", name: "weather", arguments: ["city": "Rome"])),
      .finished(.toolCalls, Usage(promptTokens: 10, completionTokens: 6, cachedTokens: 4), GenerationTimings()),
    ])
    try await withServer(models: [model]) { server in
      let response = try await server.post(path, body(["model": "fixed", "tools": weather, "stream": true]))
      let events = try response.events.map { ($0.name ?? "", try JSON(parsing: $0.data)) }
      #expect(events.map(\.0) == events.map { $0.1["type"]?.stringValue ?? "" })
      #expect(
        events.map(\.0) == [
          "message_start", "ping", "content_block_start", "content_block_delta", "content_block_delta",
          "content_block_stop", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
          "message_stop",
        ])
      #expect(events[0].1["message"]?["usage"]?["input_tokens"] == 1)
      #expect(events[6].1["content_block"] == ["type": "tool_use", "id": "toolu_1", "name": "weather", "input": [:]])
      #expect(events[7].1["delta"] == ["type": "input_json_delta", "partial_json": "{\"city\":\"Rome\"}"])
      #expect(events[9].1["delta"]?["stop_reason"] == "tool_use")
      #expect(
        events[9].1["usage"] == [
          "input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 6,
        ])
      let whole = try await server.post(path, body(["model": "fixed", "tools": weather])).json
      #expect(whole["content"]?[1]?["input"] == ["city": "Rome"])
      #expect(whole["stop_reason"] == "tool_use")
    }
  }

  @Test("the stop sequence that was met is named, and the limit is told apart from the end")
  func reasons() async throws {
    let usage = Usage(promptTokens: 1, completionTokens: 1)
    let stopped = FixedModel([
      .text("One", logprobs: []), .stopString("END"), .finished(.stop, usage, GenerationTimings()),
    ])
    try await withServer(models: [stopped]) { server in
      let message = try await server.post(path, body(["model": "fixed", "stop_sequences": ["END"]])).json
      #expect(message["stop_reason"] == "stop_sequence")
      #expect(message["stop_sequence"] == "END")
    }
    let cut = FixedModel([.text("One", logprobs: []), .finished(.length, usage, GenerationTimings())])
    try await withServer(models: [cut]) { server in
      let message = try await server.post(path, body(["model": "fixed"])).json
      #expect(message["stop_reason"] == "max_tokens")
    }
  }

  @Test("blocks become the turns that chat templates know")
  func turns() async throws {
    let model = ScriptedModel(["ok"])
    try await withServer(models: [model]) { server in
      let response = try await server.post(
        path,
        body([
          "system": [["type": "text", "text": "Be brief.", "cache_control": ["type": "ephemeral"]]],
          "messages": [
            ["role": "user", "content": [["type": "text", "text": "Weather?"]]],
            [
              "role": "assistant",
              "content": [
                ["type": "thinking", "thinking": "hm", "signature": "s"], ["type": "text", "text": "Looking."],
                ["type": "tool_use", "id": "t1", "name": "weather", "input": ["city": "Rome"]],
              ],
            ],
            [
              "role": "user",
              "content": [
                ["type": "tool_result", "tool_use_id": "t1", "content": [["type": "text", "text": "rain"]]],
                ["type": "tool_result", "tool_use_id": "t2", "content": "none", "is_error": true],
                ["type": "text", "text": "And?"],
              ],
            ],
          ],
          "tools": weather, "tool_choice": ["type": "any", "disable_parallel_tool_use": true], "temperature": 0.2,
          "top_k": 5, "stop_sequences": ["X"], "metadata": ["user_id": "u"], "thinking": ["type": "disabled"],
        ]))
      #expect(response.status == 200)
    }
    let request = try #require(model.requests.first)
    #expect(
      request.input
        == .messages([
          .system("Be brief."), .user("Weather?"),
          Message(
            role: .assistant, content: "Looking.",
            toolCalls: [ToolCall(id: "t1", name: "weather", arguments: ["city": "Rome"])]),
          Message(role: .tool, content: "rain", toolCallID: "t1"),
          Message(role: .tool, content: "Error: none", toolCallID: "t2"), .user("And?"),
        ]))
    #expect(request.toolChoice == .required)
    #expect(!request.parallelToolCalls)
    #expect(request.stop == ["X"])
    #expect(request.maxTokens == 64)
    #expect(request.sampling.topK == 5)
  }

  @Test("tokens are counted without a generation and without max_tokens")
  func counting() async throws {
    try await withServer { server in
      let count = try await server.post(
        "\(path)/count_tokens", ["model": "scripted", "messages": [["role": "user", "content": "one two"]]]
      ).json
      #expect(count == ["input_tokens": 2])
    }
  }

  @Test("the key comes in x-api-key, and every failure has Anthropic's shape")
  func errors() async throws {
    let key = "sk-test-0123456789abcdef"
    try await withServer(configure: { $0.apiKeys = [APIKey(key: key, principal: .anonymous)] }) { server in
      let headers = ["x-api-key": key, "anthropic-version": "2023-06-01"]
      let right = try await server.post(path, body(), headers: headers)
      #expect(right.status == 200)
      let cases: [(JSON, [String: String], Int, String)] = [
        (body(), ["x-api-key": "wrong"], 401, "authentication_error"),
        (body(["model": "claude-x"]), headers, 404, "not_found_error"),
        (body(["max_tokens": .null]), headers, 400, "invalid_request_error"),
        (body(["messages": []]), headers, 400, "invalid_request_error"),
        (body(["messages": [["role": "assistant", "content": "x"]]]), headers, 400, "invalid_request_error"),
        (body(["tools": [["type": "web_search_20250305", "name": "s"]]]), headers, 400, "invalid_request_error"),
        (body(["temperature": 1.5]), headers, 400, "invalid_request_error"),
      ]
      for (request, headers, status, type) in cases {
        let response = try await server.post(path, request, headers: headers)
        #expect(response.status == status)
        #expect(response.json["type"] == "error")
        #expect(response.json["error"]?["type"] == .string(type))
        #expect(response.json["error"]?["message"]?.stringValue?.isEmpty == false)
      }
      let nowhere = try await server.post("\(path)/nowhere", body(), headers: headers)
      #expect(nowhere.json["type"] == "error")
    }
    let failing = FixedModel(
      [.text("Half ", logprobs: [])], then: ServerError(ErrorCode("disk_full", .exhausted), "The disk is full."))
    try await withServer(models: [failing]) { server in
      let events = try await server.post(path, body(["model": "fixed", "stream": true])).events
      #expect(events.last?.name == "error")
      #expect(try JSON(parsing: events.last?.data ?? "")["error"]?["type"] == "rate_limit_error")
    }
  }
}
