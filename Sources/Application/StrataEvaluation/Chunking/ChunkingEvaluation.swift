// Owns the comparison of ways to cut documents by what a search then finds. It is given chunks and a search.
import StrataCore

/// How well answers are found in the chunks of one strategy.
public struct ChunkingScore: Sendable, Hashable {
  public var strategy: String
  public var chunkCount: Int
  public var meanTokens: Double
  public var mostTokens: Int
  /// Among the first `k` chunks.
  public var recall: Interval
  public var precision: Interval
  public var iou: Interval
  public var precisionOmega: Interval
  /// Among as many of the first chunks as fit the budget of tokens, and at least one.
  public var budgetRecall: Interval
  public var budgetIoU: Interval
  /// Of each question, in the order of the data set, among the first `k` chunks.
  public var questions: [SpanScore]
}

public struct ChunkingReport: Sendable, Hashable {
  public var dataset: String
  public var questionCount: Int
  public var k: Int
  /// Tokens that the passages of one question may take together.
  public var budget: Int
  public var scores: [ChunkingScore]
  /// Beside which strategy all others are put, question by question.
  public var baseline: String?

  public init(
    dataset: String, questionCount: Int, k: Int, budget: Int, scores: [ChunkingScore], baseline: String? = nil
  ) {
    self.dataset = dataset
    self.questionCount = questionCount
    self.k = k
    self.budget = budget
    self.scores = scores
    self.baseline = baseline
  }

  /// What a strategy has more than the baseline, with paired bootstrap intervals: both answer the same drawn questions,
  /// so that what makes a question hard for both does not blur the difference.
  public var differences: [(strategy: String, recall: Interval, iou: Interval)] {
    guard let base = scores.first(where: { $0.strategy == baseline }) else { return [] }
    return scores.filter { $0.strategy != baseline }.map { score in
      let pairs = zip(score.questions, base.questions)
      return (
        score.strategy, Interval(bootstrapping: pairs.map { $0.recall - $1.recall }),
        Interval(bootstrapping: pairs.map { $0.iou - $1.iou })
      )
    }
  }
}

public enum ChunkingEvaluation {
  /// Indices of chunks for a question, best first.
  public typealias Search = @Sendable (_ question: String, _ limit: Int) async throws -> [Int]

  /// - Parameter search: over `chunks` of all corpora together.
  public static func score(
    _ dataset: ChunkingDataset, strategy: String, chunks: [ChunkSpan], k: Int = 5, budget: Int = 1000, search: Search
  ) async throws -> ChunkingScore {
    var top: [SpanScore] = []
    var budgeted: [SpanScore] = []
    var bounds: [Double] = []
    for question in dataset.questions {
      try Task.checkCancellation()
      let found = try await search(question.text, max(k, 64)).filter(chunks.indices.contains).map { chunks[$0] }
      func score(_ chunks: some Sequence<ChunkSpan>) -> SpanScore {
        SpanScore(retrieved: chunks, references: question.references, corpus: question.corpus)
      }
      top.append(score(found.prefix(k)))
      var tokens = 0
      var fitting = 0
      while fitting < found.count, fitting == 0 || tokens + found[fitting].tokens <= budget {
        tokens += found[fitting].tokens
        fitting += 1
      }
      budgeted.append(score(found.prefix(fitting)))
      bounds.append(SpanScore.bound(chunks: chunks, references: question.references, corpus: question.corpus))
    }
    let total = chunks.reduce(0) { $0 + $1.tokens }
    return ChunkingScore(
      strategy: strategy, chunkCount: chunks.count, meanTokens: Double(total) / Double(max(1, chunks.count)),
      mostTokens: chunks.map(\.tokens).max() ?? 0, recall: Interval(bootstrapping: top.map(\.recall)),
      precision: Interval(bootstrapping: top.map(\.precision)), iou: Interval(bootstrapping: top.map(\.iou)),
      precisionOmega: Interval(bootstrapping: bounds), budgetRecall: Interval(bootstrapping: budgeted.map(\.recall)),
      budgetIoU: Interval(bootstrapping: budgeted.map(\.iou)), questions: top)
  }
}

extension ChunkingReport {
  public var json: JSON {
    let rows = scores.map { score -> JSON in
      [
        "strategy": .string(score.strategy), "chunks": .int(score.chunkCount),
        "mean_tokens": .double((score.meanTokens * 10).rounded() / 10), "most_tokens": .int(score.mostTokens),
        "recall": score.recall.json, "precision": score.precision.json, "iou": score.iou.json,
        "precision_omega": score.precisionOmega.json, "budget_recall": score.budgetRecall.json,
        "budget_iou": score.budgetIoU.json,
      ]
    }
    var object: JSONObject = [
      "dataset": .string(dataset), "questions": .int(questionCount), "k": .int(k), "budget": .int(budget),
      "strategies": .array(rows),
    ]
    if let baseline {
      object["against"] = .string(baseline)
      object["differences"] = .object(
        JSONObject(differences.map { ($0.strategy, ["recall": $0.recall.json, "iou": $0.iou.json]) }))
    }
    return .object(object)
  }

  /// A table of at most 80 columns.
  public var text: String {
    var table = TextTable(["chunker", "chunks", "mean", "max", "R@\(k)", "P@\(k)", "IoU@\(k)", "Pω", "R≤", "IoU≤"])
    func percent(_ interval: Interval) -> String { TextTable.number(100 * interval.mean, 1) }
    for score in scores {
      table.add([
        score.strategy, String(score.chunkCount), TextTable.number(score.meanTokens, 0), String(score.mostTokens),
        percent(score.recall), percent(score.precision), percent(score.iou), percent(score.precisionOmega),
        percent(score.budgetRecall), percent(score.budgetIoU),
      ])
    }
    let scores = "\(dataset): \(questionCount) questions; ≤ is at most \(budget) tokens; in percent\n\(table.text)"
    guard let baseline else { return scores }
    var differing = TextTable(["more than \(baseline)", "R@\(k)", "95%", "IoU@\(k)", "95%"])
    func range(_ interval: Interval) -> String {
      "\(TextTable.number(100 * interval.low, 1)) to \(TextTable.number(100 * interval.high, 1))"
    }
    for (strategy, recall, iou) in differences {
      differing.add([strategy, percent(recall), range(recall), percent(iou), range(iou)])
    }
    return "\(scores)\n\(differing.text)"
  }
}
