// Owns matching the tokens of a question with those of passages. Knows nothing about where passages come from.
import StrataCore
import Synchronization

/// Late interaction: each token of the question finds the token of the passage that is nearest to it, and the mean of
/// those similarities is the score (Khattab and Zaharia 2020, ColBERT, MaxSim). The encoder is the one that embeds
/// passages, so no further model is needed.
///
/// Vectors of passages are kept as bytes, up to a bound, the least recently used given up first.
public final class LateInteraction: Reranker {
  public let id: String
  private let embedder: any TokenEmbedder
  private let tokenWeights: (@Sendable (Int32) -> Float)?
  private let cache: Mutex<TokenCache>

  /// - Parameters:
  ///   - tokenWeights: how much a token of the question counts, for example its idf; nil lets all count the same.
  ///   - cacheByteLimit: for vectors of passages; a passage of 200 tokens takes 77 KB with 384 dimensions.
  public init(
    _ embedder: any TokenEmbedder, tokenWeights: (@Sendable (Int32) -> Float)? = nil,
    cacheByteLimit: Int = 256 << 20
  ) {
    self.embedder = embedder
    self.tokenWeights = tokenWeights
    id = "late-interaction:\(embedder.id)"
    cache = Mutex(TokenCache(byteLimit: cacheByteLimit))
  }

  public func countTokens(_ text: String) -> Int { embedder.countTokens(text) }

  public func rerank(query: String, documents: [String]) async throws -> [Float] {
    let question = try await question(query)
    return try await similarities(question, documents: documents).map { row in
      zip(row, question.weights).reduce(0) { $0 + $1.0 * $1.1 }
    }
  }

  /// A question whose tokens were encoded, for several calls. The weights sum to 1.
  package struct Question: Sendable {
    fileprivate let tokens: PackedTokens
    package let weights: [Float]
  }

  package func question(_ text: String) async throws -> Question {
    let vectors = try await embedder.embedTokens([text])
    guard let vectors = vectors.first else { return Question(tokens: PackedTokens(), weights: []) }
    let weights = vectors.tokens.map { tokenWeights?($0) ?? 1 }
    let sum = weights.reduce(0, +)
    return Question(
      tokens: PackedTokens(vectors), weights: weights.map { sum > 0 ? $0 / sum : 1 / Float(weights.count) })
  }

  /// For each document, the similarity of each token of the question to its nearest: [documents][tokens].
  package func similarities(_ question: Question, documents: [String]) async throws -> [[Float]] {
    let known = cache.withLock { cache in documents.map { cache.value($0) } }
    let missing = documents.indices.filter { known[$0] == nil }
    let fresh = try await embedder.embedTokens(missing.map { documents[$0] }).map { PackedTokens($0) }
    let made = Dictionary(zip(missing, fresh)) { $1 }
    cache.withLock { cache in for (index, tokens) in made { cache.insert(tokens, for: documents[index]) } }
    return documents.indices.map { index in
      (known[index] ?? made[index])?.nearest(to: question.tokens) ?? question.weights.map { _ in 0 }
    }
  }
}

/// Token vectors with 8 bits a component: [count, dimension], each row with its scale.
private struct PackedTokens: Sendable {
  var dimension = 0
  var values: [Int8] = []
  var scales: [Float] = []

  init() {}

  init(_ vectors: TokenVectors) {
    dimension = vectors.dimension
    values.reserveCapacity(vectors.values.count)
    for row in vectors.tokens.indices {
      let components = vectors.values[row * dimension..<(row + 1) * dimension]
      let largest = components.reduce(0) { max($0, abs($1)) }
      scales.append(largest / 127)
      values += components.map { largest > 0 ? Int8(($0 / largest * 127).rounded()) : 0 }
    }
  }

  var byteCount: Int { values.count + 4 * scales.count }

  /// For each row of `question` the greatest cosine with a row of these; 0 when there are none.
  func nearest(to question: PackedTokens) -> [Float] {
    guard !scales.isEmpty, dimension == question.dimension, dimension > 0 else { return question.scales.map { _ in 0 } }
    return values.withUnsafeBufferPointer { rows in
      question.values.withUnsafeBufferPointer { queries in
        question.scales.indices.map { number in
          var best = -Float.infinity
          let query = UnsafeBufferPointer(rebasing: queries[number * dimension..<(number + 1) * dimension])
          for row in scales.indices {
            let other = UnsafeBufferPointer(rebasing: rows[row * dimension..<(row + 1) * dimension])
            var sum: Int32 = 0
            for index in 0..<dimension { sum &+= Int32(query[index]) &* Int32(other[index]) }
            best = max(best, Float(sum) * scales[row])
          }
          return best * question.scales[number]
        }
      }
    }
  }
}

/// Token vectors by text, within a bound on bytes.
private struct TokenCache: ~Copyable {
  private let byteLimit: Int
  private var entries: [String: (tokens: PackedTokens, used: UInt64)] = [:]
  private var byteCount = 0
  private var clock: UInt64 = 0

  init(byteLimit: Int) { self.byteLimit = byteLimit }

  mutating func value(_ text: String) -> PackedTokens? {
    clock += 1
    entries[text]?.used = clock
    return entries[text]?.tokens
  }

  mutating func insert(_ tokens: PackedTokens, for text: String) {
    clock += 1
    if let old = entries.updateValue((tokens, clock), forKey: text) { byteCount -= old.tokens.byteCount }
    byteCount += tokens.byteCount
    guard byteCount > byteLimit else { return }
    // A quarter at a time, so that the sorting is rare.
    for (text, entry) in entries.sorted(by: { $0.value.used < $1.value.used }) where byteCount > byteLimit / 4 * 3 {
      entries[text] = nil
      byteCount -= entry.tokens.byteCount
    }
  }
}
