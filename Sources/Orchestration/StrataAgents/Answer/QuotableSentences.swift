// Owns the cut of a passage into sentences that can be quoted, with exact byte ranges: Markdown's blocks first, then
// sentences. Does not know where sentences end.
import StrataCore

/// One quotable stretch of a passage.
package struct Sentence: Sendable, Hashable {
  /// UTF-8 byte range in the passage's text.
  package var range: Range<Int>
  /// The bytes of `range` with white space runs as single spaces.
  package var text: String
}

package enum QuotableSentences {
  /// Longer stretches are cut at a space.
  package static let byteLimit = 320

  /// Sentences in order; headings, rules and fragments too short to prove anything are left out.
  /// - Complexity: O(bytes).
  package static func sentences(of text: String) -> [Sentence] {
    let bytes = Array(text.utf8)
    var result: [Sentence] = []
    for block in blocks(bytes) {
      for range in SentenceSplitter.sentences(bytes, in: block) {
        for piece in cut(bytes, range) {
          let trimmed = trim(bytes, piece)
          guard bytes[trimmed].count(where: \.isWordByte) >= QuoteFinder.leastWordBytes else { continue }
          result.append(Sentence(range: trimmed, text: squeeze(bytes[trimmed])))
        }
      }
    }
    return result
  }

  /// Lines that belong together: a soft-wrapped paragraph is one block, a list item, table row or record its own.
  private static func blocks(_ bytes: [UInt8]) -> [Range<Int>] {
    var blocks: [Range<Int>] = []
    var start: Int?
    var lineStart = 0
    while lineStart <= bytes.count {
      let lineEnd = bytes[lineStart...].firstIndex(of: 0x0A) ?? bytes.count
      let line = bytes[lineStart..<lineEnd]
      let content = line.drop(while: isSpace)
      let isBlank = content.isEmpty
      let startsBlock = isBlank || startsItem(content) || !continues(bytes, before: lineStart)
      if startsBlock, let open = start {
        blocks.append(open..<lineStart)
        start = nil
      }
      if !isBlank, !isHeading(content) { start = start ?? lineStart }
      lineStart = lineEnd + 1
    }
    if let start { blocks.append(start..<bytes.count) }
    return blocks
  }

  private static func isHeading(_ line: ArraySlice<UInt8>) -> Bool {
    line.first == UInt8(ascii: "#") && line.drop { $0 == UInt8(ascii: "#") }.first == 0x20
  }

  private static func startsItem(_ line: ArraySlice<UInt8>) -> Bool {
    guard let first = line.first else { return false }
    let afterFirst = line.dropFirst().first
    if [UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "+")].contains(first), afterFirst == 0x20 { return true }
    if first == UInt8(ascii: "|") || first == UInt8(ascii: "#") || first == UInt8(ascii: ">") { return true }
    let digits = line.prefix { (0x30...0x39).contains($0) }
    let marker = line[digits.endIndex...].first
    return !digits.isEmpty && digits.count <= 3 && (marker == UInt8(ascii: ".") || marker == UInt8(ascii: ")"))
      && line[digits.endIndex...].dropFirst().first == 0x20
  }

  /// Whether the line before was full enough to have been wrapped rather than ended.
  private static func continues(_ bytes: [UInt8], before lineStart: Int) -> Bool {
    guard lineStart > 0 else { return false }
    let end = lineStart - 1
    let start = bytes[..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    let line = bytes[start..<end]
    let commas = line.count { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "|") || $0 == UInt8(ascii: ";") }
    let spaces = line.count { $0 == 0x20 }
    return line.count >= 50 && spaces > commas * 2
  }

  private static func cut(_ bytes: [UInt8], _ range: Range<Int>) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var start = range.lowerBound
    while range.upperBound - start > byteLimit {
      let window = start..<(start + byteLimit)
      let cut = bytes[window].lastIndex { $0.isASCIISpace } ?? boundary(bytes, window.upperBound)
      let end = cut > start ? cut : boundary(bytes, window.upperBound)
      pieces.append(start..<end)
      start = end
    }
    return pieces + [start..<range.upperBound]
  }

  /// The scalar boundary at or before `index`.
  private static func boundary(_ bytes: [UInt8], _ index: Int) -> Int {
    var index = index
    while index > 0, index < bytes.count, bytes[index].isUTF8Continuation { index -= 1 }
    return index
  }

  private static func trim(_ bytes: [UInt8], _ range: Range<Int>) -> Range<Int> {
    var slice = bytes[range].drop { $0.isASCIISpace }
    if startsItem(slice), let first = slice.first, first != UInt8(ascii: "|") {
      slice = slice.drop { !isSpace($0) }.drop(while: isSpace)
    }
    while let last = slice.last, last.isASCIISpace { slice.removeLast() }
    return slice.startIndex..<slice.endIndex
  }

  private static func squeeze(_ slice: ArraySlice<UInt8>) -> String {
    var result: [UInt8] = []
    for byte in slice {
      if !byte.isASCIISpace { result.append(byte) } else if result.last != 0x20 { result.append(0x20) }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// White space within a line.
  private static func isSpace(_ byte: UInt8) -> Bool { byte.isASCIISpace && byte != 0x0A }
}
