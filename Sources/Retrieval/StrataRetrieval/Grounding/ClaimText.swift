// Owns what is compared of two texts: content words, names, numbers, negations, word order. English where it matters.
import StrataIndex

/// A sentence of an answer or of its evidence, taken apart.
struct ClaimText: Sendable, Hashable {
  /// Stems of content words, in order.
  var stems: [String] = []
  /// Stems of capitalised words that do not merely open the sentence.
  var names: [String] = []
  /// Figures without grouping commas; small numbers in words count as figures.
  var numbers: [String] = []
  var isNegated = false

  /// Shares nothing with any text.
  var isEmpty: Bool { stems.isEmpty && numbers.isEmpty }

  /// Beyond this many bytes a sentence is no sentence; what follows is left out.
  private static let byteLimit = 4_096

  init(_ text: String) {
    var text = text
    if text.utf8.count > Self.byteLimit {
      text = String(decoding: Array(text.utf8).prefix(Self.byteLimit), as: UTF8.self)
    }
    let words = Analyzer.plain.terms(text)
    stems = Self.analyzer.terms(text).map(Self.plainNumber)
    numbers = words.compactMap(Self.number)
    isNegated = words.contains { Self.negations.contains($0) || $0.hasSuffix("n't") || $0.hasSuffix("n’t") }
    var opensSentence = true
    for token in text.split(whereSeparator: \.isWhitespace) {
      let word = token.drop { !$0.isLetter && !$0.isNumber }
      if word.isEmpty { continue }
      if !opensSentence, word.first?.isUppercase == true { names += Self.analyzer.terms(String(word)) }
      opensSentence = false
    }
  }

  /// Leaves out what an answer says in any case: function words, auxiliaries, pronouns.
  private static let analyzer = Analyzer(
    language: .english,
    stopWords: Set(
      """
      a about after all also am an and any are as at be because been before being between both but by can could did do \
      does doing down during each for from further get give given go had has have having he her here hers him himself \
      his how i if in into is it its itself just let many may me might more most much must my no nor not of off often on \
      once only or other our ours out over own per please she should since so some such take than that the their theirs \
      them then there these they this those through to too under until up upon us use used very want was we were what \
      when where which while who whom whose why will with within without would you your yours s t
      """.split(separator: " ").map(String.init)))

  private static let negations: Set<String> = ["not", "no", "never", "without", "neither", "nor", "none", "cannot"]

  private static let numberWords = [
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "first": "1", "second": "2", "third": "3",
    "fourth": "4", "fifth": "5",
  ]

  private static func number(_ word: String) -> String? {
    if let figure = numberWords[word] { return figure }
    guard word.utf8.contains(where: { (0x30...0x39).contains($0) }) else { return nil }
    return plainNumber(word)
  }

  private static func plainNumber(_ word: String) -> String {
    guard word.utf8.first.map({ (0x30...0x39).contains($0) }) ?? false else { return word }
    return word.filter { $0 != "," }
  }

  /// Words of the longest common subsequence of both texts' stems, as a share of this text's.
  func sequenceShare(in other: ClaimText) -> Double {
    guard !stems.isEmpty, !other.stems.isEmpty else { return 0 }
    var row = [Int](repeating: 0, count: other.stems.count + 1)
    for stem in stems {
      var diagonal = 0
      for (index, candidate) in other.stems.enumerated() {
        let above = row[index + 1]
        row[index + 1] = stem == candidate ? diagonal + 1 : max(above, row[index])
        diagonal = above
      }
    }
    return Double(row[other.stems.count]) / Double(stems.count)
  }

  var bigrams: Set<[String]> { Set(zip(stems, stems.dropFirst()).map { [$0, $1] }) }
}
