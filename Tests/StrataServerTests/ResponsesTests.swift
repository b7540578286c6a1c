import StrataCore
import StrataServer
import StrataTesting
import Testing

private let path = "/v1/responses"

private func body(_ more: JSONObject = [:]) -> JSON {
  var body: JSONObject = ["model": "scripted", "input": "Hi"]
  for (key, value) in more { body[key] = value }
  return .object(body)
}

private let weather: JSON = [
  ["type": "function", "name": "weather", "parameters": ["type": "object", "properties": ["city": [:]]]]
]

@Suite("Responses")
struct ResponsesTests {
  @Test("a whole response has one message, its parameters and its usage")
  func whole() async throws {
    try await withServer { server in
      let response = try await server.post(
        path, body(["metadata": ["run": "7"], "max_output_tokens": 50, "temperature": 0.5, "user": "u"])
      ).json
      #expect(response["object"] == "response")
      #expect(response["status"] == "completed")
      #expect(response["id"]?.stringValue?.hasPrefix("resp_") == true)
      let item = response["output"]?[0]
      #expect(item?["type"] == "message")
      #expect(item?["content"]?[0]?["type"] == "output_text")
      #expect(item?["content"]?[0]?["text"] == "Hello there, friend.")
      #expect(response["metadata"] == ["run": "7"])
      #expect(response["temperature"] == 0.5)
      #expect(response["max_output_tokens"] == 50)
      #expect(response["usage"]?["input_tokens"] == 10)
      #expect(response["usage"]?["input_tokens_details"]?["cached_tokens"] == 0)
      #expect(response["usage"]?["total_tokens"] == 15)
    }
  }

