// Owns where sentences end. Knows nothing about tokens or chunks.

/// Splits text at ends of sentences, by punctuation and what follows it; abbreviations and initials end nothing.
enum SentenceSplitter {
  private static let abbreviations: Set<String> = [
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "vs", "etc", "fig", "figs", "eq", "no", "nos", "vol", "pp", "p",
    "ed", "eds", "al", "cf", "e.g", "i.e", "approx", "dept", "est", "inc", "ltd", "co", "corp", "art", "sec", "ch",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "u.s", "u.k", "z.b", "bzw", "ca",
  ]

  /// The byte ranges of sentences within `range`, trimmed, in order. Together they hold all that is not white space.
  static func sentences(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var sentences: [Range<Int>] = []
    var start = range.lowerBound
    var index = range.lowerBound
    while index < range.upperBound {
      let length = terminator(bytes, at: index, end: range.upperBound)
      guard length > 0 else {
        // An empty line ends a sentence whatever it ends with.
        if bytes[index] == 10, index + 1 < range.upperBound, bytes[index + 1] == 10 {
          append(bytes, start..<index, to: &sentences)
          start = index
        }
        index += 1
        continue
      }
      var end = index + length
      while end < range.upperBound, isTerminatorOrCloser(bytes, at: end, upper: range.upperBound) { end += 1 }
      let isWide = length == 3
      if end >= range.upperBound || isWide
        || (bytes[end].isASCIISpace && !isAbbreviation(bytes, dot: index, start: start)
          && startsSentence(bytes, after: end, end: range.upperBound))
      {
        append(bytes, start..<end, to: &sentences)
        start = end
      }
      index = end
    }
    append(bytes, start..<range.upperBound, to: &sentences)
    return sentences
  }

  private static func append(_ bytes: [UInt8], _ range: Range<Int>, to sentences: inout [Range<Int>]) {
    let trimmed = bytes.trimmed(range)
    if !trimmed.isEmpty { sentences.append(trimmed) }
  }

  /// Length of the sign that may end a sentence here: `.`, `!`, `?`, `…`, or their wide forms; 0 for none.
  private static func terminator(_ bytes: [UInt8], at index: Int, end: Int) -> Int {
    switch bytes[index] {
    case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"): return 1
    case 0xE3 where index + 2 < end && bytes[index + 1] == 0x80 && bytes[index + 2] == 0x82: return 3
    case 0xEF where index + 2 < end && bytes[index + 1] == 0xBC && [0x81, 0x9F].contains(bytes[index + 2]): return 3
    default: return 0
    }
  }

  /// Quotes and brackets close after the full stop; `’` and `”` are three bytes.
  private static func isTerminatorOrCloser(_ bytes: [UInt8], at index: Int, upper: Int) -> Bool {
    if ".!?\"')]".utf8.contains(bytes[index]) { return true }
    if bytes[index] == 0xE2, index + 2 < upper, bytes[index + 1] == 0x80 {
      return bytes[index + 2] == 0x99 || bytes[index + 2] == 0x9D
    }
    return bytes[index].isUTF8Continuation && index >= 1 && bytes[index - 1] >= 0x80
      && index >= 2
      && ((bytes[index - 1] == 0xE2 && bytes[index] == 0x80)
        || (bytes[index - 2] == 0xE2 && bytes[index - 1] == 0x80 && [0x99, 0x9D].contains(bytes[index])))
  }

  /// Whether the dot at `dot` belongs to the word before it.
  private static func isAbbreviation(_ bytes: [UInt8], dot: Int, start: Int) -> Bool {
    guard bytes[dot] == UInt8(ascii: ".") else { return false }
    var lower = dot
    while lower > start, dot - lower < 12, !bytes[lower - 1].isASCIISpace, !"(\"'[".utf8.contains(bytes[lower - 1]) {
      lower -= 1
    }
    let word = String(decoding: bytes[lower..<dot], as: UTF8.self)
    // A single capital is an initial.
    if word.utf8.count == 1, let first = word.first, first.isUppercase, first != "I" { return true }
    return abbreviations.contains(word.lowercased())
  }

  /// After the white space: anything but a lower-case ASCII letter may begin a sentence.
  private static func startsSentence(_ bytes: [UInt8], after index: Int, end: Int) -> Bool {
    var next = index
    while next < end, bytes[next].isASCIISpace { next += 1 }
    return next == end || !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[next])
  }
}
