// Owns the answer step: passages into a prompt, model output into a verified answer. Knows nothing about runs.
import StrataCore
import StrataSchema

/// Answers a question from passages, with citations that were checked, or says that it cannot.
public struct GroundedAnswerer: Sendable {
  /// What can be shown before the answer is complete.
  public enum Part: Sendable, Hashable {
    case text(String)
    case citation(number: Int, Citation)
    /// How far the quotes support a sentence of the final answer; in order, after the citations.
    case sentence(SentenceSupport)
  }

  let model: any LanguageModel
  let contract: any PromptContract
  /// Nil leaves sentences unjudged.
  let checker: (any FaithfulnessChecker)?
  public var settings: AnswerSettings
  private static let leastAnswerTokens = 48

  /// - Throws: ``AgentError/contract`` when the contract's output has no `answer`, `citations` and `answerable`.
  public init(
    model: any LanguageModel, contract: any PromptContract, settings: AnswerSettings? = nil,
    checker: (any FaithfulnessChecker)? = nil
  ) throws {
    let members = contract.outputSchema?["properties"]
    guard members?["answer"] != nil, members?["citations"] != nil, members?["answerable"] != nil else {
      throw AgentError(
        AgentError.contract, "The contract \(contract.reference) does not output answer, citations and answerable.",
        remedy: "Declare the three outputs.")
    }
    self.model = model
    self.contract = contract
    self.checker = checker
    self.settings = settings ?? AnswerSettings(contract.settings)
  }

  /// - Parameters:
  ///   - tokens: most tokens of prompt and answer together, beside the model's own context length.
  ///   - emit: called in order while the model writes.
  /// - Returns: the answer with the usage of this call; `run` and `steps` are the caller's to fill in.
  public func answer(
    _ question: String, from passages: [Passage], as principal: Principal, tokens: Int = .max,
    emit: @Sendable (Part) async -> Void = { _ in }
  ) async throws -> GroundedAnswer {
    guard !passages.isEmpty else { return .refused("no_passages") }
    let weights = EvidenceGate.weights(question: question, passages: passages)
    let best = EvidenceGate.coverage(weights: weights, evidence: passages)
    guard best >= settings.minCoverage else { return .refused("weak_evidence") }
    var prompt = try await pack(question, passages, tokens: tokens)
    guard !prompt.passages.isEmpty else { return .refused("no_passages") }

    if settings.strategy == .attributed {
      return try await attributed(question, prompt, weights, as: principal, emit: emit)
    }

    let schema = constrain(&prompt, weights)
    let request = GenerationRequest(
      .messages(prompt.messages), output: .jsonSchema(schema), sampling: contract.sampling,
      maxTokens: prompt.answerTokens,
      tenant: principal.tenant)
    let reader = CitationReader(prompt.passages, limit: settings.maxCitations)
    var stream = AnswerStream()
    var usage = Usage(promptTokens: prompt.promptTokens)
    var shown: [Citation] = []
    var isHeld = settings.order.first == "citations"
    var held: [String] = []
    var written = ""
    var stoppedEarly: String?

    generation: for try await event in model.generate(request) {
      switch event {
      case .toolCall, .stopString: continue
      case .finished(_, let spent, _): usage = spent
      case .text(let piece, _):
        usage.completionTokens += 1
        for part in stream.append(piece) {
          switch part {
          case .text(let text):
            written += text
            if isHeld { held.append(text) } else { await emit(.text(text)) }
            if AnswerText.loopStart(written) != nil { break generation }
          case .citations(let list):
            let verified = reader.read(list)
            if let reason = verdict(on: verified, weights: weights, in: prompt.passages) {
              // Evidence comes first, so a hopeless answer need not even be written.
              if isHeld {
                stoppedEarly = reason
                break generation
              }
              continue
            }
            shown = verified.valid
            for (index, citation) in shown.enumerated() { await emit(.citation(number: index + 1, citation)) }
            isHeld = false
            for text in held { await emit(.text(text)) }
            held = []
          }
        }
      }
    }
    try Task.checkCancellation()
    if let stoppedEarly {
      var refusal = GroundedAnswer.refused(stoppedEarly, dropped: reader.read(citations(in: stream.text)).dropped)
      refusal.usage = usage
      return refusal
    }
    // A text that ended early, in a loop or at its limit, may still hold evidence and an answer.
    let output =
      Self.object(stream.text) ?? ["citations": .array(citations(in: stream.text)), "answer": .string(written)]
    var result = judge(output, question, reader, weights, prompt.passages)
    result.usage = usage
    if result.citations != shown {
      for (index, citation) in result.citations.enumerated() { await emit(.citation(number: index + 1, citation)) }
    }
    try await check(&result, emit)
    return result
  }

