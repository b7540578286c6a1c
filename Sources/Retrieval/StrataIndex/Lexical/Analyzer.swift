// Owns how text becomes search terms: words, lower case, folding, stop words, stems.
import Foundation

/// Turns text into the terms that are indexed and searched. The same analyzer must serve both.
public struct Analyzer: Sendable, Hashable {
  /// Words that are left out.
  public var stopWords: Set<String>
  /// Whether English words are reduced to their stems.
  public var stems: Bool

  public init(stopWords: Set<String>, stems: Bool) {
    self.stopWords = stopWords
    self.stems = stems
  }

  /// Unicode words, lower case, folded to ASCII where Latin, English possessive, stop words and stems.
  public static let english = Analyzer(
    stopWords: [
      "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
      "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
    ],
    stems: true)
  /// Words, lower case and folding only.
  public static let plain = Analyzer(stopWords: [], stems: false)

  /// The terms of `text`, in order, repetitions included.
  public func terms(_ text: String) -> [String] {
    var terms: [String] = []
    Self.forEachWord(in: text) { word in
      if let term = term(of: word) { terms.append(String(decoding: term, as: UTF8.self)) }
    }
    return terms
  }

  /// Longest word in bytes that is kept whole; the rest of a longer one (base64, say) is left out.
  static let longestWord = 255

  /// Calls `body` with each word in lower case, folded, without an English possessive.
  static func forEachWord(in text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    var text = text
    var buffer: [UInt8] = []
    buffer.reserveCapacity(longestWord + 8)
    text.withUTF8 { bytes in
      WordSegmenter.forEachWord(in: bytes) { range, isASCII in
        buffer.removeAll(keepingCapacity: true)
        let range = range.prefix(isASCII ? longestWord : 4 * longestWord)
        if isASCII {
          for index in range {
            let byte = bytes[index]
            buffer.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
          }
        } else {
          CharacterFolding.fold(UnsafeBufferPointer(rebasing: bytes[range.startIndex..<range.endIndex]), into: &buffer)
        }
        let count = buffer.count
        if count > 2, buffer[count - 1] == UInt8(ascii: "s"), buffer[count - 2] == UInt8(ascii: "'") {
          buffer.removeLast(2)
        }
        if !buffer.isEmpty { buffer.withUnsafeBufferPointer(body) }
      }
    }
  }

  /// The term that a word as of ``forEachWord(in:_:)`` is indexed under; nil for a stop word.
  func term(of word: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    if word.count < 16, !stopWords.isEmpty, stopWords.contains(String(decoding: word, as: UTF8.self)) { return nil }
    var term = Array(word)
    // Words in other scripts have no English endings.
    if stems, term.allSatisfy({ $0 < 0x80 }) { EnglishStemmer.stem(&term) }
    return term.isEmpty ? nil : term
  }
}

/// Lower case for all scripts, and plain letters for Latin ones: é becomes e, ß ss, ﬁ fi, full-width A a.
enum CharacterFolding {
  static func fold(_ bytes: UnsafeBufferPointer<UInt8>, into buffer: inout [UInt8]) {
    // Composed first, so that a letter with a combining mark equals the single character.
    let composed = String(decoding: bytes, as: UTF8.self).precomposedStringWithCanonicalMapping
    for scalar in composed.unicodeScalars {
      guard buffer.count < Analyzer.longestWord else { return }
      if scalar.value < 0x80 {
        let byte = UInt8(scalar.value)
        buffer.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
      } else if let plain = latin[scalar.value] {
        buffer.append(contentsOf: plain.utf8)
      } else if isIgnored(scalar.value), scalar.value >= 0x2000 || (buffer.last ?? 0x80) < 0x80 {
        continue
      } else {
        for lower in scalar.properties.lowercaseMapping.unicodeScalars {
          if let plain = latin[lower.value] {
            buffer.append(contentsOf: plain.utf8)
          } else {
            buffer.append(contentsOf: String(lower).utf8)
          }
        }
      }
    }
  }

  /// Combining marks that only decorate a Latin letter, soft hyphen, and invisible joiners.
  private static func isIgnored(_ scalar: UInt32) -> Bool {
    (0x300...0x36F).contains(scalar) || scalar == 0xAD || scalar == 0x200D || scalar == 0x200C || scalar == 0x2060
  }

  private static let latin: [UInt32: String] = {
    var table: [UInt32: String] = [
      0xDF: "ss", 0x1E9E: "ss", 0xC6: "ae", 0xE6: "ae", 0xD8: "o", 0xF8: "o", 0xD0: "d", 0xF0: "d", 0xDE: "th",
      0xFE: "th", 0x110: "d", 0x111: "d", 0x126: "h", 0x127: "h", 0x131: "i", 0x141: "l", 0x142: "l", 0x152: "oe",
      0x153: "oe", 0x166: "t", 0x167: "t", 0x138: "k", 0x149: "n", 0x14A: "n", 0x14B: "n", 0x17F: "s",
      0xB5: "μ", 0x2018: "'", 0x2019: "'", 0xFF07: "'",
    ]
    let ranges: [ClosedRange<UInt32>] = [0xC0...0x24F, 0x1E00...0x1EFF, 0xFB00...0xFB06, 0xFF10...0xFF5A]
    for value in ranges.joined() where table[value] == nil {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let parts = String(scalar).decomposedStringWithCompatibilityMapping.unicodeScalars
      let plain = parts.filter { !(0x300...0x36F).contains($0.value) }
      if !plain.isEmpty, plain.allSatisfy(\.isASCII) {
        table[value] = String(String.UnicodeScalarView(plain)).lowercased()
      }
    }
    return table
  }()
}
