// Tests that recall shows what may be seen at the moment asked for and nothing else, and that the index of a memory follows
// its store over every death of the process.
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataStore
import StrataTesting
import Synchronization
import Testing

/// A clock of whole days that only the test moves.
private final class DayClock: Sendable {
  private let time = Mutex(0)
  var day: Int {
    get { time.withLock { $0 } }
    set { time.withLock { $0 = newValue } }
  }
}

/// People, agents and two tenants that state, end and forget at random; every fact says "thing", so that every fact is about
/// a question for it.
private final class MemoryWorld {
  static let users = ["amy", "ben", "cid", "dee"]
  static let groups: [String: Set<String>] = ["amy": ["red"], "ben": ["red", "blue"], "cid": ["blue"]]
  static let agents = ["cook", "clerk"]
  static let tenants = ["north", "south"]

  let folder: TemporaryFolder
  let store: SQLiteStore
  let embedder = HashEmbedder(dimension: 16)
  let clock = DayClock()
  var random: SeededGenerator
  var index: MemoryIndex
  var memories: [String: AgentMemory] = [:]

  init(seed: UInt64) throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.path + "/strata.sqlite")
    random = SeededGenerator(state: seed)
    index = MemoryIndex(store: store)
    open()
  }

  static func day(_ number: Int) -> Date { Date(timeIntervalSinceReferenceDate: Double(number) * 86_400) }

  /// As a process that starts: what was not written is gone.
  func open(_ steps: FileSteps = .real) {
    var options = HybridIndex.Options()
    options.bufferChunkLimit = 16
    options.mergesInBackground = false
    options.steps = steps
    memories = [:]
    // The folder is locked until the old index is gone.
    index = MemoryIndex(store: store)
    index = MemoryIndex(store: store, embedder: embedder, folder: folder.path + "/memory", options: options)
    for agent in Self.agents {
      memories[agent] = AgentMemory(store: store, index: index, embedder: embedder, agent: agent) { [clock] in
        Self.day(clock.day)
      }
    }
  }

  func pick<Element>(_ elements: [Element]) throws -> Element {
    try #require(elements.randomElement(using: &random))
  }

  func principal() throws -> Principal {
    let user = try pick(Self.users)
    return Principal(tenant: try pick(Self.tenants), user: user, groups: Self.groups[user] ?? [])
  }

  /// One statement, end, episode, or something forgotten.
  func change() async throws {
    let (principal, memory) = (try principal(), try #require(memories[try pick(Self.agents)]))
    clock.day += Int.random(in: 0...2, using: &random)
    switch Int.random(in: 0..<10, using: &random) {
    case 0:
      let ids = try await memory.list(history: true, as: principal).map(\.id)
      if let id = ids.randomElement(using: &random) { try await memory.forget([id], as: principal) }
    case 1:
      try await memory.remember(
        "I like thing \(Int.random(in: 0..<20, using: &random)).", as: principal)
    default:
      let day = clock.day
      let from = Int.random(in: day - 30...day + 10, using: &random)
      let statement = FactStatement(
        predicate: try pick(["has", "wants", "lost"]), object: "thing \(Int.random(in: 0..<5, using: &random))",
        text: "A thing.", isSingle: Bool.random(using: &random), validFrom: Self.day(from),
        validTo: Bool.random(using: &random)
          ? nil : Self.day(from + Int.random(in: 1...20, using: &random)),
        isEnd: Int.random(in: 0..<5, using: &random) == 0)
      let readers: [[Reader]] = [[], [], [.group("red")], [.group("blue")], [.everyone], [.user("dee")]]
      try await memory.state([statement], readers: try pick(readers), as: principal)
    }
  }

  /// What the rows themselves say is to be seen, each looked at on its own.
  func visible(_ agent: String, asOf: Int, knownAt: Int, as principal: Principal) async throws -> Set<Int64> {
    let (time, known) = (Self.day(asOf), Self.day(knownAt))
    var ids: Set<Int64> = []
    for row in try await store.facts(tenant: principal.tenant, scope: nil, history: true) {
      var isReader = false
      for reader in row.readers {
        switch reader {
        case .everyone: isReader = true
        case .user(let user): isReader = isReader || user == principal.user
        case .group(let group): isReader = isReader || principal.groups.contains(group)
        }
      }
      guard isReader, row.scope.agent == agent, row.validFrom <= time, row.recordedAt <= known else { continue }
      if let end = row.validTo, end <= time { continue }
      if let end = row.retractedAt, end <= known { continue }
      ids.insert(row.id)
    }
    return ids
  }
}