  /// Judges each sentence by what the answer quotes: after the last word, so that no word waits for it. Not by the passages
  /// around the quotes, which may well name what the quotes do not speak of.
  func check(_ answer: inout GroundedAnswer, _ emit: @Sendable (Part) async -> Void) async throws {
    guard let checker, answer.answerable, !answer.citations.isEmpty else { return }
    do {
      let report = try await checker.check(answer.answer, evidence: answer.citations.map(\.quote))
      answer.faithfulness = report
      for sentence in report.sentences { await emit(.sentence(sentence)) }
    } catch let error as CancellationError {
      throw error
    } catch {
      // An answer without verdicts is better than none; that they are missing shows.
      answer.faithfulness = nil
    }
  }

  /// The schema of this call; marks in `prompt` which sentences may be quoted.
  private func constrain(_ prompt: inout Packed, _ weights: [String: Double]) -> JSON {
    var settings = settings
    if settings.maxQuotes > 0 {
      let selected = QuoteRanking.selected(from: prompt.passages, weights: weights, limit: settings.maxQuotes)
      for index in prompt.passages.indices {
        prompt.passages[index].quotable = selected[prompt.passages[index].number] ?? []
      }
    }
    let best = prompt.passages.map { EvidenceGate.coverage(weights: weights, evidence: [$0.passage]) }.max() ?? 0
    if best >= settings.mustCiteAbove { settings.minCitations = max(1, settings.minCitations) }
    return AnswerSchema.specialised(contract.outputSchema ?? [:], passages: prompt.passages, settings: settings)
  }

  /// Citations of an object that may be cut off.
  private func citations(in text: String) -> [JSON] {
    var stream = AnswerStream()
    for case .citations(let list) in stream.append(text) { return list }
    return []
  }

  private func verdict(
    on verified: (valid: [Citation], dropped: Int), weights: [String: Double], in passages: [NumberedPassage]
  ) -> String? {
    if verified.valid.isEmpty { return verified.dropped > 0 ? "no_valid_citation" : "model_declined" }
    let cited = evidence(verified.valid, passages)
    return EvidenceGate.coverage(weights: weights, evidence: cited) < settings.minCoverage ? "weak_evidence" : nil
  }

  private func evidence(_ citations: [Citation], _ passages: [NumberedPassage]) -> [Passage] {
    let numbers = Set(citations.map(\.passage))
    return passages.filter { numbers.contains($0.number) }.map(\.passage)
  }

