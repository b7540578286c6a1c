// Owns the check of a quotation: whether it stands in a text, and at which bytes. Forgives only typography.

/// A text prepared for finding quotations: white space runs are one space, typographic punctuation is ASCII, Markdown
/// emphasis and invisible characters are gone. Letters and digits must agree exactly.
package struct QuoteFinder: Sendable {
  private let normalized: [UInt8]
  /// Byte offset in the original of each normalized byte.
  private let offsets: [Int]
  private let source: [UInt8]

  package init(_ text: String) {
    source = Array(text.utf8)
    (normalized, offsets) = Self.normalize(source)
  }

  /// Least letters and digits of a quotation; less would prove nothing.
  package static let leastWordBytes = 4

  /// The original byte range of the occurrence that begins nearest to byte `origin`, of equally near ones the first; nil
  /// when there is none.
  /// - Complexity: O(text × quote) at worst, linear in practice.
  package func range(of quote: String, near origin: Int = 0) -> Range<Int>? {
    var needle = Self.normalize(Array(quote.utf8)).bytes[...]
    while let byte = needle.first, byte == 0x20 || byte == UInt8(ascii: "\"") { needle = needle.dropFirst() }
    while let byte = needle.last, byte == 0x20 || byte == UInt8(ascii: "\"") { needle = needle.dropLast() }
    if needle.suffix(3).elementsEqual("...".utf8) { needle = needle.dropLast(3) }
    guard let first = needle.first, needle.count <= normalized.count,
      needle.count(where: \.isWordByte) >= Self.leastWordBytes
    else { return nil }
    var nearest: Int?
    var from = 0
    let lastStart = normalized.count - needle.count
    while from <= lastStart, let start = normalized[from...lastStart].firstIndex(of: first) {
      // Beyond the origin, occurrences only get farther away.
      if let nearest, abs(offsets[start] - origin) >= abs(offsets[nearest] - origin) { break }
      if normalized[start..<(start + needle.count)].elementsEqual(needle) { nearest = start }
      from = start + 1
    }
    return nearest.map { offsets[$0]..<end(after: $0 + needle.count - 1) }
  }

  /// End of the original character from which the normalized byte at `index` came.
  private func end(after index: Int) -> Int {
    var end = offsets[index] + 1
    while end < source.count, source[end].isUTF8Continuation { end += 1 }
    return end
  }

  private static func normalize(_ bytes: [UInt8]) -> (bytes: [UInt8], offsets: [Int]) {
    var result: [UInt8] = []
    var offsets: [Int] = []
    result.reserveCapacity(bytes.count)
    offsets.reserveCapacity(bytes.count)
    func put(_ piece: some Sequence<UInt8>, _ offset: Int) {
      for byte in piece {
        if byte == 0x20, result.last == 0x20 { continue }
        result.append(byte)
        offsets.append(offset)
      }
    }
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte < 0x80 {
        switch byte {
        case 0x09...0x0D, 0x20: put([0x20], index)
        case UInt8(ascii: "*"), UInt8(ascii: "`"): break
        default: put([byte], index)
        }
        index += 1
      } else {
        var length = 1
        while index + length < bytes.count, length < 4, bytes[index + length].isUTF8Continuation { length += 1 }
        let scalar = bytes[index..<(index + length)]
        if let plain = punctuation(scalar) {
          put(plain, index)
        } else {
          for (step, byte) in scalar.enumerated() { put([byte], index + step) }
        }
        index += length
      }
    }
    return (result, offsets)
  }

  /// ASCII for typographic punctuation and spaces, nothing for what is invisible, nil for everything else.
  private static func punctuation(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    guard let scalar = String(decoding: bytes, as: UTF8.self).unicodeScalars.first else { return nil }
    switch scalar.value {
    case 0x00A0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return [0x20]
    case 0x00AD, 0x200B...0x200F, 0x2060, 0xFEFF: return []
    case 0x2010...0x2015, 0x2212: return [UInt8(ascii: "-")]
    case 0x2018...0x201B, 0x2032: return [UInt8(ascii: "'")]
    case 0x201C...0x201F, 0x2033, 0x00AB, 0x00BB: return [UInt8(ascii: "\"")]
    case 0x2026: return Array("...".utf8)
    default: return nil
    }
  }
}
