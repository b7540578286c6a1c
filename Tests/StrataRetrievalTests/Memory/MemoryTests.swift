import Foundation
import StrataCore
import StrataRetrieval
import StrataStore
import StrataTesting
import Synchronization
import Testing

/// Days since an arbitrary beginning.
private func day(_ number: Int) -> Date { Date(timeIntervalSinceReferenceDate: Double(number) * 86_400) }

/// A clock that only the test moves.
private final class Calendar: Sendable {
  private let time = Mutex(day(0))
  var now: Date {
    get { time.withLock { $0 } }
    set { time.withLock { $0 = newValue } }
  }
}

private struct Bench {
  let folder: TemporaryFolder
  let store: SQLiteStore
  let calendar = Calendar()
  let memory: AgentMemory
  let sofia = Principal(user: "sofia", groups: ["crew"])
  let priya = Principal(user: "priya", groups: ["crew"])

  init(limits: MemoryLimits = MemoryLimits(), embedder: (any Embedder)? = HashEmbedder()) throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.path + "/strata.sqlite")
    memory = AgentMemory(store: store, embedder: embedder, limits: limits) { [calendar] in calendar.now }
  }

  func recall(
    _ text: String, asOf: Date? = nil, knownAt: Date? = nil, as principal: Principal? = nil
  ) async throws -> [String] {
    try await memory.recall(MemoryQuery(text, asOf: asOf, knownAt: knownAt), as: principal ?? sofia).map(\.fact.text)
  }
}

@Suite("Memory")
struct MemoryTests {
  @Test("what is newer takes the place of what was, and both can be asked for at their times")
  func supersedes() async throws {
    let bench = try Bench()
    try await bench.memory.remember("I live in Oslo.", as: bench.sofia)
    bench.calendar.now = day(10)
    try await bench.memory.remember("I moved to Bergen.", as: bench.sofia)
    bench.calendar.now = day(20)
    #expect(try await bench.recall("lives in") == ["The user lives in Bergen."])
    #expect(try await bench.recall("lives in", asOf: day(5)) == ["The user lives in Oslo."])
    #expect(try await bench.recall("lives in", asOf: day(15), knownAt: day(5)) == ["The user lives in Oslo."])
    #expect(try await bench.memory.list(as: bench.sofia).count == 2)
    #expect(try await bench.memory.list(history: true, as: bench.sofia).count == 3)
  }

  @Test("a correction of the past changes what held then, not what was believed then")
  func corrects() async throws {
    let bench = try Bench()
    try await bench.memory.remember("I live in Oslo.", as: bench.sofia)
    bench.calendar.now = day(30)
    let moved = FactStatement(
      predicate: "lives in", object: "Turku", text: "The user lives in Turku.", isSingle: true, validFrom: day(10))
    try await bench.memory.state([moved], as: bench.sofia)
    #expect(try await bench.recall("lives in", asOf: day(20)) == ["The user lives in Turku."])
    #expect(try await bench.recall("lives in", asOf: day(20), knownAt: day(29)) == ["The user lives in Oslo."])
    #expect(try await bench.recall("lives in", asOf: day(5)) == ["The user lives in Oslo."])
  }

  @Test("what holds no longer is not recalled; what is said again is confirmed, not doubled")
  func endsAndConfirms() async throws {
    let bench = try Bench()
    try await bench.memory.remember("I like herring. I like rye bread.", as: bench.sofia)
    bench.calendar.now = day(1)
    #expect(try await bench.memory.remember("I like rye bread!", as: bench.sofia).isEmpty)
    bench.calendar.now = day(2)
    try await bench.memory.remember("I no longer like herring.", as: bench.sofia)
    bench.calendar.now = day(3)
    #expect(try await bench.recall("likes") == ["The user likes rye bread."])
    #expect(try await bench.memory.list(as: bench.sofia).first { $0.object == "rye bread" }?.confirmations == 2)
  }

