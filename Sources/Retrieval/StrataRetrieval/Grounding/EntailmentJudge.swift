// Owns asking a language model whether texts support a sentence. Knows nothing about the prompt's words or about verdicts.
import StrataCore

/// How much likelier a language model says yes than no to whether a text supports a sentence: natural language inference
/// by prompt, read from the probabilities of one token and not from what is written (Kadavath et al. 2022, Language Models
/// (Mostly) Know What They Know, section 3). Deterministic where the model's probabilities are.
public struct EntailmentJudge: Sendable {
  /// Names prompt and model: odds of different identities are never compared.
  public let id: String
  private let model: any LanguageModel
  private let contract: any PromptContract
  /// Requests that the model has at a time; its engine batches them and shares their common beginnings.
  private let width: Int

  /// Evidence up to this many bytes is read whole; of more, the sentences that say most of the claim.
  static let byteLimit = 1_600

  static let featureNames = ["entailment", "entailment_gain"]

  /// - Parameter contract: takes `evidence` and `claim` and asks for yes or no.
  public init(_ model: any LanguageModel, contract: any PromptContract, width: Int = 8) {
    self.model = model
    self.contract = contract
    self.width = max(1, width)
    id = "\(contract.reference):\(model.info.id)"
  }

  struct Question: Sendable, Hashable {
    var claim: String
    var evidence: String
  }

  /// For each question the logarithm of the odds of yes, and by how much they exceed those without any evidence: what the
  /// model believes anyway is no support. Finite.
  /// - Parameter progress: how many questions are answered.
  func features(
    of questions: [Question], progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) async throws -> [[Double]] {
    try await withThrowingTaskGroup(of: (Int, [Double]).self) { group in
      var rows = [[Double]](repeating: [], count: questions.count)
      var next = 0
      var done = 0
      func begin() {
        guard next < questions.count else { return }
        let index = next
        next += 1
        group.addTask {
          let known = try await odds(questions[index])
          let blind = try await odds(Question(claim: questions[index].claim, evidence: ""))
          return (index, [known, known - blind])
        }
      }
      for _ in 0..<width { begin() }
      while let (index, row) = try await group.next() {
        rows[index] = row
        done += 1
        progress(done)
        begin()
      }
      return rows
    }
  }

  private func odds(_ question: Question) async throws -> Double {
    try Task.checkCancellation()
    var request = GenerationRequest(
      .messages(
        try contract.messages(for: ["evidence": .string(question.evidence), "claim": .string(question.claim)])))
    request.sampling = contract.sampling
    request.maxTokens = 1
    request.topLogprobs = GenerationResult.oddsAlternatives
    let odds = Double(try await model.complete(request).logOdds(of: "yes", over: "no"))
    return min(max(odds, -20), 20)
  }
}
