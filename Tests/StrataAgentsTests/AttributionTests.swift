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

  @Test("what is cut short has cost its prompt all the same")
  func cost() async throws {
    let contract = PlainContract.answer([
      "strategy": "attributed", "min_coverage": 0.3, "max_answer_length": 20,
    ])
    let model = ScriptedModel(["The limit is 165 euros. " + String(repeating: "And so on and on. ", count: 50)])
    let result = try await GroundedAnswerer(model: model, contract: contract)
      .answer("What is the limit for a hotel night?", from: [Corpus.travel], as: .anonymous)
    #expect(result.usage.promptTokens > 0)
  }

  @Test("a number that stands nowhere is not repeated")
  func invented() async throws {
    let result = try await answer("The limit is 999 euros.")
    #expect(!result.answer.contains("999"))
    #expect(result.reason == "ungrounded_answer" || !result.answerable)
  }
}

@Suite("Asking again where the answer names what its quotes do not") struct AnswerFocusTests {
  private static let rule = "The limit for a hotel night is 165 euros, breakfast included."
  private static let exception = "In Oslo and Zurich the limit is 210 euros."
  private static let passage = Passage(
    chunk: 1, document: "travel.md", version: 1, range: 0..<300,
    text: "\(rule) \(exception) When nothing is available, ask your lead. Trains are booked in the portal.",
    title: "Travel", score: 1)

  private func answer(
    _ question: String, _ replies: [String], refocus: Bool = true
  ) async throws -> (GroundedAnswer, [GenerationRequest]) {
    let contract = PlainContract.answer([
      "strategy": "attributed", "min_coverage": 0.3, "refocus": .bool(refocus),
    ])
    let model = ScriptedModel(replies)
    let result = try await GroundedAnswerer(model: model, contract: contract)
      .answer(question, from: [Self.passage], as: .anonymous)
    return (result, model.requests)
  }

  @Test("the exception is found that the question names, from its sentence and the neighbours alone")
  func exception() async throws {
    let replies = ["The limit for a hotel night in Oslo is 165 euros.", "The limit in Oslo is 210 euros."]
    let (result, requests) = try await answer("What is the limit for a hotel night in Oslo?", replies)
    #expect(result.answer == "The limit in Oslo is 210 euros.")
    #expect(result.citations.map(\.quote) == [Self.exception])
    #expect(requests.count == 2)
    guard case .messages(let messages)? = requests.last?.input else { return }
    let prompt = messages.map(\.content).joined()
    #expect(prompt.contains(Self.rule) && prompt.contains(Self.exception) && !prompt.contains("Trains"))
  }

  @Test("the first answer stays when the second does not quote the name either")
  func stays() async throws {
    let replies = ["The limit for a hotel night in Oslo is 165 euros.", "Ask your lead."]
    let (result, requests) = try await answer("What is the limit for a hotel night in Oslo?", replies)
    #expect(result.answer == replies[0] && requests.count == 2)
  }

  @Test("nothing is asked again when quotes name all, when the answer does not name it, or when told not to")
  func once() async throws {
    let question = "What is the limit for a hotel night in Oslo?"
    for reply in ["In Oslo the limit is 210 euros.", "The limit for a hotel night is 165 euros."] {
      #expect(try await answer(question, [reply]).1.count == 1)
    }
    let reply = "The limit for a hotel night in Oslo is 165 euros."
    #expect(try await answer(question, [reply], refocus: false).1.count == 1)
  }
}

@Suite("Verdicts on sentences") struct SentenceVerdictTests {
  /// Supports what stands word for word in its evidence.
  private struct Literal: FaithfulnessChecker {
    var fails = false

    func check(_ answer: String, evidence: [String]) async throws -> FaithfulnessReport {
      if fails { throw AgentError(AgentError.failed, "The checker is broken.") }
      let bytes = Array(answer.utf8)
      return FaithfulnessReport(
        sentences: SentenceSplitter.sentences(bytes, in: bytes.indices).map { range in
          let isSupported = evidence.contains { $0.contains(bytes.text(range)) }
          let estimate = SupportEstimate(
            probabilities: isSupported ? [0, 0, 1] : [1, 0, 0], score: isSupported ? 1 : 0, low: 0, high: 1,
            verdict: isSupported ? .supported : .unsupported)
          return SentenceSupport(range: range, text: bytes.text(range), estimate: estimate)
        })
    }
  }

  private actor Log {
    var parts: [GroundedAnswerer.Part] = []
    func add(_ part: GroundedAnswerer.Part) { parts.append(part) }
  }

  private func answer(
    _ text: String, strategy: String, checker: Literal
  ) async throws -> (GroundedAnswer, [GroundedAnswerer.Part]) {
    let contract = PlainContract.answer(["strategy": .string(strategy), "min_coverage": 0.3])
    let answerer = try GroundedAnswerer(model: ScriptedModel([text]), contract: contract, checker: checker)
    let log = Log()
    let answer = try await answerer.answer(
      "What is the limit for a hotel night?", from: [Corpus.travel, Corpus.leave], as: .anonymous
    ) { await log.add($0) }
    return (answer, await log.parts)
  }

  @Test("each sentence is judged by the quotes, after the words and the citations", arguments: [false, true])
  func judged(isJSON: Bool) async throws {
    let text = isJSON ? Corpus.answer : "The limit for a hotel night is 165 euros."
    let (result, parts) = try await answer(text, strategy: isJSON ? "plain" : "attributed", checker: Literal())
    let sentence = try #require(result.faithfulness?.sentences.first)
    #expect(sentence.text == result.answer && sentence.estimate?.verdict == (isJSON ? .unsupported : .supported))
    #expect(parts.last == .sentence(sentence))
    #expect(parts.firstIndex { if case .sentence = $0 { true } else { false } } == parts.count - 1)
    #expect(parts.contains { if case .citation = $0 { true } else { false } })
    #expect(FaithfulnessReport(try #require(result.json["faithfulness"])) == result.faithfulness)
    #expect(result.json["faithfulness"]?["sentences"]?[0]?["verdict"] != nil)
  }

  @Test("a checker that fails costs the verdicts, not the answer; a refusal has none")
  func failing() async throws {
    let broken = try await answer(
      "The limit for a hotel night is 165 euros.", strategy: "attributed", checker: Literal(fails: true)
    ).0
    #expect(broken.answerable && broken.faithfulness == nil && broken.json["faithfulness"] == nil)
    let refused = try await answer("Penguins.", strategy: "attributed", checker: Literal())
    if !refused.0.answerable { #expect(refused.0.faithfulness == nil) }
  }
}
