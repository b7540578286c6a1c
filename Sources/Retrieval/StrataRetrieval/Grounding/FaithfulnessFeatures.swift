// Owns what is measured between one sentence and its evidence. Judges nothing.
import Foundation
import StrataCore

/// The evidence for one answer, taken apart once.
struct EvidenceTexts: Sendable {
  /// Where a sentence stands: which piece of evidence, and which UTF-8 bytes of it.
  var places: [(piece: Int, range: Range<Int>)] = []
  var texts: [String] = []
  var sentences: [ClaimText] = []

  /// More sentences than this are not looked at; the first ones count.
  static let sentenceLimit = 20_000

  init(_ evidence: [String]) {
    for (piece, text) in evidence.enumerated() {
      let bytes = Array(text.utf8)
      for range in SentenceSplitter.sentences(bytes, in: bytes.indices) where texts.count < Self.sentenceLimit {
        places.append((piece, range))
        texts.append(bytes.text(range))
      }
    }
    sentences = texts.map(ClaimText.init)
  }

  /// All sentences when they are short together, else those at `best`; in the order of the evidence, cut at the limit.
  func excerpt(_ best: [Int], byteLimit: Int) -> String {
    let isShort = texts.reduce(0) { $0 + $1.utf8.count + 1 } <= byteLimit
    let text = (isShort ? texts : best.sorted().map { texts[$0] }).joined(separator: " ")
    return String(decoding: text.utf8.prefix(byteLimit), as: UTF8.self)
  }
}

/// Numbers between one sentence and its evidence, from words alone and, where there is an embedder, from vectors.
/// All are finite.
struct FaithfulnessFeatures: Sendable {
  static let lexicalNames = [
    "coverage", "coverage_1", "coverage_3", "coverage_4_best", "words_found", "names_found", "names_found_best",
    "numbers_found", "numbers_found_best", specificsMissing, "bigrams_found", "sequence", "negation_differs",
    "log_words", "log_sentences",
  ]
  /// Grows with the names and figures of the sentence that stand nowhere in the evidence; 0 when there are none.
  static let specificsMissing = "specifics_missing"
  static let vectorNames = ["cosine_1", "cosine_3", "alignment", "alignment_low", "clause_low"]

  var lexical: [Double]
  var vectors: [Double] = []
  /// Indices of the sentences that say most of it, best first.
  let best: [Int]
  /// Indices worth comparing by meaning.
  let candidates: [Int]
  private let weights: [String: Double]

  /// Sentences that are compared by vectors.
  private static let candidateLimit = 64
  private static let bestLimit = 4

