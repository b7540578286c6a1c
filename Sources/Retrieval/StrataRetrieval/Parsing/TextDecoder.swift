// Owns the way from bytes to text: UTF-8, UTF-16, UTF-32, else Windows-1252. Knows nothing about formats.

/// Finds the encoding of text files, which do not say it.
enum TextDecoder {
  /// - Throws: ``RetrievalError`` when the bytes are no text.
  static func decode(_ bytes: [UInt8], path: String) throws -> String {
    if let text = String(validating: bytes, as: UTF8.self) {
      guard !bytes.contains(0) else { throw RetrievalError.binaryFile(path: path) }
      return text
    }
    if bytes.starts(with: [0xFF, 0xFE, 0, 0]) || bytes.starts(with: [0, 0, 0xFE, 0xFF]) {
      return decodeUTF32(bytes.dropFirst(4), bigEndian: bytes[0] == 0)
    }
    if bytes.starts(with: [0xFF, 0xFE]) { return decodeUTF16(bytes.dropFirst(2), bigEndian: false) }
    if bytes.starts(with: [0xFE, 0xFF]) { return decodeUTF16(bytes.dropFirst(2), bigEndian: true) }
    if bytes.contains(0) {
      guard let bigEndian = guessUTF16(bytes) else { throw RetrievalError.binaryFile(path: path) }
      return decodeUTF16(bytes[...], bigEndian: bigEndian)
    }
    // Control characters are rare in text and everywhere in compressed data.
    let controls = bytes.count { $0 < 32 && !$0.isASCIISpace && $0 != 27 }
    guard controls * 100 <= bytes.count else { throw RetrievalError.binaryFile(path: path) }
    return decodeWindows1252(bytes)
  }

  static func decodeUTF16(_ bytes: ArraySlice<UInt8>, bigEndian: Bool) -> String {
    var units: [UInt16] = []
    units.reserveCapacity(bytes.count / 2)
    var index = bytes.startIndex
    while index + 1 < bytes.endIndex {
      let first = UInt16(bytes[index])
      let second = UInt16(bytes[index + 1])
      units.append(bigEndian ? first << 8 | second : second << 8 | first)
      index += 2
    }
    return String(decoding: units, as: UTF16.self).replacingNUL()
  }

  private static func decodeUTF32(_ bytes: ArraySlice<UInt8>, bigEndian: Bool) -> String {
    var scalars = String.UnicodeScalarView()
    var index = bytes.startIndex
    while index + 3 < bytes.endIndex {
      let quad = bytes[index..<index + 4].map { UInt32($0) }
      let value = (bigEndian ? quad : quad.reversed()).reduce(0) { $0 << 8 | $1 }
      scalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
      index += 4
    }
    return String(scalars).replacingNUL()
  }

  /// Western text in UTF-16 has a zero in most pairs, always in the same half.
  private static func guessUTF16(_ bytes: [UInt8]) -> Bool? {
    let sample = bytes.prefix(4096)
    var zeros = (even: 0, odd: 0)
    for (index, byte) in sample.enumerated() where byte == 0 {
      if index % 2 == 0 { zeros.even += 1 } else { zeros.odd += 1 }
    }
    let pairs = sample.count / 2
    guard pairs > 0, bytes.count % 2 == 0 else { return nil }
    if zeros.odd * 10 > pairs * 4, zeros.even * 20 < pairs { return false }
    if zeros.even * 10 > pairs * 4, zeros.odd * 20 < pairs { return true }
    return nil
  }

  /// What Windows-1252 has between 0x80 and 0x9F; the five gaps stay control characters, as browsers do.
  private static let windows1252: [UInt32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D,
    0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,
    0x017E, 0x0178,
  ]

  static func decodeWindows1252(_ bytes: [UInt8]) -> String {
    var scalars = String.UnicodeScalarView()
    for byte in bytes {
      let value = (0x80..<0xA0).contains(byte) ? windows1252[Int(byte) - 0x80] : UInt32(byte)
      scalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
    }
    return String(scalars)
  }
}

extension String {
  /// Parsers in C end at a NUL.
  func replacingNUL() -> String {
    unicodeScalars.contains("\0")
      ? String(String.UnicodeScalarView(unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 })) : self
  }
}
