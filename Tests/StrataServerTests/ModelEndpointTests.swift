import StrataCore
import StrataServer
import StrataTesting
import Synchronization
import Testing

/// Hands out paced models under two names.
private final class TestSource: ModelSource {
  let log = EventLog()
  let pieces: Int

  init(pieces: Int = 1000) { self.pieces = pieces }

  func names() -> [String] { ["paced", "other"] }

  func load(_ name: String) async throws -> LoadedModel {
    log.add("load \(name)")
    try await Task.sleep(for: .milliseconds(20))
    let model = StoppableModel(id: name, pieces: pieces)
    return LoadedModel(model) { [log] in
      log.add("unload \(name)")
      model.stop()
    }
  }
}

/// Streams until it is stopped; then everything that runs fails, as with a real engine.
private final class StoppableModel: LanguageModel {
  let info: ModelInfo
  private let pieces: Int
  private let isStopped = Mutex(false)

  init(id: String, pieces: Int) {
    info = ModelInfo(id: id, contextLength: 4096)
    self.pieces = pieces
  }

  func stop() { isStopped.withLock { $0 = true } }

  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task {
        for number in 0..<self.pieces {
          try? await Task.sleep(for: .milliseconds(5))
          if self.isStopped.withLock({ $0 }) {
            return continuation.finish(
              throwing: ServerError(ErrorCode("engine_stopped", .unavailable), "The model engine has stopped."))
          }
          continuation.yield(.text("word\(number) ", logprobs: []))
        }
        continuation.yield(
          .finished(.stop, Usage(promptTokens: 1, completionTokens: self.pieces), GenerationTimings()))
        continuation.finish()
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int { 1 }
}

private func chat(_ model: String, stream: Bool = false) -> JSON {
  ["model": .string(model), "messages": [["role": "user", "content": "go"]], "stream": .bool(stream)]
}

@Suite("Models while serving")
struct ModelEndpointTests {
  private let path = "/v1/chat/completions"

  @Test("models are loaded once, listed with their state, and unloaded")
  func life() async throws {
    let source = TestSource(pieces: 2)
    try await withServer(source: source) { server in
      func states() async throws -> [String] {
        try await server.call("GET", "/models").json["data"]?.arrayValue?.map { entry in
          "\(entry["id"]?.stringValue ?? "") \(entry["status"]?["value"]?.stringValue ?? "")"
        } ?? []
      }
      #expect(try await states() == ["scripted loaded", "paced unloaded", "other unloaded"])
      let early = try await server.post(path, chat("paced"))
      #expect(early.status == 404)
      // Two at once load it once.
      async let one = server.post("/v1/models/load", ["model": "paced"])
      async let two = server.post("/models/load", ["model": "paced"])
      let (first, second) = try await (one, two)
      #expect(first.json == ["success": true] && second.json == ["success": true])
      #expect(source.log.all == ["load paced"])
      #expect(try await states() == ["scripted loaded", "paced loaded", "other unloaded"])
      let answer = try await server.post(path, chat("paced"))
      #expect(answer.json["choices"]?[0]?["message"]?["content"] == "word0 word1 ")
      let unknown = try await server.post("/v1/models/load", ["model": "none"])
      #expect(unknown.status == 404)
      let pinned = try await server.post("/v1/models/unload", ["model": "scripted"])
      #expect(pinned.status == 409)
      #expect(pinned.errorCode == "model_pinned")
      let unloaded = try await server.post("/v1/models/unload", ["model": "paced"])
      #expect(unloaded.json == ["success": true])
      #expect(source.log.all == ["load paced", "unload paced"])
      let late = try await server.post(path, chat("paced"))
      #expect(late.errorCode == "model_not_found")
    }
  }

  /// Waits until a page says `text`, however slow the machine is.
  private func page(_ path: String, of server: TestServer, says text: String) async throws {
    for _ in 0..<2_000 {
      if try await server.call("GET", path).body.contains(text) { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw SocketFailure(step: "waiting for \(text)")
  }

  @Test("what runs on a model that is unloaded ends by itself within the grace")
  func grace() async throws {
    let source = TestSource(pieces: 400)
    // A grace that no machine is too slow for.
    try await withServer(source: source, configure: { $0.limits.unloadGrace = .seconds(600) }) { server in
      _ = try await server.post("/v1/models/load", ["model": "paced"])
      async let running = server.post(path, chat("paced", stream: true))
      try await page("/metrics", of: server, says: "strata_generations_in_flight{model=\"paced\"} 1")
      async let unloading = server.post("/v1/models/unload", ["model": "paced"])
      try await page("/models", of: server, says: "unloading")
      let refused = try await server.post(path, chat("paced"))
      #expect(refused.status == 503)
      #expect(refused.errorCode == "model_unloading")
      let events = try await running.events
      #expect(events.last?.data == "[DONE]")
      #expect(try await unloading.status == 200)
    }
  }

  @Test("what runs longer than the grace ends with an error, not with silence")
  func stopped() async throws {
    let source = TestSource()
    try await withServer(source: source, configure: { $0.limits.unloadGrace = .milliseconds(50) }) { server in
      _ = try await server.post("/v1/models/load", ["model": "paced"])
      async let running = server.post(path, chat("paced", stream: true))
      try await page("/metrics", of: server, says: "strata_generations_in_flight{model=\"paced\"} 1")
      let unloaded = try await server.post("/v1/models/unload", ["model": "paced"])
      #expect(unloaded.status == 200)
      let last = try JSON(parsing: try await running.events.last?.data ?? "")
      #expect(last["error"]?["code"] == "engine_stopped")
    }
  }

  @Test("an idle model is freed and comes back with the next request")
  func idle() async throws {
    let source = TestSource(pieces: 2)
    try await withServer(source: source, configure: { $0.limits.modelIdleTime = .milliseconds(100) }) { server in
      _ = try await server.post("/v1/models/load", ["model": "paced"])
      try await source.log.wait(for: "unload paced")
      let list = try await server.call("GET", "/v1/models").json["data"]
      #expect(list?[1]?["status"] == ["value": "sleeping"])
      let answer = try await server.post(path, chat("paced"))
      #expect(answer.status == 200)
      #expect(source.log.all.prefix(3) == ["load paced", "unload paced", "load paced"])
    }
  }

  @Test("a name with a colon is a base model and an adapter, unless a model is called that")
  func adapters() async throws {
    let base = ScriptedModel(id: "base") { _, _ in "b" }
    let colon = ScriptedModel(id: "base:v2") { _, _ in "c" }
    try await withServer(models: [base, colon]) { server in
      let adapted = try await server.post(path, chat("base:french"))
      #expect(adapted.json["model"] == "base:french")
      _ = try await server.post(path, chat("base:v2:german"))
      _ = try await server.post(path, chat("base:v2"))
      _ = try await server.post(path, chat("base"))
      let unknown = try await server.post(path, chat("none:french"))
      #expect(unknown.status == 404)
    }
    #expect(base.requests.map(\.adapter) == ["french", nil])
    #expect(colon.requests.map(\.adapter) == ["german", nil])
  }

  @Test("a request ends when the time that its client gave is over")
  func deadline() async throws {
    let model = PacedModel()
    try await withServer(models: [model]) { server in
      let late = try await server.post(path, chat("paced"), headers: ["X-Request-Timeout-Ms": "60"])
      #expect(late.status == 504)
      #expect(late.errorCode == "deadline_exceeded")
      let bad = try await server.post(path, chat("paced"), headers: ["X-Request-Timeout-Ms": "soon"])
      #expect(bad.status == 400)
    }
    #expect(model.log.all == ["started", "cancelled"])
  }
}
