// Owns WordPiece, the tokenizer of BERT encoders.

import Foundation

/// Devlin et al. 2019 (BERT): text is cleaned, lower-cased, stripped of accents and split at spaces, punctuation and
/// ideographs; each word is covered by the longest tokens from its left, or becomes the unknown token whole. Agrees
/// with `BertTokenizer` of Hugging Face. Tokens that begin a word are stored with U+2581 in front, others bare, as in
/// GGUF.
struct WordPieceTokenizer: Tokenizer {
  let special: SpecialTokens
  private let table: TokenTable
  private let scanner: SpecialTokenScanner
  /// Whether letters are lower-cased and accents dropped (the "uncased" vocabularies).
  private let folds: Bool

  static let wordMark: [UInt8] = [0xE2, 0x96, 0x81]
  /// Characters of the longest word that is looked at.
  private static let longestWord = 100

  init(table: TokenTable, special: SpecialTokens, folds: Bool) {
    self.table = table
    self.special = special
    self.folds = folds
    scanner = SpecialTokenScanner(table)
  }

  var vocabularySize: Int { table.count }

  func isSpecial(_ id: Int32) -> Bool { table.isSpecial(id) }

  func bytes(of id: Int32) -> [UInt8] {
    let bytes = table.bytes(of: id)
    return bytes.starts(with: Self.wordMark) ? [0x20] + bytes.dropFirst(3) : Array(bytes)
  }

  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String {
    var bytes: [UInt8] = []
    for id in ids where !(skipSpecial && isSpecial(id)) {
      if isSpecial(id), !bytes.isEmpty { bytes.append(0x20) }
      bytes.append(contentsOf: self.bytes(of: id))
    }
    return String(decoding: bytes.first == 0x20 ? bytes.dropFirst() : bytes[...], as: UTF8.self)
  }

  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
    var output: [Int32] = []
    output.reserveCapacity(text.utf8.count / 4 + 2)
    if addSpecial, special.addsBOS, let cls = special.cls ?? special.bos { output.append(cls) }
    var text = text
    text.withUTF8 { bytes in
      for fragment in scanner.fragments(of: bytes, parseSpecial: parseSpecial) {
        switch fragment {
        case .token(let id): output.append(id)
        case .text(let range): encode(bytes[range], into: &output)
        }
      }
    }
    if addSpecial, special.addsEOS, let separator = special.separator ?? special.eos { output.append(separator) }
    return output
  }

  private func encode(_ bytes: Slice<UnsafeBufferPointer<UInt8>>, into output: inout [Int32]) {
    var word = Word()
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index] < 0x80 {
        push(ascii: bytes[index], &word, into: &output)
        index += 1
        continue
      }
      // ASCII takes no part in decomposition, so that what lies between it can be decomposed alone.
      let run = bytes[index...].prefix { $0 >= 0x80 }
      var text = String(decoding: run, as: UTF8.self)
      if folds { text = Self.cleaned(text).decomposedStringWithCanonicalMapping }
      for scalar in text.unicodeScalars {
        if scalar.isASCII {
          push(ascii: UInt8(truncatingIfNeeded: scalar.value), &word, into: &output)
        } else {
          push(scalar, &word, into: &output)
        }
      }
      index = run.endIndex
    }
    flush(&word, into: &output)
  }

  /// The word so far, behind its mark.
  private struct Word {
    var bytes = WordPieceTokenizer.wordMark
    var count = 0
  }

  private func push(ascii byte: UInt8, _ word: inout Word, into output: inout [Int32]) {
    switch byte {
    case 0x09, 0x0A, 0x0D, 0x20: flush(&word, into: &output)
    case 0x00...0x1F, 0x7F: break
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E:
      flush(&word, into: &output)
      word.bytes.append(byte)
      word.count = 1
      flush(&word, into: &output)
    default:
      word.bytes.append(folds && byte >= 65 && byte <= 90 ? byte | 32 : byte)
      word.count += 1
    }
  }

  private func push(_ scalar: Unicode.Scalar, _ word: inout Word, into output: inout [Int32]) {
    guard !Self.isDropped(scalar) else { return }
    let properties = scalar.properties
    if properties.isWhitespace { return flush(&word, into: &output) }
    if folds, properties.generalCategory == .nonspacingMark { return }
    let standsAlone = Self.isIdeograph(scalar) || Self.isPunctuation(properties.generalCategory)
    if standsAlone { flush(&word, into: &output) }
    for scalar in folds ? properties.lowercaseMapping.unicodeScalars : String(scalar).unicodeScalars {
      word.bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      word.count += 1
    }
    if standsAlone { flush(&word, into: &output) }
  }

  /// Covers the word with the longest tokens from its left.
  private func flush(_ word: inout Word, into output: inout [Int32]) {
    guard word.count > 0 else { return }
    defer {
      word.bytes.removeLast(word.bytes.count - 3)
      word.count = 0
    }
    let before = output.count
    let isCovered =
      word.count <= Self.longestWord
      && word.bytes.withUnsafeBufferPointer { bytes in
        var start = 0
        while start < bytes.count {
          // A mark inside the text must not pass for the beginning of a word.
          if start > 0, bytes[start...].starts(with: Self.wordMark) { return false }
          var end = min(bytes.count, start + table.longest)
          while end > start, table.id(of: UnsafeBufferPointer(rebasing: bytes[start..<end])) == nil { end -= 1 }
          // The mark alone is no piece of the word.
          guard end > max(start, 3), let id = table.id(of: UnsafeBufferPointer(rebasing: bytes[start..<end])) else {
            return false
          }
          output.append(id)
          start = end
        }
        return true
      }
    if !isCovered {
      output.removeLast(output.count - before)
      if let unknown = special.unknown { output.append(unknown) }
    }
  }

  // MARK: Classes

  private static func cleaned(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isDropped) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.filter { !isDropped($0) }))
  }

  private static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\t", "\n", "\r": return false
    case "\0", "\u{FFFD}": return true
    default:
      guard !scalar.isASCII else { return scalar.value < 0x20 || scalar.value == 0x7F }
      switch scalar.properties.generalCategory {
      case .control, .format, .privateUse, .surrogate: return true
      default: return false
      }
    }
  }

  private static func isPunctuation(_ category: Unicode.GeneralCategory) -> Bool {
    switch category {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      true
    default: false
    }
  }

  private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F, 0x2B920...0x2CEAF,
      0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }
}