@Suite("Memory index")
struct MemoryIndexTests {
  static let worldCount = Int(ProcessInfo.processInfo.environment["STRATA_MEMORY_WORLDS"] ?? "") ?? 3

  @Test("random recalls show what may be seen at their moment, all of it and nothing else")
  func oracle() async throws {
    var (recalls, hits, leaks, missing, short) = (0, 0, 0, 0, 0)
    for seed in 0..<Self.worldCount {
      let world = try MemoryWorld(seed: UInt64(seed + 1))
      for round in 0..<60 {
        for _ in 0..<3 { try await world.change() }
        if round % 15 == 14 { world.open() }
        for _ in 0..<6 {
          let (principal, agent) = (try world.principal(), try world.pick(MemoryWorld.agents))
          let now = world.clock.day
          let asOf = Bool.random(using: &world.random) ? nil : Int.random(in: -30...now + 12, using: &world.random)
          let knownAt = Bool.random(using: &world.random) ? nil : Int.random(in: 0...now, using: &world.random)
          let visible = try await world.visible(agent, asOf: asOf ?? now, knownAt: knownAt ?? now, as: principal)
          let memory = try #require(world.memories[agent])
          var query = MemoryQuery(
            "which thing", limit: 1000, asOf: asOf.map(MemoryWorld.day), knownAt: knownAt.map(MemoryWorld.day))
          let found = try await memory.recall(query, as: principal).map(\.fact.id)
          recalls += 1
          hits += found.count
          leaks += Set(found).subtracting(visible).count
          missing += visible.subtracting(found).count
          query.limit = Int.random(in: 1...4, using: &world.random)
          if try await memory.recall(query, as: principal).count != min(query.limit, visible.count) { short += 1 }
        }
      }
      for (_, verification) in try await world.index.verify() {
        #expect(verification.problems.isEmpty && verification.chunkCount > 0)
      }
    }
    print(
      "memory oracle: \(recalls) recalls, \(hits) hits: \(leaks) leaks, \(missing) missing, \(short) not full")
    #expect(leaks == 0 && missing == 0 && short == 0)
    #expect(hits > recalls, "the worlds are too empty to prove anything")
  }

