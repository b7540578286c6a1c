import Foundation
import StrataCore
import StrataServer
import StrataTesting
import Testing

private let path = "/v1/chat/completions"

private func request(_ model: String, stream: Bool = true) -> JSON {
  ["model": .string(model), "messages": [["role": "user", "content": "go"]], "stream": .bool(stream)]
}

@Suite("Connections and limits")
struct ConnectionTests {
  @Test("a client that goes cancels its generation at once", arguments: [true, false])
  func cancellation(isStream: Bool) async throws {
    let model = PacedModel()
    try await withServer(models: [model]) { server in
      let connection = try server.connect()
      let body = request("paced", stream: isStream).utf8()
      try await connection.send(Array(server.head("POST", path, [:], length: body.count).utf8) + body)
      if isStream {
        _ = try await connection.receive(until: "word3")
      } else {
        try await model.log.wait(for: "started")
      }
      let before = ContinuousClock.now
      connection.hangUp()
      try await model.log.wait(for: "cancelled")
      #expect(ContinuousClock.now - before < .seconds(2))
      try await metric(server, "strata_generations_abandoned_total 1")
      try await metric(server, "strata_generations_running 0")
    }
  }

  @Test("more requests than fit wait, then are refused with a time to retry; whoever leaves the queue frees the place")
  func admission() async throws {
    let model = PacedModel()
    try await withServer(
      models: [model],
      configure: {
        $0.limits.concurrentRequests = 1
        $0.limits.waitingRequests = 1
      }
    ) { server in
      let body = request("paced").utf8()
      let bytes = Array(server.head("POST", path, [:], length: body.count).utf8) + body
      let running = try server.connect()
      try await running.send(bytes)
      _ = try await running.receive(until: "word1")
      let waiting = try server.connect()
      try await waiting.send(bytes)
      try await metric(server, "strata_generations_waiting 1")
      let refused = try await server.post(path, request("paced"))
      #expect(refused.status == 429)
      #expect(refused.errorCode == "server_busy")
      #expect(refused.headers["retry-after"] != nil)
      waiting.hangUp()
      try await metric(server, "strata_generations_waiting 0")
      let next = try server.connect()
      try await next.send(bytes)
      try await metric(server, "strata_generations_waiting 1")
      running.hangUp()
      _ = try await next.receive(until: "word1")
      #expect(model.log.all.filter { $0 == "started" }.count == 2)
    }
  }

