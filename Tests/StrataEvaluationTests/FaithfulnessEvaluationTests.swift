import StrataEvaluation
import Testing

@Suite struct FaithfulnessEvaluationTests {
  private func prediction(_ verdict: Int, _ probability: Double) -> SupportPrediction {
    SupportPrediction(
      verdict: verdict, isSupported: verdict == 2,
      probabilities: [(1 - probability) / 2, (1 - probability) / 2, probability])
  }

  @Test("accuracies, F1 and AUC on an example worked by hand")
  func example() {
    let labels = [0, 0, 1, 1, 2, 2]
    let predictions = [(0, 0.1), (1, 0.3), (1, 0.2), (1, 0.6), (2, 0.9), (1, 0.5)].map { prediction($0.0, $0.1) }
    let score = FaithfulnessEvaluation.score("x", labels, predictions)
    // Recalls 1/2, 1 and 1/2; F1 2/3, 4/6 and 2/3.
    #expect(abs(score.balancedAccuracy.mean - 2.0 / 3) < 1e-12)
    #expect(abs(score.macroF1.mean - 2.0 / 3) < 1e-12)
    #expect(abs(score.supportedBalancedAccuracy.mean - 0.75) < 1e-12)
    #expect(abs(score.supportedF1.mean - 2.0 / 3) < 1e-12)
    // Of eight pairs of a supported and another claim, seven are in order.
    #expect(abs(score.supportedAUC.mean - 7.0 / 8) < 1e-12)
    #expect(score.balancedAccuracy.low <= score.balancedAccuracy.mean)
  }

  @Test("each claim is judged once, by a judge that has not seen it, and the folds hold each label")
  func folds() {
    let labels = (0..<100).map { $0 % 10 == 0 ? 0 : $0 % 2 + 1 }
    let predictions = FaithfulnessEvaluation.crossValidated(labels, folds: 5) { training in
      #expect(training.count == 80 && training.count { labels[$0] == 0 } == 8)
      let seen = Set(training)
      return { index in
        #expect(!seen.contains(index))
        return prediction(labels[index], 0.5)
      }
    }
    #expect(predictions.map(\.verdict) == labels)
  }
}
