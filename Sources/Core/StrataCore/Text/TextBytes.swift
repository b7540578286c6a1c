// Owns what is asked of UTF-8 text as bytes everywhere: white space, lines, characters' boundaries. Knows no format.

extension Array where Element == UInt8 {
  /// `range` without white space at either end.
  package func trimmed(_ range: Range<Int>) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper, self[lower].isASCIISpace { lower += 1 }
    while upper > lower, self[upper - 1].isASCIISpace { upper -= 1 }
    return lower..<upper
  }

  package func text(_ range: Range<Int>) -> String { String(decoding: self[range], as: UTF8.self) }

  /// The byte ranges of lines without their terminators (LF, CRLF or CR).
  package func lineRanges(from start: Int = 0) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var lower = start
    var index = start
    while index < count {
      let byte = self[index]
      if byte == 10 || byte == 13 {
        lines.append(lower..<index)
        if byte == 13, index + 1 < count, self[index + 1] == 10 { index += 1 }
        lower = index + 1
      }
      index += 1
    }
    if lower < count { lines.append(lower..<count) }
    return lines
  }
}

extension UInt8 {
  /// Space, tab, line feed, vertical tab, form feed, carriage return.
  package var isASCIISpace: Bool { self == 32 || (9...13).contains(self) }
  /// A byte inside a UTF-8 sequence, not the first of it.
  package var isUTF8Continuation: Bool { self & 0xC0 == 0x80 }
  /// Letters and digits of ASCII, and whatever is beyond ASCII.
  package var isWordByte: Bool {
    (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) || self >= 0x80
  }
}
