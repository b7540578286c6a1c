// Tests that the entity graph of an index is that of its readable chunks, whatever happened to it before.
import Foundation
import StrataCore
import StrataIndex
import Synchronization
import Testing

@Suite("Entity graph in segments")
struct SegmentGraphTests {
  private func expectEqual(_ snapshot: IndexSnapshot, _ state: [Int64: IndexEntry], as principal: Principal) {
    let readable = snapshot.readable(by: principal)
    let oracle = GraphOracle(state, as: principal)
    let expected = oracle.names.filter { !oracle.members($0).isEmpty }.sorted()
    #expect(snapshot.entityNames(within: readable) == expected)
    for name in (0..<15).map({ "name \($0)" }) {
      #expect(snapshot.entity(name, within: readable) == oracle.view(name))
    }
    for id in state.keys {
      #expect(snapshot.entities(ofChunk: id, within: readable) == oracle.chunks[id])
    }
  }

  @Test("After random inserts, deletes, merges and changes of readers it is what a dictionary says", arguments: 0..<4)
  func oracle(seed: Int) async throws {
    var model = try DurableModel(seed: UInt64(100 + seed))
    var index = try model.open()
    for round in 0..<24 {
      model.change()
      try model.catchUp(index)
      if round % 5 == 4 { await index.waitForMerges() }
      if round % 7 == 6 {
        try index.flush()
        index = HybridIndex(dimension: nil)
        index = try model.open()
      }
      let principal = model.content.principal()
      let state = model.state(after: model.feed.count)
      expectEqual(index.snapshot(), state, as: principal)
      #expect(state.allSatisfy { index.entities(ofChunk: $0.key) == $0.value.entities })
    }
    #expect(index.verifyFiles().isEmpty)
    // Deleting is the inverse of inserting: with the last chunk the last name goes, and the files give its bytes back.
    try index.apply(adding: [], removing: Array(index.chunkIDs()))
    #expect(index.snapshot().entityNames(within: index.snapshot().readable(by: .anonymous)).isEmpty)
  }

