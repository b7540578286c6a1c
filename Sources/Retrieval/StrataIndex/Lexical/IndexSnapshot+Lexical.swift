// Owns what a BM25 query is: its words, their weights, their order. How postings are walked is LexicalScorer's.
import Foundation

extension IndexSnapshot {
  /// The readable chunks that score best for the words of `query`, best first; fewer than `limit` only when fewer
  /// readable chunks have any of the words.
  ///
  /// A word's weight is `ln(1 + (N - n + 0.5) / (n + 0.5))`, times `f / (f + k1 (1 - b + b length / average))` for each
  /// chunk; a word that the query repeats counts as often. The same chunks give the same scores to the last bit,
  /// whatever the order in which they were added.
  public func lexical(_ query: String, limit: Int, within readable: ChunkBitmap) -> [ScoredChunk] {
    let count = count
    guard readable.snapshot == generation, limit > 0, count > 0 else { return [] }
    let terms = weightedTerms(query, total: count)
    let sum = terms.reduce(0) { $0 + Double($1.weight) }
    guard sum > 0 else { return [] }
    // Scores are added as integers, in which order makes no difference. The largest possible sum stays below 2^30.
    let scale = Float(sign: .plus, exponent: 29 - Int(sum.exponent), significand: 1)
    let averageLength = max(1e-6, Float(views.reduce(0) { $0 + $1.lexical.length }) / Float(count))
    var top = TopChunks<Int32>(limit: min(limit, count))
    for (view, allowed) in zip(views, readable.segments) {
      var scorer = LexicalScorer(
        lengthFactor: bm25.k1 * bm25.b / averageLength, lengthOffset: bm25.k1 * (1 - bm25.b))
      for term in terms {
        if let number = view.segment.lexical.terms.index(of: term.bytes) {
          scorer.add(number, weight: term.weight * scale, of: view.segment.lexical)
        }
      }
      scorer.run(view.segment.lexical, ids: view.segment.ids, allowed, &top)
    }
    return top.sorted().map { ScoredChunk(id: $0.id, score: Float($0.score) / scale) }
  }

  /// The distinct terms of the query in order of appearance, with idf times repetitions.
  private func weightedTerms(_ query: String, total: Int) -> [(bytes: [UInt8], weight: Float)] {
    var repetitions: [[UInt8]: Int] = [:]
    var order: [[UInt8]] = []
    for term in analyzer.terms(query).map({ Array($0.utf8) }) {
      if repetitions[term] == nil { order.append(term) }
      repetitions[term, default: 0] += 1
    }
    return order.compactMap { term in
      let frequency = views.reduce(0) { sum, view in
        let lexical = view.segment.lexical
        return sum
          + (lexical.terms.index(of: term).map { view.lexical.documentFrequency(of: $0, in: lexical) } ?? 0)
      }
      guard frequency > 0 else { return nil }
      let inverse = log1p((Double(total - frequency) + 0.5) / (Double(frequency) + 0.5))
      return (term, Float(inverse * Double(repetitions[term] ?? 1)))
    }
  }
}
