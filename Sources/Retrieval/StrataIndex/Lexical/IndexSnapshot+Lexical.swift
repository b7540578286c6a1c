// Owns what a BM25 query is: its words, their weights, their order. How postings are walked is LexicalScorer's.
import CStrataKernels
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
    for (index, (view, allowed)) in zip(views, readable.segments).enumerated() {
      let segment = view.segment.lexical
      var sources: [LexicalScorer.Source] = []
      for term in terms {
        guard let number = term.numbers[index] else { continue }
        sources.append(
          LexicalScorer.Source(
            list: segment.postings.list(number),
            weights: strata_bm25(
              weight: term.weight * scale, offset: bm25.k1 * (1 - bm25.b), factor: bm25.k1 * bm25.b / averageLength),
            lengths: segment.lengths, titleWeight: segment.titleWeight))
      }
      LexicalScorer(ids: view.segment.ids, sources: sources).run(allowed, &top)
    }
    return top.sorted().map { ScoredChunk(id: $0.id, score: Float($0.score) / scale) }
  }

  /// A distinct term of a query: its number in each segment that has it, and idf times repetitions.
  private struct WeightedTerm {
    var numbers: [Int?]
    var weight: Float
  }

  /// In order of appearance.
  private func weightedTerms(_ query: String, total: Int) -> [WeightedTerm] {
    var repetitions: [[UInt8]: Int] = [:]
    var order: [[UInt8]] = []
    TermStream(analyzer).forEachTerm(in: query) { term in
      guard let term else { return }
      let bytes = Array(term)
      if repetitions[bytes] == nil { order.append(bytes) }
      repetitions[bytes, default: 0] += 1
    }
    return order.compactMap { term in
      var frequency = 0
      let numbers = views.map { view in
        let number = view.segment.lexical.terms.index(of: term)
        if let number { frequency += view.lexical.documentFrequency(of: number, in: view.segment.lexical) }
        return number
      }
      guard frequency > 0 else { return nil }
      let inverse = log1p((Double(total - frequency) + 0.5) / (Double(frequency) + 0.5))
      return WeightedTerm(numbers: numbers, weight: Float(inverse * Double(repetitions[term] ?? 1)))
    }
  }
}
