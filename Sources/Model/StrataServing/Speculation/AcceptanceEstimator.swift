// Owns how often guesses turn out right, by class of evidence. Knows nothing about tokens or time.

/// Rates of success with decay: what happened lately counts most. A sequence's own rates are pulled towards those of all
/// sequences as long as it has little to show.
package struct AcceptanceEstimator: Sendable {
  private var hits: [Double]
  private var trials: [Double]
  /// What an old trial is worth after one more of its grade.
  private let decay: Double

  /// - Parameters:
  ///   - weight: trials that the prior counts for.
  ///   - memory: trials after which an old one counts for 1/e.
  package init(gradeCount: Int, weight: Double = 6, memory: Double = 200, prior: (Int) -> Double) {
    trials = [Double](repeating: weight, count: gradeCount)
    hits = (0..<gradeCount).map { prior($0) * weight }
    decay = 1 - 1 / max(memory, 1)
  }

  package mutating func record(grade: Int, isHit: Bool) {
    guard hits.indices.contains(grade) else { return }
    hits[grade] = hits[grade] * decay + (isHit ? 1 : 0)
    trials[grade] = trials[grade] * decay + 1
  }

  /// Between 0 and 1.
  package func rate(of grade: Int) -> Double {
    hits.indices.contains(grade) && trials[grade] > 0 ? hits[grade] / trials[grade] : 0
  }

  /// The rate of one sequence, given that of all.
  package func rate(of grade: Int, within all: AcceptanceEstimator, weight: Double = 8) -> Double {
    guard hits.indices.contains(grade) else { return 0 }
    return (hits[grade] + weight * all.rate(of: grade)) / (trials[grade] + weight)
  }
}
