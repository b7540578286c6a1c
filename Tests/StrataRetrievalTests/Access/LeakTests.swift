// Owns the proof that nothing leaks: random searches over all legs in random worlds, each compared with an oracle.
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Leaks")
struct LeakTests {
  /// `Benchmarks/scripts/leaks.sh` asks for a million.
  static let queryCount = Int(ProcessInfo.processInfo.environment["STRATA_LEAK_QUERIES"] ?? "") ?? 20_000
  static let seed = UInt64(ProcessInfo.processInfo.environment["STRATA_LEAK_SEED"] ?? "") ?? 1

  @Test("random searches show what may be read, all of it and nothing else")
  func search() async throws {
    let start = ContinuousClock.now
    let perWorld = 500
    let worlds = (Self.queryCount + perWorld - 1) / perWorld
    var sum = LeakTally()
    try await withThrowingTaskGroup(of: LeakTally.self) { group in
      var next = 0
      func launch() {
        let number = next
        next += 1
        group.addTask {
          var run = LeakRun(seed: Self.seed &* 1_000_003 &+ UInt64(number), usesRelations: number % 3 != 0)
          return try await run.run(queries: perWorld)
        }
      }
      while next < min(4, worlds) { launch() }
      while let tally = try await group.next() {
        sum.add(tally)
        if next < worlds { launch() }
      }
    }
    let seconds = Double((ContinuousClock.now - start).components.seconds)
    print(
      "leaks: \(sum.queries) searches in \(worlds) worlds, \(sum.changes) changes in between, \(sum.hits) hits:"
        + " \(sum.leaks) leaks, \(sum.missing) missing, \(sum.misplaced) misplaced, \(seconds) s; by leg "
        + sum.byLeg.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        + "; \(sum.decisions) decisions about single documents")
    #expect(sum.leaks == 0 && sum.missing == 0 && sum.misplaced == 0, "\(sum.examples.joined(separator: "\n"))")
    #expect(sum.hits > sum.queries / 4, "the worlds are too empty to prove anything")
  }
}

struct LeakTally: Sendable {
  var queries = 0
  var changes = 0
  var hits = 0
  var leaks = 0
  var missing = 0
  var misplaced = 0
  var decisions = 0
  var byLeg: [String: Int] = [:]
  var examples: [String] = []

  mutating func add(_ other: LeakTally) {
    queries += other.queries
    changes += other.changes
    hits += other.hits
    leaks += other.leaks
    missing += other.missing
    misplaced += other.misplaced
    decisions += other.decisions
    byLeg.merge(other.byLeg, uniquingKeysWith: +)
    examples = Array((examples + other.examples).prefix(20))
  }
}

/// One world that changes while it is searched.
struct LeakRun {
  struct Chunk {
    var id: Int64
    var document: String
    /// Numbers of the vocabulary.
    var words: [Int]
    var vector: [Float]?
  }

  /// Every second word is written like a name, so that passages are linked by what they name.
  static let vocabulary = (0..<40).map { $0 % 2 == 0 ? "w\($0)x" : "W\($0)x" }
  static let dimension = 8

  private var random: SeededGenerator
  private var world: LeakWorld
  private let seed: UInt64
  private let store = InMemoryDocumentStore()
  private let retriever: HybridRetriever
  /// What is there, by path.
  private var chunks: [String: [Chunk]] = [:]
  private var versions: [String: Int] = [:]
  private var nextDocument = 0
  private var tally = LeakTally()

  init(seed: UInt64, usesRelations: Bool) {
    self.seed = seed
    random = SeededGenerator(state: seed)
    world = LeakWorld(usesRelations: usesRelations)
    let index = CollectionIndex(store: store, dimension: Self.dimension)
    retriever = HybridRetriever(store: store, index: index, embedder: RandomEmbedder(dimension: Self.dimension))
  }

  mutating func run(queries: Int) async throws -> LeakTally {
    if world.usesRelations { _ = await store.setAuthorizationModel(LeakWorld.model, in: "default") }
    for _ in 0..<Int.random(in: 20...60, using: &random) { try await addDocument() }
    for _ in 0..<60 { try await changeGrants() }
    while tally.queries < queries {
      if Int.random(in: 0..<6, using: &random) == 0 { try await change() }
      try await search()
    }
    return tally
  }

  // MARK: Changes

  private mutating func change() async throws {
    tally.changes += 1
    switch Int.random(in: 0..<10, using: &random) {
    case 0: try await addDocument()
    case 1: if let path = chunks.keys.sorted().randomElement(using: &random) { try await save(path) }
    case 2:
      guard let path = chunks.keys.sorted().randomElement(using: &random) else { return }
      _ = await store.delete(path, in: "default")
      chunks[path] = nil
      versions[path] = nil
      world.readers[path] = nil
    default: try await changeGrants()
    }
  }

  private mutating func addDocument() async throws {
    let folder = LeakWorld.folders.randomElement(using: &random) ?? ""
    let path = (folder.isEmpty ? "" : folder + "/") + "d\(nextDocument).md"
    nextDocument += 1
    world.readers[path] = LeakWorld.randomReaders(&random)
    try await save(path)
  }

