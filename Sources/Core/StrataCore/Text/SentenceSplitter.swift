// Owns where sentences end. Knows nothing about tokens, chunks or Markdown's blocks.

/// Splits text at ends of sentences, by punctuation and what follows it; abbreviations and initials end nothing. In text
/// that has no capitals at all, small letters begin sentences after a single full stop, too.
package enum SentenceSplitter {
  private static let abbreviations: Set<String> = [
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "vs", "etc", "fig", "figs", "eq", "no", "nos", "vol", "pp", "p",
    "ed", "eds", "al", "cf", "approx", "dept", "est", "inc", "ltd", "co", "corp", "art", "sec", "ch", "bzw", "ca",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
  ]

  /// The byte ranges of sentences within `range`, trimmed, in order. Together they hold all that is not white space.
  /// - Complexity: O(bytes).
  package static func sentences(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var sentences: [Range<Int>] = []
    var start = range.lowerBound
    var index = range.lowerBound
    let hasCapitals = bytes[range].contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    while index < range.upperBound {
      guard let stop = Stop(bytes, at: index, upper: range.upperBound) else {
        // An empty line ends a sentence whatever it ends with.
        if bytes[index] == 10, index + 1 < range.upperBound, bytes[index + 1] == 10 {
          append(bytes, start..<index, to: &sentences)
          start = index
        }
        index += 1
        continue
      }
      var end = index + stop.length
      while case let length = closerLength(bytes, at: end, upper: range.upperBound), length > 0 { end += length }
      if end >= range.upperBound || stop.isWide
        || (bytes[end].isASCIISpace && !isAbbreviation(bytes, dot: index, start: start)
          && (startsSentence(bytes, after: end, end: range.upperBound)
            || !hasCapitals && end - index == 1 && bytes[index] == UInt8(ascii: ".")))
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

  /// A sign that may end a sentence: `.`, `!`, `?`, `…`, or the wide forms `。`, `！` and `？`, which need no space.
  private struct Stop {
    var length = 1
    var isWide = false

    init?(_ bytes: [UInt8], at index: Int, upper: Int) {
      switch bytes[index] {
      case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"): return
      case 0xE2, 0xE3, 0xEF:
        guard index + 2 < upper else { return nil }
        length = 3
        switch (bytes[index], bytes[index + 1], bytes[index + 2]) {
        case (0xE2, 0x80, 0xA6): return
        case (0xE3, 0x80, 0x82), (0xEF, 0xBC, 0x81), (0xEF, 0xBC, 0x9F): isWide = true
        default: return nil
        }
      default: return nil
      }
    }
  }

  /// Bytes of a further stop, a quotation mark, a bracket or a mark of emphasis that closes after a stop; 0 for others.
  private static func closerLength(_ bytes: [UInt8], at index: Int, upper: Int) -> Int {
    guard index < upper else { return 0 }
    if ".!?\"')]*_`".utf8.contains(bytes[index]) { return 1 }
    guard index + 2 < upper else { return 0 }
    switch (bytes[index], bytes[index + 1], bytes[index + 2]) {
    // ’ and ”, 」 and 』.
    case (0xE2, 0x80, 0x99), (0xE2, 0x80, 0x9D), (0xE3, 0x80, 0x8D), (0xE3, 0x80, 0x8F): return 3
    default: return 0
    }
  }

  /// Whether the dot at `dot` belongs to the word before it.
  private static func isAbbreviation(_ bytes: [UInt8], dot: Int, start: Int) -> Bool {
    guard bytes[dot] == UInt8(ascii: ".") else { return false }
    var lower = dot
    while lower > start, dot - lower < 12, !bytes[lower - 1].isASCIISpace, !"(\"'[*_`".utf8.contains(bytes[lower - 1]) {
      lower -= 1
    }
    let word = String(decoding: bytes[lower..<dot], as: UTF8.self)
    // A single capital is an initial; single letters between dots are one word (e.g., U.S., z.B.).
    if word.count == 1, let first = word.first, first.isUppercase, first != "I" { return true }
    let letters = word.split(separator: ".", omittingEmptySubsequences: false)
    if letters.count > 1, letters.allSatisfy({ $0.count == 1 && $0.first?.isLetter == true }) { return true }
    return abbreviations.contains(word.lowercased())
  }

  /// After the white space: anything but a lower-case ASCII letter may begin a sentence.
  private static func startsSentence(_ bytes: [UInt8], after index: Int, end: Int) -> Bool {
    var next = index
    while next < end, bytes[next].isASCIISpace { next += 1 }
    return next == end || !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[next])
  }
}
