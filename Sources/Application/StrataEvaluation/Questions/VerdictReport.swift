// Owns how well verdicts on answers told right ones from wrong ones.
import StrataCore

/// Answers with a verdict, by what became of them. An answer is as good as its worst sentence.
public struct VerdictReport: Sendable, Hashable {
  /// Right answers and all answers, for each verdict.
  public var counts: [Support: (right: Int, of: Int)]
  /// Probability that a right answer has a higher score than a wrong one (area under the ROC curve), with its interval;
  /// nil when there are no wrong or no right ones.
  public var separation: Interval?

  /// - Parameter results: only those that were answered, should have been, and were checked count.
  public init(_ results: [QuestionResult]) {
    var judged: [(isRight: Bool, score: Double)] = []
    counts = [:]
    for result in results where result.shouldAnswer && result.reply?.answerable == true {
      guard let report = result.reply?.faithfulness, let score = report.score?.mean,
        let verdict = report.sentences.compactMap({ $0.estimate?.verdict }).min()
      else { continue }
      judged.append((result.isAnswered, score))
      let count = counts[verdict] ?? (0, 0)
      counts[verdict] = (count.right + (result.isAnswered ? 1 : 0), count.of + 1)
    }
    guard judged.contains(where: \.isRight), judged.contains(where: { !$0.isRight }) else { return }
    separation = Interval(resampling: judged.count) { sample in Self.area(sample.map { judged[$0] }) }
  }

  /// 0.5 where a sample lacks right or wrong answers.
  private static func area(_ judged: [(isRight: Bool, score: Double)]) -> Double {
    let right = judged.filter(\.isRight).map(\.score)
    let wrong = judged.filter { !$0.isRight }.map(\.score)
    guard !right.isEmpty, !wrong.isEmpty else { return 0.5 }
    let wins = right.reduce(0.0) { sum, score in
      sum + wrong.reduce(0.0) { $0 + (score > $1 ? 1 : score == $1 ? 0.5 : 0) }
    }
    return wins / Double(right.count * wrong.count)
  }

  /// `{"supported":{"right","of"},…,"separation":{"mean","low","high"}}`
  public var json: JSON {
    var object = JSONObject()
    for verdict in Support.allCases.reversed() {
      let count = counts[verdict] ?? (0, 0)
      object[verdict.name] = ["right": .int(count.right), "of": .int(count.of)]
    }
    object["separation"] = separation?.json ?? .null
    return .object(object)
  }

  /// One line; nil when nothing was checked.
  public var text: String? {
    guard !counts.isEmpty else { return nil }
    let parts = Support.allCases.reversed().compactMap { verdict in
      counts[verdict].map { "\(verdict.name) \($0.right)/\($0.of)" }
    }
    let area = separation.map {
      "  AUC \(TextTable.number($0.mean, 2)) (\(TextTable.number($0.low, 2))–\(TextTable.number($0.high, 2)))"
    }
    return "right by verdict: \(parts.joined(separator: "  "))\(area ?? "")"
  }

  public static func == (lhs: Self, rhs: Self) -> Bool { lhs.json == rhs.json }
  public func hash(into hasher: inout Hasher) { hasher.combine(json) }
}