  @Test("nobody recalls what another user told, unless the readers say so; tenants never meet")
  func permissions() async throws {
    let bench = try Bench()
    try await bench.memory.remember("I live in Oslo.", as: bench.sofia)
    try await bench.memory.remember("Remember that the berth is number 14.", readers: [.group("crew")], as: bench.sofia)
    #expect(try await bench.recall("lives in", as: bench.priya).isEmpty)
    #expect(try await bench.recall("berth", as: bench.priya).count == 1)
    #expect(try await bench.recall("berth", as: Principal(user: "tom")).isEmpty)
    #expect(try await bench.recall("berth", as: Principal(tenant: "other", user: "sofia", groups: ["crew"])).isEmpty)
    let ids = try await bench.memory.list(as: bench.sofia).map(\.id)
    #expect(try await bench.memory.forget(ids, as: bench.priya) == 0)
    #expect(try await bench.memory.list(as: bench.sofia).count == 2)
  }

  @Test("forgetting erases every row that said it, the episode too, and nothing else")
  func forgets() async throws {
    let bench = try Bench()
    try await bench.memory.remember("I live in Oslo.", as: bench.sofia)
    bench.calendar.now = day(1)
    try await bench.memory.remember("I moved to Bergen.", as: bench.sofia)
    let oslo = try #require(try await bench.memory.list(as: bench.sofia).first { $0.object == "Oslo" })
    #expect(try await bench.memory.forget([oslo.id], as: bench.sofia) == 2)
    #expect(try await bench.recall("lives in", asOf: day(0)).isEmpty)
    let scope = MemoryScope(bench.sofia)
    #expect(try await bench.store.episodes(of: scope, extracted: nil, limit: 10).map(\.text) == ["I moved to Bergen."])
    try bench.store.close()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: bench.store.path))
    #expect(bytes.range(of: Data("Oslo".utf8)) == nil)
    #expect(bytes.range(of: Data("Bergen".utf8)) != nil)
  }

  @Test("over the quota the least important go; questions and small talk never come in")
  func quota() async throws {
    var limits = MemoryLimits()
    limits.facts = 3
    limits.episodes = 4
    let bench = try Bench(limits: limits, embedder: nil)
    let said = [
      "I am allergic to nuts.", "I like tea.", "I like jazz.", "I live in Oslo.", "Where do I live?", "Thanks, great!",
    ]
    for text in said { try await bench.memory.remember(text, as: bench.sofia) }
    let kept = try await bench.memory.list(as: bench.sofia).map(\.object)
    #expect(kept == ["nuts", "jazz", "Oslo"])
    #expect(try await bench.store.episodes(of: MemoryScope(bench.sofia), extracted: nil, limit: 100).count == 4)
    await #expect(throws: RetrievalError.self) { try await bench.memory.remember("  ", as: bench.sofia) }
    let long = String(repeating: "word ", count: 10_000)
    await #expect(throws: RetrievalError.self) { try await bench.memory.remember(long, as: bench.sofia) }
  }

  @Test("consolidation reads what was left unread and makes one of what says the same")
  func consolidates() async throws {
    let bench = try Bench()
    let episode = MemoryEpisode(
      scope: MemoryScope(bench.sofia), text: "I speak Norwegian.", occurredAt: day(0), recordedAt: day(0),
      readers: [.user("sofia")])
    _ = try await bench.store.add(episode)
    bench.calendar.now = day(1)
    let twice = [5, 3].map { start in
      FactStatement(predicate: "likes", object: "tea", text: "The user likes tea.", validFrom: day(start))
    }
    try await bench.memory.state(twice, as: bench.sofia)
    #expect(try await bench.memory.list(as: bench.sofia).count == 2)
    let report = try await bench.memory.consolidate(as: bench.sofia)
    #expect(report.found == 1)
    #expect(report.merged == 1)
    let facts = try await bench.memory.list(as: bench.sofia)
    #expect(facts.map(\.object).sorted() == ["Norwegian", "tea"])
    #expect(facts.first { $0.object == "tea" }?.validFrom == day(3))
    #expect(try await bench.memory.consolidate(as: bench.sofia) == MemoryConsolidation.Report())
  }

  @Test("memories that two processes write at once are both kept")
  func concurrent() async throws {
    let bench = try Bench(embedder: nil)
    let second = AgentMemory(store: bench.store) { day(0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        let memory = number % 2 == 0 ? bench.memory : second
        group.addTask { try await memory.remember("I like book \(number).", as: bench.sofia) }
      }
      try await group.waitForAll()
    }
    #expect(try await bench.memory.list(as: bench.sofia).count == 20)
  }
}

