// Owns composing text (Unicode NFC) at little cost where there is nothing to compose.

import Foundation

enum CanonicalComposition {
  /// Pieces given to Foundation end at the first ASCII character after this many bytes: its time grows faster than the
  /// length, and ASCII never composes with what stands before it.
  private static let pieceByteCount = 1024

  /// The text in NFC, nil when it is so already. Line by line, as no character composes across a line end.
  /// - Complexity: O(bytes); only lines that may change are given to Foundation.
  static func composed(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    var result: [UInt8]?
    var start = 0
    var index = 0
    var mayChange = false
    func finishPiece(_ end: Int) {
      let line = text[start..<end]
      if mayChange, result == nil {
        result = Array(text[..<start])
        result?.reserveCapacity(text.count)
      }
      if mayChange {
        result?.append(contentsOf: String(decoding: line, as: UTF8.self).precomposedStringWithCanonicalMapping.utf8)
      } else {
        result?.append(contentsOf: line)
      }
      start = end
      mayChange = false
    }
    while index < text.count {
      let byte = text[index]
      if byte < 0x80 {
        if mayChange, index - start >= pieceByteCount { finishPiece(index) }
        index += 1
        if byte == 0x0A { finishPiece(index) }
        continue
      }
      let (scalar, next) = ScalarReader.scalar(in: text, at: index, text.count)
      if !mayChange { mayChange = !isInert(scalar.value) }
      index = next
    }
    finishPiece(text.count)
    return result
  }

  /// Whether a scalar neither decomposes for good nor composes with one before it: Latin up to the combining marks,
  /// general punctuation, kana without voicing marks, unified ideographs, Hangul syllables, emoji.
  private static func isInert(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0x300, 0x400...0x482, 0x2010...0x2027, 0x2030...0x205E, 0x3041...0x3096, 0x309B...0x30FF, 0x4E00...0x9FFF,
      0xAC00...0xD7A3, 0x1F300...0x1FAFF:
      true
    default: false
    }
  }
}
