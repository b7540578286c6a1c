// Owns finding what a question is about in a memory, in one state of its index. Knows nothing about how facts come to be
// believed.
import Foundation
import StrataCore
import StrataIndex

/// Hybrid search over facts and episodes by the ranker of documents, confined inside each leg to what the asker may read,
/// what the agent was told, and what holds at the moment asked for.
struct MemorySearch: Sendable {
  let store: any MemoryStore
  let index: MemoryIndex
  let agent: String
  let now: @Sendable () -> Date
  private let ranker: QueryRanker
  private let legs: RetrievalLegs

  /// Below this cosine a vector says nothing about whether a row answers.
  private static let leastCosine = 0.3

  init(
    store: any MemoryStore, index: MemoryIndex, embedder: (any Embedder)?, agent: String,
    now: @escaping @Sendable () -> Date
  ) {
    self.store = store
    self.index = index
    self.agent = agent
    self.now = now
    ranker = QueryRanker(embedder: embedder)
    legs = embedder == nil ? .lexical : .hybrid
  }

  func facts(
    _ query: MemoryQuery, in snapshot: IndexSnapshot? = nil, as principal: Principal
  ) async throws -> [RecalledFact] {
    let moment = Moment(query, now: now())
    return try await search(query, .fact, moment, in: snapshot, as: principal) { ids in
      try await store.facts(ids: ids, tenant: principal.tenant).filter {
        $0.scope.agent == agent && $0.holds(at: moment.time, knownAt: moment.knownAt) && principal.mayRead($0.readers)
      }
    }
    .map { RecalledFact(fact: $0.row, score: $0.score * Self.weight($0.row)) }
    .sorted { $0.score != $1.score ? $0.score > $1.score : $0.fact.id < $1.fact.id }
    .prefixArray(query.limit)
  }

  func episodes(
    _ query: MemoryQuery, in snapshot: IndexSnapshot? = nil, as principal: Principal
  ) async throws -> [RecalledEpisode] {
    let moment = Moment(query, now: now())
    return try await search(query, .episode, moment, in: snapshot, as: principal) { ids in
      try await store.episodes(ids: ids, tenant: principal.tenant).filter {
        $0.scope.agent == agent && principal.mayRead($0.readers)
      }
    }
    .map { RecalledEpisode(episode: $0.row, score: $0.score) }
    .prefixArray(query.limit)
  }

  private struct Moment {
    let time: Date
    let knownAt: Date

    init(_ query: MemoryQuery, now: Date) {
      time = query.asOf ?? now
      knownAt = query.knownAt ?? now
    }
  }

  /// Rows looked at beyond the limit, so that importance can bring one forward.
  private static let margin = 16

  /// At least as many as asked for where there are, and some more; best first. A row must share a word with the query or lie
  /// near it; what has nothing to do with it stays away, however much room there is.
  ///
  /// - Parameter rows: reads rows by id; the store has the last word, and what was forgotten since is left out.
  private func search<Row: MemoryRow>(
    _ query: MemoryQuery, _ kind: MemoryKind, _ moment: Moment, in snapshot: IndexSnapshot?, as principal: Principal,
    rows: ([Int64]) async throws -> [Row]
  ) async throws -> [(row: Row, score: Double)] {
    guard query.limit > 0, query.text.contains(where: { !$0.isWhitespace }) else { return [] }
    let snapshot = if let snapshot { snapshot } else { try await newest(principal.tenant) }
    let filter = MemorySource.holding(kind, of: agent, at: moment.time, knownAt: moment.knownAt)
    let readable = snapshot.readable(by: principal, matching: filter)
    guard !readable.isEmpty else { return [] }
    let space = SearchSpace(snapshot: snapshot, readable: readable) { _ in [:] }
    var spec = QuerySpec(query.text, limit: query.limit + Self.margin)
    spec.legs = legs
    var ranked = try await ranker.rank(spec, in: space).filter(Self.isAbout)[...]
    var found: [(row: Row, score: Double)] = []
    while found.count < query.limit, !ranked.isEmpty {
      let some = ranked.prefix(spec.limit)
      ranked = ranked.dropFirst(some.count)
      let known = Dictionary(try await rows(some.map { $0.id >> 1 }).map { ($0.id, $0) }) { $1 }
      found += some.compactMap { hit in known[hit.id >> 1].map { ($0, hit.score) } }
    }
    return found
  }

  private func newest(_ tenant: String) async throws -> IndexSnapshot {
    let index = try await index.index(of: tenant)
    try await index.refresh()
    return index.index.snapshot()
  }

  private static func isAbout(_ hit: RankedChunk) -> Bool {
    hit.fused.legs.contains { $0.leg != .dense || $0.score >= leastCosine }
  }

  /// Between 1 and 1.075: relevance decides, importance and repetition break near ties (the three terms of Park et al.,
  /// "Generative Agents", 2023, with relevance first; age is the business of validity here).
  private static func weight(_ fact: MemoryFact) -> Double {
    1 + 0.05 * fact.importance + 0.005 * log2(Double(max(1, min(32, fact.confirmations))))
  }
}

private protocol MemoryRow: Sendable {
  var id: Int64 { get }
}

extension MemoryFact: MemoryRow {}
extension MemoryEpisode: MemoryRow {}

extension Array {
  fileprivate func prefixArray(_ count: Int) -> [Element] { Array(prefix(count)) }
}