  @Test("A walk is the power iteration over the readable chunks alone", arguments: 0..<6)
  func walks(seed: Int) throws {
    var content = RandomContent(seed: UInt64(seed))
    let index = HybridIndex(dimension: content.dimension)
    var state: [Int64: IndexEntry] = [:]
    for _ in 0..<12 {
      let added = (0..<9).map { _ in content.entry(Int64.random(in: 0..<70, using: &content.random)) }
      let removed = state.keys.sorted().filter { _ in Int.random(in: 0..<7, using: &content.random) == 0 }
      try index.apply(adding: added, removing: removed)
      for id in removed { state[id] = nil }
      for entry in added { state[entry.id] = entry }
    }
    let principal = content.principal()
    var options = GraphWalk.Options()
    options.tolerance = 1e-13
    options.relationWeight = Double(seed % 3)
    options.hubLimit = seed == 5 ? 9 : 2000
    let seeds = (0..<30).map { (id: Int64($0), score: Double.random(in: 0.1...1, using: &content.random)) }
    let question = ChunkEntities([
      ChunkEntities.Mention("name 1"), ChunkEntities.Mention("name 2", .part), ChunkEntities.Mention("nobody"),
    ])
    let snapshot = index.snapshot()
    let readable = snapshot.readable(by: principal)
    let found = GraphWalk(snapshot, within: readable, options: options).rank(
      seeds: seeds, question: question, limit: 1000)
    let expected = GraphOracle(state, as: principal).pageRank(seeds, question: question, options)
    #expect(Set(found.chunks.map(\.id)) == Set(expected.keys))
    for chunk in found.chunks { #expect(abs(Double(chunk.score) - expected[chunk.id, default: .nan]) < 1e-6) }

    // To the last bit what an index without the rest finds, whatever is in one segment there.
    let confined = HybridIndex(dimension: content.dimension)
    try confined.apply(adding: state.values.filter { principal.mayRead($0.readers) }.sorted { $0.id < $1.id })
    let own = confined.snapshot()
    let without = GraphWalk(own, within: own.readable(by: principal), options: options)
    #expect(without.rank(seeds: seeds, question: question, limit: 1000).chunks == found.chunks)
    let within = GraphWalk(snapshot, within: readable, options: options)
    for first in state.keys.sorted() {
      let other = Int64.random(in: 0..<70, using: &content.random)
      #expect(within.areLinked(first, other) == without.areLinked(first, other))
    }
  }

  @Test("A snapshot as of a time has the entities of that time, under the readers of now")
  func asOf() throws {
    let clock = Mutex(1_000_000.0)
    var options = DurableModel.options()
    options.history = HistoryPolicy(age: .seconds(10_000))
    options.now = { Date(timeIntervalSince1970: clock.withLock { $0 }) }
    let index = HybridIndex(dimension: 12, options: options)
    var model = try DurableModel(seed: 5)
    var times: [(date: Date, state: [Int64: IndexEntry])] = []
    for _ in 0..<20 {
      clock.withLock { $0 += 10 }
      model.change()
      model.feed[model.feed.count - 1].readers = nil
      try model.catchUp(index)
      times.append((options.now(), model.state(after: model.feed.count)))
    }
    clock.withLock { $0 += 10 }
    for (date, state) in times { expectEqual(try index.snapshot(asOf: date), state, as: .anonymous) }
  }

  @Test("Names that mean nearly the same link entities where both may be read of, when they are given")
  func synonyms() throws {
    let synonyms = try EntitySynonyms(
      names: ["tank", "tanks", "wave"], vectors: [[1, 0], [0.8, 0.6], [0, 1]], threshold: 0.7)
    #expect(synonyms.neighbours(of: "tank").map(\.name) == ["tanks"] && synonyms.pairCount == 1)
    #expect(abs((synonyms.neighbours(of: "tanks").first?.similarity ?? 0) - 0.8) < 1e-6)
    let index = HybridIndex(dimension: nil)
    try index.apply(
      adding: [("tank", Reader.everyone), ("tank", .everyone), ("tanks", .user("ann")), ("tanks", .user("ann"))]
        .enumerated().map { number, chunk in
          IndexEntry(
            id: Int64(number), document: "d", body: "", readers: [chunk.1],
            entities: ChunkEntities([ChunkEntities.Mention(chunk.0)]))
        })
    let snapshot = index.snapshot()
    func found(_ principal: Principal, _ synonyms: EntitySynonyms?) -> Set<Int64> {
      let walk = GraphWalk(snapshot, within: snapshot.readable(by: principal), synonyms: synonyms)
      return Set(walk.rank(seeds: [(0, 1)], limit: 9).chunks.map(\.id))
    }
    #expect(found(Principal(user: "ann"), nil) == [0, 1])
    #expect(found(Principal(user: "ann"), synonyms) == [0, 1, 2, 3])
    #expect(found(.anonymous, synonyms) == [0, 1])
  }

  @Test("A bitmap of another snapshot shows nothing")
  func foreign() throws {
    let index = HybridIndex(dimension: nil)
    let entities = ChunkEntities([ChunkEntities.Mention("ada")])
    let entries = (1...2).map {
      IndexEntry(id: $0, document: "d", body: "", readers: [.everyone], entities: entities)
    }
    try index.apply(adding: [entries[0]])
    let old = index.snapshot().readable(by: .anonymous)
    try index.apply(adding: [entries[1]])
    let snapshot = index.snapshot()
    #expect(snapshot.entity("ada", within: old) == nil)
    #expect(GraphWalk(snapshot, within: old).rank(seeds: [(1, 1)], limit: 5).chunks.isEmpty)
    #expect(snapshot.entity("ada", within: snapshot.readable(by: .anonymous))?.passages.count == 2)
  }

  @Test("Equal mentions and relations become one, whatever their order")
  func joining() {
    let (ada, part) = (ChunkEntities.Mention("ada", .named, count: 2), ChunkEntities.Mention("ada", .part, count: 3))
    let says = ChunkEntities.Relation("ada", "says", "bob", count: 70_000)
    let one = ChunkEntities([ada, part, ChunkEntities.Mention("", .named)], relations: [says, says])
    #expect(one == ChunkEntities([part, ada], relations: [says]))
    #expect(one.mentions == [ChunkEntities.Mention("ada", [.named, .part], count: 5)])
    #expect(one.relations.map(\.count) == [65_535])
    #expect(ChunkEntities([ChunkEntities.Mention("ada", [])]) == .none && one.subject == nil)
  }

  @Test("Columns that contradict each other are refused, never followed")
  func hostile() throws {
    var content = RandomContent(seed: 9)
    let folder = try IndexFolder()
    do {
      let index = try HybridIndex.open(folder: folder.path, dimension: nil)
      try index.apply(
        adding: (0..<60).map { number in
          IndexEntry(
            id: Int64(number), document: "d", body: "", readers: [.everyone], entities: content.entities())
        })
      try index.flush()
    }
    let forgery = try SegmentForgery(folder: folder.path)
    var refused = 0
    for _ in 0..<300 {
      try forgery.damage("graph.", &content.random)
      guard let index = try? HybridIndex.open(folder: folder.path, dimension: nil) else {
        refused += 1
        continue
      }
      let snapshot = index.snapshot()
      let readable = snapshot.readable(by: .anonymous)
      for name in snapshot.entityNames(within: readable) { _ = snapshot.entity(name, within: readable) }
      let walk = GraphWalk(snapshot, within: readable)
      #expect(walk.rank(seeds: [(1, 1), (2, 1)], limit: 100).chunks.allSatisfy { (0..<60).contains($0.id) })
    }
    // A changed letter or count is another name or number; everything that leads somewhere is checked.
    #expect(refused > 200)
    try forgery.restore()
    #expect(try HybridIndex.open(folder: folder.path, dimension: nil).snapshot().count == 60)
  }
}
