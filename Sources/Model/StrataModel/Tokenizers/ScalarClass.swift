// Owns the Unicode classes that pre-tokenizers ask about.

/// Classes of a scalar as the regular expressions of pre-tokenizers mean them.
struct ScalarClass: OptionSet, Sendable {
  let rawValue: UInt8

  /// `\p{L}`
  static let letter = ScalarClass(rawValue: 1)
  /// `\p{N}`
  static let number = ScalarClass(rawValue: 2)
  /// `\s`
  static let space = ScalarClass(rawValue: 4)
  /// `\r` or `\n`
  static let lineEnd = ScalarClass(rawValue: 8)

  /// Neither space, letter nor number.
  var isOther: Bool { rawValue == 0 }

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init(_ scalar: Unicode.Scalar) {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
    case .decimalNumber, .letterNumber, .otherNumber: self = .number
    default: self = scalar.properties.isWhitespace ? .space : []
    }
  }

  static let ascii: [ScalarClass] = (0..<128).map { value in
    let byte = UInt8(value)
    if byte == 0x0A || byte == 0x0D { return [.space, .lineEnd] }
    return ScalarClass(Unicode.Scalar(byte))
  }
}

/// Reads scalars out of UTF-8 that is known to be valid, as that of a `String` is; still never reads out of bounds.
struct ScalarReader {
  let bytes: UnsafeBufferPointer<UInt8>
  private let ascii = ScalarClass.ascii

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  @inline(__always)
  func read(at index: Int, _ end: Int) -> (class: ScalarClass, next: Int) {
    let byte = bytes[index]
    if byte < 0x80 { return (ascii[Int(byte)], index + 1) }
    let (scalar, next) = Self.scalar(in: bytes, at: index, end)
    return (ScalarClass(scalar), next)
  }

  static func scalar(
    in bytes: UnsafeBufferPointer<UInt8>, at index: Int, _ end: Int
  ) -> (scalar: Unicode.Scalar, next: Int) {
    let byte = bytes[index]
    if byte < 0x80 { return (Unicode.Scalar(byte), index + 1) }
    let count = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
    guard index + count <= end else { return ("\u{FFFD}", index + 1) }
    var value = UInt32(byte) & (0x7F >> UInt32(count))
    for offset in 1..<count { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", index + count)
  }
}
