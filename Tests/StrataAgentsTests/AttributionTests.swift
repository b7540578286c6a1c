import StrataAgents
import StrataCore
import StrataTesting
import Testing

@Suite struct AttributionTests {
  private func answer(_ text: String, passages: [Passage] = [Corpus.travel, Corpus.leave]) async throws
    -> GroundedAnswer
  {
    let contract = PlainContract.answer(["strategy": "attributed", "min_coverage": 0.3])
    let answerer = try GroundedAnswerer(model: ScriptedModel([text]), contract: contract)
    return try await answerer.answer("What is the limit for a hotel night?", from: passages, as: .anonymous)
  }

  @Test("the sentence that has the answer's facts is cited, to the byte")
  func cites() async throws {
    let result = try await answer("The limit is 165 euros [1].")
    #expect(result.answer == "The limit is 165 euros.")
    #expect(result.citations.first?.quote == "The limit for a hotel night is 165 euros.")
    #expect(result.citations.first?.range.lowerBound == 112)
  }

  @Test("a number that stands nowhere is not repeated")
  func invented() async throws {
    let result = try await answer("The limit is 999 euros.")
    #expect(!result.answer.contains("999"))
    #expect(result.reason == "ungrounded_answer" || !result.answerable)
  }
}