  private mutating func save(_ path: String) async throws {
    var records: [ChunkRecord] = []
    var made: [Chunk] = []
    let version = (versions[path] ?? 0) + 1
    for ordinal in 0..<Int.random(in: 1...4, using: &random) {
      let words = (0..<Int.random(in: 1...12, using: &random)).map { _ in word() }
      let text = words.map { Self.vocabulary[$0] }.joined(separator: " ")
      let vector =
        Int.random(in: 0..<5, using: &random) == 0 ? nil : RandomEmbedder.vector(random.next(), Self.dimension)
      records.append(
        ChunkRecord(
          collection: "default", document: path, version: version, ordinal: ordinal, range: 0..<1,
          text: text, embedding: vector, inputHash: vector.map { _ in "\(path) \(version) \(ordinal)" }))
      made.append(Chunk(id: 0, document: path, words: words, vector: vector))
    }
    let record = DocumentRecord(
      collection: "default", path: path, version: version, contentHash: "", byteCount: 1, mediaType: "text/plain",
      title: "", readers: world.readers[path] ?? [], modifiedAt: Date(timeIntervalSince1970: 0),
      ingestedAt: Date(timeIntervalSince1970: 0), chunkCount: records.count)
    let saved = try await store.save(record, text: "x", chunks: records, embedder: "random")
    for (index, chunk) in saved.added.enumerated() { made[index].id = chunk.id }
    chunks[path] = made
    versions[path] = version
  }

  private mutating func word() -> Int {
    let place = Double.random(in: 0..<1, using: &random)
    return Int(place * place * Double(Self.vocabulary.count))
  }

  private mutating func changeGrants() async throws {
    let paths = chunks.keys.sorted()
    guard world.usesRelations else {
      guard let path = paths.randomElement(using: &random) else { return }
      world.readers[path] = LeakWorld.randomReaders(&random)
      return await store.setReaders(world.readers[path] ?? [], of: path, in: "default")
    }
    if Int.random(in: 0..<5, using: &random) < 2, let gone = world.tuples.randomElement(using: &random) {
      try await store.deleteRelations([gone], in: "default")
      world.revoke(gone)
    } else {
      let tuple = LeakWorld.randomTuple(paths, &random)
      try await store.writeRelations([tuple], in: "default")
      world.grant(tuple)
    }
  }

  // MARK: Searches

  private mutating func search() async throws {
    let principal = LeakWorld.randomPrincipal(&random)
    let limit = [1, 3, 8, 20].randomElement(using: &random) ?? 8
    let words = (0..<Int.random(in: 1...4, using: &random)).map { _ in word() }
    let text = words.map { Self.vocabulary[$0] }.joined(separator: " ")
    let allowed = Set(chunks.keys.filter { world.mayRead($0, principal) })
    tally.queries += 1
    let kinds = ["lexical", "dense", "hybrid", "filtered", "graph", "multi-hop"]
    let leg = kinds.randomElement(using: &random) ?? "hybrid"
    tally.byLeg[leg, default: 0] += 1
    if leg == "filtered" { return try await filtered(words, limit, principal, allowed) }
    let legs: RetrievalLegs =
      switch leg {
      case "lexical": .lexical
      case "dense": .dense
      case "graph": .all
      default: .hybrid
      }
    let spec = QuerySpec(text, limit: limit, legs: legs, multiHop: leg == "multi-hop" ? .graph : .off)
    let passages = try await retriever.search(spec, as: principal)
    for passage in passages where passage.version != versions[passage.document] {
      fail(\.leaks, "\(leg) shows version \(passage.version) of \(passage.document)")
    }
    let ids = passages.map { Hit(id: $0.chunk, document: $0.document) }
    switch leg {
    case "lexical": judge(leg, ids, lexical(words, allowed), limit, principal, allowed)
    case "dense": judge(leg, ids, dense(text, allowed), limit, principal, allowed)
    default:
      // Each leg brings its best 100 into the fusion, so that the limit is filled whenever the legs together can.
      let both = Set(lexical(words, allowed).map(\.id)).union(dense(text, allowed).map(\.id))
      // What is linked to those may come too, as far as it may be read.
      let members = leg == "hybrid" ? both : Set(allowed.flatMap { chunks[$0] ?? [] }.map(\.id))
      judgeMembers(leg, ids, min(limit, both.count), members, principal, allowed)
    }
    if tally.queries % 7 == 0 { try await decideEach(principal, allowed) }
  }

  private mutating func filtered(
    _ words: [Int], _ limit: Int, _ principal: Principal, _ allowed: Set<String>
  ) async throws {
    let text = words.map { Self.vocabulary[$0] }.joined(separator: " ")
    var chosen: Set<String> = []
    for path in chunks.keys.sorted() where Bool.random(using: &random) { chosen.insert(path) }
    try await retriever.refresh()
    let snapshot = retriever.index.index.snapshot()
    let readable = try await retriever.gate.decision(for: principal).readable(in: snapshot, inDocuments: chosen)
    let hits = snapshot.lexical(text, limit: limit, within: readable)
    let places = Dictionary(uniqueKeysWithValues: chunks.values.joined().map { ($0.id, $0.document) })
    let found = hits.map { Hit(id: $0.id, document: places[$0.id] ?? "?") }
    judge("filtered", found, lexical(words, allowed.intersection(chosen)), limit, principal, allowed)
  }

