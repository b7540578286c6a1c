// Owns the cheap checks that decide whether quoted evidence can carry an answer. Deterministic; asks no model.
import Foundation
import StrataCore

/// Refuses answers whose evidence does not speak of what was asked, or that say more than their evidence.
package struct EvidenceGate: Sendable {
  /// Least weighted share of the question's content words that the cited passages must contain, 0 to 1.
  package var leastCoverage: Double
  /// Numbers of the answer must stand in the evidence.
  package var checksNumbers: Bool
  /// Capitalised words and mixed codes of the answer must stand in the evidence.
  package var checksNames: Bool

  package init(leastCoverage: Double = 0.5, checksNumbers: Bool = true, checksNames: Bool = true) {
    self.leastCoverage = leastCoverage
    self.checksNumbers = checksNumbers
    self.checksNames = checksNames
  }

  /// Weights of the question's content words: rarer among the retrieved passages is heavier, and a word that no passage
  /// contains is heaviest, since exactly such words are the sign of a question that the documents do not answer.
  package static func weights(question: String, passages: [Passage]) -> [String: Double] {
    let texts = passages.map { Set(ContentWords.stems(of: searchable($0))) }
    var weights: [String: Double] = [:]
    for stem in Set(ContentWords.questionStems(of: question)) {
      let count = texts.count { $0.contains(stem) }
      weights[stem] = log(1 + (Double(texts.count) + 0.5) / (Double(count) + 0.5))
    }
    // A name or a code is what the question is about; another one will not do.
    for word in specifics(of: question) {
      let stem = ContentWords.stem(word.text.lowercased())
      if let weight = weights[stem] { weights[stem] = 2 * weight }
    }
    return weights
  }

  /// Weighted share of the question's content words that occur in `evidence`; 1 when the question has none.
  package static func coverage(weights: [String: Double], evidence: [Passage]) -> Double {
    let total = weights.values.reduce(0, +)
    guard total > 0 else { return 1 }
    let stems = Set(evidence.flatMap { ContentWords.stems(of: searchable($0)) })
    return weights.reduce(0) { $0 + (stems.contains($1.key) ? $1.value : 0) } / total
  }

  /// What a reader of the passage sees: its place is part of its meaning.
  private static func searchable(_ passage: Passage) -> String {
    let path = passage.document.map { $0.isLetter || $0.isNumber ? $0 : " " }
    return ([passage.title] + passage.headingPath + [String(path), passage.text]).joined(separator: "\n")
  }

  /// Words of `answer` that claim something specific (numbers, names) and stand neither in the evidence nor in the
  /// question.
  package func ungrounded(answer: String, question: String, quotes: [String], evidence: [Passage]) -> [String] {
    var known = Set(ContentWords.words(of: question))
    for text in quotes + evidence.map(Self.searchable) { known.formUnion(ContentWords.words(of: text)) }
    let knownStems = Set(known.map(ContentWords.stem))
    var numbers = Set(known.filter(Self.isNumeric))
    for word in known { if let number = Self.numberWords[word] { numbers.insert(number) } }
    var missing: [String] = []
    for word in Self.specifics(of: answer) {
      let lower = word.text.lowercased()
      if Self.isNumeric(lower) {
        let plain = lower.hasSuffix(".0") ? String(lower.dropLast(2)) : lower
        if checksNumbers, !numbers.contains(plain), !known.contains(lower) { missing.append(word.text) }
      } else if checksNames, word.isName, !known.contains(lower), !knownStems.contains(ContentWords.stem(lower)) {
        missing.append(word.text)
      }
    }
    return missing
  }

  private static func isNumeric(_ word: String) -> Bool {
    word.utf8.contains { (0x30...0x39).contains($0) }
      && word.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
  }

  /// Stems of the names and codes of `text`; a number alone is none.
  static func names(of text: String) -> Set<String> {
    Set(specifics(of: text).filter(\.isName).map { ContentWords.stem($0.text.lowercased()) })
  }

  /// Words with a digit, and capitalised words that do not merely open a sentence.
  private static func specifics(of text: String) -> [(text: String, isName: Bool)] {
    var result: [(String, Bool)] = []
    var opensSentence = true
    for token in text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "-" || $0 == "/" }) {
      for word in originalWords(token) {
        let first = word.first
        let hasDigit = word.utf8.contains { (0x30...0x39).contains($0) }
        let isName = (first?.isUppercase ?? false) && !opensSentence
        if hasDigit || isName { result.append((word, isName || !isNumeric(word.lowercased()))) }
        opensSentence = false
      }
      if let last = token.last, ".!?:".contains(last) { opensSentence = true }
    }
    return result
  }

  /// The words of a token, with the case that they were written in.
  private static func originalWords(_ token: Substring) -> [String] {
    let text = String(token)
    let lower = ContentWords.words(of: text)
    let upper = text.split { !($0.isLetter || $0.isNumber) }.map(String.init)
    return lower.count == upper.count ? zip(lower, upper).map { isNumeric($0) ? $0 : $1 } : lower
  }

  private static let numberWords: [String: String] = [
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100",
  ]
}
