// Owns BM25 search.
import Foundation

extension IndexSnapshot {
  /// The readable chunks that score best for the words of `query`, best first.
  ///
  /// A word's weight is `ln(1 + (N - n + 0.5) / (n + 0.5))`, times `f / (f + k1 (1 - b + b length / average))` for each
  /// chunk; a word that the query repeats counts as often.
  public func lexical(_ query: String, limit: Int, within readable: ChunkBitmap) -> [ScoredChunk] {
    guard readable.snapshot == generation, limit > 0, count > 0 else { return [] }
    let terms = weightedTerms(query)
    guard !terms.isEmpty else { return [] }
    let averageLength = max(1e-6, Float(views.reduce(0) { $0 + $1.liveLength }) / Float(count))
    var top = TopChunks(limit: limit)
    for (view, allowed) in zip(views, readable.segments) {
      score(view.segment, terms, allowed, averageLength, &top)
    }
    return top.sorted()
  }

  private struct WeightedTerm {
    var bytes: [UInt8]
    var weight: Float
  }

  /// The distinct terms of the query in order of appearance, with idf times repetitions.
  private func weightedTerms(_ query: String) -> [WeightedTerm] {
    var repetitions: [[UInt8]: Int] = [:]
    var order: [[UInt8]] = []
    for term in analyzer.terms(query).map({ Array($0.utf8) }) {
      if repetitions[term] == nil { order.append(term) }
      repetitions[term, default: 0] += 1
    }
    let total = Double(count)
    return order.compactMap { term in
      let frequency = views.reduce(0) { sum, view in
        sum + (view.segment.terms.index(of: term).map(view.documentFrequency) ?? 0)
      }
      guard frequency > 0 else { return nil }
      let inverse = log1p((total - Double(frequency) + 0.5) / (Double(frequency) + 0.5))
      return WeightedTerm(bytes: term, weight: Float(inverse * Double(repetitions[term] ?? 1)))
    }
  }

  private func score(
    _ segment: Segment, _ terms: [WeightedTerm], _ allowed: [UInt64], _ averageLength: Float, _ top: inout TopChunks
  ) {
    let (k1, b) = (bm25.k1, bm25.b)
    var scores = [Float](repeating: 0, count: segment.count)
    var touched = [UInt64](repeating: 0, count: allowed.count)
    for term in terms {
      guard let number = segment.terms.index(of: term.bytes) else { continue }
      for index in segment.postingStarts[number]..<segment.postingStarts[number + 1] {
        let position = Int(segment.postingPositions[index])
        guard allowed.testBit(position) else { continue }
        let frequency = Float(segment.postingCounts[index])
        let length = Float(segment.lengths[position])
        scores[position] += term.weight * (frequency / (frequency + k1 * (1 - b + b * length / averageLength)))
        touched.setBit(position)
      }
    }
    touched.forEachBit { position in
      if scores[position] >= top.threshold {
        top.insert(ScoredChunk(id: segment.ids[position], score: scores[position]))
      }
    }
  }
}
