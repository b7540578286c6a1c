// Owns the comparison of judges of support by cross-validation. Knows nothing about how a judge comes to its verdict.
import StrataCore

/// What a judge says of a claim.
public struct SupportPrediction: Sendable, Hashable {
  /// 0 unsupported, 1 partial, 2 supported.
  public var verdict: Int
  /// Whether all of it is supported, when that alone is asked.
  public var isSupported: Bool
  /// Of unsupported, partial and supported.
  public var probabilities: [Double]

  public init(verdict: Int, isSupported: Bool, probabilities: [Double]) {
    self.verdict = verdict
    self.isSupported = isSupported
    self.probabilities = probabilities
  }
}

/// How often a judge was right, each with an interval over the claims.
public struct FaithfulnessScore: Sendable, Hashable {
  public var method: String
  /// Mean recall of the three verdicts.
  public var balancedAccuracy: Interval
  /// Mean F1 of the three verdicts.
  public var macroF1: Interval
  /// Of "supported" against everything else.
  public var supportedBalancedAccuracy: Interval
  public var supportedF1: Interval
  /// Probability that a supported claim is rated above another (area under the ROC curve).
  public var supportedAUC: Interval
  /// Mean squared error of the three probabilities (Brier 1950), lower is better.
  public var brier: Interval
}

public struct FaithfulnessEvaluationReport: Sendable, Hashable {
  public var dataset: String
  public var claimCount: Int
  public var folds: Int
  public var scores: [FaithfulnessScore]

  public init(dataset: String, claimCount: Int, folds: Int, scores: [FaithfulnessScore]) {
    self.dataset = dataset
    self.claimCount = claimCount
    self.folds = folds
    self.scores = scores
  }
}

public enum FaithfulnessEvaluation {
  /// Learns from the claims at the given indices; the judge is then asked about others.
  public typealias Fit = (_ training: [Int]) -> (_ claim: Int) -> SupportPrediction

  /// Predictions for each claim by a judge that has not seen its fold. Folds have each label in equal shares, and are
  /// the same for every method.
  public static func crossValidated(_ labels: [Int], folds: Int = 10, fit: Fit) -> [SupportPrediction] {
    let fold = assignment(labels, folds: max(2, folds))
    var predictions = [SupportPrediction?](repeating: nil, count: labels.count)
    for current in 0..<max(2, folds) {
      let judge = fit(labels.indices.filter { fold[$0] != current })
      for index in labels.indices where fold[index] == current { predictions[index] = judge(index) }
    }
    return predictions.compactMap { $0 }
  }

  private static func assignment(_ labels: [Int], folds: Int) -> [Int] {
    var generator = SplitMix64(state: 20_260_101)
    var fold = [Int](repeating: 0, count: labels.count)
    var next = 0
    for label in Set(labels).sorted() {
      for index in labels.indices.filter({ labels[$0] == label }).shuffled(using: &generator) {
        fold[index] = next % folds
        next += 1
      }
    }
    return fold
  }

  /// - Parameter predictions: one for each label, in their order.
  public static func score(_ method: String, _ labels: [Int], _ predictions: [SupportPrediction]) -> FaithfulnessScore {
    let count = min(labels.count, predictions.count)
    func interval(_ statistic: ([Int]) -> Double) -> Interval { Interval(resampling: count, statistic: statistic) }
    func rates(_ indices: [Int], _ positive: (Int) -> Bool, _ claimed: (SupportPrediction) -> Bool) -> (
      hits: Int, positives: Int, claims: Int
    ) {
      var result = (hits: 0, positives: 0, claims: 0)
      for index in indices {
        let (isPositive, isClaimed) = (positive(labels[index]), claimed(predictions[index]))
        if isPositive { result.positives += 1 }
        if isClaimed { result.claims += 1 }
        if isPositive, isClaimed { result.hits += 1 }
      }
      return result
    }
    func recall(_ r: (hits: Int, positives: Int, claims: Int)) -> Double {
      r.positives > 0 ? Double(r.hits) / Double(r.positives) : 0
    }
    func f1(_ r: (hits: Int, positives: Int, claims: Int)) -> Double {
      r.positives + r.claims > 0 ? 2 * Double(r.hits) / Double(r.positives + r.claims) : 0
    }
    func byVerdict(_ indices: [Int], _ value: ((hits: Int, positives: Int, claims: Int)) -> Double) -> Double {
      (0...2).reduce(0) { sum, verdict in sum + value(rates(indices, { $0 == verdict }, { $0.verdict == verdict })) }
        / 3
    }
    return FaithfulnessScore(
      method: method, balancedAccuracy: interval { byVerdict($0, recall) }, macroF1: interval { byVerdict($0, f1) },
      supportedBalancedAccuracy: interval { indices in
        (recall(rates(indices, { $0 == 2 }, { $0.isSupported }))
          + recall(rates(indices, { $0 != 2 }, { !$0.isSupported })))
          / 2
      },
      supportedF1: interval { f1(rates($0, { $0 == 2 }, { $0.isSupported })) },
      supportedAUC: interval { auc($0.map { (labels[$0] == 2, predictions[$0].probabilities.last ?? 0) }) },
      brier: interval { indices in
        indices.reduce(0) { sum, index in
          sum
            + predictions[index].probabilities.enumerated().reduce(0) {
              let error = $1.element - (labels[index] == $1.offset ? 1 : 0)
              return $0 + error * error
            }
        } / Double(max(1, indices.count))
      })
  }

  /// By ranks (Mann and Whitney 1947), ties in halves.
  static func auc(_ values: [(isPositive: Bool, score: Double)]) -> Double {
    let sorted = values.sorted { $0.score < $1.score }
    var rankSum = 0.0
    var start = 0
    while start < sorted.count {
      var end = start
      while end < sorted.count, sorted[end].score == sorted[start].score { end += 1 }
      let rank = Double(start + end + 1) / 2
      rankSum += rank * Double(sorted[start..<end].count { $0.isPositive })
      start = end
    }
    let positives = Double(sorted.count { $0.isPositive })
    let negatives = Double(sorted.count) - positives
    guard positives > 0, negatives > 0 else { return 0.5 }
    return (rankSum - positives * (positives + 1) / 2) / (positives * negatives)
  }
}

extension FaithfulnessEvaluationReport {
  public var json: JSON {
    [
      "dataset": .string(dataset), "claims": .int(claimCount), "folds": .int(folds),
      "methods": .array(
        scores.map { score in
          [
            "method": .string(score.method), "balanced_accuracy": score.balancedAccuracy.json,
            "macro_f1": score.macroF1.json, "supported_balanced_accuracy": score.supportedBalancedAccuracy.json,
            "supported_f1": score.supportedF1.json, "supported_auc": score.supportedAUC.json, "brier": score.brier.json,
          ]
        }),
    ]
  }

  /// A table of at most 80 columns.
  public var text: String {
    var table = TextTable(["judge", "bal.acc", "95%", "F1", "sup.bal", "sup.F1", "AUC", "Brier"])
    for score in scores {
      func number(_ interval: Interval) -> String { TextTable.number(interval.mean, 3) }
      func range(_ interval: Interval) -> String {
        "\(TextTable.number(interval.low, 2))-\(TextTable.number(interval.high, 2))"
      }
      table.add([
        score.method, number(score.balancedAccuracy), range(score.balancedAccuracy), number(score.macroF1),
        number(score.supportedBalancedAccuracy), number(score.supportedF1),
        number(score.supportedAUC), number(score.brier),
      ])
    }
    return "\(dataset): \(claimCount) claims, \(folds)-fold cross-validation\n\(table.text)"
  }
}
