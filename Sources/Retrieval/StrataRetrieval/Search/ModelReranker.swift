// Owns asking a language model how likely it finds that a passage answers. Knows nothing about the prompt's words.
import StrataCore

/// Scores a passage by how much likelier the model says yes than no to whether it answers the question (after Nogueira
/// et al. 2020, monoT5, without its training): one token of output for each passage.
public struct ModelReranker: Reranker {
  public let id: String
  private let model: any LanguageModel
  private let contract: any PromptContract
  /// Longer passages are cut: what decides is at the beginning, and reading takes the time.
  private let byteLimit: Int

  /// - Parameter contract: takes `question` and `passage` and asks for yes or no.
  public init(_ model: any LanguageModel, contract: any PromptContract, byteLimit: Int = 1500) {
    self.model = model
    self.contract = contract
    self.byteLimit = byteLimit
    id = "\(contract.reference):\(model.info.id)"
  }

  public func countTokens(_ text: String) -> Int { text.utf8.count / 4 + 1 }

  /// The logarithm of the odds of yes.
  public func rerank(query: String, documents: [String]) async throws -> [Float] {
    var scores: [Float] = []
    for document in documents {
      try Task.checkCancellation()
      let passage = String(decoding: document.utf8.prefix(byteLimit), as: UTF8.self)
      var request = GenerationRequest(
        .messages(try contract.messages(for: ["question": .string(query), "passage": .string(passage)])))
      request.sampling = contract.sampling
      request.maxTokens = 1
      request.topLogprobs = GenerationResult.oddsAlternatives
      scores.append(try await model.complete(request).logOdds(of: "yes", over: "no"))
    }
    return scores
  }
}
