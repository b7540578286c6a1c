// Owns making one ranking of several. Knows nothing about where rankings come from.
import StrataCore
import StrataIndex

/// What one leg found, best first.
public struct LegRanking: Sendable, Hashable {
  public var leg: RetrievalLeg
  public var chunks: [ScoredChunk]

  public init(_ leg: RetrievalLeg, _ chunks: [ScoredChunk]) {
    self.leg = leg
    self.chunks = chunks
  }
}

/// A chunk of the fused ranking, with what each leg that has it said.
public struct FusedChunk: Sendable, Hashable {
  public var id: Int64
  public var score: Double
  public var legs: [PassageExplanation.Leg]

  /// Rank (from 1) by leg.
  public var ranks: [String: Int] { Dictionary(legs.map { ($0.leg.rawValue, $0.rank) }) { $1 } }
}

extension RankFusion {
  /// Fuses rankings. Of equal scores the smaller id comes first, so the result is always the same.
  ///
  /// A chunk that a ranking lacks has there, for ``RankFusion/convex(_:weights:)``, the least normalized score of that
  /// ranking: it cannot be better, and how much worse it is nobody asked.
  public func fuse(_ rankings: [LegRanking], limit: Int) -> [FusedChunk] {
    var hits: [Int64: FusedChunk] = [:]
    var floor = 0.0
    for ranking in rankings where !ranking.chunks.isEmpty {
      let points = points(ranking, among: rankings)
      // What everybody else gets; given to all here, so that only the difference has to be added below.
      floor += points.missing
      for (index, chunk) in ranking.chunks.enumerated() {
        hits[chunk.id, default: FusedChunk(id: chunk.id, score: 0, legs: [])].score +=
          points.own[index] - points.missing
        hits[chunk.id]?.legs.append(
          PassageExplanation.Leg(
            leg: ranking.leg, rank: index + 1, score: Double(chunk.score), contribution: points.own[index]))
      }
    }
    let sorted = hits.values.sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
    return sorted.prefix(max(0, limit)).map { hit in
      FusedChunk(id: hit.id, score: hit.score + floor, legs: hit.legs)
    }
  }

  /// What each chunk of a ranking gets from it, and what the others get.
  private func points(_ ranking: LegRanking, among rankings: [LegRanking]) -> (own: [Double], missing: Double) {
    switch self {
    case .reciprocalRank(let k, let weights):
      let weight = weights[ranking.leg]
      return (ranking.chunks.indices.map { weight / (k + Double($0 + 1)) }, 0)
    case .convex(let normalization, let weights):
      let total = rankings.reduce(0) { $0 + max(0, weights[$1.leg]) }
      guard total > 0 else { return (ranking.chunks.map { _ in 0 }, 0) }
      let weight = max(0, weights[ranking.leg]) / total
      let own = normalization.normalized(ranking).map { weight * $0 }
      return (own, normalization == .minMax ? 0 : own.last ?? 0)
    }
  }
}

extension ScoreNormalization {
  /// The scores of a ranking on the common scale, best first.
  func normalized(_ ranking: LegRanking) -> [Double] {
    let scores = ranking.chunks.map { Double($0.score) }
    guard let best = scores.first, let worst = scores.last else { return [] }
    switch self {
    case .minMax: return scores.map { best > worst ? ($0 - worst) / (best - worst) : 1 }
    case .theoretical:
      let least = ranking.leg == .dense ? -1.0 : 0
      return scores.map { best > least ? ($0 - least) / (best - least) : 1 }
    case .zScore:
      let mean = scores.reduce(0, +) / Double(scores.count)
      let deviation = (scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(scores.count)).squareRoot()
      return scores.map { deviation > 0 ? ($0 - mean) / deviation : 0 }
    }
  }
}