  @Test("what was said is found again as an episode, by its user and up to its time")
  func episodes() async throws {
    let world = try MemoryWorld(seed: 5)
    let memory = try #require(world.memories["cook"])
    let amy = Principal(tenant: "north", user: "amy")
    try await memory.remember("We talked about the walrus at length.", as: amy)
    world.clock.day = 3
    try await memory.remember("The walrus came up again.", as: amy)
    func texts(_ query: MemoryQuery, _ principal: Principal) async throws -> Set<String> {
      Set(try await memory.recallEpisodes(query, as: principal).map(\.episode.text))
    }
    #expect(try await texts(MemoryQuery("walrus"), amy).count == 2)
    #expect(
      try await texts(MemoryQuery("walrus", asOf: MemoryWorld.day(1)), amy)
        == ["We talked about the walrus at length."])
    #expect(try await texts(MemoryQuery("walrus"), Principal(tenant: "north", user: "ben")).isEmpty)
    #expect(try await texts(MemoryQuery("walrus"), Principal(tenant: "south", user: "amy")).isEmpty)
    #expect(try await memory.recall(MemoryQuery("walrus"), as: amy).isEmpty)
    #expect(try await memory.forget(nil, as: amy) == 0)
    #expect(try await texts(MemoryQuery("walrus"), amy).isEmpty)
  }

  @Test("whenever the process dies while the index is written, the next start makes it what the store says")
  func crashes() async throws {
    for after in stride(from: 0, to: 60, by: 3) {
      let world = try MemoryWorld(seed: UInt64(100 + after))
      for _ in 0..<12 { try await world.change() }
      for tenant in MemoryWorld.tenants { try await world.index.index(of: tenant).refresh() }
      let left = Mutex(after)
      world.open(
        FileSteps { (_, path) throws(IndexError) in
          let isDead = left.withLock { left in
            left -= 1
            return left < 0
          }
          if isDead { throw IndexError.corrupted("the test ended the process", path: path) }
        })
      // The store goes on; the index dies somewhere, the last changes never reach it.
      for round in 0..<12 {
        try? await world.change()
        if round % 4 == 3 {
          for tenant in MemoryWorld.tenants {
            guard let index = try? await world.index.index(of: tenant) else { continue }
            try? await index.refresh()
            try? await index.flush()
          }
        }
      }
      world.open()
      for (tenant, verification) in try await world.index.verify() {
        #expect(verification.problems.isEmpty, "died after \(after) steps, \(tenant)")
      }
      let now = world.clock.day
      let principal = Principal(tenant: "north", user: "amy", groups: ["red"])
      let found = try await world.memories["cook"]?.recall(MemoryQuery("thing", limit: 1000), as: principal) ?? []
      let visible = try await world.visible("cook", asOf: now, knownAt: now, as: principal)
      #expect(Set(found.map(\.fact.id)) == visible)
    }
  }

  @Test("what is forgotten leaves the files of the index with the call, and gives the space back")
  func space() async throws {
    let world = try MemoryWorld(seed: 9)
    let memory = try #require(world.memories["cook"])
    let (amy, ben) = (Principal(tenant: "north", user: "amy"), Principal(tenant: "north", user: "ben"))
    try await memory.remember("I like tea.", as: ben)
    try await memory.remember("I live in Zanzibar.", as: amy)
    let index = try await world.index.index(of: "north")
    try await index.refresh()
    try await index.flush()
    func holds(_ word: String) throws -> Bool {
      let path = CollectionIndex.indexFolder(world.folder.path + "/memory", collection: "north")
      return try FileManager.default.contentsOfDirectory(atPath: path).contains { name in
        try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)).range(of: Data(word.utf8)) != nil
      }
    }
    #expect(try holds("zanzibar"))
    let before = index.index.statistics().byteCount
    for number in 0..<60 { try await memory.remember("I like thing \(number).", as: amy) }
    try await index.refresh()
    try await index.flush()
    try await memory.forget(nil, as: amy)
    #expect(try !holds("zanzibar"))
    #expect(index.index.statistics().removedCount == 0)
    #expect(index.index.statistics().byteCount <= before)
    #expect(try await memory.recall(MemoryQuery("tea"), as: ben).count == 1)
    #expect(try await index.verify().problems.isEmpty)
  }

  @Test("documents and memory are seen as they were at one moment, while both are written to")
  func moment() async throws {
    let world = try MemoryWorld(seed: 13)
    let (store, memory) = (world.store, try #require(world.memories["cook"]))
    let amy = Principal(tenant: "north", user: "amy")
    let retriever = HybridRetriever(store: store, embedder: nil)
    /// First the document, then the fact, one by one: of facts there may be one less, never more.
    @Sendable func write(_ number: Int) async throws {
      let text = "walrus \(number)"
      let record = DocumentRecord(
        collection: "default", path: "\(number).md", version: 1, contentHash: SHA256.hash(text),
        byteCount: text.utf8.count, mediaType: "text/plain", title: "", readers: [.everyone], modifiedAt: .now,
        ingestedAt: .now)
      let chunk = ChunkRecord(
        collection: "default", document: record.path, version: 1, ordinal: 0, range: 0..<text.utf8.count, text: text)
      _ = try await store.save(record, text: text, chunks: [chunk], embedder: nil)
      try await memory.state([FactStatement(predicate: "saw", object: text, text: "Saw \(text).")], as: amy)
    }
    try await write(0)
    let remembered = try await world.index.index(of: "north")
    let writer = Task { for number in 1..<100 { try await write(number) } }
    var seen = 0
    while seen < 99 {
      do {
        let states = try await CollectionIndex.snapshots(of: [retriever.index, remembered])
        #expect(states[0].count - states[1].count == 0 || states[0].count - states[1].count == 1)
        seen = states[1].count
      } catch let error as RetrievalError where error.code.name == "index_unsettled" {
        continue
      }
    }
    try await writer.value
    let context = try await memory.context(QuerySpec("walrus 42", limit: 3), facts: 3, documents: retriever, as: amy)
    #expect(context.passages.first?.text == "walrus 42")
    #expect(context.facts.contains { $0.fact.object == "walrus 42" })
    let other = Principal(tenant: "north", user: "ben")
    let hers = try await memory.context(QuerySpec("walrus 42", limit: 3), documents: retriever, as: other)
    #expect(hers.passages.count == 3 && hers.facts.isEmpty)
  }
}
