// Owns finding the sentences that an answer rests on, after it is written. Deterministic; asks no model.
import StrataCore

/// Post-hoc attribution in the manner of RARR (Gao et al. 2023), without its model: small models answer well and quote
/// badly, so the answer's own words find its evidence.
struct Attribution {
  let question: String
  /// Weights of the question's stems, from ``EvidenceGate/weights(question:passages:)``.
  let weights: [String: Double]
  let passages: [NumberedPassage]

  private struct Candidate {
    var passage: NumberedPassage
    var sentence: Int
    var stems: Set<String>
    /// With those of the headings above it: its place is part of its meaning.
    var placed: Set<String>
  }

  /// Sentences that say what the answer adds to the question, best first, at most `limit`: each further one supports
  /// words that the ones before do not. Empty when no sentence shares any word with the answer.
  func citations(for answer: String, limit: Int) -> [Citation] {
    var open = claims(of: answer)
    var candidates = passages.flatMap { passage in
      passage.sentences.indices.map { index -> Candidate in
        let stems = Set(ContentWords.stems(of: passage.sentences[index].text))
        return Candidate(
          passage: passage, sentence: index, stems: stems, placed: stems.union(ContentWords.stems(of: passage.place)))
      }
    }
    var found: [Citation] = []
    while found.count < max(1, limit),
      let best = candidates.indices.max(by: { first, second in
        let a = score(candidates[first], open)
        let b = score(candidates[second], open)
        return a != b ? a < b : first > second
      })
    {
      let candidate = candidates.remove(at: best)
      let supported = open.keys.filter(candidate.stems.contains)
      let touchesQuestion = weights.keys.contains(where: candidate.stems.contains)
      guard !supported.isEmpty || (found.isEmpty && touchesQuestion) else { break }
      for stem in supported { open[stem] = nil }
      if let citation = candidate.passage.citation(candidate.passage.sentences[candidate.sentence].range) {
        found.append(citation)
      }
      if open.isEmpty { break }
    }
    return found
  }

  /// What the answer says beyond the question; numbers weigh most, since they are what people look for.
  private func claims(of answer: String) -> [String: Double] {
    let asked = Set(ContentWords.stems(of: question))
    var claims: [String: Double] = [:]
    for stem in ContentWords.stems(of: answer) where !asked.contains(stem) {
      claims[stem] = stem.utf8.contains { (0x30...0x39).contains($0) } ? 3 : 1
    }
    return claims
  }

  private func score(_ candidate: Candidate, _ open: [String: Double]) -> Double {
    2 * Self.share(of: open, in: candidate.stems) + Self.share(of: weights, in: candidate.placed)
      + 0.1 / Double(candidate.passage.number)
  }

  /// Weighted share of what the answer adds to the question that stands in `quotes`, 0 to 1; 1 when it adds nothing.
  func support(for answer: String, in quotes: [String]) -> Double {
    let claims = claims(of: answer)
    return claims.isEmpty ? 1 : Self.share(of: claims, in: Set(quotes.flatMap(ContentWords.stems)))
  }

  private static func share(of table: [String: Double], in stems: Set<String>) -> Double {
    let total = table.values.reduce(0, +)
    guard total > 0 else { return 0 }
    return table.reduce(0) { $0 + (stems.contains($1.key) ? $1.value : 0) } / total
  }
}
