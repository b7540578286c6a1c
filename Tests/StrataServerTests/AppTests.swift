import StrataCore
import StrataServer
import StrataTesting
import Testing

@Suite("App API")
struct AppTests {
  @Test("an answer streams as named events")
  func ask() async throws {
    let app = FakeApp()
    try await withServer(app: app) { server in
      let response = try await server.post("/api/ask", ["question": "  What? ", "as": "ada"])
      #expect(response.status == 200)
      let names = response.events.map(\.name)
      #expect(names == ["run_started", "step", "delta", "delta", "delta", "citation", "sentence", "done"])
      let done = try JSON(parsing: response.events.last?.data ?? "")
      #expect(done["answer"] == "All.")
      #expect(done["citations"]?[0]?["end"] == 7)
      let sentence = try JSON(parsing: response.events[6].data)
      #expect(sentence["verdict"] == "supported" && sentence["score"] == 0.75 && sentence["end"] == 4)
      #expect(done["faithfulness"]?["sentences"]?[0] == sentence)
      let step = try JSON(parsing: response.events[1].data)
      let expected: JSON = [
        "index": 0, "kind": "search", "state": "done", "detail": "", "passages": 1, "milliseconds": 2,
      ]
      #expect(step == expected)
    }
    let asked = await app.asked
    #expect(asked.map(\.question) == ["What?"])
    #expect(asked.map(\.user) == ["ada"])
  }

  @Test("earlier turns go along with a question, and only turns")
  func conversation() async throws {
    let app = FakeApp()
    try await withServer(app: app) { server in
      let turn: JSON = ["question": "Limit for a hotel?", "answer": "165 euros."]
      let asked: JSON = ["question": "And in Oslo?", "conversation": [turn, ["question": "Why?"]]]
      let taken = try await server.post("/api/ask", asked)
      #expect(taken.status == 200)
      let wrong: [JSON] = ["no", [["answer": "x"]], ["x"], .array(Array(repeating: turn, count: 51))]
      for conversation in wrong {
        let refused = try await server.post("/api/ask", ["question": "Why?", "conversation": conversation])
        #expect(refused.status == 400)
      }
    }
    let turns = [ConversationTurn("Limit for a hotel?", answer: "165 euros."), ConversationTurn("Why?")]
    #expect(await app.turns == [turns])
  }

  @Test("a failure is the last event and shows nothing of the inside")
  func failure() async throws {
    struct Inside: Error {}
    let cases: [(any Error, String)] = [
      (Inside(), "internal_error"), (ServerError(ErrorCode("budget_spent", .exhausted), "No more."), "budget_spent"),
    ]
    for (error, code) in cases {
      try await withServer(app: FakeApp(failure: error)) { server in
        let response = try await server.post("/api/ask", ["question": "What?"])
        let last = try #require(response.events.last)
        #expect(last.name == "error")
        let body = try JSON(parsing: last.data)
        #expect(body["code"] == .string(code))
        #expect(!response.body.contains("Inside"))
      }
    }
  }

  @Test("closing the page cancels the run")
  func cancellation() async throws {
    let app = FakeApp(pieceCount: 10_000)
    try await withServer(app: app) { server in
      let connection = try server.connect()
      let body = JSON.object(["question": "What?"]).utf8()
      try await connection.send(Array(server.head("POST", "/api/ask", [:], length: body.count).utf8) + body)
      _ = try await connection.receive(until: "piece2")
      connection.hangUp()
      try await app.log.wait(for: "cancelled")
    }
  }

  @Test("bad questions are refused", arguments: [["question": ""], ["question": "  "], [:], ["question": 3]] as [JSON])
  func badQuestions(body: JSON) async throws {
    try await withServer(app: FakeApp()) { server in
      let response = try await server.post("/api/ask", body)
      #expect(response.status == 400)
      #expect(response.json["error"]?["param"] == "question")
    }
  }