  /// Turns the model's complete text into an answer that can be stood by.
  private func judge(
    _ output: JSON, _ question: String, _ reader: CitationReader, _ weights: [String: Double],
    _ passages: [NumberedPassage]
  ) -> GroundedAnswer {
    guard let text = output["answer"]?.stringValue, !text.isEmpty || output["citations"]?[0] != nil else {
      return .refused("malformed_output")
    }
    let answer = AnswerText.tidy(text)
    let verified = reader.read(output["citations"]?.arrayValue ?? [])
    if output["answerable"] == false { return .refused("model_declined", dropped: verified.dropped) }
    if let reason = verdict(on: verified, weights: weights, in: passages) {
      return .refused(reason, dropped: verified.dropped)
    }
    let gate = EvidenceGate(
      leastCoverage: settings.minCoverage, checksNumbers: settings.checksNumbers, checksNames: settings.checksNames)
    let citations = Self.relevant(verified.valid, to: answer)
    let quotes = citations.map(\.quote)
    let claims = gate.ungrounded(
      answer: answer, question: question, quotes: quotes, evidence: evidence(citations, passages))
    let said = Set(ContentWords.words(of: answer)).subtracting(ContentWords.words(of: question))
    let isEmpty = said.subtracting(ContentWords.stopWords).isEmpty
    var result = GroundedAnswer(
      answer: answer, answerable: true, citations: citations, droppedCitations: verified.dropped)
    if !claims.isEmpty || isEmpty {
      guard settings.quotesWhenUngrounded else { return .refused("ungrounded_answer", dropped: verified.dropped) }
      result.answer = quotes.joined(separator: "\n")
      result.reason = "ungrounded_answer"
    }
    return result
  }

  /// The first citation and those that support words of the answer which the ones before do not.
  private static func relevant(_ citations: [Citation], to answer: String) -> [Citation] {
    var open = Set(ContentWords.stems(of: answer))
    return citations.enumerated().filter { index, citation in
      let covered = open.intersection(ContentWords.stems(of: citation.quote))
      open.subtract(covered)
      return index == 0 || !covered.isEmpty
    }.map(\.element)
  }

  /// The first JSON object in `text`; models without a grammar like to add words around it.
  private static func object(_ text: String) -> JSON? {
    if let json = try? JSON(parsing: text), json.objectValue != nil { return json }
    guard let start = text.firstIndex(of: "{"), let end = text.lastIndex(of: "}"), start < end else { return nil }
    guard let json = try? JSON(parsing: String(text[start...end])), json.objectValue != nil else { return nil }
    return json
  }

  struct Packed {
    var messages: [Message]
    var passages: [NumberedPassage]
    var promptTokens: Int
    var answerTokens: Int
  }

  /// As many passages, best first, as leave room for the answer.
  private func pack(_ question: String, _ passages: [Passage], tokens: Int) async throws -> Packed {
    let answerTokens = contract.maxTokens ?? 256
    let room = min(model.info.contextLength, tokens) - answerTokens
    var chosen: [NumberedPassage] = []
    for (index, passage) in passages.prefix(settings.maxPassages).enumerated() {
      chosen.append(try await fit(NumberedPassage(number: index + 1, passage: passage)))
    }
    while true {
      let messages = try contract.messages(for: input(question, chosen))
      let count = try await model.countTokens(.messages(messages), tools: [])
      if count <= room {
        return Packed(messages: messages, passages: chosen, promptTokens: count, answerTokens: answerTokens)
      }
      if chosen.count > 1 {
        chosen.removeLast()
      } else if let shorter = chosen.first?.shortened() {
        chosen = [shorter]
      } else {
        let smaller = min(model.info.contextLength, tokens) - count
        if smaller >= Self.leastAnswerTokens {
          return Packed(messages: messages, passages: chosen, promptTokens: count, answerTokens: smaller)
        }
        throw AgentError(
          tokens < model.info.contextLength ? AgentError.tokensExhausted : AgentError.contextExhausted,
          "The question and one passage take \(count) tokens; \(max(0, room)) are free.",
          remedy: "Ask a shorter question, raise the token budget, or use a model with a longer context.")
      }
    }
  }

  private func fit(_ passage: NumberedPassage) async throws -> NumberedPassage {
    var passage = passage
    // Four bytes a token is generous for prose, so only long passages are counted at all.
    while passage.passage.text.utf8.count > settings.maxPassageTokens * 2 {
      let count = try await model.countTokens(.prompt(passage.passage.text), tools: [])
      guard count > settings.maxPassageTokens, let shorter = passage.shortened() else { break }
      passage = shorter
    }
    return passage
  }

  func input(_ question: String, _ passages: [NumberedPassage]) -> JSON {
    ["question": .string(question), "passages": .array(passages.map { $0.json(strategy: settings.strategy) })]
  }
}
