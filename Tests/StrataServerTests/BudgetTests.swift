import Foundation
import StrataCore
import StrataServer
import StrataTesting
import Testing

@Suite("Rates and budgets")
struct BudgetTests {
  @Test("a bucket fills evenly, never above its size, and says how long to wait")
  func bucket() {
    var bucket = TokenBucket(capacity: 60, period: .seconds(60), now: .seconds(100))
    #expect(bucket.take(60, now: .seconds(100)) == nil)
    #expect(bucket.take(1, now: .seconds(100)) == .wait(.seconds(1)))
    #expect(bucket.remaining(now: .seconds(130)) == 30)
    #expect(bucket.take(31, now: .seconds(130)) == .wait(.seconds(1)))
    #expect(bucket.take(30, now: .seconds(130)) == nil)
    #expect(bucket.untilFull(now: .seconds(130)) == .seconds(60))
    #expect(bucket.remaining(now: .seconds(10_000)) == 60)
    #expect(bucket.take(61, now: .seconds(10_000)) == .tooLarge)
  }

  @Test(
    "what is given back counts, what was used beyond the reservation is owed, and a clock that steps back gives none")
  func debts() {
    var bucket = TokenBucket(capacity: 100, period: .seconds(100), now: .zero)
    #expect(bucket.take(80, now: .zero) == nil)
    bucket.give(50, now: .zero)
    #expect(bucket.remaining(now: .zero) == 70)
    bucket.give(-90, now: .zero)
    #expect(bucket.remaining(now: .zero) == 0)
    #expect(bucket.take(10, now: .zero) == .wait(.seconds(30)))
    #expect(bucket.remaining(now: .seconds(-5)) == 0)
    #expect(bucket.take(10, now: .seconds(30)) == nil)
    bucket.give(1_000, now: .seconds(30))
    #expect(bucket.remaining(now: .seconds(30)) == 100)
  }

  @Test("a reservation takes all or nothing, and ends with what was used")
  func reservations() throws {
    var budget = KeyBudget(
      KeyLimits(requestsPerMinute: 2, tokensPerMinute: 100, tokensPerDay: 150, concurrentRequests: 1), now: .zero)
    try budget.admit(now: .zero)
    try budget.admit(now: .zero)
    #expect(throws: ServerError.self) { try budget.admit(now: .zero) }
    #expect(budget.requestState(now: .zero) == RateState(limit: 2, remaining: 0, reset: .seconds(60)))
    try budget.reserve(80, now: .zero)
    let second = #expect(throws: ServerError.self) { try budget.reserve(1, now: .zero) }
    #expect(second?.message.contains("running") == true)
    budget.settle(reserved: 80, used: 30, now: .zero)
    #expect(budget.running == 0)
    #expect(budget.tokenState(now: .zero)?.remaining == 70)
    // A minute later the day decides, and the minute gets back what the day refuses.
    try budget.reserve(100, now: .seconds(60))
    budget.settle(reserved: 100, used: 100, now: .seconds(60))
    let day = #expect(throws: ServerError.self) { try budget.reserve(90, now: .seconds(120)) }
    #expect(day?.message.contains("tokens per day") == true)
    #expect(day?.retryAfter ?? .zero > .seconds(30_000))
    try budget.reserve(20, now: .seconds(120))
    let large = #expect(throws: ServerError.self) { try budget.reserve(101, now: .seconds(900)) }
    #expect(large?.retryAfter == .some(.seconds(1)) || large?.message.hasPrefix("Request too large") == true)
  }
}

