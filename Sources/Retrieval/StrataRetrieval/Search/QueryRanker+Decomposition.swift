// Owns multi-hop search by simple questions: one search for each, the later ones with what the earlier found.
import StrataCore
import StrataIndex

extension QueryRanker {
  /// Passages that a hop's answer is looked for in.
  private static let readCount = 3
  /// What the whole question counts beside the part that a passage answers best: less, or a passage with a little of
  /// everything would come before one that answers a part.
  private static let wholeWeight = 0.5

  /// The order so far, fused with the orders of the questions that the model splits this one into. Questions that are
  /// not searched when time is over are left out.
  func decomposed(
    _ ranked: [RankedChunk], _ spec: QuerySpec, _ depth: Int, _ deadline: ContinuousClock.Instant?,
    in space: SearchSpace
  ) async throws -> [RankedChunk] {
    guard let decomposer else { throw RetrievalError.decomposerMissing() }
    let questions = try await decomposer.questions(for: spec.text, limit: spec.hopLimit)
    var answers: [String?] = []
    var hops: [(question: String, found: [FusedChunk])] = []
    for (index, question) in questions.enumerated() {
      try Task.checkCancellation()
      if let deadline, ContinuousClock.now >= deadline { break }
      guard let filled = HopTemplate.filled(question, answers) else {
        answers.append(nil)
        continue
      }
      let found = (spec.fusion ?? fusion).fuse(
        try await legs(filled, "", spec.legs, depth, in: space), limit: depth)
      hops.append((filled, found))
      var answer: String?
      if HopTemplate.isAwaited(index, in: questions) {
        let best = found.prefix(Self.readCount).map(\.id)
        let contents = try await space.content(best)
        answer = try await decomposer.answer(filled, from: best.compactMap { contents[$0] })
      }
      answers.append(answer)
    }
    return Self.fused(ranked, hops, limit: depth)
  }

  /// The score of the whole question and the best of its parts: what answers one part need not speak of the others.
  private static func fused(
    _ ranked: [RankedChunk], _ hops: [(question: String, found: [FusedChunk])], limit: Int
  ) -> [RankedChunk] {
    var chunks = Dictionary(ranked.map { ($0.id, $0) }) { first, _ in first }
    var gains: [Int64: Double] = [:]
    for (index, hop) in hops.enumerated() {
      for chunk in hop.found {
        gains[chunk.id] = max(gains[chunk.id] ?? 0, chunk.score)
        var known = chunks[chunk.id] ?? RankedChunk(id: chunk.id, score: 0, fused: chunk)
        known.stages.append(
          PassageExplanation.Stage(name: "hop \(index + 1)", score: chunk.score, note: hop.question))
        chunks[chunk.id] = known
      }
    }
    let sums = chunks.values.map { chunk in
      var chunk = chunk
      chunk.score = wholeWeight * chunk.score + (gains[chunk.id] ?? 0)
      return chunk
    }
    return Array(sums.sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }.prefix(limit))
  }
}
