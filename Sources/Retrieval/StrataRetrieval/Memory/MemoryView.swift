// Owns searching the facts that hold at one moment. Knows nothing about how they came to be believed.
import Foundation
import StrataCore
import StrataIndex

/// An index over rows, confined for each question to what the asker may read.
struct MemoryView: Sendable {
  private let facts: [Int64: MemoryFact]
  private let index: HybridIndex
  /// Facts that do not hold at this time are passed over; nil when all rows were chosen for their time.
  private var moment: Date?

  /// Below this cosine a vector says nothing about whether a fact answers.
  private static let leastCosine: Float = 0.3

  init(_ facts: [MemoryFact], dimension: Int?) throws {
    self.facts = Dictionary(facts.map { ($0.id, $0) }) { $1 }
    index = HybridIndex(dimension: dimension)
    try index.apply(
      adding: facts.map { fact in
        IndexEntry(
          id: fact.id, document: "", body: "\(fact.subject) \(fact.predicate) \(fact.object). \(fact.text)",
          vector: fact.embedding?.count == dimension ? fact.embedding : nil, readers: fact.readers)
      })
  }

  func holding(at time: Date) -> MemoryView {
    var view = self
    view.moment = time
    return view
  }

  /// Best first. A fact must share a word with the query or lie near it; what has nothing to do with it stays away,
  /// however much room there is.
  func recall(_ query: MemoryQuery, vector: [Float]?, as principal: Principal) throws -> [RecalledFact] {
    let snapshot = index.snapshot()
    let readable = snapshot.readable(by: principal)
    let depth = max(100, 4 * query.limit)
    let lexical = snapshot.lexical(query.text, limit: depth, within: readable)
    let dense = try vector.map { try snapshot.dense($0, limit: depth, within: readable) } ?? []
    let rankings = [
      LegRanking(.lexical, lexical), LegRanking(.dense, dense.filter { $0.score >= Self.leastCosine }),
    ]
    let hits = RankFusion.reciprocalRank(k: 60).fuse(rankings, limit: depth)
    let recalled = hits.compactMap { hit -> RecalledFact? in
      guard let fact = facts[hit.id], moment.map({ fact.holds(at: $0, knownAt: $0) }) ?? true else { return nil }
      return RecalledFact(fact: fact, score: hit.score * Self.weight(fact))
    }
    return Array(
      recalled.sorted { $0.score != $1.score ? $0.score > $1.score : $0.fact.id < $1.fact.id }.prefix(query.limit))
  }

  /// Between 1 and about 1.3: relevance decides, importance and repetition break near ties (the three terms of Park et
  /// al., "Generative Agents", 2023, with relevance first; age is the business of validity here).
  private static func weight(_ fact: MemoryFact) -> Double {
    1 + 0.2 * fact.importance + 0.02 * log2(Double(max(1, min(32, fact.confirmations))))
  }
}
