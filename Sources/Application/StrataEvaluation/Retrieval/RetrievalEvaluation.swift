// Owns the evaluation of searches on a test collection. Knows nothing about indexes: it is given closures.
import StrataCore

/// How one search method did on one collection.
public struct RetrievalScore: Sendable, Hashable {
  /// For example `bm25`, `dense`, `fused`.
  public var method: String
  public var ndcg10: Interval
  /// By cutoff.
  public var recall: [Int: Interval]
  public var reciprocalRank: Interval
  /// Mean time of a search.
  public var latency: Duration
}

public struct RetrievalReport: Sendable, Hashable {
  public var dataset: String
  public var documentCount: Int
  public var queryCount: Int
  public var scores: [RetrievalScore]
}

public enum RetrievalEvaluation {
  /// Ranked document ids for a query, best first.
  public typealias Search = @Sendable (_ query: String, _ limit: Int) async throws -> [String]

  public static let cutoffs = [1, 5, 10, 100]

  /// Runs every query through every method.
  /// - Parameter progress: called after each query with how many of all are done.
  public static func run(
    _ dataset: RetrievalDataset, methods: [(name: String, search: Search)],
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) async throws -> RetrievalReport {
    let clock = ContinuousClock()
    let total = methods.count * dataset.queries.count
    var done = 0
    var scores: [RetrievalScore] = []
    for method in methods {
      var ndcg: [Double] = []
      var recall: [Int: [Double]] = [:]
      var reciprocal: [Double] = []
      var elapsed = Duration.zero
      for query in dataset.queries {
        try Task.checkCancellation()
        let start = clock.now
        let found = try await method.search(query.text, 100)
        elapsed += clock.now - start
        var seen: Set<String> = []
        let ranking = found.filter { seen.insert($0).inserted }
        let grades = dataset.judgements[query.id] ?? [:]
        ndcg.append(RankingMetrics.ndcg(ranking, grades, at: 10))
        reciprocal.append(RankingMetrics.reciprocalRank(ranking, grades))
        for k in cutoffs { recall[k, default: []].append(RankingMetrics.recall(ranking, grades, at: k)) }
        done += 1
        progress(done, total)
      }
      scores.append(
        RetrievalScore(
          method: method.name, ndcg10: Interval(bootstrapping: ndcg),
          recall: recall.mapValues { Interval(bootstrapping: $0) },
          reciprocalRank: Interval(bootstrapping: reciprocal), latency: elapsed / max(1, dataset.queries.count)))
    }
    return RetrievalReport(
      dataset: dataset.name, documentCount: dataset.documents.count, queryCount: dataset.queries.count, scores: scores)
  }
}

extension RetrievalReport {
  /// `{"ndcg@10":{METHOD: mean,…},"recall@10":…,"mrr":…,"dataset",…,"intervals":…}`
  public var json: JSON {
    func table(_ value: (RetrievalScore) -> Interval?) -> JSON {
      .object(JSONObject(scores.map { ($0.method, value($0)?.json["mean"] ?? .null) }))
    }
    var object: JSONObject = ["ndcg@10": table(\.ndcg10)]
    for k in RetrievalEvaluation.cutoffs { object["recall@\(k)"] = table { $0.recall[k] } }
    object["mrr"] = table(\.reciprocalRank)
    object["latency_ms"] = .object(JSONObject(scores.map { ($0.method, .double($0.milliseconds)) }))
    object["dataset"] = .string(dataset)
    object["documents"] = .int(documentCount)
    object["queries"] = .int(queryCount)
    object["intervals"] = .object(
      JSONObject(scores.map { ($0.method, ["ndcg@10": $0.ndcg10.json, "recall@5": $0.recall[5]?.json ?? .null]) }))
    return .object(object)
  }

  /// A table of at most 80 columns.
  public var text: String {
    var table = TextTable(["method", "nDCG@10", "95%", "R@5", "95%", "R@10", "R@100", "MRR", "ms"])
    for score in scores {
      table.add([
        score.method, TextTable.number(score.ndcg10.mean, 4),
        Self.range(score.ndcg10),
        TextTable.number(score.recall[5]?.mean ?? 0, 3), score.recall[5].map(Self.range) ?? "",
        TextTable.number(score.recall[10]?.mean ?? 0, 3), TextTable.number(score.recall[100]?.mean ?? 0, 3),
        TextTable.number(score.reciprocalRank.mean, 3), TextTable.number(score.milliseconds, 1),
      ])
    }
    return "\(dataset): \(documentCount) documents, \(queryCount) queries\n\(table.text)"
  }

  /// Without the zeros, so that two fit a line.
  private static func range(_ interval: Interval) -> String {
    func short(_ value: Double) -> String {
      let text = TextTable.number(value, 2)
      return text.hasPrefix("0") ? String(text.dropFirst()) : text
    }
    return "\(short(interval.low))-\(short(interval.high))"
  }
}

extension RetrievalScore {
  var milliseconds: Double {
    let parts = latency.components
    return ((Double(parts.seconds) * 1e3 + Double(parts.attoseconds) / 1e15) * 1000).rounded() / 1000
  }
}
