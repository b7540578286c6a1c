import StrataCore
import StrataServer
import StrataTesting
import Testing

private let path = "/v1/chat/completions"

private func question(_ more: JSONObject = [:]) -> JSON {
  var body: JSONObject = ["model": "documents/handbook", "messages": [["role": "user", "content": "What?"]]]
  for (key, value) in more { body[key] = value }
  return .object(body)
}

@Suite("The documents as a chat model")
struct DocumentChatTests {
  @Test("a whole answer has OpenAI's annotations and says what each sentence rests on")
  func whole() async throws {
    let app = FakeApp(answer: "Grüße 👋 [1] an alle [2][1].")
    try await withServer(app: app) { server in
      let response = try await server.post(path, question(["user": "ada"]))
      #expect(response.status == 200)
      let choice = try #require(response.json["choices"]?[0])
      #expect(choice["finish_reason"] == "stop")
      #expect(choice["message"]?["content"] == "Grüße 👋 [1] an alle [2][1].")
      // One citation, marked twice; a number that nothing is cited under is no annotation.
      let annotations = try #require(choice["message"]?["annotations"]?.arrayValue)
      #expect(annotations.map { $0["url_citation"]?["start_index"] } == [8, 23])
      #expect(annotations.map { $0["url_citation"]?["end_index"] } == [11, 26])
      #expect(annotations[0]["type"] == "url_citation")
      let url = try #require(annotations[0]["url_citation"]?["url"]?.stringValue)
      #expect(url.hasPrefix("http://127.0.0.1:"))
      #expect(url.hasSuffix("/#document?path=open.md&version=1&start=0&end=7"))
      let grounding = choice["message"]?["grounding"]
      #expect(grounding?["citations"]?[0]?["quote"] == "Grüße")
      #expect(grounding?["faithfulness"]?["sentences"]?[0]?["verdict"] == "supported")
    }
    #expect(await app.asked.map(\.user) == ["ada"])
  }

  @Test("without marks a citation belongs to the sentences that rest on it, or to the whole answer")
  func unmarked() async throws {
    for (pieces, place) in [([0], [0, 4]), ([], [0, 10])] {
      try await withServer(app: FakeApp(answer: "All. 👋🏽 ok", evidence: pieces)) { server in
        let message = try await server.post(path, question()).json["choices"]?[0]?["message"]
        let citation = try #require(message?["annotations"]?[0]?["url_citation"])
        #expect([citation["start_index"], citation["end_index"]] == place.map { .int($0) })
      }
    }
  }

  @Test("a stream tells the steps, then the verified text at once, then its citations")
  func stream() async throws {
    try await withServer(app: FakeApp()) { server in
      let body = question(["stream": true, "stream_options": ["include_usage": true]])
      let events = try await server.post(path, body).events.map(\.data)
      #expect(events.last == "[DONE]")
      let chunks = try events.dropLast().map { try JSON(parsing: $0) }
      let deltas = chunks.compactMap { $0["choices"]?[0]?["delta"] }
      // What the model wrote before it was checked does not get out.
      #expect(deltas.compactMap { $0["content"]?.stringValue }.joined() == "All.")
      #expect(deltas.compactMap { $0["reasoning_content"]?.stringValue } == ["search (1 passage)\n"])
      #expect(deltas.last?["grounding"]?["run"] == "run-1")
      #expect(chunks[chunks.count - 2]["choices"]?[0]?["finish_reason"] == "stop")
      #expect(chunks.last?["usage"]?["total_tokens"] == 0)
    }
  }

  @Test("earlier messages are earlier turns; who writes the system message is not asking")
  func turns() async throws {
    let app = FakeApp()
    try await withServer(app: app) { server in
      let messages: JSON = [
        ["role": "system", "content": "Be brief."], ["role": "user", "content": "Limit for a hotel?"],
        ["role": "assistant", "content": "165 euros."], ["role": "user", "content": " And in Oslo? "],
      ]
      let taken = try await server.post(path, question(["messages": messages]))
      #expect(taken.status == 200)
    }
    #expect(await app.asked.map(\.question) == ["And in Oslo?"])
    #expect(await app.turns == [[ConversationTurn("Limit for a hotel?", answer: "165 euros.")]])
  }

  @Test("what would change nothing is refused, and so is a conversation without a question")
  func refused() async throws {
    let answered: JSON = [["role": "user", "content": "a"], ["role": "assistant", "content": "b"]]
    let tool: JSON = ["type": "function", "function": ["name": "f", "parameters": ["type": "object"]]]
    let cases: [(JSONObject, String)] = [
      (["tools": [tool]], "tools"), (["response_format": ["type": "json_object"]], "response_format"), (["n": 2], "n"),
      (["logprobs": true], "logprobs"), (["messages": answered], "messages"),
      (["messages": [["role": "user", "content": "  "]]], "messages[0].content"),
    ]
    try await withServer(app: FakeApp()) { server in
      for (more, parameter) in cases {
        let response = try await server.post(path, question(more))
        #expect(response.status == 400)
        #expect(response.json["error"]?["param"] == .string(parameter))
      }
      let elsewhere = try await server.post("/v1/completions", ["model": "documents/handbook", "prompt": "What?"])
      #expect(elsewhere.status == 404)
      #expect(elsewhere.json["error"]?["remedy"]?.stringValue?.contains("/v1/chat/completions") == true)
    }
  }

  @Test("a failure has its status, or is the last event")
  func failure() async throws {
    let error = ServerError(ErrorCode("budget_spent", .exhausted), "No more.")
    try await withServer(app: FakeApp(failure: error)) { server in
      let whole = try await server.post(path, question())
      #expect(whole.status == 429 && whole.errorCode == "budget_spent")
      let streamed = try await server.post(path, question(["stream": true]))
      let last = try JSON(parsing: streamed.events.last?.data ?? "")
      #expect(last["error"]?["code"] == "budget_spent")
    }
  }

  @Test("a key asks as its owner whatever label the client sends, and needs the name among its models")
  func keys() async throws {
    let app = FakeApp()
    let keys = ["sk-test-0123456789abcdef", "sk-test-fedcba9876543210"]
    var limited = APIKey(key: keys[1], principal: Principal(user: "ada"))
    limited.models = ["scripted"]
    let all = [APIKey(key: keys[0], principal: Principal(user: "bob")), limited]
    try await withServer(app: app, configure: { $0.apiKeys = all }) { server in
      func ask(_ key: String) async throws -> Int {
        try await server.post(path, question(["user": "ada"]), headers: ["Authorization": "Bearer \(key)"]).status
      }
      let statuses = [try await ask(keys[0]), try await ask(keys[1])]
      #expect(statuses == [200, 404])
      let list = try await server.call("GET", "/v1/models", headers: ["Authorization": "Bearer \(keys[0])"]).json
      #expect(list["data"]?.arrayValue?.contains { $0["id"] == "documents/handbook" } == true)
    }
    #expect(await app.asked.map(\.user) == ["bob"])
  }
}
