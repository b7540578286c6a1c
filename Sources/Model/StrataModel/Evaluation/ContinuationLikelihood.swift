// Owns the likelihood of given tokens after given others. Knows nothing about texts.
import StrataCore

extension DecoderModel {
  /// Sequences that are read in one step.
  private static let scoredTogether = 8

  /// The mean natural logarithm of the probability of a token of `continuation` after each of `prefixes`, several of
  /// which are read in one step.
  /// - Parameter isCancelled: asked between steps; the rest is left out when it says so.
  /// - Returns: as many values as prefixes, fewer when cancelled.
  /// - Throws: ``ModelError`` `invalid_argument` when something is empty, `context_overflow`.
  package func meanLogLikelihoods(
    of continuation: [Int32], after prefixes: [[Int32]], isCancelled: () -> Bool = { false }
  ) throws(ModelError) -> [Double] {
    guard !continuation.isEmpty, prefixes.allSatisfy({ !$0.isEmpty }) else {
      throw ModelError(ModelError.invalidArgument, "A likelihood needs tokens, and tokens before them.")
    }
    let logits = LogitsBuffer()
    var result: [Double] = []
    for start in stride(from: 0, to: prefixes.count, by: Self.scoredTogether) {
      if isCancelled() { break }
      let group = prefixes[start..<min(start + Self.scoredTogether, prefixes.count)]
      var caches: [KVCache] = []
      for prefix in group { caches.append(try makeCache(capacity: prefix.count + continuation.count)) }
      let openings = zip(group, caches).filter { $0.0.count > 1 }
      if !openings.isEmpty {
        try forward(openings.map { BatchSlice(tokens: $0.dropLast(), cache: $1, logits: .none) }, into: logits)
      }
      // The last token of the prefix predicts the first of the continuation, whose last predicts nothing here.
      let rows = zip(group, caches).map { prefix, cache in
        BatchSlice(tokens: (prefix.suffix(1) + continuation.dropLast())[...], cache: cache, logits: .all)
      }
      try forward(rows, into: logits)
      for index in rows.indices {
        var sum = 0.0
        for (row, token) in zip(logits.rows(ofSlice: index), continuation) {
          sum -= logits.withRow(row) { Perplexity.negativeLogLikelihood(of: token, logits: $0) }
        }
        result.append(sum / Double(continuation.count))
      }
    }
    return result
  }
}
