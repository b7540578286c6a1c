// Owns remembering what evaluations ask of an encoder again and again. Knows nothing about what they measure.
import StrataCore
import Synchronization

/// An embedder whose answers about single texts, which are questions, are kept.
final class RememberingEmbedder: TokenEmbedder {
  private let base: any TokenEmbedder
  private let vectors = Mutex<[String: [Float]]>([:])
  private let tokens = Mutex<[String: TokenVectors]>([:])

  init(_ base: any TokenEmbedder) { self.base = base }

  var id: String { base.id }
  var dimension: Int { base.dimension }
  var maxTokens: Int { base.maxTokens }
  func countTokens(_ text: String) -> Int { base.countTokens(text) }
  func tokens(of text: String) -> [Int32] { base.tokens(of: text) }

  func embed(_ texts: [String]) async throws -> [[Float]] {
    guard texts.count == 1 else { return try await base.embed(texts) }
    if let known = vectors.withLock({ $0[texts[0]] }) { return [known] }
    let made = try await base.embed(texts)
    vectors.withLock { $0[texts[0]] = made.first }
    return made
  }

  func embedTokens(_ texts: [String]) async throws -> [TokenVectors] {
    guard texts.count == 1 else { return try await base.embedTokens(texts) }
    if let known = tokens.withLock({ $0[texts[0]] }) { return [known] }
    let made = try await base.embedTokens(texts)
    tokens.withLock { $0[texts[0]] = made.first }
    return made
  }
}

/// A reranker whose scores are kept; only for one whose scores do not depend on what else is asked with a document.
final class RememberingReranker: Reranker {
  private let base: any Reranker
  private let scores = Mutex<[String: [String: Float]]>([:])

  init(_ base: any Reranker) { self.base = base }

  var id: String { base.id }
  func countTokens(_ text: String) -> Int { base.countTokens(text) }

  func rerank(query: String, documents: [String]) async throws -> [Float] {
    var known = scores.withLock { $0[query] ?? [:] }
    let missing = documents.filter { known[$0] == nil }
    if !missing.isEmpty {
      for (document, score) in zip(missing, try await base.rerank(query: query, documents: missing)) {
        known[document] = score
      }
      scores.withLock { [known] in $0[query] = known }
    }
    return documents.map { known[$0] ?? 0 }
  }
}