  @Test("a stream is typed events, numbered without a gap, around the items")
  func stream() async throws {
    try await withServer { server in
      let response = try await server.post(path, body(["stream": true]))
      let events = try response.events.map { ($0.name, try JSON(parsing: $0.data)) }
      let names = events.map { $0.0 ?? "" }
      #expect(names == events.map { $0.1["type"]?.stringValue ?? "none" })
      #expect(events.compactMap { $0.1["sequence_number"]?.intValue } == Array(0..<events.count))
      #expect(
        names.filter { $0 != "response.output_text.delta" } == [
          "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
          "response.output_text.done", "response.content_part.done", "response.output_item.done",
          "response.completed",
        ])
      let text = events.filter { $0.0 == "response.output_text.delta" }.compactMap { $0.1["delta"]?.stringValue }
      #expect(text.joined() == "Hello there, friend.")
      #expect(text.count == 3)
      let ids = Set(events.compactMap { $0.1["item_id"]?.stringValue })
      #expect(ids.count == 1)
      let last = events.last?.1["response"]
      #expect(last?["output"]?[0]?["id"]?.stringValue.map { [$0] } == Array(ids))
      #expect(last?["status"] == "completed")
      #expect(events.first?.1["response"]?["status"] == "in_progress")
    }
  }

  @Test("text, then two calls, become three items; streamed arguments are those of the item")
  func calls() async throws {
    let model = FixedModel([
      .text("Let me look.", logprobs: []),
      .toolCall(ToolCall(id: "call_1", name: "weather", arguments: ["city": "Rome"])),
      .toolCall(ToolCall(id: "call_2", name: "weather", arguments: ["city": "Oslo"])),
      .finished(.toolCalls, Usage(promptTokens: 4, completionTokens: 9, cachedTokens: 3), GenerationTimings()),
    ])
    try await withServer(models: [model]) { server in
      let more: JSONObject = ["model": "fixed", "tools": weather, "tool_choice": "auto"]
      let whole = try await server.post(path, body(more)).json
      #expect(
        whole["output"]?.arrayValue?.compactMap { $0["type"]?.stringValue } == [
          "message", "function_call", "function_call",
        ])
      #expect(whole["output"]?[1]?["arguments"] == "{\"city\":\"Rome\"}")
      #expect(whole["output"]?[2]?["call_id"] == "call_2")
      #expect(whole["usage"]?["input_tokens_details"]?["cached_tokens"] == 3)
      var streamed = more
      streamed["stream"] = true
      let events = try await server.post(path, body(streamed)).events.map { try JSON(parsing: $0.data) }
      let deltas = events.filter { $0["type"] == "response.function_call_arguments.delta" }
      #expect(deltas.compactMap { $0["output_index"]?.intValue } == [1, 2])
      let done = events.filter { $0["type"] == "response.output_item.done" }
      #expect(done.count == 3)
      #expect(done[1]["item"]?["arguments"] == deltas[0]["delta"])
    }
  }

  @Test("a response that reaches its limit is incomplete, one that fails says so as its last event")
  func ends() async throws {
    let short = FixedModel([
      .text("Half", logprobs: []),
      .finished(.length, Usage(promptTokens: 1, completionTokens: 1), GenerationTimings()),
    ])
    try await withServer(models: [short]) { server in
      let whole = try await server.post(path, body(["model": "fixed", "max_output_tokens": 1])).json
      #expect(whole["status"] == "incomplete")
      #expect(whole["incomplete_details"] == ["reason": "max_output_tokens"])
      let events = try await server.post(path, body(["model": "fixed", "stream": true])).events
      #expect(events.last?.name == "response.incomplete")
    }
    let failing = FixedModel(
      [.text("Half ", logprobs: [])], then: ServerError(ErrorCode("disk_full", .exhausted), "The disk is full."))
    try await withServer(models: [failing]) { server in
      let events = try await server.post(path, body(["model": "fixed", "stream": true])).events
      #expect(events.last?.name == "response.failed")
      let response = try JSON(parsing: events.last?.data ?? "")["response"]
      #expect(response?["error"]?["code"] == "rate_limit_exceeded")
      #expect(response?["output"]?[0]?["content"]?[0]?["text"] == "Half ")
    }
  }

  @Test("everything an input can hold reaches the model as turns")
  func input() async throws {
    let model = ScriptedModel(["ok"])
    try await withServer(models: [model]) { server in
      let response = try await server.post(
        path,
        body([
          "instructions": "Be brief.",
          "input": [
            ["role": "developer", "content": "In English."],
            ["type": "message", "role": "user", "content": [["type": "input_text", "text": "Weather?"]]],
            ["type": "reasoning", "id": "rs_1", "summary": []],
            ["role": "assistant", "content": [["type": "output_text", "text": "Looking.", "annotations": []]]],
            ["type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\"}"],
            ["type": "function_call_output", "call_id": "c1", "output": "sunny"],
          ],
          "tools": weather, "tool_choice": ["type": "function", "name": "weather"], "parallel_tool_calls": false,
          "text": ["format": ["type": "json_schema", "name": "x", "schema": ["type": "object"]]],
          "reasoning": ["effort": "low"], "top_p": 0.5, "max_output_tokens": 9, "priority": -2,
        ]))
      #expect(response.status == 200)
    }
    let request = try #require(model.requests.first)
    #expect(
      request.input
        == .messages([
          .system("Be brief."), Message(role: .developer, content: "In English."), .user("Weather?"),
          Message(
            role: .assistant, content: "Looking.",
            toolCalls: [ToolCall(id: "c1", name: "weather", arguments: ["city": "Rome"])]),
          Message(role: .tool, content: "sunny", toolCallID: "c1"),
        ]))
    #expect(request.toolChoice == .function("weather"))
    #expect(!request.parallelToolCalls)
    #expect(request.output == .jsonSchema(["type": "object"]))
    #expect(request.sampling.topP == 0.5)
    #expect(request.maxTokens == 9)
    #expect(request.priority == -2)
  }

  @Test("a response builds on the one before, without its instructions, until it is deleted")
  func conversation() async throws {
    let model = ScriptedModel(["First.", "Second."])
    try await withServer(models: [model]) { server in
      let first = try await server.post(path, body(["instructions": "Old."])).json
      let id = first["id"]?.stringValue ?? ""
      let found = try await server.call("GET", "\(path)/\(id)").json
      #expect(found == first)
      let second = try await server.post(
        path, body(["input": "More", "previous_response_id": .string(id), "stream": true]))
      let last = try JSON(parsing: second.events.last?.data ?? "")["response"]
      #expect(last?["previous_response_id"] == .string(id))
      let items = try await server.call("GET", "\(path)/\(id)/input_items").json
      #expect(items["data"]?[0]?["content"]?[0]?["text"] == "Hi")
      let deleted = try await server.call("DELETE", "\(path)/\(id)").json
      #expect(deleted["deleted"] == true)
      let gone = try await server.call("GET", "\(path)/\(id)")
      #expect(gone.status == 404)
      let onGone = try await server.post(path, body(["previous_response_id": .string(id)]))
      #expect(onGone.errorCode == "response_not_found")
      // The one that built on it has the whole conversation of its own.
      let third = try await server.post(path, body(["previous_response_id": last?["id"] ?? .null, "store": false])).json
      let unstored = try await server.call("GET", "\(path)/\(third["id"]?.stringValue ?? "")")
      #expect(unstored.status == 404)
    }
    #expect(model.requests[1].input == .messages([.user("Hi"), .assistant("First."), .user("More")]))
    #expect(
      model.requests[2].input
        == .messages([
          .user("Hi"), .assistant("First."), .user("More"), .assistant("Second."), .user("Hi"),
        ]))
  }

  @Test("nobody finds what another tenant stored")
  func tenants() async throws {
    let keys = ["a", "b"].map { name in
      APIKey(key: "sk-\(name)-0123456789abcdef", principal: Principal(tenant: name, user: name))
    }
    try await withServer(configure: { $0.apiKeys = keys }) { server in
      let mine = ["Authorization": "Bearer sk-a-0123456789abcdef"]
      let theirs = ["Authorization": "Bearer sk-b-0123456789abcdef"]
      let id = try await server.post(path, body(), headers: mine).json["id"]?.stringValue ?? ""
      let found = try await server.call("GET", "\(path)/\(id)", headers: mine)
      #expect(found.status == 200)
      let hidden = try await server.call("GET", "\(path)/\(id)", headers: theirs)
      #expect(hidden.status == 404)
      let undeleted = try await server.call("DELETE", "\(path)/\(id)", headers: theirs)
      #expect(undeleted.status == 404)
    }
  }

  @Test("only so many responses are kept, and only for so long")
  func bounds() async throws {
    try await withServer(configure: { $0.limits.storedResponses = 2 }) { server in
      var ids: [String] = []
      for _ in 0..<3 { ids.append(try await server.post(path, body()).json["id"]?.stringValue ?? "") }
      var statuses: [Int] = []
      for id in ids { statuses.append(try await server.call("GET", "\(path)/\(id)").status) }
      #expect(statuses == [404, 200, 200])
    }
    try await withServer(configure: { $0.limits.storedResponseAge = .milliseconds(1) }) { server in
      let id = try await server.post(path, body()).json["id"]?.stringValue ?? ""
      try await Task.sleep(for: .milliseconds(20))
      let gone = try await server.call("GET", "\(path)/\(id)")
      #expect(gone.status == 404)
    }
  }

  @Test("input tokens are counted without a generation")
  func counting() async throws {
    let model = ScriptedModel(["never"])
    try await withServer(models: [model]) { server in
      let count = try await server.post("\(path)/input_tokens", body(["input": "one two three"])).json
      #expect(count["input_tokens"] == 3)
    }
    #expect(model.requests.isEmpty)
  }

  @Test("what is wrong is named by its parameter", arguments: badResponses)
  func refused(request: BadRequest) async throws {
    try await withServer { server in
      let response = try await server.post(path, body(request.change))
      #expect(response.status == request.status)
      #expect(response.json["error"]?["param"] == .string(request.parameter))
    }
  }
}

