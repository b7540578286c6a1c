// Owns the choice of sentences that a model may quote: those that speak of the question, and their neighbours.
import StrataCore

/// Ranks sentences by the question's weighted content words. Small models choose far better among twelve sentences than
/// among eighty, and the grammar gets smaller too.
enum QuoteRanking {
  /// Indices of the sentences to offer, by passage number, in reading order.
  /// - Parameters:
  ///   - weights: from ``EvidenceGate/weights(question:passages:)``.
  ///   - limit: most sentences of all passages together; at least one is kept of the first passage.
  static func selected(
    from passages: [NumberedPassage], weights: [String: Double], limit: Int
  ) -> [Int: [Int]] {
    let total = max(weights.values.reduce(0, +), .leastNonzeroMagnitude)
    var scored: [(passage: Int, sentence: Int, score: Double)] = []
    for passage in passages {
      let own = passage.sentences.map { share(of: $0.text, weights) / total }
      let place = share(of: passage.place, weights) / total
      for index in own.indices {
        let before = index > 0 ? own[index - 1] : 0
        let after = index + 1 < own.count ? own[index + 1] : 0
        let score = own[index] + max(0.5 * before, 0.3 * after) + 0.5 * place + 0.3 / Double(passage.number)
        scored.append((passage.number, index, score))
      }
    }
    var selected: [Int: [Int]] = [:]
    // A stable order makes equal scores fall the same way each time.
    let best = scored.enumerated().sorted { ($0.element.score, -$0.offset) > ($1.element.score, -$1.offset) }
    for entry in best.prefix(max(1, limit)) {
      selected[entry.element.passage, default: []].append(entry.element.sentence)
    }
    return selected.mapValues { $0.sorted() }
  }

  private static func share(of text: String, _ weights: [String: Double]) -> Double {
    Set(ContentWords.stems(of: text)).reduce(0) { $0 + (weights[$1] ?? 0) }
  }
}
