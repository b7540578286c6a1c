// Owns the strategy in which the model writes only the answer, and its evidence is found afterwards.
import StrataCore

extension GroundedAnswerer {
  /// Streams the model's words, then attributes them. The contract's object is put together here: `answer` from the
  /// model, `citations` from the attribution, `answerable` from the evidence gate.
  func attributed(
    _ question: String, _ prompt: Packed, _ weights: [String: Double], as principal: Principal,
    emit: @Sendable (Part) async -> Void
  ) async throws -> GroundedAnswer {
    // A question that no passage speaks of is refused before the model can make something up.
    let best = prompt.passages.map { EvidenceGate.coverage(weights: weights, evidence: [$0.passage]) }.max() ?? 0
    guard best >= settings.minCoverage else { return .refused("weak_evidence") }
    let attribution = Attribution(question: question, weights: weights, passages: prompt.passages)
    var (text, usage) = try await write(prompt, principal) { await emit(.text($0)) }
    var result = judged(text, attribution)
    if settings.refocuses, result.answerable,
      let focus = AnswerFocus(
        question: question, answer: result.answer, citations: result.citations, passages: prompt.passages)
    {
      var narrow = prompt
      narrow.messages = try contract.messages(for: input(question, focus.passages))
      narrow.promptTokens = try await model.countTokens(.messages(narrow.messages), tools: [])
      let spent: Usage
      (text, spent) = try await write(narrow, principal) { _ in }
      usage = usage + spent
      let second = judged(text, attribution)
      if second.answerable, second.reason == nil, focus.isMet(by: second.citations) { result = second }
    }
    result.usage = usage
    for (index, citation) in result.citations.enumerated() { await emit(.citation(number: index + 1, citation)) }
    try await check(&result, emit)
    return result
  }

  /// The model's words, without what it repeats or adds, and what they cost, also where they are cut short.
  private func write(
    _ prompt: Packed, _ principal: Principal, _ emit: (String) async -> Void
  ) async throws -> (String, Usage) {
    let request = GenerationRequest(
      .messages(prompt.messages), sampling: contract.sampling, maxTokens: prompt.answerTokens,
      tenant: principal.tenant)
    var usage = Usage(promptTokens: prompt.promptTokens)
    var written = ""
    generation: for try await event in model.generate(request) {
      switch event {
      case .toolCall, .stopString: continue
      case .finished(_, let spent, _): usage = spent
      case .text(let piece, _):
        usage.completionTokens += 1
        written += piece
        await emit(piece)
        if AnswerText.loopStart(written) != nil || written.utf8.count > settings.maxAnswerLength { break generation }
      }
    }
    try Task.checkCancellation()
    return (AnswerText.tidy(Self.withoutMarks(written)), usage)
  }

  /// An answer of which less than this stands in its quotes is replaced by the quote.
  private static let leastSupport = 0.5

  private func judged(_ answer: String, _ attribution: Attribution) -> GroundedAnswer {
    let (question, weights, passages) = (attribution.question, attribution.weights, attribution.passages)
    guard !answer.isEmpty else { return .refused("malformed_output") }
    let citations = attribution.citations(for: answer, limit: settings.maxCitations)
    guard let first = citations.first else { return .refused("no_valid_citation") }
    let numbers = Set(citations.map(\.passage))
    let evidence = passages.filter { numbers.contains($0.number) }.map(\.passage)
    // Who answers over two hops cites the second, which need not repeat the question: "who directed the film that …".
    guard
      EvidenceGate.coverage(weights: weights, evidence: evidence) >= settings.minCoverage
        || EvidenceGate.coverage(weights: weights, evidence: passages.map(\.passage)) >= settings.minJointCoverage
    else { return .refused("weak_evidence") }
    let gate = EvidenceGate(
      leastCoverage: settings.minCoverage, checksNumbers: settings.checksNumbers, checksNames: settings.checksNames)
    var result = GroundedAnswer(answer: answer, answerable: true, citations: citations)
    let quotes = citations.map(\.quote)
    let claims = gate.ungrounded(answer: answer, question: question, quotes: quotes, evidence: evidence)
    if !claims.isEmpty || attribution.support(for: answer, in: quotes) < Self.leastSupport {
      guard settings.quotesWhenUngrounded else { return .refused("ungrounded_answer") }
      result.answer = first.quote
      result.citations = [first]
      result.reason = "ungrounded_answer"
    }
    return result
  }

  /// Models like to repeat the numbers of passages (`[1]`); ours are given by the attribution.
  private static func withoutMarks(_ text: String) -> String {
    let plain = text.replacing(/\s*\[\d+\]/, with: "")
    return String(plain.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
