import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Retriever")
struct RetrieverTests {
  @Test("the handbook is found by those who may read it, and by nobody else")
  func handbook() async throws {
    let store = InMemoryDocumentStore()
    let embedder = HashEmbedder(dimension: 256)
    let report = try await Ingestor(store: store, embedder: embedder).ingest(Fixtures.handbook)
    #expect(report.failed.isEmpty && report.warnings.isEmpty && report.added.count >= 30)
    #expect(!report.added.contains("questions.yaml"))
    let retriever = HybridRetriever(store: store, embedder: embedder)
    #expect(try await retriever.load() == report.chunks)
    let policy = try #require(try AccessPolicy.load(folder: Fixtures.handbook))

    let restricted = [
      "engineering": ["Zephyrine", "Corvidex", "Quillbank", "Thornwheel", "Marmalade"],
      "people-team": ["Marlowick", "Osprentine", "Velgard", "Tamsinade"],
    ]
    for user in ["amara", "lena", "sofia", "ines"] {
      let principal = policy.principal(user: user)
      for (group, words) in restricted {
        for word in words {
          let passages = try await retriever.search(QuerySpec(word, limit: 50), as: principal)
          let found = passages.contains { ($0.text + $0.title + $0.headingPath.joined()).contains(word) }
          #expect(found == principal.groups.contains(group), "\(word) as \(user)")
          for passage in passages { #expect(principal.mayRead(policy.readers(for: passage.document))) }
        }
      }
    }
    let tank = try await retriever.search(QuerySpec("How long is the wave tank?", limit: 3), as: .anonymous)
    #expect(tank.first?.document == "company/offices.html")
    for passage in tank {
      let text = try #require(await store.text(of: passage.document, version: passage.version, in: "default"))
      #expect(String(decoding: Array(text.utf8)[passage.range], as: UTF8.self) == passage.text)
    }
  }

  @Test("what is deleted or replaced in the store is not found, even before the index knows")
  func stale() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("a.md", "walrus one")
    try folder.write("b.md", "walrus two")
    try folder.write("c.md", "walrus three")
    _ = try await Ingestor(store: store, embedder: nil).ingest(folder.path)
    let retriever = HybridRetriever(store: store, embedder: nil)
    #expect(try await retriever.search(QuerySpec("walrus"), as: .anonymous).count == 3)
    await store.muteFeed()
    _ = await store.delete("a.md", in: "default")
    await store.setReaders([.user("amy")], of: "b.md", in: "default")
    let passages = try await retriever.search(QuerySpec("walrus", limit: 1), as: .anonymous)
    #expect(passages.map(\.document) == ["c.md"])
  }

