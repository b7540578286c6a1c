// Owns the stages of a search, from the legs to the last reranking. Knows nothing about stores: what a stage wants to
// read it asks for.
import StrataCore
import StrataIndex

/// What a chunk says, for the stages after the legs.
package struct ChunkContent: Sendable {
  /// Title and headings, then the text, as the embedder saw them.
  package var text: String
  package var title: String
  /// Nil when nobody embedded the chunk.
  package var vector: [Float]?

  package init(text: String, title: String, vector: [Float]?) {
    self.text = text
    self.title = title
    self.vector = vector
  }
}

/// What one search looks at: one state of the index, and of it what the asker may read.
package struct SearchSpace: Sendable {
  package var snapshot: IndexSnapshot
  package var readable: ChunkBitmap
  /// The entities of a question.
  package var question: @Sendable (String) -> ChunkEntities
  /// Names that mean nearly the same; nil walks without.
  package var synonyms: EntitySynonyms?
  /// What chunks say; those that are gone or forbidden by now are missing.
  package var content: @Sendable ([Int64]) async throws -> [Int64: ChunkContent]

  package init(
    snapshot: IndexSnapshot, readable: ChunkBitmap,
    question: @escaping @Sendable (String) -> ChunkEntities = { EntityExtractor().entities(in: $0) },
    synonyms: EntitySynonyms? = nil,
    content: @escaping @Sendable ([Int64]) async throws -> [Int64: ChunkContent]
  ) {
    self.snapshot = snapshot
    self.readable = readable
    self.question = question
    self.synonyms = synonyms
    self.content = content
  }
}

/// A chunk with all that was said about it.
package struct RankedChunk: Sendable, Hashable {
  package var id: Int64
  package var score: Double
  package var fused: FusedChunk
  package var stages: [PassageExplanation.Stage] = []
  package var entities: [PassageExplanation.Entity] = []
}