/// A generator whose numbers are the same in every run (SplitMix64).
private struct Numbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension BudgetTests {
  @Test("however requests come and end, a key never gets more than its bucket and what flowed in", arguments: 0..<50)
  func bound(seed: UInt64) {
    var numbers = Numbers(state: seed)
    let limits = KeyLimits(tokensPerMinute: 600, concurrentRequests: 5)
    var budget = KeyBudget(limits, now: .zero)
    var now: Duration = .zero
    var running: [(reserved: Int, used: Int)] = []
    var used = 0
    for _ in 0..<400 {
      now += .milliseconds(Int.random(in: 0...2000, using: &numbers))
      if Bool.random(using: &numbers), !running.isEmpty {
        let ended = running.remove(at: Int.random(in: 0..<running.count, using: &numbers))
        budget.settle(reserved: ended.reserved, used: ended.used, now: now)
        used += ended.used
      } else {
        let count = Int.random(in: 1...300, using: &numbers)
        if (try? budget.reserve(count, now: now)) != nil {
          running.append((count, Int.random(in: 0...count, using: &numbers)))
        }
      }
      #expect(budget.running == running.count && running.count <= 5)
      #expect(Double(used + running.reduce(0) { $0 + $1.reserved }) <= 600 + 10 * seconds(now) + 1)
    }
    for ended in running { budget.settle(reserved: ended.reserved, used: ended.used, now: now) }
    #expect(budget.tokenState(now: now + .seconds(60))?.remaining == 600)
  }

  private func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }
}

private let secret = "sk-test-0123456789abcdef"
private let header = ["Authorization": "Bearer \(secret)"]
private let path = "/v1/chat/completions"
private let hello: JSON = ["model": "scripted", "messages": [["role": "user", "content": "Hi"]], "max_tokens": 20]

private func key(
  _ limits: KeyLimits, models: [String]? = nil, isAdmin: Bool = false, priority: Int = 0
) -> APIKey {
  APIKey(
    key: secret, principal: Principal(tenant: "acme", user: "sofia"), limits: limits, models: models,
    isAdmin: isAdmin, priority: priority)
}

@Suite("Keys with limits")
struct KeyLimitTests {
  @Test("requests beyond the rate get 429, a time to retry and OpenAI's headers")
  func requests() async throws {
    try await withServer(configure: { $0.apiKeys = [key(KeyLimits(requestsPerMinute: 2))] }) { server in
      let first = try await server.post(path, hello, headers: header)
      #expect(first.status == 200)
      #expect(first.headers["x-ratelimit-limit-requests"] == "2")
      #expect(first.headers["x-ratelimit-remaining-requests"] == "1")
      #expect(first.headers["x-ratelimit-reset-requests"] == "30s")
      #expect(first.headers["anthropic-ratelimit-requests-limit"] == "2")
      #expect(first.headers["x-ratelimit-limit-tokens"] == nil)
      _ = try await server.post(path, hello, headers: header)
      let third = try await server.post(path, hello, headers: header)
      #expect(third.status == 429)
      #expect(third.errorCode == "rate_limit_exceeded")
      #expect(third.json["error"]?["type"] == "rate_limit_error")
      #expect(Int(third.headers["retry-after"] ?? "").map { (1...30).contains($0) } == true)
      let message = try await server.post("/v1/messages", hello, headers: header)
      #expect(message.json["error"]?["type"] == "rate_limit_error")
      let list = try await server.call("GET", "/v1/models", headers: header)
      #expect(list.status == 200)
    }
  }

  @Test("tokens are set aside before and settled after; what does not fit is refused before the model works")
  func tokens() async throws {
    let model = ScriptedModel(["Hello there, friend."])
    try await withServer(models: [model], configure: { $0.apiKeys = [key(KeyLimits(tokensPerMinute: 40))] }) { server in
      let first = try await server.post(path, hello, headers: header)
      #expect(first.status == 200)
      // 15 of 40 used, whatever was reserved.
      #expect(first.headers["x-ratelimit-remaining-tokens"] == "25")
      let second = try await server.post(path, hello, headers: header)
      // The bucket fills while a slow machine works.
      let left = Int(second.headers["x-ratelimit-remaining-tokens"] ?? "")
      #expect(left.map { (10..<15).contains($0) } == true)
      let third = try await server.post(path, hello, headers: header)
      #expect(third.status == 429)
      var large = hello.objectValue ?? [:]
      large["max_tokens"] = 100
      let never = try await server.post(path, .object(large), headers: header)
      #expect(never.json["error"]?["message"]?.stringValue?.hasPrefix("Request too large") == true)
    }
    #expect(model.requests.count == 2)
  }