private let badResponses: [BadRequest] = [
  BadRequest(change: ["model": .null], parameter: "model"),
  BadRequest(change: ["model": "gpt-9"], parameter: "model", status: 404),
  BadRequest(change: ["input": .null], parameter: "input"),
  BadRequest(change: ["input": []], parameter: "input"),
  BadRequest(change: ["input": 3], parameter: "input"),
  BadRequest(change: ["input": [["role": "wizard", "content": "x"]]], parameter: "input[0].role"),
  BadRequest(change: ["input": [["role": "user"]]], parameter: "input[0].content"),
  BadRequest(change: ["input": [["type": "computer_call"]]], parameter: "input[0].type"),
  BadRequest(
    change: ["input": [["role": "user", "content": [["type": "input_image"]]]]],
    parameter: "input[0].content[0].type"),
  BadRequest(change: ["input": [["type": "function_call_output", "output": "x"]]], parameter: "input[0].call_id"),
  BadRequest(change: ["tools": [["type": "web_search"]]], parameter: "tools[0].type"),
  BadRequest(change: ["tool_choice": "required"], parameter: "tool_choice"),
  BadRequest(
    change: ["tools": weather, "tool_choice": ["type": "function", "name": "x"]], parameter: "tool_choice.name"),
  BadRequest(change: ["text": ["format": ["type": "json_schema", "name": "x"]]], parameter: "text.format.schema"),
  BadRequest(change: ["background": true], parameter: "background"),
  BadRequest(change: ["conversation": "c"], parameter: "conversation"),
  BadRequest(change: ["previous_response_id": "resp_none"], parameter: "response_id", status: 404),
  BadRequest(change: ["metadata": ["a": 3]], parameter: "metadata.a"),
  BadRequest(change: ["max_output_tokens": 0], parameter: "max_output_tokens"),
]
