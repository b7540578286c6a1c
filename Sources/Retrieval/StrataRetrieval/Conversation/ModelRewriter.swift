// Owns letting a language model make a follow-up question stand alone, and judging what it wrote. Knows nothing about the
// prompt's words.
import StrataCore

/// Asks a model for the question in full and keeps it only if it says nothing of its own.
///
/// The model writes under a schema. Each word of what it writes must come from the conversation, and each word of the
/// question that means something must be in it; otherwise the rules decide. A question that stands alone costs no call.
public struct ModelRewriter: QuestionRewriter {
  private let model: any LanguageModel
  private let contract: any PromptContract
  private let rules: ConversationRewriter

  /// - Parameter contract: takes `question` and `turns` and outputs `question`.
  public init(
    _ model: any LanguageModel, contract: any PromptContract, rules: ConversationRewriter = ConversationRewriter()
  ) {
    self.model = model
    self.contract = contract
    self.rules = rules
  }

  public func rewrite(_ question: String, after turns: [ConversationTurn]) async throws -> RewrittenQuestion {
    let byRules = rules.rewrite(question, after: turns)
    guard byRules.source == .rules else { return byRules }
    let shown = turns.suffix(rules.turnLimit)
    let input: JSON = [
      "question": .string(question),
      "turns": .array(
        shown.map { ["question": .string($0.question), "answer": .string(String($0.answer.prefix(300)))] }),
    ]
    var request = GenerationRequest(.messages(try contract.messages(for: input)), sampling: contract.sampling)
    if let schema = contract.outputSchema { request.output = .jsonSchema(schema) }
    request.maxTokens = contract.maxTokens
    let text = try await model.complete(request).text
    guard let written = (try? JSON(parsing: text))?["question"]?.stringValue,
      Self.isFaithful(written, to: question, shown)
    else { return byRules }
    let asked = Self.stems(question)
    let carried = FollowUp.words(written).filter { FollowUp.isContent($0) && !asked.contains(Self.stem($0)) }
    return RewrittenQuestion(written, carried: carried.map(\.text).joined(separator: " "), source: .model)
  }

  private static func isFaithful(
    _ written: String, to question: String, _ turns: ArraySlice<ConversationTurn>
  ) -> Bool {
    let words = stems(written)
    let said = stems(turns.map { $0.question + "\n" + $0.answer }.joined(separator: "\n") + "\n" + question)
    return !words.isEmpty && words.isSubset(of: said) && stems(question).isSubset(of: words)
  }

  private static func stems(_ text: String) -> Set<String> {
    Set(FollowUp.words(text).filter(FollowUp.isContent).map(stem))
  }

  private static func stem(_ word: FollowUp.Word) -> String { ConversationRewriter.stem(word.lower) }
}