@Suite("Memory timeline")
struct MemoryTimelineTests {
  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  /// The plainest account of one question with one answer at a time: a table of days, written over from the day that a
  /// statement names until the next day on which a known statement begins, once for each moment of learning.
  private struct Table {
    var answers: [String?] = Array(repeating: nil, count: 60)

    mutating func state(_ object: String, from start: Int) {
      guard answers[start] != object else { return }
      var end = answers.count
      for later in (start + 1)..<max(start + 1, answers.count) where starts.contains(later) {
        end = later
        break
      }
      for index in start..<end { answers[index] = object }
      starts.insert(start)
    }

    mutating func end(_ object: String, from start: Int) {
      guard answers[start] == object else { return }
      var index = start
      while index < answers.count, answers[index] == object, index == start || !starts.contains(index) {
        answers[index] = nil
        index += 1
      }
      starts.remove(start)
    }

    /// Days on which rows begin.
    var starts: Set<Int> = []
  }

  @Test("random statements about the past give what a table of days gives, at every time and every state of knowledge")
  func agreesWithTable() async throws {
    var random = Random(state: 7)
    for _ in 0..<20 {
      let bench = try Bench(embedder: nil)
      var tables: [Table] = []
      var table = Table()
      for learned in 0..<12 {
        bench.calendar.now = day(100 + learned)
        let object = ["Oslo", "Turku", "Bergen"].randomElement(using: &random) ?? ""
        let start = Int.random(in: 0..<59, using: &random)
        let isEnd = Int.random(in: 0..<4, using: &random) == 0
        if isEnd { table.end(object, from: start) } else { table.state(object, from: start) }
        tables.append(table)
        let statement = FactStatement(
          predicate: "lives in", object: object, text: object, isSingle: true, validFrom: day(start), isEnd: isEnd)
        try await bench.memory.state([statement], as: bench.sofia)
      }
      let rows = try await bench.memory.list(history: true, as: bench.sofia)
      for (learned, table) in tables.enumerated() {
        for time in 0..<60 {
          let holding = rows.filter { $0.holds(at: day(time), knownAt: day(100 + learned)) }
          #expect(holding.map(\.object) == (table.answers[time].map { [$0] } ?? []))
        }
      }
    }
  }
}

@Suite("Facts by pattern")
struct PatternFactExtractorTests {
  @Test(
    "sentences about oneself are facts",
    arguments: [
      ("My name is Sofia Lind.", "is called", "Sofia Lind"),
      ("i moved to Bergen", "lives in", "Bergen"),
      ("Remember that I prefer answers in Norwegian.", "prefers", "answers in Norwegian"),
      ("My favourite tea is Assam!", "has favourite tea", "Assam"),
      ("My line manager is Tom Okafor.", "has line manager", "Tom Okafor"),
      ("I work for Halden Marine since 2021.", "works at", "Halden Marine"),
      ("Please remember that the boat leaves at nine.", "asked to remember", "the boat leaves at nine"),
    ])
  func found(text: String, predicate: String, object: String) async throws {
    let statements = try await PatternFactExtractor().statements(in: text, at: day(0))
    #expect(statements.map(\.predicate) == [predicate])
    #expect(statements.map(\.object) == [object])
  }

  @Test(
    "questions, small talk and documents are none",
    arguments: [
      "Where do I live?", "Thanks!", "What is my name?", "The vessel has a length of 40 metres.", "I think so too.",
      "", "my", "My is", "I live in ", "Remember that",
    ])
  func nothing(text: String) async throws {
    #expect(try await PatternFactExtractor().statements(in: text, at: day(0)).isEmpty)
  }

  @Test("times are read and taken out of the sentence")
  func times() async throws {
    let found = try await PatternFactExtractor().statements(
      in: "I live in Oslo since March 2021. I worked. I live in Turku from 2019-02-30.", at: day(0))
    #expect(found.first?.object == "Oslo")
    #expect(found.first?.validFrom == (try Date("2021-03-01T00:00:00Z", strategy: .iso8601)))
    #expect(found.last?.object == "Turku from 2019-02-30")
    #expect(found.last?.validFrom == nil)
  }
}
