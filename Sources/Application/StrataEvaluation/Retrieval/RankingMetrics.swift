// Owns the measures of one ranking against its judgements, as trec_eval computes them.
import Foundation

/// Measures of one ranked list of document ids without repetitions.
public enum RankingMetrics {
  /// Normalized discounted cumulative gain (Järvelin and Kekäläinen 2002) in trec_eval's form: the grade is the gain,
  /// the discount is log2(rank + 1), the ideal ranking is over all judged documents.
  public static func ndcg(_ ranking: [String], _ grades: [String: Int], at k: Int) -> Double {
    func gain(_ grades: some Sequence<Int>) -> Double {
      grades.enumerated().reduce(0) { $0 + Double(max(0, $1.element)) / log2(Double($1.offset + 2)) }
    }
    let ideal = gain(grades.values.sorted(by: >).prefix(k))
    return ideal > 0 ? gain(ranking.prefix(k).map { grades[$0] ?? 0 }) / ideal : 0
  }

  /// Share of the relevant documents among the first `k`.
  public static func recall(_ ranking: [String], _ grades: [String: Int], at k: Int) -> Double {
    let relevant = grades.values.count { $0 > 0 }
    guard relevant > 0 else { return 0 }
    return Double(ranking.prefix(k).count { grades[$0, default: 0] > 0 }) / Double(relevant)
  }

  /// 1 / rank of the first relevant document, 0 when there is none.
  public static func reciprocalRank(_ ranking: [String], _ grades: [String: Int]) -> Double {
    ranking.firstIndex { grades[$0, default: 0] > 0 }.map { 1 / Double($0 + 1) } ?? 0
  }
}