  @Test("what another process does to the store is found by the next search, without reading everything again")
  func otherProcess() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    let embedder = HashEmbedder()
    let retriever = HybridRetriever(store: store, embedder: embedder)
    #expect(try await retriever.search(QuerySpec("walrus"), as: .anonymous).isEmpty)
    try folder.write("a.md", "walrus one")
    try folder.write("b.md", "walrus two")
    let other = Ingestor(store: store, embedder: embedder)
    _ = try await other.ingest(folder.path)
    #expect(try await retriever.search(QuerySpec("walrus"), as: .anonymous).count == 2)
    try folder.write("a.md", "seal one, not the other")
    try folder.write(
      ".strata-acl.yaml", "rules: [{path: 'b.md', readers: ['user:amy']}, {path: '**', readers: [everyone]}]")
    _ = try await other.ingest(folder.path)
    let lexical = QuerySpec("walrus", legs: .lexical)
    #expect(try await retriever.search(lexical, as: .anonymous).isEmpty)
    #expect(try await retriever.search(lexical, as: Principal(user: "amy")).map(\.document) == ["b.md"])
    #expect(try await retriever.search(QuerySpec("seal"), as: .anonymous).first?.version == 2)
    #expect(await retriever.index.chunkCount == 2)
  }

  @Test("queries without words, without legs or without room give nothing")
  func emptyQueries() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("a.md", "walrus one")
    _ = try await Ingestor(store: store, embedder: HashEmbedder()).ingest(folder.path)
    let retriever = HybridRetriever(store: store, embedder: HashEmbedder())
    for query in [
      QuerySpec(""), QuerySpec(" \n"), QuerySpec("walrus", limit: 0),
      QuerySpec("walrus", limit: -1), QuerySpec("walrus", legs: []), QuerySpec("zebra", legs: .lexical),
    ] {
      #expect(try await retriever.search(query, as: .anonymous).isEmpty)
    }
    let dense = try await retriever.search(QuerySpec("walrus", legs: .dense), as: .anonymous)
    #expect(dense.first?.ranks == ["dense": 1])
  }

  @Test("reciprocal ranks add up, ties go to the smaller id")
  func fusion() {
    let lexical = [3, 1, 2].map { ScoredChunk(id: $0, score: Float(10 - $0)) }
    let dense = [1, 4].map { ScoredChunk(id: $0, score: Float(10 - $0)) }
    let rankings = [LegRanking(.lexical, lexical), LegRanking(.dense, dense)]
    let hits = RankFusion.reciprocalRank(k: 60).fuse(rankings, limit: 10)
    #expect(hits.map(\.id) == [1, 3, 4, 2])
    #expect(hits[0].score == 1.0 / 62 + 1.0 / 61 && hits[0].ranks == ["lexical": 2, "dense": 1])
    let convex = RankFusion.convex().fuse([LegRanking(.lexical, lexical), LegRanking(.dense, [])], limit: 2)
    #expect(convex.count == 2)
  }

  @Test("convex sums follow the formulas of the paper, and what a leg lacks gets that leg's least")
  func convex() throws {
    let lexical = LegRanking(.lexical, [ScoredChunk(id: 1, score: 8), ScoredChunk(id: 2, score: 4)])
    let dense = LegRanking(.dense, [ScoredChunk(id: 2, score: 0.6), ScoredChunk(id: 3, score: 0.2)])
    func scores(_ fusion: RankFusion) -> [Int64: Double] {
      Dictionary(fusion.fuse([lexical, dense], limit: 9).map { ($0.id, $0.score) }) { $1 }
    }
    let minMax = scores(.convex(weights: LegWeights(lexical: 1, dense: 3)))
    #expect(minMax == [1: 0.25, 2: 0.75, 3: 0])
    let theoretical = scores(.convex(.theoretical))
    // 3 lacks words: 4/8 at most; 1 lacks a vector: (0.2 + 1) / (0.6 + 1) at most.
    #expect(abs((theoretical[1] ?? 0) - (0.5 * 1 + 0.5 * 0.75)) < 1e-6)
    #expect(abs((theoretical[2] ?? 0) - (0.5 * 0.5 + 0.5 * 1)) < 1e-6)
    #expect(abs((theoretical[3] ?? 0) - (0.5 * 0.5 + 0.5 * 0.75)) < 1e-6)
    let deviations = scores(.convex(.zScore))
    #expect(abs((deviations[1] ?? 9) - 0) < 1e-6 && abs((deviations[3] ?? 9) + 1) < 1e-6)
    let hit = try #require(RankFusion.convex().fuse([lexical, dense], limit: 1).first)
    #expect(abs(hit.legs.reduce(0) { $0 + $1.contribution } - hit.score) < 1e-9)
  }

  @Test("three legs are fused by their weights")
  func threeLegs() {
    let rankings = [
      LegRanking(.lexical, [ScoredChunk(id: 1, score: 1)]), LegRanking(.dense, [ScoredChunk(id: 2, score: 1)]),
      LegRanking(.graph, [ScoredChunk(id: 3, score: 1)]),
    ]
    let weights = LegWeights(lexical: 1, dense: 2, graph: 3)
    #expect(RankFusion.reciprocalRank(k: 60, weights: weights).fuse(rankings, limit: 3).map(\.id) == [3, 2, 1])
    #expect(RankFusion.convex(weights: weights).fuse(rankings, limit: 3).map(\.id) == [3, 2, 1])
  }
}
