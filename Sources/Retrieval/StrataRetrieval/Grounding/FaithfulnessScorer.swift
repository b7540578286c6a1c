// Owns the check of an answer against its evidence, sentence by sentence. Knows nothing about who wrote the answer.
import StrataCore

/// Scores how far evidence supports each sentence of an answer: from words, numbers and names, from vectors where there is
/// an embedder, and from a language model's opinion where one is given. Deterministic: equal inputs give equal bits.
public struct FaithfulnessScorer: FaithfulnessChecker {
  let embedder: (any TokenEmbedder)?
  let judge: EntailmentJudge?
  let model: FaithfulnessModel

  /// - Parameters:
  ///   - judge: nil, the default, asks no language model.
  ///   - model: nil takes the one that comes with Strata for these features; for a judge it has to be given.
  /// - Throws: ``RetrievalError`` when the model was fitted to other features or to another judge.
  public init(
    embedder: (any TokenEmbedder)?, judge: EntailmentJudge? = nil, model: FaithfulnessModel? = nil
  ) throws(RetrievalError) {
    self.embedder = embedder
    self.judge = judge
    if let model { self.model = model } else { self.model = try .trained(withVectors: embedder != nil) }
    let names = Self.featureNames(withVectors: embedder != nil, withJudge: judge != nil)
    guard self.model.features == names, self.model.judge == judge?.id else {
      throw RetrievalError(
        ErrorCode("faithfulness_model_invalid", .invalidInput), "The faithfulness model was fitted to other features.",
        remedy: "Write one with `strata eval faithfulness DATA --write FILE`, and with the same --model.")
    }
  }

  public static func featureNames(withVectors: Bool, withJudge: Bool = false) -> [String] {
    FaithfulnessFeatures.lexicalNames + (withVectors ? FaithfulnessFeatures.vectorNames : [])
      + (withJudge ? EntailmentJudge.featureNames : [])
  }

  public func check(_ answer: String, evidence: [String]) async throws -> FaithfulnessReport {
    let texts = EvidenceTexts(evidence)
    let bytes = Array(answer.utf8)
    var sentences: [SentenceSupport] = []
    var found: [Features?] = []
    for line in bytes.lineRanges() {
      for range in SentenceSplitter.sentences(bytes, in: line) {
        try Task.checkCancellation()
        let text = bytes.text(range)
        let features = try await Self.features(of: text, texts, embedder: embedder)
        found.append(features)
        sentences.append(
          SentenceSupport(
            range: range, text: text, estimate: nil,
            evidence: (features?.best ?? []).map {
              EvidencePlace(piece: texts.places[$0].piece, range: texts.places[$0].range)
            }))
      }
    }
    if let judge { try await Self.ask(judge, &found) }
    for (index, features) in found.enumerated() {
      sentences[index].estimate = features.map { $0.row.isEmpty ? .nothing : model.estimate($0.row) }
    }
    return FaithfulnessReport(sentences: sentences)
  }

  /// The numbers that the judgement of each claim rests on; nil for one that claims nothing, empty without evidence.
  /// - Parameter progress: how many of the claims have been read, and then how many the judge has answered.
  public static func features(
    of claims: [(text: String, evidence: [String])], embedder: (any TokenEmbedder)?, judge: EntailmentJudge? = nil,
    progress: @escaping @Sendable (_ isJudged: Bool, _ done: Int) -> Void = { _, _ in }
  ) async throws -> [[Double]?] {
    var found: [Features?] = []
    for claim in claims {
      try Task.checkCancellation()
      found.append(try await features(of: claim.text, EvidenceTexts(claim.evidence), embedder: embedder))
      progress(false, found.count)
    }
    if let judge { try await ask(judge, &found) { progress(true, $0) } }
    return found.map { $0?.row }
  }

  /// What is known of one sentence.
  private struct Features {
    /// Empty without evidence.
    var row: [Double] = []
    /// Indices of the sentences of evidence that say most of it, best first.
    var best: [Int] = []
    /// For the judge.
    var question: EntailmentJudge.Question
  }

  private static func ask(
    _ judge: EntailmentJudge, _ found: inout [Features?], progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) async throws {
    let asked = found.indices.filter { found[$0]?.row.isEmpty == false }
    let rows = try await judge.features(of: asked.compactMap { found[$0]?.question }, progress: progress)
    for (index, row) in zip(asked, rows) { found[index]?.row += row }
  }

  private static func features(
    of sentence: String, _ evidence: EvidenceTexts, embedder: (any TokenEmbedder)?
  ) async throws -> Features? {
    let claim = ClaimText(sentence)
    guard !claim.isEmpty else { return nil }
    var result = Features(question: EntailmentJudge.Question(claim: sentence, evidence: ""))
    guard !evidence.texts.isEmpty else { return result }
    var features = FaithfulnessFeatures(claim, evidence)
    result.best = features.best
    if let embedder {
      let clauses = [sentence] + Self.clauses(of: sentence)
      let compared = features.candidates.map { evidence.texts[$0] }
      let vectors = try await embedder.embed(clauses + compared)
      let candidates = Array(vectors.dropFirst(clauses.count))
      let closest = candidates.indices.max {
        let (a, b) = (
          FaithfulnessFeatures.product(vectors[0], candidates[$0]),
          FaithfulnessFeatures.product(vectors[0], candidates[$1])
        )
        return (a, $1) < (b, $0)
      }
      if let closest, !result.best.contains(features.candidates[closest]) {
        result.best.append(features.candidates[closest])
      }
      let tokens = try await embedder.embedTokens([sentence] + result.best.map { evidence.texts[$0] })
      features.add(
        claim: Array(vectors.prefix(clauses.count)), candidates: candidates,
        tokens: (tokens[0], Array(tokens.dropFirst())))
    }
    result.row = features.lexical + features.vectors
    result.question.evidence = evidence.excerpt(result.best, byteLimit: EntailmentJudge.byteLimit)
    return result
  }

  /// Parts between commas, semicolons and conjunctions with three words or more; none when there is only one.
  private static func clauses(of sentence: String) -> [String] {
    let parts = sentence.replacing(", and ", with: ",").replacing(" and ", with: ",").split { ",;:()".contains($0) }
    let long = parts.filter { $0.split(separator: " ").count >= 3 }.map(String.init)
    return long.count > 1 ? Array(long.prefix(8)) : []
  }
}