/// Runs the stages that a query asks for.
package struct QueryRanker: Sendable {
  /// Chunks that each leg gives.
  package var depth = 300
  package var fusion = Self.fusion
  package var walk = GraphWalk.Options()
  /// What makes a pair good, where passages are compared by vectors.
  package var pairs = EvidencePairs.byVectors
  /// Chunks of which pairs are judged.
  package var pairCount = 20
  /// How many of the best extend the question, and what the mean of their vectors counts beside its own (Rocchio 1971).
  package var feedbackCount = 3
  package var feedbackWeight: Float = 0.6
  /// What words of earlier turns count beside those of the question.
  package var carriedWeight: Float = 0.5
  /// What a reranker's scores count beside the fused ones, both brought to 0…1.
  package var rerankWeights: [RerankMethod: Double] = [
    .lateInteraction: 0.3, .model: 0.3, .likelihood: 0.3, .crossEncoder: 0.7,
  ]

  /// TM2C2 (Bruch, Gai and Ingber 2023) with 0.8 for meaning and 0.2 for words: the best of 0.5 to 0.9 on Cranfield and
  /// HotpotQA in a prototype. The walk's weight is the mean of the two, measured nowhere.
  package static let fusion = RankFusion.convex(
    .theoretical, weights: LegWeights(lexical: 0.2, dense: 0.8, graph: 0.5))

  private let embedder: (any Embedder)?
  private let lateInteraction: LateInteraction?
  private let rerankers: [RerankMethod: any Reranker]
  let decomposer: QuestionDecomposer?

  /// Passages between two looks at the clock.
  private static let rerankStep = 16

  package init(
    embedder: (any Embedder)?, rerankers: [RerankMethod: any Reranker] = [:], decomposer: QuestionDecomposer? = nil
  ) {
    self.decomposer = decomposer
    self.embedder = embedder
    lateInteraction = rerankers[.lateInteraction] as? LateInteraction
    self.rerankers = rerankers
  }

  /// The chunks that answer best, best first: more than the query's limit, to make up for what turns out to be gone.
  package func rank(_ spec: QuerySpec, in space: SearchSpace) async throws -> [RankedChunk] {
    let deadline = spec.budget.time.map { ContinuousClock.now + $0 }
    let depth = max(depth, spec.limit)
    var rankings = try await legs(spec.text, spec.carried, spec.legs, depth, in: space)
    try Task.checkCancellation()
    if spec.feedback { rankings = try await extended(rankings, spec.text, depth, in: space) }
    let fusion = spec.fusion ?? fusion
    let wantsGraph = spec.legs.contains(.graph) || spec.multiHop == .graph
    let walk = GraphWalk(space.snapshot, within: space.readable, options: walk, synonyms: space.synonyms)
    var walked: GraphRanking?
    if wantsGraph {
      let seeds = RankFusion.convex().fuse(rankings, limit: depth).map { (id: $0.id, score: $0.score) }
      walked = walk.rank(seeds: seeds, question: space.question(spec.text), limit: depth)
    }
    if spec.legs.contains(.graph), let walked { rankings.append(LegRanking(.graph, walked.chunks)) }
    var ranked = fusion.fuse(rankings, limit: depth).map { RankedChunk(id: $0.id, score: $0.score, fused: $0) }
    try Task.checkCancellation()
    if spec.multiHop == .decomposition { ranked = try await decomposed(ranked, spec, depth, deadline, in: space) }
    if spec.multiHop == .graph, let walked {
      ranked = try await paired(ranked, walked.chunks, walk, spec.text, in: space)
    } else if spec.rerank != .none {
      ranked = try await reranked(ranked, spec, deadline, in: space)
    }
    if spec.explains, let walked {
      for index in ranked.indices.prefix(2 * spec.limit) {
        ranked[index].entities = walked.reasons(ofChunk: ranked[index].id).map {
          PassageExplanation.Entity(name: $0.entity, share: $0.share)
        }
      }
    }
    return ranked
  }

  // MARK: Legs

  func legs(
    _ text: String, _ carried: String, _ legs: RetrievalLegs, _ depth: Int, in space: SearchSpace
  ) async throws -> [LegRanking] {
    // A walk has to start somewhere.
    let legs: RetrievalLegs = legs == [.graph] ? .hybrid : legs
    var rankings: [LegRanking] = []
    if legs.contains(.lexical) {
      var chunks = space.snapshot.lexical(text, limit: depth, within: space.readable)
      if !carried.isEmpty {
        // Scores of words add up, so two searches are one with weights.
        let others = space.snapshot.lexical(carried, limit: depth, within: space.readable)
        chunks = Self.sum(chunks, others, weight: carriedWeight, limit: depth)
      }
      rankings.append(LegRanking(.lexical, chunks))
    }
    if legs.contains(.dense), space.snapshot.dimension != nil, let vector = try await vector(text, carried) {
      rankings.append(LegRanking(.dense, try space.snapshot.dense(vector, limit: depth, within: space.readable)))
    }
    return rankings
  }

  /// The question's vector, moved towards what it was about before.
  private func vector(_ text: String, _ carried: String) async throws -> [Float]? {
    guard !carried.isEmpty else { return try await embedder?.embed([text]).first }
    guard let vectors = try await embedder?.embed([text, carried]), vectors.count == 2 else { return nil }
    return Self.unit(zip(vectors[0], vectors[1]).map { $0 + carriedWeight * $1 })
  }

  private static func unit(_ vector: [Float]) -> [Float] {
    let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return length > 0 ? vector.map { $0 / length } : vector
  }

  private static func sum(
    _ chunks: [ScoredChunk], _ others: [ScoredChunk], weight: Float, limit: Int
  ) -> [ScoredChunk] {
    var scores: [Int64: Float] = [:]
    for chunk in chunks { scores[chunk.id] = chunk.score }
    for chunk in others { scores[chunk.id, default: 0] += weight * chunk.score }
    let sums = scores.map { ScoredChunk(id: $0.key, score: $0.value) }
    return Array(sums.sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }.prefix(limit))
  }

  /// The dense ranking again, for the question moved towards what the first search found.
  private func extended(
    _ rankings: [LegRanking], _ text: String, _ depth: Int, in space: SearchSpace
  ) async throws -> [LegRanking] {
    guard let index = rankings.firstIndex(where: { $0.leg == .dense }),
      let question = try await embedder?.embed([text]).first
    else { return rankings }
    let best = fusion.fuse(rankings, limit: feedbackCount).map(\.id)
    let vectors = try await space.content(best).values.compactMap(\.vector).filter { $0.count == question.count }
    guard !vectors.isEmpty else { return rankings }
    var moved = question
    for vector in vectors {
      for component in moved.indices { moved[component] += feedbackWeight / Float(vectors.count) * vector[component] }
    }
    let length = moved.reduce(0) { $0 + $1 * $1 }.squareRoot()
    guard length > 0 else { return rankings }
    var rankings = rankings
    rankings[index].chunks = try space.snapshot.dense(
      moved.map { $0 / length }, limit: depth, within: space.readable)
    return rankings
  }

  // MARK: Closer looks

  /// The best chunks in the order of a reranker mixed with the order so far; when time is over, those that it has not
  /// seen stay behind those that it has.
  private func reranked(
    _ ranked: [RankedChunk], _ spec: QuerySpec, _ deadline: ContinuousClock.Instant?, in space: SearchSpace
  ) async throws -> [RankedChunk] {
    guard let reranker = rerankers[spec.rerank] else { throw RetrievalError.rerankerMissing(spec.rerank) }
    let best = Array(ranked.prefix(max(0, spec.rerankDepth)))
    let contents = try await space.content(best.map(\.id))
    var seen: [(chunk: RankedChunk, score: Double)] = []
    for start in stride(from: 0, to: best.count, by: Self.rerankStep) {
      if let deadline, ContinuousClock.now >= deadline { break }
      let step = best[start..<min(start + Self.rerankStep, best.count)].filter { contents[$0.id] != nil }
      let scores = try await reranker.rerank(
        query: spec.text, documents: step.compactMap { contents[$0.id]?.text })
      for (chunk, score) in zip(step, scores) { seen.append((chunk, Double(score))) }
    }
    let mine = Self.normalized(seen.map(\.score))
    let theirs = Self.normalized(seen.map(\.chunk.score))
    let weight = rerankWeights[spec.rerank] ?? 0.5
    var result = seen.indices.map { index in
      var chunk = seen[index].chunk
      chunk.score = weight * mine[index] + (1 - weight) * theirs[index]
      chunk.stages.append(PassageExplanation.Stage(name: spec.rerank.rawValue, score: seen[index].score))
      return chunk
    }
    result.sort { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
    return Self.followed(result, by: ranked)
  }

  /// The best chunks of the walk in the order of the best pair that each is part of, then the order so far.
  private func paired(
    _ ranked: [RankedChunk], _ walked: [ScoredChunk], _ walk: GraphWalk, _ text: String, in space: SearchSpace
  ) async throws -> [RankedChunk] {
    let best = Array(walked.prefix(pairCount))
    let contents = try await space.content(best.map(\.id))
    let candidates = best.filter { contents[$0.id] != nil }
    guard candidates.count > 1 else { return ranked }
    let documents = candidates.compactMap { contents[$0.id]?.text }
    var pairs = pairs
    let coverage: [[Float]]
    let weights: [Float]
    if let lateInteraction {
      let question = try await lateInteraction.question(text)
      coverage = try await lateInteraction.similarities(question, documents: documents)
      weights = question.weights
    } else {
      pairs = .byWords
      (coverage, weights) = Self.wordCoverage(text, documents, space.snapshot)
    }
    let places = Self.normalized(candidates.map { Double($0.score) })
    let order = pairs.rank(coverage: coverage, weights: weights, places: places) { first, second in
      walk.areLinked(candidates[first].id, candidates[second].id)
    }
    let known = Dictionary(ranked.map { ($0.id, $0) }) { $1 }
    let result = order.map { pair in
      let id = candidates[pair.index].id
      var chunk =
        known[id] ?? RankedChunk(id: id, score: 0, fused: FusedChunk(id: id, score: 0, legs: []))
      chunk.score = pair.score
      chunk.stages.append(
        PassageExplanation.Stage(name: "graph", score: Double(candidates[pair.index].score)))
      chunk.stages.append(
        PassageExplanation.Stage(
          name: "pair", score: pair.score,
          note: pair.partner == pair.index ? nil : "with \(contents[candidates[pair.partner].id]?.title ?? "")"))
      return chunk
    }
    return Self.followed(result, by: ranked)
  }

  /// Which words of the question each document has.
  private static func wordCoverage(
    _ text: String, _ documents: [String], _ snapshot: IndexSnapshot
  ) -> (coverage: [[Float]], weights: [Float]) {
    let words = Set(Analyzer.english.terms(text)).sorted()
    let coverage = documents.map { document in
      let present = Set(Analyzer.english.terms(document))
      return words.map { present.contains($0) ? Float(1) : 0 }
    }
    // A word that most candidates have tells them apart badly.
    let weights = words.indices.map { word in
      1 / (1 + coverage.reduce(0) { $0 + $1[word] })
    }
    let sum = weights.reduce(0, +)
    return (coverage, weights.map { sum > 0 ? $0 / sum : 0 })
  }

  /// The chunks of `first`, then those of `rest` that are not among them, with scores that go on falling.
  private static func followed(_ first: [RankedChunk], by rest: [RankedChunk]) -> [RankedChunk] {
    let taken = Set(first.map(\.id))
    let others = rest.filter { !taken.contains($0.id) }
    guard let floor = first.last?.score, let best = others.first?.score else { return first + others }
    return first
      + others.map { chunk in
        var chunk = chunk
        chunk.score = floor - 1 + (best > 0 ? min(chunk.score / best, 1) : 0)
        return chunk
      }
  }

  /// Brought to 0…1; all 1 when they are the same.
  private static func normalized(_ scores: [Double]) -> [Double] {
    guard let least = scores.min(), let greatest = scores.max() else { return [] }
    return scores.map { greatest > least ? ($0 - least) / (greatest - least) : 1 }
  }
}