  /// By words.
  init(_ claim: ClaimText, _ evidence: EvidenceTexts) {
    let stems = Set(claim.stems)
    let sets = evidence.sentences.map { Set($0.stems).intersection(stems) }
    var frequency: [String: Int] = [:]
    for set in sets { for stem in set { frequency[stem, default: 0] += 1 } }
    // A sentence in a large pool of others: few evidence sentences must not make every word rare.
    let pool = Double(sets.count + 20)
    let ordered = stems.sorted()
    weights = Dictionary(
      uniqueKeysWithValues: ordered.map { stem in
        let count = Double(frequency[stem] ?? 0)
        return (stem, log(1 + (pool - count + 0.5) / (count + 0.5)))
      })
    let weights = weights
    let total = ordered.reduce(0) { $0 + (weights[$1] ?? 0) }
    func coverage(_ found: Set<String>) -> Double {
      total > 0 ? ordered.reduce(0) { $0 + (found.contains($1) ? weights[$1] ?? 0 : 0) } / total : 0
    }
    let own = sets.map(coverage)
    candidates = Array(own.indices.sorted { (own[$0], $1) > (own[$1], $0) }.prefix(Self.candidateLimit))
    var window = 0.0
    for index in sets.indices {
      let around = sets[max(0, index - 1)..<min(sets.count, index + 2)]
      window = max(window, coverage(around.reduce(into: []) { $0.formUnion($1) }))
    }
    var chosen: [Int] = []
    var covered: Set<String> = []
    while chosen.count < Self.bestLimit {
      let gains = candidates.filter { !chosen.contains($0) }.map { ($0, coverage(covered.union(sets[$0]))) }
      guard let next = gains.max(by: { ($0.1, $1.0) < ($1.1, $0.0) }), next.1 > coverage(covered) else { break }
      chosen.append(next.0)
      covered.formUnion(sets[next.0])
    }
    best = chosen
    let all = sets.reduce(into: Set<String>()) { $0.formUnion($1) }
    let bestSentences = chosen.map { evidence.sentences[$0] }
    let numbers = Set(evidence.sentences.flatMap(\.numbers))
    let bestNumbers = Set(bestSentences.flatMap(\.numbers))
    func share(_ items: [String], _ isFound: (String) -> Bool) -> Double {
      items.isEmpty ? 1 : Double(items.count(where: isFound)) / Double(items.count)
    }
    let missing = Set(claim.names.filter { !all.contains($0) } + claim.numbers.filter { !numbers.contains($0) })
    let bigrams = claim.bigrams
    let evidenceBigrams = evidence.sentences.reduce(into: Set<[String]>()) {
      if !$1.stems.isEmpty { $0.formUnion($1.bigrams.intersection(bigrams)) }
    }
    lexical = [
      coverage(all), own.max() ?? 0, window, coverage(covered), share(claim.stems, all.contains),
      share(claim.names, all.contains), share(claim.names, covered.contains), share(claim.numbers, numbers.contains),
      share(claim.numbers, bestNumbers.contains), log(1 + Double(missing.count)),
      bigrams.isEmpty ? 1 : Double(evidenceBigrams.count) / Double(bigrams.count),
      candidates.prefix(8).map { claim.sequenceShare(in: evidence.sentences[$0]) }.max() ?? 0,
      bestSentences.first.map { $0.isNegated != claim.isNegated } ?? false ? 1 : 0,
      log(1 + Double(claim.stems.count)), log(1 + Double(evidence.sentences.count)),
    ]
  }

  /// By meaning.
  /// - Parameters:
  ///   - clauses: of the sentence, at least one; the first vector of `claim` is the whole sentence's.
  ///   - candidates: vectors of ``candidates``.
  ///   - tokens: of the sentence and of the sentences that come closest.
  mutating func add(claim: [[Float]], candidates: [[Float]], tokens: (claim: TokenVectors, evidence: [TokenVectors])) {
    let cosines = candidates.map { Self.product(claim[0], $0) }.sorted(by: >)
    let alignments = Self.alignments(tokens.claim, tokens.evidence).sorted()
    let clauses = claim.dropFirst().map { clause in candidates.map { Self.product(clause, $0) }.max() ?? 0 }
    func mean(_ values: some Collection<Double>) -> Double {
      values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
    vectors = [
      cosines.first ?? 0, mean(cosines.prefix(3)), mean(alignments),
      mean(alignments.prefix(max(1, alignments.count / 4))), clauses.min() ?? cosines.first ?? 0,
    ]
  }

  /// For each token of the sentence, how close the closest token of the evidence is (Zhang et al. 2020, BERTScore).
  private static func alignments(_ claim: TokenVectors, _ evidence: [TokenVectors]) -> [Double] {
    claim.tokens.indices.map { index in
      let row = claim.values[index * claim.dimension..<(index + 1) * claim.dimension]
      var best = 0.0
      for text in evidence where text.dimension == claim.dimension {
        for other in text.tokens.indices {
          best = max(best, product(row, text.values[other * text.dimension..<(other + 1) * text.dimension]))
        }
      }
      return best
    }
  }

  static func product(_ a: some Collection<Float>, _ b: some Collection<Float>) -> Double {
    var sum: Float = 0
    for (x, y) in zip(a, b) { sum += x * y }
    return Double(sum)
  }
}
