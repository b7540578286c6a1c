// Owns what a check of an answer against its evidence says, sentence by sentence. Knows nothing about how it is found.

/// Judges how far texts support an answer.
public protocol FaithfulnessChecker: Sendable {
  /// - Parameter evidence: texts that the answer may rest on, such as the cited passages.
  /// - Throws: what its models throw; `CancellationError`.
  func check(_ answer: String, evidence: [String]) async throws -> FaithfulnessReport
}

/// How far the evidence carries a sentence.
public enum Support: Int, Sendable, Hashable, CaseIterable, Comparable {
  case unsupported, partial, supported

  public var name: String { ["unsupported", "partial", "supported"][rawValue] }
  public static func < (a: Support, b: Support) -> Bool { a.rawValue < b.rawValue }
}

/// What a model says of one sentence.
public struct SupportEstimate: Sendable, Hashable {
  /// Of unsupported, partial and supported; they add up to 1.
  public var probabilities: [Double]
  /// 0 for unsupported to 1 for supported: the mean of both questions, "is something supported" and "is all of it".
  public var score: Double
  /// Within these the score lies with 95% confidence, for all that the labelled data tell.
  public var low: Double
  public var high: Double
  public var verdict: Support

  public init(probabilities: [Double], score: Double, low: Double, high: Double, verdict: Support) {
    self.probabilities = probabilities
    self.score = score
    self.low = low
    self.high = high
    self.verdict = verdict
  }

  /// Of a sentence without any evidence.
  public static let nothing = SupportEstimate(
    probabilities: [1, 0, 0], score: 0, low: 0, high: 0, verdict: .unsupported)
}

/// What is found about one sentence of an answer.
public struct SentenceSupport: Sendable, Hashable {
  /// UTF-8 bytes of the answer.
  public var range: Range<Int>
  public var text: String
  /// Nil when the sentence claims nothing: a greeting, a number of a list.
  public var estimate: SupportEstimate?
  /// The evidence that says most of it, best first.
  public var evidence: [EvidencePlace]

  public init(range: Range<Int>, text: String, estimate: SupportEstimate?, evidence: [EvidencePlace] = []) {
    self.range = range
    self.text = text
    self.estimate = estimate
    self.evidence = evidence
  }
}

/// A sentence of the evidence.
public struct EvidencePlace: Sendable, Hashable {
  /// Index of the piece of evidence.
  public var piece: Int
  /// UTF-8 bytes of that piece.
  public var range: Range<Int>

  public init(piece: Int, range: Range<Int>) {
    self.piece = piece
    self.range = range
  }
}

/// An answer's check.
public struct FaithfulnessReport: Sendable, Hashable {
  public var sentences: [SentenceSupport]

  public init(sentences: [SentenceSupport]) { self.sentences = sentences }

  /// Mean score of the sentences that claim something, with the means of their bounds; nil when none does.
  public var score: (mean: Double, low: Double, high: Double)? {
    let estimates = sentences.compactMap(\.estimate)
    guard !estimates.isEmpty else { return nil }
    func mean(_ part: (SupportEstimate) -> Double) -> Double {
      estimates.reduce(0) { $0 + part($1) } / Double(estimates.count)
    }
    return (mean(\.score), mean(\.low), mean(\.high))
  }
}

// MARK: JSON

extension SentenceSupport {
  /// `{"text","start","end","verdict","score","low","high","probabilities","evidence":[{"piece","start","end"}]}`; verdict
  /// and numbers are null when nothing is claimed. Numbers have four decimals.
  public var json: JSON {
    [
      "text": .string(text), "start": .int(range.lowerBound), "end": .int(range.upperBound),
      "verdict": estimate.map { .string($0.verdict.name) } ?? .null,
      "score": FaithfulnessReport.number(estimate?.score),
      "low": FaithfulnessReport.number(estimate?.low), "high": FaithfulnessReport.number(estimate?.high),
      "probabilities": estimate.map { .array($0.probabilities.map(FaithfulnessReport.number)) } ?? .null,
      "evidence": .array(
        evidence.map {
          ["piece": .int($0.piece), "start": .int($0.range.lowerBound), "end": .int($0.range.upperBound)]
        }),
    ]
  }

  /// Reads what ``json`` writes; nil for anything else.
  init?(_ json: JSON) {
    func range(_ json: JSON) -> Range<Int>? {
      guard let start = json["start"]?.intValue, let end = json["end"]?.intValue, start >= 0, start <= end else {
        return nil
      }
      return start..<end
    }
    guard let text = json["text"]?.stringValue, let place = range(json), let verdict = json["verdict"] else {
      return nil
    }
    var estimate: SupportEstimate?
    if let name = verdict.stringValue {
      guard let support = Support.allCases.first(where: { $0.name == name }), let score = json["score"]?.doubleValue,
        let low = json["low"]?.doubleValue, let high = json["high"]?.doubleValue,
        let probabilities = json["probabilities"]?.arrayValue?.compactMap(\.doubleValue),
        probabilities.count == Support.allCases.count
      else { return nil }
      estimate = SupportEstimate(
        probabilities: probabilities, score: score, low: low, high: high, verdict: support)
    }
    self.init(
      range: place, text: text, estimate: estimate,
      evidence: (json["evidence"]?.arrayValue ?? []).compactMap { entry in
        guard let piece = entry["piece"]?.intValue, let place = range(entry) else { return nil }
        return EvidencePlace(piece: piece, range: place)
      })
  }
}

extension FaithfulnessReport {
  /// `{"score","low","high","sentences":[…]}`; scores are null when nothing is claimed.
  public var json: JSON {
    let score = score
    return [
      "score": Self.number(score?.mean), "low": Self.number(score?.low), "high": Self.number(score?.high),
      "sentences": .array(sentences.map(\.json)),
    ]
  }

  /// Reads what ``json`` writes; nil for anything else.
  public init?(_ json: JSON) {
    guard let list = json["sentences"]?.arrayValue else { return nil }
    let sentences = list.compactMap(SentenceSupport.init)
    guard sentences.count == list.count else { return nil }
    self.init(sentences: sentences)
  }

  fileprivate static func number(_ value: Double?) -> JSON {
    value.map { .double(($0 * 10_000).rounded() / 10_000) } ?? .null
  }
}
