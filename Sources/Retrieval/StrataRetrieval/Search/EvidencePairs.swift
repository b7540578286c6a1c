// Owns choosing passages that answer together. Knows nothing about how candidates were found.

/// Ranks passages by the best pair that each is part of.
///
/// A question of two hops is answered by two passages of which neither covers it alone. A pair's score is how much of
/// the question its two passages cover together (each token of the question counts in the passage that has it better),
/// whether one names what the other is about, and how near both were found.
package struct EvidencePairs: Sendable {
  /// What a link between the two is worth.
  var linkWeight: Double
  /// What the places where the two were found are worth, each from 0 to 1.
  var placeWeight: Double

  package init(linkWeight: Double, placeWeight: Double) {
    self.linkWeight = linkWeight
    self.placeWeight = placeWeight
  }

  /// For coverage from 0 to 1 by similarity of token vectors.
  package static let byVectors = EvidencePairs(linkWeight: 0.1, placeWeight: 0.1)
  /// For coverage by words that are there or not, which differs more from pair to pair.
  static let byWords = EvidencePairs(linkWeight: 0.2, placeWeight: 0.2)

  struct Ranked: Sendable {
    /// Of the candidate.
    var index: Int
    var score: Double
    /// The other one of its best pair.
    var partner: Int
  }

  /// - Parameters:
  ///   - coverage: [candidates][tokens of the question].
  ///   - weights: of the tokens, with sum 1.
  ///   - places: of the candidates, from 0 to 1.
  /// - Complexity: O(candidates² · tokens).
  func rank(
    coverage: [[Float]], weights: [Float], places: [Double], areLinked: (Int, Int) -> Bool
  ) -> [Ranked] {
    let count = coverage.count
    var best = [Ranked?](repeating: nil, count: count)
    for first in 0..<count {
      for second in first + 1..<max(count, first + 1) {
        var covered: Float = 0
        for (token, weight) in weights.enumerated() {
          covered += weight * max(coverage[first][token], coverage[second][token])
        }
        let score =
          Double(covered) + (areLinked(first, second) ? linkWeight : 0) + placeWeight * (places[first] + places[second])
        if score > best[first]?.score ?? -.infinity {
          best[first] = Ranked(index: first, score: score, partner: second)
        }
        if score > best[second]?.score ?? -.infinity {
          best[second] = Ranked(index: second, score: score, partner: first)
        }
      }
    }
    let ranked = (0..<count).map { best[$0] ?? Ranked(index: $0, score: placeWeight * places[$0], partner: $0) }
    // Of the two of a pair the one that was found nearer comes first.
    return ranked.sorted { one, other in
      if one.score != other.score { return one.score > other.score }
      if places[one.index] != places[other.index] { return places[one.index] > places[other.index] }
      return one.index < other.index
    }
  }
}
