// Owns making one ranking of several. Knows nothing about where rankings come from.
import StrataIndex

/// How the rankings of several searches become one.
public enum RankFusion: Sendable, Hashable {
  /// Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): a chunk gets `1 / (k + rank)` from each ranking.
  case reciprocalRank(k: Double)
  /// A weighted sum of scores, each ranking's brought to 0…1 by its least and greatest (Bruch, Gai and Ingber 2023:
  /// "An Analysis of Fusion Functions for Hybrid Retrieval"). `denseWeight` from 0 to 1 is that of the dense ranking.
  case convex(denseWeight: Double)

  /// A chunk of the fused ranking, with its rank (from 1) in each ranking that has it.
  public struct Hit: Sendable, Hashable {
    public var id: Int64
    public var score: Double
    public var ranks: [String: Int]
  }

  /// Fuses two rankings, best first in both. Of equal scores the smaller id comes first, so the result is always the
  /// same.
  public func fuse(lexical: [ScoredChunk], dense: [ScoredChunk], limit: Int) -> [Hit] {
    var hits: [Int64: Hit] = [:]
    for (name, ranking) in [("lexical", lexical), ("dense", dense)] {
      for (index, chunk) in ranking.enumerated() {
        let points = self.points(chunk, rank: index + 1, in: ranking, isDense: name == "dense")
        hits[chunk.id, default: Hit(id: chunk.id, score: 0, ranks: [:])].score += points
        hits[chunk.id]?.ranks[name] = index + 1
      }
    }
    let sorted = hits.values.sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
    return Array(sorted.prefix(max(0, limit)))
  }

  private func points(_ chunk: ScoredChunk, rank: Int, in ranking: [ScoredChunk], isDense: Bool) -> Double {
    switch self {
    case .reciprocalRank(let k): return 1 / (k + Double(rank))
    case .convex(let denseWeight):
      guard let best = ranking.first?.score, let worst = ranking.last?.score else { return 0 }
      let share = best > worst ? Double((chunk.score - worst) / (best - worst)) : 1
      return share * (isDense ? denseWeight : 1 - denseWeight)
    }
  }
}
