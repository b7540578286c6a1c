// Owns the words of a text that carry its meaning, reduced so that inflections meet. English, cheap, deterministic.
import StrataCore

package enum ContentWords {
  /// Lower-case stems of letters-and-digits words without function words, in order of occurrence.
  package static func stems(of text: String) -> [String] {
    words(of: text).filter { !stopWords.contains($0) }.map(stem)
  }

  /// The stems of a question without what only asks for a measure: no answer to "how long" needs the word `long`.
  package static func questionStems(of text: String) -> [String] {
    let words = words(of: text)
    return words.indices.filter { index in
      !stopWords.contains(words[index])
        && !(index > 0 && words[index - 1] == "how" && measures.contains(words[index]))
    }.map { stem(words[$0]) }
  }

  private static let measures: Set<String> = [
    "big", "deep", "early", "far", "fast", "heavy", "high", "large", "late", "likely", "long", "often", "old",
    "quickly", "soon", "tall", "wide",
  ]

  /// Lower-case words; `2,400` and `2.400,50` lose their separators between digits.
  package static func words(of text: String) -> [String] {
    let bytes = Array(text.lowercased().utf8)
    var words: [String] = []
    var word: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      if byte.isWordByte, !isTypography(bytes, index) {
        word.append(byte)
      } else if byte == UInt8(ascii: ","), isDigit(word.last), isDigit(bytes, index + 1), isDigit(bytes, index + 2),
        isDigit(bytes, index + 3), !isDigit(bytes, index + 4)
      {
        continue
      } else if byte == UInt8(ascii: "."), isDigit(word.last), isDigit(bytes, index + 1) {
        word.append(byte)
      } else if !word.isEmpty {
        words.append(String(decoding: word, as: UTF8.self))
        word = []
      }
    }
    if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
    return words
  }

  /// U+2000…U+207F (dashes, quotes, spaces) separate words; their lead byte is E2 with 80 or 81 after it.
  private static func isTypography(_ bytes: [UInt8], _ index: Int) -> Bool {
    func leads(_ at: Int) -> Bool {
      at >= 0 && at + 1 < bytes.count && bytes[at] == 0xE2 && (bytes[at + 1] == 0x80 || bytes[at + 1] == 0x81)
    }
    return leads(index) || leads(index - 1) || leads(index - 2)
      || (index > 0 && bytes[index] == 0xA0 && bytes[index - 1] == 0xC2)
      || (bytes[index] == 0xC2 && index + 1 < bytes.count && bytes[index + 1] == 0xA0)
  }

  private static func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
  private static func isDigit(_ bytes: [UInt8], _ index: Int) -> Bool {
    index < bytes.count && isDigit(bytes[index])
  }

  /// A light stemmer: plural and the commonest verb endings, so that `hotels` meets `hotel` and `founded` `founder`.
  static func stem(_ word: String) -> String {
    var bytes = Array(word.utf8)
    guard bytes.count > 3, bytes.allSatisfy({ (0x61...0x7A).contains($0) }) else { return word }
    func ends(_ suffix: String) -> Bool {
      bytes.count > suffix.utf8.count + 2 && bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
    }
    if ends("ies") {
      bytes.removeLast(3)
      bytes.append(UInt8(ascii: "y"))
    } else if ends("sses") || ends("xes") || ends("ches") || ends("shes") {
      bytes.removeLast(2)
    } else if ends("s"), !ends("ss"), !ends("us"), !ends("is") {
      bytes.removeLast()
    }
    for suffix in ["ation", "ment", "ing", "ied", "ed", "er", "ly", "or"]
    where ends(suffix) && bytes.count > suffix.utf8.count + 2 {
      bytes.removeLast(suffix.utf8.count)
      break
    }
    if bytes.count > 3, bytes.last == UInt8(ascii: "e") { bytes.removeLast() }
    if bytes.count > 3, let last = bytes.last, last == bytes[bytes.count - 2], !"aeiousl".utf8.contains(last) {
      bytes.removeLast()
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static let stopWords: Set<String> = Set(
    """
    a about after all also am an and any are as at be because been before being between both but by can could did do \
    does doing down during each few for from further get give given go had has have having he her here hers him his how \
    i if in into is it its itself just let many may me might more most much must my need no nor not of off often on once \
    one only or other our ours out over own per please say says shall she should since so some such take tell than that the \
    their theirs them then there these they this those through to too under until up upon us use used very want was we \
    were what when where which while who whom whose why will with within would you your yours s t re ll ve m d
    """.split(separator: " ").map(String.init))
}