  @Test("a client that leaves frees its place and pays for what it saw")
  func leaving() async throws {
    let model = PacedModel()
    let limits = KeyLimits(tokensPerDay: 10_000, concurrentRequests: 1)
    try await withServer(models: [model], configure: { $0.apiKeys = [key(limits)] }) { server in
      let body: JSON = ["model": "paced", "messages": [["role": "user", "content": "go"]], "stream": true]
      let connection = try server.connect()
      let bytes = body.utf8()
      try await connection.send(Array(server.head("POST", path, header, length: bytes.count).utf8) + bytes)
      _ = try await connection.receive(until: "word5")
      let second = try await server.post(path, body, headers: header)
      #expect(second.status == 429)
      connection.hangUp()
      try await model.log.wait(for: "cancelled")
      var remaining = 0
      for _ in 0..<100 {
        let list = try await server.call("GET", "/v1/models", headers: header)
        remaining = Int(list.headers["x-ratelimit-remaining-tokens"] ?? "") ?? 0
        if remaining > 9_800 { break }
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect((9_801..<9_998).contains(remaining))
    }
  }

  @Test("a key uses and sees only its models, and only administrators load")
  func models() async throws {
    let models = [ScriptedModel(["x"]), ScriptedModel(id: "secret") { _, _ in "y" }]
    let keys = [key(KeyLimits(), models: ["scripted"], priority: 5)]
    try await withServer(models: models, embedders: [HashEmbedder()], configure: { $0.apiKeys = keys }) { server in
      let list = try await server.call("GET", "/v1/models", headers: header).json["data"]
      #expect(list?.arrayValue?.compactMap { $0["id"] } == ["scripted"])
      var body = hello.objectValue ?? [:]
      body["priority"] = -3
      let fine = try await server.post(path, .object(body), headers: header)
      #expect(fine.status == 200)
      body["model"] = "secret"
      let hidden = try await server.post(path, .object(body), headers: header)
      #expect(hidden.status == 404)
      #expect(!hidden.body.contains("scripted, secret"))
      let embedding = try await server.post("/v1/embeddings", ["model": "hash", "input": "x"], headers: header)
      #expect(embedding.status == 404)
      for path in ["/v1/models/load", "/v1/models/unload"] {
        let refused = try await server.post(path, ["model": "scripted"], headers: header)
        #expect(refused.status == 403)
        #expect(refused.errorCode == "administrators_only")
      }
    }
    // A key cannot get ahead of what the operator gave it.
    #expect(models[0].requests.map(\.priority) == [5])
    #expect(models[0].requests.map(\.tenant) == ["acme"])
  }

  @Test("keys of a file work at once, hold no secret, and end when they are revoked")
  func file() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID()).json").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let secret = KeyFile.newSecret()
    var keys = KeyFile()
    let limits = KeyLimits(requestsPerMinute: 9, tokensPerMinute: 8, tokensPerDay: 7, concurrentRequests: 6)
    let made = APIKey(
      key: secret, principal: Principal(tenant: "t", user: "u", groups: ["g"]), name: "ci", limits: limits,
      models: ["scripted"], isAdmin: true, priority: 3)
    keys.add(made, created: 1_700_000_000)
    try keys.write(to: path)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(!text.contains(secret))
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    let read = try KeyFile(path: path)
    #expect(read.entries[0].key.limits == limits)
    #expect(read.entries[0].key.id == made.id)
    #expect(read.json == keys.json)
    var without = read
    #expect(without.remove("nobody") == nil)
    #expect(without.remove("ci")?.id == made.id)
    let revoked = without
    try await withServer(configure: { $0.keyFile = path }) { server in
      let none = try await server.call("GET", "/v1/models")
      #expect(none.status == 401)
      let bearer = ["Authorization": "Bearer \(secret)"]
      let known = try await server.call("GET", "/v1/models", headers: bearer)
      #expect(known.status == 200)
      let digest = try await server.call("GET", "/v1/models", headers: ["Authorization": "Bearer \(made.digest)"])
      #expect(digest.status == 401)
      try Data("{\"keys\": [".utf8).write(to: URL(fileURLWithPath: path))
      try await Task.sleep(for: .milliseconds(1100))
      let halfEdited = try await server.call("GET", "/v1/models", headers: bearer)
      #expect(halfEdited.status == 200)
      try revoked.write(to: path)
      try await Task.sleep(for: .milliseconds(1100))
      let late = try await server.call("GET", "/v1/models", headers: bearer)
      #expect(late.status == 401)
    }
  }

  @Test(
    "a file of keys that is wrong says where",
    arguments: [
      ("{}", ""), ("{\"keys\": [3]}", "keys[0]"), ("{\"keys\": [{}]}", "keys[0].sha256"),
      ("{\"keys\": [{\"sha256\": \"abc\", \"user\": \"x\"}]}", "keys[0].sha256"),
    ])
  func wrongFile(text: String, place: String) throws {
    let error = #expect(throws: ServerError.self) { try KeyFile(json: JSON(parsing: text)) }
    #expect(error?.parameter ?? "" == place)
  }
}

