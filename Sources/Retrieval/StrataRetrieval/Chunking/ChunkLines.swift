// Owns which line breaks within a block were meant. Knows nothing about tokens or chunks.
import StrataCore

/// Lines of a block, as its author made them.
enum ChunkLines {
  /// Wider lines than this nobody wraps.
  private static let widestWrap = 120

  /// All lines that are not blank, trimmed.
  static func all(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var start = range.lowerBound
    for index in range where bytes[index] == 10 {
      lines.append(start..<index)
      start = index + 1
    }
    lines.append(start..<range.upperBound)
    return lines.map { bytes.trimmed($0) }.filter { !$0.isEmpty }
  }

  /// All lines, or `range` as one where an editor has wrapped it: most breaks stand where the next word would have made
  /// the line longer than the widest. Such a break says nothing; another was made on purpose (a row, a verse, a caption).
  static func meant(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    let lines = all(bytes, in: range)
    guard lines.count > 1 else { return lines }
    let widths = lines.map { bytes[$0].count { !$0.isUTF8Continuation } }
    // One long word must not make all other lines short.
    let widest = widths.sorted()[(widths.count - 1) * 9 / 10]
    guard widest <= widestWrap else { return lines }
    let wrapped = lines.indices.dropFirst().count { index in
      let word = bytes[lines[index]].prefix { !$0.isASCIISpace }.count { !$0.isUTF8Continuation }
      return widths[index - 1] + 1 + word > widest
    }
    return wrapped * 3 >= (lines.count - 1) * 2 ? [bytes.trimmed(range)] : lines
  }
}
