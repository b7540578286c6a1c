// Owns the check of an answer against its evidence, sentence by sentence. Knows nothing about who wrote the answer.
import StrataCore

/// What is found about one sentence of an answer.
public struct SentenceSupport: Sendable, Hashable {
  /// UTF-8 bytes of the answer.
  public var range: Range<Int>
  public var text: String
  /// Nil when the sentence claims nothing: a greeting, a number of a list.
  public var estimate: SupportEstimate?
  /// The evidence that says most of it, best first.
  public var evidence: [EvidencePlace]
}

/// A sentence of the evidence.
public struct EvidencePlace: Sendable, Hashable {
  /// Index of the piece of evidence.
  public var piece: Int
  /// UTF-8 bytes of that piece.
  public var range: Range<Int>
}

/// An answer's check.
public struct FaithfulnessReport: Sendable, Hashable {
  public var sentences: [SentenceSupport]

  /// Mean score of the sentences that claim something, with the means of their bounds; nil when none does.
  public var score: (mean: Double, low: Double, high: Double)? {
    let estimates = sentences.compactMap(\.estimate)
    guard !estimates.isEmpty else { return nil }
    func mean(_ part: (SupportEstimate) -> Double) -> Double {
      estimates.reduce(0) { $0 + part($1) } / Double(estimates.count)
    }
    return (mean(\.score), mean(\.low), mean(\.high))
  }

  /// `{"score","low","high","sentences":[{"text","start","end","verdict","score",…}]}`; scores are null when nothing is
  /// claimed.
  public var json: JSON {
    func number(_ value: Double?) -> JSON { value.map { .double(($0 * 10_000).rounded() / 10_000) } ?? .null }
    let score = score
    return [
      "score": number(score?.mean), "low": number(score?.low), "high": number(score?.high),
      "sentences": .array(
        sentences.map { sentence in
          let estimate = sentence.estimate
          return [
            "text": .string(sentence.text), "start": .int(sentence.range.lowerBound),
            "end": .int(sentence.range.upperBound), "verdict": estimate.map { .string($0.verdict.name) } ?? .null,
            "score": number(estimate?.score), "low": number(estimate?.low), "high": number(estimate?.high),
            "evidence": .array(
              sentence.evidence.map {
                ["piece": .int($0.piece), "start": .int($0.range.lowerBound), "end": .int($0.range.upperBound)]
              }),
          ]
        }),
    ]
  }
}

/// Scores how far evidence supports each sentence of an answer: from words, numbers and names, and from vectors where
/// there is an embedder. Deterministic: equal inputs give equal bits.
public struct FaithfulnessScorer: Sendable {
  let embedder: (any TokenEmbedder)?
  let model: FaithfulnessModel

  /// - Parameter model: nil takes the one that comes with Strata for these features.
  /// - Throws: ``RetrievalError`` when the model was fitted to other features.
  public init(embedder: (any TokenEmbedder)?, model: FaithfulnessModel? = nil) throws(RetrievalError) {
    self.embedder = embedder
    if let model { self.model = model } else { self.model = try .trained(withVectors: embedder != nil) }
    guard self.model.features == Self.featureNames(withVectors: embedder != nil) else {
      throw RetrievalError(
        ErrorCode("faithfulness_model_invalid", .invalidInput), "The faithfulness model was fitted to other features.",
        remedy: "Write one with `strata eval faithfulness DATA --write FILE`.")
    }
  }

  public static func featureNames(withVectors: Bool) -> [String] {
    FaithfulnessFeatures.lexicalNames + (withVectors ? FaithfulnessFeatures.vectorNames : [])
  }

  /// - Parameter evidence: texts that the answer may rest on, such as the cited passages.
  /// - Throws: what the embedder throws; `CancellationError`.
  public func check(_ answer: String, evidence: [String]) async throws -> FaithfulnessReport {
    let texts = EvidenceTexts(evidence)
    let bytes = Array(answer.utf8)
    var sentences: [SentenceSupport] = []
    for line in bytes.lineRanges() {
      for range in SentenceSplitter.sentences(bytes, in: line) {
        try Task.checkCancellation()
        let text = bytes.text(range)
        let (row, best) = try await Self.features(of: text, texts, embedder: embedder)
        sentences.append(
          SentenceSupport(
            range: range, text: text, estimate: row.map { $0.isEmpty ? .nothing : model.estimate($0) },
            evidence: best.map { EvidencePlace(piece: texts.places[$0].piece, range: texts.places[$0].range) }))
      }
    }
    return FaithfulnessReport(sentences: sentences)
  }

  /// The numbers that the judgement rests on; nil for a sentence that claims nothing, empty without evidence.
  public static func features(
    of sentence: String, evidence: [String], embedder: (any TokenEmbedder)?
  ) async throws -> [Double]? {
    try await features(of: sentence, EvidenceTexts(evidence), embedder: embedder).row
  }

  private static func features(
    of sentence: String, _ evidence: EvidenceTexts, embedder: (any TokenEmbedder)?
  ) async throws -> (row: [Double]?, best: [Int]) {
    let claim = ClaimText(sentence)
    guard !claim.isEmpty else { return (nil, []) }
    guard !evidence.texts.isEmpty else { return ([], []) }
    var features = FaithfulnessFeatures(claim, evidence)
    guard let embedder else { return (features.lexical, features.best) }
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
    var read = features.best
    if let closest, !read.contains(features.candidates[closest]) { read.append(features.candidates[closest]) }
    let tokens = try await embedder.embedTokens([sentence] + read.map { evidence.texts[$0] })
    features.add(
      claim: Array(vectors.prefix(clauses.count)), candidates: candidates,
      tokens: (tokens[0], Array(tokens.dropFirst())))
    return (features.lexical + features.vectors, read)
  }

  /// Parts between commas, semicolons and conjunctions with three words or more; none when there is only one.
  private static func clauses(of sentence: String) -> [String] {
    let parts = sentence.replacing(", and ", with: ",").replacing(" and ", with: ",").split { ",;:()".contains($0) }
    let long = parts.filter { $0.split(separator: " ").count >= 3 }.map(String.init)
    return long.count > 1 ? Array(long.prefix(8)) : []
  }
}
