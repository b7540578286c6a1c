// Owns measuring recall: how often the right fact comes first, and what a recall costs. Asserts nothing about time.
// Benchmarks/scripts/memory.py runs it with real vectors and many facts.
import Foundation
import StrataCore
import StrataRetrieval
import StrataStore
import StrataTesting
import Testing

/// Vectors that another program made, by text.
private struct KnownVectors: Embedder {
  let id = "known"
  let vectors: [String: [Float]]
  let maxTokens = 256
  var dimension: Int { vectors.first?.value.count ?? 0 }

  init(path: String) throws {
    vectors = try JSONDecoder().decode([String: [Float]].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  func embed(_ texts: [String]) async throws -> [[Float]] {
    texts.map { vectors[$0] ?? [Float](repeating: 0, count: dimension) }
  }

  func countTokens(_ text: String) -> Int { text.split(separator: " ").count }
}

private struct Questions: Decodable {
  struct Fact: Decodable {
    var predicate: String
    var object: String
    var text: String
  }
  struct Question: Decodable {
    var text: String
    var fact: Int
  }
  var facts: [Fact]
  var questions: [Question]
  var unrelated: [String]
}

@Suite("Memory measurements")
struct MemoryMeasurements {
  static let environment = ProcessInfo.processInfo.environment

  @Test("the fact that answers a question comes first or among the first five")
  func quality() async throws {
    let path = Fixtures.root + "/Tests/StrataRetrievalTests/Golden/memory-questions.json"
    let set = try JSONDecoder().decode(Questions.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    let embedder: any Embedder =
      try Self.environment["STRATA_MEMORY_VECTORS"].map { try KnownVectors(path: $0) } ?? HashEmbedder()
    let folder = try TemporaryFolder()
    let memory = AgentMemory(store: try SQLiteStore(path: folder.path + "/strata.sqlite"), embedder: embedder)
    let sofia = Principal(user: "sofia")
    let statements = set.facts.map { FactStatement(predicate: $0.predicate, object: $0.object, text: $0.text) }
    try await memory.state(statements, as: sofia)
    var (first, five, unrelated) = (0, 0, 0)
    for question in set.questions {
      let found = try await memory.recall(MemoryQuery(question.text, limit: 5), as: sofia).map(\.fact.text)
      if found.first == set.facts[question.fact].text { first += 1 }
      if found.contains(set.facts[question.fact].text) { five += 1 }
    }
    for text in set.unrelated { unrelated += try await memory.recall(MemoryQuery(text, limit: 5), as: sofia).count }
    print(
      "memory: \(embedder.id) R@1 \(first)/\(set.questions.count), R@5 \(five)/\(set.questions.count), "
        + "\(unrelated) facts for \(set.unrelated.count) unrelated questions")
    #expect(first > 0 && five >= first)
  }

  @Test("a recall among the facts of many users, now, after a change, and as of a time before")
  func speed() async throws {
    let count = Int(Self.environment["STRATA_MEMORY_FACTS"] ?? "") ?? 2000
    let userCount = max(1, count / 100)
    let folder = try TemporaryFolder()
    let store = try SQLiteStore(path: folder.path + "/strata.sqlite")
    let embedder = HashEmbedder(dimension: 384)
    let words = (0..<2000).map { "word\($0)" }
    var random = SystemRandomNumberGenerator()
    func sentence() -> String { (0..<8).map { _ in words.randomElement(using: &random) ?? "" }.joined(separator: " ") }
    let beginning = Date(timeIntervalSinceReferenceDate: 0)
    for user in 0..<userCount {
      var change = MemoryChange()
      let texts = (0..<100).map { _ in sentence() }
      for (text, vector) in zip(texts, try await embedder.embed(texts)) {
        change.added.append(
          MemoryFact(
            scope: MemoryScope(user: "user\(user)"), subject: "user", predicate: "said", object: text, text: text,
            validFrom: beginning, recordedAt: beginning, readers: [.user("user\(user)")], embedding: vector))
      }
      let revision = try await store.memoryRevision(tenant: "default")
      _ = try await store.apply(change, tenant: "default", ifRevisionIs: revision)
    }
    func open() -> AgentMemory {
      AgentMemory(
        store: store, index: MemoryIndex(store: store, embedder: embedder, folder: folder.path + "/memory"),
        embedder: embedder)
    }
    var memory = open()
    let clock = ContinuousClock()
    func recall(_ rounds: Int, asOf: Date? = nil, before: (Int) async throws -> Void = { _ in }) async throws -> Double
    {
      var times: [Double] = []
      for round in 0..<rounds {
        try await before(round)
        let principal = Principal(user: "user\(round % userCount)")
        let query = MemoryQuery(sentence(), asOf: asOf, knownAt: asOf)
        var found = 0
        times.append(
          try await clock.measure { found = try await memory.recall(query, as: principal).count } / .milliseconds(1))
        #expect(found <= 8)
      }
      return times.sorted()[times.count / 2]
    }
    let first = try await recall(1)
    // The folder is locked until the old index is gone.
    memory = AgentMemory(store: store, embedder: embedder)
    memory = open()
    let start = try await recall(1)
    let again = try await recall(200)
    let changed = try await recall(5) { round in
      try await memory.remember("I like tea number \(round).", as: Principal(user: "user0"))
    }
    let past = try await recall(5, asOf: beginning + 1)
    let id = try #require(try await memory.list(as: Principal(user: "user1")).first?.id)
    let forgetting =
      try await clock.measure { try await memory.forget([id], as: Principal(user: "user1")) } / .milliseconds(1)
    func text(_ time: Double) -> String { time.formatted(.number.precision(.fractionLength(2))) }
    print(
      "memory: \(userCount * 100) facts of \(userCount) users, ms: indexing \(text(first)), "
        + "first after a start \(text(start)), again \(text(again)), "
        + "after a change \(text(changed)), as of a time \(text(past)), "
        + "forgetting \(text(forgetting))")
  }
}