  @Test("whoever asks sees what they may read; what they may not looks like what is not there")
  func permissions() async throws {
    try await withServer(app: FakeApp()) { server in
      func paths(_ user: String) async throws -> [String] {
        let list = try await server.call("GET", "/api/documents?as=\(user)").json["documents"]?.arrayValue ?? []
        return list.compactMap { $0["path"]?.stringValue }
      }
      let ada = try await paths("ada")
      #expect(ada == ["open.md", "secret.md"])
      let nobody = try await paths("")
      #expect(nobody == ["open.md"])
      let forbidden = try await server.call("GET", "/api/documents/text?path=secret.md&as=bob")
      let missing = try await server.call("GET", "/api/documents/text?path=missing.md&as=bob")
      #expect(forbidden.status == 404)
      #expect(forbidden.body == missing.body)
      let mine = try await server.call("GET", "/api/documents/text?path=secret.md&version=1&as=ada")
      #expect(mine.json["text"] == "The code word is heron.")
      let removed = try await server.call("DELETE", "/api/documents?path=secret.md&as=bob")
      #expect(removed.status == 404)
      let foreign = try await server.call("GET", "/api/runs/run-1?as=bob")
      #expect(foreign.status == 404)
      let run = try await server.call("GET", "/api/runs/run-1?as=ada").json
      #expect(run["events"]?[0]?["kind"] == "run.started")
      #expect(run["started_at"] == "1970-01-01T00:00:00.000Z")
    }
  }

  @Test("with a key, nobody chooses whom to ask as")
  func keys() async throws {
    let key = "sk-test-0123456789abcdef"
    let headers = ["Authorization": "Bearer \(key)"]
    try await withServer(
      app: FakeApp(), configure: { $0.apiKeys = [APIKey(key: key, principal: Principal(user: "bob"))] }
    ) { server in
      let open = try await server.call("GET", "/api/session")
      #expect(open.status == 401)
      let session = try await server.call("GET", "/api/session", headers: headers).json
      #expect(session["user"] == "bob")
      #expect(session["users"] == [])
      #expect(session["local"] == false)
      let other = try await server.call("GET", "/api/documents?as=ada", headers: headers)
      #expect(other.status == 403)
      let page = try await server.call("GET", "/")
      #expect(page.status == 200)
    }
  }

  @Test("an upload arrives under a harmless name and is bounded")
  func upload() async throws {
    try await withServer(app: FakeApp(), configure: { $0.limits.uploadByteCount = 1000 }) { server in
      let names = [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"), ("a%5Cb%00c.txt", "bc.txt"), ("%2e%2ehidden", "hidden"),
        ("My%20notes%20%3Cb%3E.md", "My notes _b_.md"), ("Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
      ]
      for (sent, kept) in names {
        let response = try await server.call("POST", "/api/documents?as=ada&name=\(sent)", "some text")
        #expect(response.status == 201)
        #expect(response.json["path"] == .string(kept))
      }
      for name in ["", "..", "%2F", "...", String(repeating: "x", count: 300)] {
        let response = try await server.call("POST", "/api/documents?name=\(name)", "text")
        #expect(response.status == 400)
      }
      let large = try await server.call(
        "POST", "/api/documents?name=a.txt", String(repeating: "x", count: 1001))
      #expect(large.status == 413)
      let chunked = try server.connect()
      let head = server.head("POST", "/api/documents?name=b.txt", ["Transfer-Encoding": "chunked"], length: nil)
      let piece = String(repeating: "x", count: 600)
      try await chunked.send(Array((head + "258\r\n\(piece)\r\n258\r\n\(piece)\r\n0\r\n\r\n").utf8))
      let answer = WireResponse(try await chunked.receive())
      #expect(answer.status == 413)
    }
  }

  @Test("the page and its parts come from the binary, unchanged ones are not sent again")
  func page() async throws {
    try await withServer(app: FakeApp()) { server in
      let page = try await server.call("GET", "/")
      #expect(page.headers["content-type"] == "text/html; charset=utf-8")
      let names = [
        "style.css", "icon.svg", "theme.js", "app.js", "api.js", "ask.js", "documents.js", "dom.js",
        "history.js", "panel.js", "text.js",
      ]
      for name in names {
        let part = try await server.call("GET", "/\(name)")
        #expect(part.status == 200)
        #expect(!part.body.contains("innerHTML"))
        #expect(!part.body.contains("https://"))
      }
      let again = try await server.call("GET", "/", headers: ["If-None-Match": page.headers["etag"] ?? ""])
      #expect(again.status == 304)
      #expect(again.body.isEmpty)
    }
  }
}