  /// The gate in front of everything that is no search.
  private mutating func decideEach(_ principal: Principal, _ allowed: Set<String>) async throws {
    let decision = try await retriever.gate.decision(for: principal)
    for record in await store.documents(in: "default") {
      tally.decisions += 1
      if decision.mayRead(record) != allowed.contains(record.path) {
        fail(decision.mayRead(record) ? \.leaks : \.missing, "\(record.path) for \(principal)")
      }
    }
  }

  // MARK: Judging

  struct Hit {
    var id: Int64
    var document: String
  }

  private mutating func judgeMembers(
    _ leg: String, _ found: [Hit], _ count: Int, _ members: Set<Int64>, _ principal: Principal, _ allowed: Set<String>
  ) {
    tally.hits += found.count
    for hit in found where !allowed.contains(hit.document) { fail(\.leaks, "\(leg): \(hit) for \(principal)") }
    if found.count < count { fail(\.missing, "\(leg): \(found.count) of \(count) for \(principal)") }
    if Set(found.map(\.id)).count != found.count || !members.isSuperset(of: found.map(\.id)) {
      fail(\.misplaced, "\(leg): \(found) for \(principal)")
    }
  }

  /// - Parameter expected: all that match, best first.
  private mutating func judge(
    _ leg: String, _ found: [Hit], _ expected: [(id: Int64, score: Double)], _ limit: Int, _ principal: Principal,
    _ allowed: Set<String>
  ) {
    let scores = Dictionary(uniqueKeysWithValues: expected.map { ($0.id, $0.score) })
    judgeMembers(leg, found, min(limit, expected.count), Set(scores.keys), principal, allowed)
    // Scores of single precision may change places with their equals only.
    for (hit, wanted) in zip(found, expected) where abs((scores[hit.id] ?? -99) - wanted.score) > 2e-4 {
      return fail(\.misplaced, "\(leg): \(hit) scores \(scores[hit.id] ?? -99), not \(wanted.score), for \(principal)")
    }
  }

  private mutating func fail(_ counter: WritableKeyPath<LeakTally, Int>, _ what: String) {
    tally[keyPath: counter] += 1
    if tally.examples.count < 5 { tally.examples.append("world \(seed): \(what)") }
  }

  /// BM25 over what may be read, with the statistics of everything.
  private func lexical(_ terms: [Int], _ allowed: Set<String>) -> [(id: Int64, score: Double)] {
    let total = chunks.values.reduce(0) { $0 + $1.count }
    let length = chunks.values.joined().reduce(0) { $0 + $1.words.count }
    let average = Double(length) / Double(max(1, total))
    let weights = terms.map { term in
      let frequency = chunks.values.joined().reduce(0) { $0 + ($1.words.contains(term) ? 1 : 0) }
      return log1p((Double(total - frequency) + 0.5) / (Double(frequency) + 0.5))
    }
    var scores: [(id: Int64, score: Double)] = []
    for path in allowed {
      for chunk in chunks[path] ?? [] {
        var score = 0.0
        var matches = false
        for (term, weight) in zip(terms, weights) {
          let occurrences = Double(chunk.words.reduce(0) { $0 + ($1 == term ? 1 : 0) })
          guard occurrences > 0 else { continue }
          matches = true
          score += weight * occurrences / (occurrences + 1.2 * (0.25 + 0.75 * Double(chunk.words.count) / average))
        }
        if matches { scores.append((chunk.id, score)) }
      }
    }
    return scores.sorted { $0.score > $1.score }
  }

  private func dense(_ text: String, _ allowed: Set<String>) -> [(id: Int64, score: Double)] {
    let query = RandomEmbedder.vector(text, Self.dimension)
    return allowed.flatMap { chunks[$0] ?? [] }.compactMap { chunk in
      guard let vector = chunk.vector else { return nil }
      return (chunk.id, zip(query, vector).reduce(0.0) { $0 + Double($1.0) * Double($1.1) })
    }.sorted { $0.score > $1.score }
  }
}

/// A vector for each text, always the same.
struct RandomEmbedder: Embedder {
  let id = "random"
  let dimension: Int
  let maxTokens = 256

  func embed(_ texts: [String]) async throws -> [[Float]] { texts.map { Self.vector($0, dimension) } }
  func countTokens(_ text: String) -> Int { text.split(separator: " ").count }

  static func vector(_ text: String, _ dimension: Int) -> [Float] {
    vector(text.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }, dimension)
  }

  static func vector(_ seed: UInt64, _ dimension: Int) -> [Float] {
    var random = SeededGenerator(state: seed)
    let vector = (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) }
    let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return vector.map { $0 / max(norm, 1e-9) }
  }
}