  @Test("a tenant does not wait behind another one's flood, and a deadline ends the waiting too")
  func turns() async throws {
    let model = PacedModel(pieces: 30)
    let keys = ["many", "few"].map { name in
      APIKey(key: "sk-\(name)-0123456789abcdef", principal: Principal(tenant: name, user: name))
    }
    try await withServer(
      models: [model],
      configure: {
        $0.limits.concurrentRequests = 1
        $0.limits.waitingRequests = 4
        $0.apiKeys = keys
      }
    ) { server in
      let many = ["Authorization": "Bearer sk-many-0123456789abcdef"]
      let few = ["Authorization": "Bearer sk-few-0123456789abcdef"]
      let flood = Task {
        try await withThrowingTaskGroup(of: Int.self) { group in
          for _ in 0..<5 {
            group.addTask { try await server.post(path, request("paced"), headers: many).status }
            try await Task.sleep(for: .milliseconds(10))
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
      }
      try await model.log.wait(for: "started")
      try await Task.sleep(for: .milliseconds(60))
      let refused = try await server.post(path, request("paced"), headers: many)
      #expect(refused.errorCode == "server_busy")
      let late = try await server.post(
        path, request("paced"), headers: few.merging(["X-Request-Timeout-Ms": "20"]) { $1 })
      #expect(late.errorCode == "deadline_exceeded")
      let served = try await server.post(path, request("paced"), headers: few)
      #expect(served.status == 200)
      #expect(try await flood.value == [200, 200, 200, 200, 200])
    }
    // One of the flood runs, one waits first, then it is the other tenant's turn.
    #expect(model.tenants.all.prefix(3).contains("few"))
    #expect(model.tenants.all.filter { $0 == "few" }.count == 1)
  }

  private func metric(_ server: TestServer, _ line: String) async throws {
    for _ in 0..<200 {
      if try await server.call("GET", "/metrics").body.contains(line + "\n") { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw SocketFailure(step: "waiting for \(line)")
  }

  @Test("a silent prefill is bridged by comments")
  func keepAlive() async throws {
    let model = PacedModel(pieces: 1, pause: .milliseconds(400))
    try await withServer(models: [model], configure: { $0.limits.keepAliveInterval = .milliseconds(100) }) { server in
      let response = try await server.post(path, request("paced"))
      #expect(response.status == 200)
      #expect(response.body.contains(": keep-alive\n\n"))
      #expect(response.events.last?.data == "[DONE]")
    }
  }

  @Test("a body over the limit is refused before it is sent, announced or not")
  func tooLarge() async throws {
    try await withServer { server in
      let announced = try server.connect()
      try await announced.send(Array(server.head("POST", path, [:], length: 100_000_000).utf8))
      let first = WireResponse(try await announced.receive(until: "request_too_large"))
      #expect(first.status == 413)

      let chunked = try server.connect()
      try await chunked.send(Array(server.head("POST", path, ["Transfer-Encoding": "chunked"], length: nil).utf8))
      let piece = Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x100000) + Array("\r\n".utf8)
      for _ in 0..<11 { try await chunked.send(piece) }
      let second = WireResponse(try await chunked.receive(until: "request_too_large"))
      #expect(second.status == 413)
    }
  }

  @Test(
    "bodies that are no JSON object are refused",
    arguments: [
      "", "{", "[]", "\"x\"", String(repeating: "[", count: 10_000),
      "{\"a\":" + String(repeating: "[", count: 10_000), "{\"model\":1}", "\u{0}",
    ])
  func badJSON(body: String) async throws {
    try await withServer { server in
      let response = try await server.call("POST", path, body)
      #expect(response.status == 400)
      #expect(response.json["error"]?["message"]?.stringValue?.isEmpty == false)
    }
  }

  @Test("a body that breaks off is the client's fault")
  func brokenBody() async throws {
    try await withServer { server in
      let connection = try server.connect()
      try await connection.send(Array((server.head("POST", path, [:], length: 100) + "{\"model\":").utf8))
      connection.endSending()
      let response = WireResponse(try await connection.receive())
      #expect(response.status == 400 || response.status == 0)
      let metrics = try await server.call("GET", "/metrics").body
      #expect(!metrics.contains("status=\"500\""))
    }
  }

  @Test("unknown paths, wrong methods and broken HTTP get an answer")
  func routing() async throws {
    try await withServer { server in
      let unknown = try await server.call("GET", "/v1/unknown")
      #expect(unknown.errorCode == "unknown_url")
      let wrong = try await server.call("GET", path)
      #expect(wrong.status == 405)
      #expect(wrong.headers["allow"] == "POST")
      let head = try await server.call("HEAD", "/healthz")
      #expect(head.status == 200)
      #expect(head.body.isEmpty)
      let broken = try server.connect()
      try await broken.send(Array("NONSENSE\r\n\r\n".utf8))
      let answer = WireResponse(try await broken.receive())
      #expect(answer.status == 400)
    }
  }

  @Test("a connection serves several requests")
  func keepAliveConnection() async throws {
    try await withServer { server in
      let connection = try server.connect()
      let head = Array(server.head("GET", "/healthz", ["Connection": "keep-alive"], length: nil).utf8)
      for _ in 0..<3 {
        try await connection.send(head)
        let response = WireResponse(try await connection.receive(until: "\"ok\"}"))
        #expect(response.status == 200)
      }
    }
  }

  @Test("a port that is taken is an error with a way out")
  func portInUse() async throws {
    try await withServer { server in
      let second = HTTPServer(
        configuration: ServerConfiguration(port: server.port, handlesSignals: false), models: [])
      let error = await #expect(throws: ServerError.self) { try await second.run() }
      #expect(error?.code == .portInUse)
      #expect(error?.remedy?.contains("another port") == true)
    }
  }
}

@Suite("Shutdown", .serialized)
struct ShutdownTests {
  @Test("a stopped server lets running answers end within the grace and cancels the others", arguments: [true, false])
  func shutdown(endsInTime: Bool) async throws {
    let model = PacedModel(pieces: endsInTime ? 40 : 100_000)
    try await withServer(
      models: [model],
      configure: {
        $0.limits.shutdownGrace = endsInTime ? .seconds(20) : .milliseconds(1500)
        $0.handlesSignals = true
      }
    ) { server in
      let connection = try server.connect()
      let body = request("paced").utf8()
      try await connection.send(Array(server.head("POST", path, [:], length: body.count).utf8) + body)
      _ = try await connection.receive(until: "word2")
      kill(getpid(), SIGTERM)
      let rest = String(decoding: try await connection.receive(), as: UTF8.self)
      #expect(rest.contains("[DONE]") == endsInTime)
      if !endsInTime { try await model.log.wait(for: "cancelled") }
      #expect(throws: SocketFailure.self) { try server.connect() }
    }
  }
}
