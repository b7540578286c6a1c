// Owns asking a language model how likely the question is after a passage. Knows nothing about the prompt's words.
import StrataCore

/// Scores a passage by the mean log-probability of the question's tokens after it (UPR: Sachan et al. 2022, "Improving
/// Passage Retrieval with Zero-Shot Question Generation"). Nothing is generated: a passage is read once.
public struct LikelihoodReranker: Reranker {
  public let id: String
  private let scorer: any SequenceScorer
  private let contract: any PromptContract
  /// Longer passages are cut: reading takes the time.
  private let byteLimit: Int

  /// - Parameter contract: takes `passage` and asks for a question about it.
  public init(_ scorer: any SequenceScorer, contract: any PromptContract, byteLimit: Int = 1500) {
    self.scorer = scorer
    self.contract = contract
    self.byteLimit = byteLimit
    id = "\(contract.reference):\(scorer.info.id)"
  }

  public func countTokens(_ text: String) -> Int { text.utf8.count / 4 + 1 }

  public func rerank(query: String, documents: [String]) async throws -> [Float] {
    let inputs = try documents.map { document in
      let passage = String(decoding: document.utf8.prefix(byteLimit), as: UTF8.self)
      return GenerationRequest.Input.messages(try contract.messages(for: ["passage": .string(passage)]))
    }
    return try await scorer.meanLogLikelihoods(of: query, after: inputs).map { Float($0) }
  }
}