@Suite("Reranking")
struct RerankTests {
  /// Scores by length.
  private struct LengthReranker: Reranker {
    let id = "lengths"
    func rerank(query: String, documents: [String]) async throws -> [Float] { documents.map { Float($0.utf8.count) } }
    func countTokens(_ text: String) -> Int { text.split(separator: " ").count }
  }

  private let body: JSON = [
    "model": "lengths", "query": "two words", "documents": ["aa", ["text": "aaaa"], "a", "bb"], "top_n": 3,
  ]

  @Test("documents come back best first, with their places; equal ones keep their order")
  func order() async throws {
    try await withServer(rerankers: [LengthReranker()]) { server in
      for path in ["/v1/rerank", "/rerank"] {
        let result = try await server.post(path, body).json
        #expect(result["results"]?.arrayValue?.compactMap { $0["index"]?.intValue } == [1, 0, 3])
        #expect(result["results"]?[0] == ["index": 1, "relevance_score": 4, "document": ["text": "aaaa"]])
        #expect(result["usage"]?["total_tokens"] == 12)
        #expect(result["model"] == "lengths")
      }
      var short = body.objectValue ?? [:]
      short["return_documents"] = false
      short["model"] = .null
      let bare = try await server.post("/v1/rerank", .object(short)).json
      #expect(bare["results"]?[0] == ["index": 1, "relevance_score": 4])
    }
  }

  @Test("an encoder is found by its name without the hash of its weights, for keys too")
  func plainNames() async throws {
    struct Hashed: Reranker {
      let id = "cross@0123456789ab"
      func rerank(query: String, documents: [String]) async throws -> [Float] { documents.map { _ in 1 } }
      func countTokens(_ text: String) -> Int { 1 }
    }
    let mine = key(KeyLimits(), models: ["cross"])
    try await withServer(rerankers: [Hashed()], configure: { $0.apiKeys = [mine] }) { server in
      let body: JSON = ["model": "cross", "query": "x", "documents": ["y"]]
      let result = try await server.post("/v1/rerank", body, headers: header)
      #expect(result.json["model"] == "cross@0123456789ab")
      let list = try await server.call("GET", "/v1/models", headers: header).json["data"]
      #expect(list?.arrayValue?.compactMap { $0["id"] } == ["cross@0123456789ab"])
    }
  }

  @Test("without a reranker the cosine of embeddings stands in and says so")
  func standIn() async throws {
    try await withServer(embedders: [HashEmbedder()]) { server in
      let result = try await server.post(
        "/v1/rerank", ["model": "hash", "query": "red apple", "documents": ["blue sky", "red apple"]]
      ).json
      #expect(result["model"] == "hash (cosine of embeddings)")
      #expect(result["results"]?[0]?["index"] == 1)
      #expect((result["results"]?[0]?["relevance_score"]?.doubleValue ?? 0) > 0.999)
    }
    try await withServer { server in
      let none = try await server.post("/v1/rerank", ["query": "x", "documents": ["y"]])
      #expect(none.status == 404)
    }
  }

  @Test("bad requests are refused by parameter")
  func refusals() async throws {
    try await withServer(rerankers: [LengthReranker()]) { server in
      let cases: [(JSONObject, String)] = [
        (["query": .null], "query"), (["documents": []], "documents"), (["documents": [3]], "documents[0]"),
        (["top_n": 0], "top_n"), (["documents": "x"], "documents"),
      ]
      for (change, parameter) in cases {
        var request = body.objectValue ?? [:]
        for (key, value) in change { request[key] = value }
        let response = try await server.post("/v1/rerank", .object(request))
        #expect(response.status == 400)
        #expect(response.json["error"]?["param"] == .string(parameter))
      }
    }
  }
}
