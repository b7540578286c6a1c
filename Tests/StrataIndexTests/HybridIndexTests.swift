// Tests the index against an oracle under random change, and its promises one by one.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("HybridIndex")
struct HybridIndexTests {
  /// The same ids and scores within 1e-4, where scores that close may stand in either order.
  private func expectSame(
    _ found: [ScoredChunk], _ all: [(id: Int64, score: Double)], limit: Int, _ comment: Comment,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == min(limit, all.count), comment, sourceLocation: location)
    let scores = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0.score) })
    for (chunk, expected) in zip(found, all) {
      let own = scores[chunk.id] ?? .nan
      #expect(abs(Double(chunk.score) - own) < 1e-4, comment, sourceLocation: location)
      #expect(abs(own - expected.score) < 1e-5, comment, sourceLocation: location)
    }
  }

  @Test("Random adding, removing and access changes leave what an oracle finds", arguments: 0..<12)
  func oracle(seed: Int) throws {
    var content = RandomContent(seed: UInt64(seed))
    let parameters = BM25Parameters(
      k1: [0, 0.9, 1.2][seed % 3], b: [0, 0.4, 0.75, 1][seed % 4], titleWeight: seed % 4)
    let index = HybridIndex(dimension: content.dimension, bm25: parameters)
    var oracle = Oracle()
    for step in 0..<60 {
      let known = oracle.entries.keys.sorted()
      if step % 7 == 6, !known.isEmpty {
        let ids = (0..<5).compactMap { _ in known.randomElement(using: &content.random) } + [-1]
        let readers = content.someReaders()
        index.setReaders(readers, of: ids)
        for id in ids { oracle.entries[id]?.readers = readers }
      } else {
        let removed = known.filter { _ in Int.random(in: 0..<9, using: &content.random) == 0 } + [-7]
        let added = (0..<Int.random(in: 0...30, using: &content.random)).map { _ in
          content.entry(Int64.random(in: 0..<400, using: &content.random))
        }
        try index.apply(adding: added, removing: removed)
        for id in removed { oracle.entries[id] = nil }
        for entry in added { oracle.entries[entry.id] = entry }
      }
      let snapshot = index.snapshot()
      #expect(snapshot.count == oracle.entries.count)
      for _ in 0..<3 {
        let principal = content.principal()
        let readable = snapshot.readable(by: principal)
        #expect(readable.count == oracle.entries.keys.count { oracle.mayRead($0, principal) })
        let (query, vector) = (content.words(0...6), content.vector())
        let limit = Int.random(in: 1...30, using: &content.random)
        expectSame(
          snapshot.lexical(query, limit: limit, within: readable),
          oracle.lexical(query, as: principal, parameters), limit: limit, "seed \(seed) step \(step): \(query)")
        expectSame(
          try snapshot.dense(vector, limit: limit, within: readable), oracle.dense(vector, as: principal),
          limit: limit, "seed \(seed) step \(step)")
      }
    }
  }

  @Test("An index with a history equals one built afresh, to the last bit")
  func history() throws {
    var content = RandomContent(seed: 99)
    let index = HybridIndex(dimension: content.dimension)
    var entries: [Int64: IndexEntry] = [:]
    for _ in 0..<300 {
      let added = (0..<Int.random(in: 0...12, using: &content.random)).map { _ in
        content.entry(Int64.random(in: 0..<3000, using: &content.random))
      }
      let removed = entries.keys.filter { _ in Int.random(in: 0..<200, using: &content.random) == 0 }
      try index.apply(adding: added, removing: removed)
      for id in removed { entries[id] = nil }
      for entry in added { entries[entry.id] = entry }
    }
    let fresh = HybridIndex(dimension: content.dimension)
    try fresh.apply(adding: entries.values.shuffled(using: &content.random))
    let (old, new) = (index.snapshot(), fresh.snapshot())
    for _ in 0..<500 {
      let (principal, query, vector) = (content.principal(), content.words(1...8), content.vector())
      let limit = Int.random(in: 1...40, using: &content.random)
      let (oldReadable, newReadable) = (old.readable(by: principal), new.readable(by: principal))
      #expect(
        old.lexical(query, limit: limit, within: oldReadable) == new.lexical(query, limit: limit, within: newReadable))
      #expect(
        try old.dense(vector, limit: limit, within: oldReadable) == new.dense(vector, limit: limit, within: newReadable)
      )
    }
  }

  @Test("Pruning in a large segment loses nothing")
  func pruning() throws {
    var content = RandomContent(seed: 5)
    let index = HybridIndex(dimension: nil)
    let entries = (0..<9000).map { number in
      IndexEntry(
        id: Int64(number), document: "d", body: content.words(1...25),
        readers: number % 3 == 0 ? [.user("ann")] : [.everyone])
    }
    try index.apply(adding: entries)
    let snapshot = index.snapshot()
    for principal in [Principal.anonymous, Principal(user: "ann")] {
      let readable = snapshot.readable(by: principal)
      for _ in 0..<200 {
        let query = content.words(1...6)
        let all = snapshot.lexical(query, limit: 9000, within: readable)
        for limit in [1, 3, 10, 100] {
          #expect(snapshot.lexical(query, limit: limit, within: readable) == Array(all.prefix(limit)))
        }
      }
    }
  }

  @Test("100,000 random queries of random principals find nothing unreadable")
  func access() throws {
    var content = RandomContent(seed: 1234)
    let index = HybridIndex(dimension: content.dimension)
    var readers: [Int64: [Reader]] = [:]
    var unreadable = 0
    var results = 0
    for round in 0..<100 {
      let added = (0..<40).map { _ in content.entry(Int64.random(in: 0..<1500, using: &content.random)) }
      let removed = readers.keys.filter { _ in Int.random(in: 0..<40, using: &content.random) == 0 }
      try index.apply(adding: added, removing: removed)
      for id in removed { readers[id] = nil }
      for entry in added { readers[entry.id] = entry.readers }
      let changed = readers.keys.filter { _ in Int.random(in: 0..<30, using: &content.random) == 0 }
      let newReaders = content.someReaders()
      index.setReaders(newReaders, of: changed)
      for id in changed { readers[id] = newReaders }
      let snapshot = index.snapshot()
      for query in 0..<1000 {
        let principal = content.principal()
        let readable = snapshot.readable(by: principal)
        let found =
          query % 2 == round % 2
          ? snapshot.lexical(content.words(1...4), limit: 20, within: readable)
          : try snapshot.dense(content.vector(), limit: 20, within: readable)
        results += found.count
        unreadable += found.count { !principal.mayRead(readers[$0.id] ?? []) }
      }
    }
    #expect(unreadable == 0)
    #expect(results > 500_000)
  }

  @Test("A snapshot stays as it was; its bitmap opens no other snapshot")
  func snapshots() throws {
    let index = HybridIndex(dimension: 2)
    try index.apply(adding: [IndexEntry(id: 1, document: "a", body: "apple", vector: [1, 0], readers: [.everyone])])
    let before = index.snapshot()
    let readableBefore = before.readable(by: .anonymous)
    try index.apply(adding: [IndexEntry(id: 2, document: "b", body: "apple", readers: [])], removing: [1])
    let after = index.snapshot()
    #expect(before.lexical("apples", limit: 5, within: readableBefore).map(\.id) == [1])
    #expect(try before.dense([1, 0], limit: 5, within: readableBefore).map(\.id) == [1])
    #expect(after.lexical("apples", limit: 5, within: after.readable(by: .anonymous)).isEmpty)
    #expect(after.lexical("apples", limit: 5, within: readableBefore).isEmpty)
    #expect(try after.dense([1, 0], limit: 5, within: readableBefore).isEmpty)
    #expect(before.count == 1 && after.count == 1)
  }

  @Test("A user and a group of the same name are different readers")
  func names() throws {
    let index = HybridIndex(dimension: nil)
    try index.apply(adding: [
      IndexEntry(id: 1, document: "a", body: "word", readers: [.user("x")]),
      IndexEntry(id: 2, document: "b", body: "word", readers: [.group("x")]),
      IndexEntry(id: 3, document: "c", body: "word", readers: [.user("everyone")]),
    ])
    let snapshot = index.snapshot()
    func find(_ principal: Principal) -> [Int64] {
      snapshot.lexical("word", limit: 9, within: snapshot.readable(by: principal)).map(\.id)
    }
    #expect(find(Principal(user: "x")) == [1])
    #expect(find(Principal(user: "y", groups: ["x"])) == [2])
    #expect(find(.anonymous).isEmpty)
    let all = Principal(user: "x", groups: ["x"])
    #expect(
      snapshot.lexical("word", limit: 9, within: snapshot.readable(by: all, inDocuments: ["b", "c"])).map(\.id) == [2])
  }

  @Test("Vectors of the wrong length or with NaN are refused and nothing changes")
  func refusals() throws {
    let index = HybridIndex(dimension: 2)
    for vector in [[1], [1, 2, 3], [.nan, 0], [.infinity, 0]] as [[Float]] {
      #expect(throws: IndexError.self) {
        try index.apply(adding: [
          IndexEntry(id: 1, document: "a", body: "x", readers: [.everyone]),
          IndexEntry(id: 2, document: "a", body: "x", vector: vector, readers: [.everyone]),
        ])
      }
      let snapshot = index.snapshot()
      #expect(snapshot.count == 0)
      #expect(throws: IndexError.self) {
        try snapshot.dense(vector, limit: 1, within: snapshot.readable(by: .anonymous))
      }
    }
  }

  @Test("Empty queries, empty indexes and limits of nothing find nothing")
  func nothing() throws {
    let index = HybridIndex(dimension: nil)
    var snapshot = index.snapshot()
    #expect(snapshot.lexical("word", limit: 5, within: snapshot.readable(by: .anonymous)).isEmpty)
    try index.apply(adding: [IndexEntry(id: 1, document: "a", body: "word", readers: [.everyone])])
    snapshot = index.snapshot()
    let readable = snapshot.readable(by: .anonymous)
    for query in ["", "the of and", "absent", "\u{0}\u{FFFD}"] {
      #expect(snapshot.lexical(query, limit: 5, within: readable).isEmpty)
    }
    for limit in [0, -1] { #expect(snapshot.lexical("word", limit: limit, within: readable).isEmpty) }
    #expect(snapshot.lexical("word", limit: .max, within: readable).count == 1)
    let long = String(repeating: "word ", count: 100_000)
    #expect(snapshot.lexical(long, limit: 1, within: readable).count == 1)
  }

  @Test("Searches run while chunks come and go")
  func concurrency() async throws {
    let index = HybridIndex(dimension: nil)
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for round in 0..<300 {
          let entries = (0..<5).map {
            IndexEntry(id: Int64(round * 5 + $0), document: "d", body: "common word\($0)", readers: [.everyone])
          }
          try? index.apply(adding: entries, removing: (0..<5).map { Int64((round - 10) * 5 + $0) })
        }
      }
      for _ in 0..<2 {
        group.addTask {
          for _ in 0..<500 {
            let snapshot = index.snapshot()
            let found = snapshot.lexical("common", limit: 1000, within: snapshot.readable(by: .anonymous))
            // Batches of five come and go whole.
            #expect(found.count == snapshot.count && found.count % 5 == 0)
          }
        }
      }
    }
    #expect(index.snapshot().count == 50)
  }
}
