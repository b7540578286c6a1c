// Owns how text becomes search terms: words, lower case, folding, stop words, stems.
import Foundation

/// Turns text into the terms that are indexed and searched. The same analyzer must serve both.
///
/// Words are those of UAX #29, in lower case and composed (NFC), without an English possessive or a French, Italian or
/// Catalan elision. Stop words go; what remains is stemmed, and Latin letters lose their accents, so that `café` finds
/// `cafe`.
public struct Analyzer: Sendable, Hashable {
  /// Whose stems words are reduced to; nil leaves them as they are.
  public var language: Language?
  /// Words that are left out, in lower case.
  public var stopWords: Set<String>

  public init(language: Language?, stopWords: Set<String> = []) {
    self.language = language
    self.stopWords = stopWords
  }

  /// English stems without the most frequent words (those that Lucene leaves out).
  public static let english = Analyzer(
    language: .english,
    stopWords: [
      "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
      "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
    ])
  /// Words, lower case and folding only.
  public static let plain = Analyzer(language: nil)

  /// The terms of `text`, in order, repetitions included.
  public func terms(_ text: String) -> [String] {
    var terms: [String] = []
    TermStream(self).forEachTerm(in: text) { term, _ in
      if let term { terms.append(String(decoding: term, as: UTF8.self)) }
    }
    return terms
  }

  /// Longest word in bytes that is kept whole; the rest of a longer one (base64, say) is left out.
  static let longestWord = 255

  /// Calls `body` with each word in lower case without an English possessive.
  ///
  /// - Parameter folded: whether Latin letters lose their accents now, or only after stemming.
  @inline(__always)
  static func forEachWord(in text: String, folded: Bool, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    var text = text
    text.withUTF8 { bytes in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: longestWord + 1) { word in
        var folding: [UInt8] = []
        WordSegmenter.forEachWord(in: bytes) { range in
          var count = 0
          var isASCII = true
          for index in range.prefix(longestWord) {
            let byte = bytes[index]
            isASCII = isASCII && byte < 0x80
            word[count] = byte &- 0x41 < 26 ? byte | 0x20 : byte
            count += 1
          }
          if isASCII {
            if count > 2, word[count - 1] == UInt8(ascii: "s"), word[count - 2] == UInt8(ascii: "'") { count -= 2 }
            body(UnsafeBufferPointer(rebasing: word[0..<count]))
          } else {
            let range = range.prefix(4 * longestWord)
            folding.removeAll(keepingCapacity: true)
            CharacterFolding.lower(
              UnsafeBufferPointer(rebasing: bytes[range.startIndex..<range.endIndex]), folded: folded, into: &folding)
            if folding.suffix(2).elementsEqual("'s".utf8), folding.count > 2 { folding.removeLast(2) }
            if !folding.isEmpty { folding.withUnsafeBufferPointer(body) }
          }
        }
      }
    }
  }
}

/// Lower case for all scripts, and plain letters for Latin ones: é becomes e, ß ss, ﬁ fi, full-width A a.
enum CharacterFolding {
  /// - Parameter folded: false for lower case alone.
  static func lower(_ bytes: UnsafeBufferPointer<UInt8>, folded: Bool, into buffer: inout [UInt8]) {
    // Composed first, so that a letter with a combining mark equals the single character.
    let composed = String(decoding: bytes, as: UTF8.self).precomposedStringWithCanonicalMapping
    for scalar in composed.unicodeScalars {
      guard buffer.count < Analyzer.longestWord else { return }
      if scalar.value < 0x80 {
        let byte = UInt8(scalar.value)
        buffer.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
      } else if let plain = latin[scalar.value], folded || !scalar.properties.isAlphabetic {
        buffer.append(contentsOf: plain.utf8)
      } else if isIgnored(scalar.value), scalar.value >= 0x2000 || (buffer.last ?? 0x80) < 0x80 {
        continue
      } else {
        for lower in scalar.properties.lowercaseMapping.unicodeScalars {
          if folded, let plain = latin[lower.value] {
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
      0xB5: "μ", 0x3C2: "σ", 0x2018: "'", 0x2019: "'", 0xFF07: "'",
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
