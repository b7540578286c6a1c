// Owns where words begin and end in UTF-8 text. Knows nothing about languages.

/// Splits text at the word boundaries of Unicode Standard Annex #29, keeping segments that hold a letter or a digit.
///
/// Deviations: the colon does not join letters (`note:this` is two words), and Han and Hiragana are one word per
/// character, as in Lucene's StandardTokenizer.
struct WordSegmenter {
  enum CharacterClass: UInt8 {
    case other, letter, digit, connector, midLetter, midNumberLetter, midNumber, katakana, ideograph, extend
  }

  /// Calls `body` with the byte range of each word and whether it is pure ASCII.
  @inline(__always)
  static func forEachWord(
    in bytes: UnsafeBufferPointer<UInt8>, _ body: (_ range: Range<Int>, _ isASCII: Bool) -> Void
  ) {
    classes.withUnsafeBufferPointer { table in
      var position = 0
      while position < bytes.count {
        let start = position
        var (kind, next) = classify(bytes, position, table)
        position = next
        guard kind == .letter || kind == .digit || kind == .connector || kind == .katakana || kind == .ideograph
        else { continue }
        let isIdeograph = kind == .ideograph
        var hasContent = kind != .connector
        var end = position
        scan: while position < bytes.count {
          let (following, afterFollowing) = classify(bytes, position, table)
          switch following {
          case .extend:
            break
          case .letter, .digit, .connector:
            if isIdeograph || (kind == .katakana && following != .connector) { break scan }
            kind = following
            hasContent = hasContent || following != .connector
          case .katakana:
            if kind != .katakana && kind != .connector { break scan }
            kind = .katakana
            hasContent = true
          case .midLetter, .midNumberLetter, .midNumber:
            let wanted: CharacterClass = kind == .digit ? .digit : .letter
            guard kind == .letter || kind == .digit, following != (kind == .digit ? .midLetter : .midNumber),
              let after = resume(bytes, afterFollowing, wanted, table)
            else { break scan }
            position = after
            end = position
            continue scan
          case .other, .ideograph:
            break scan
          }
          position = afterFollowing
          end = position
        }
        if hasContent {
          var isASCII = true
          for index in start..<end where bytes[index] >= 0x80 { isASCII = false }
          body(start..<end, isASCII)
        }
        position = end
      }
    }
  }

  /// The position after the next character that is no combining mark, if that is of the wanted class.
  private static func resume(
    _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ wanted: CharacterClass, _ table: UnsafeBufferPointer<UInt8>
  ) -> Int? {
    var position = start
    while position < bytes.count {
      let (kind, next) = classify(bytes, position, table)
      if kind == wanted { return next }
      if kind != .extend { return nil }
      position = next
    }
    return nil
  }

  @inline(__always)
  private static func classify(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ table: UnsafeBufferPointer<UInt8>
  ) -> (CharacterClass, Int) {
    let first = bytes[position]
    if first < 0x80 { return (CharacterClass(rawValue: table[Int(first)]) ?? .other, position + 1) }
    let (scalar, next) = decode(bytes, position)
    if scalar < 0x10000 { return (CharacterClass(rawValue: table[Int(scalar)]) ?? .other, next) }
    return (Unicode.Scalar(scalar).map(computeClass) ?? .other, next)
  }

  /// The scalar that starts at `position` and where the next one starts. Broken UTF-8 reads as U+FFFD.
  static func decode(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int) -> (UInt32, Int) {
    let first = UInt32(bytes[position])
    let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard position + length <= bytes.count else { return (0xFFFD, bytes.count) }
    var value = length == 1 ? first : first & (0x7F >> UInt32(length))
    for offset in 1..<max(1, length) where length > 1 { value = value << 6 | UInt32(bytes[position + offset]) & 0x3F }
    return (value, position + length)
  }

  /// Classes of the Basic Multilingual Plane, computed once from the standard library's Unicode data.
  private static let classes: [UInt8] = (0..<0x10000).map { value in
    (Unicode.Scalar(UInt32(value)).map(computeClass) ?? .other).rawValue
  }

  private static func computeClass(_ scalar: Unicode.Scalar) -> CharacterClass {
    switch scalar.value {
    case 0x27, 0x2E, 0x2018, 0x2019, 0x2024, 0xFE52, 0xFF07, 0xFF0E: return .midNumberLetter
    case 0xB7, 0x387, 0x55F, 0x5F4, 0x2027: return .midLetter
    case 0x2C, 0x3B, 0x37E, 0x589, 0x60C, 0x60D, 0x66C, 0x7F8, 0x2044, 0xFE10, 0xFE14: return .midNumber
    case 0x200B, 0x30FB: return .other
    case 0x3041...0x3096, 0x309D...0x309F: return .ideograph
    case 0x30A1...0x30FA, 0x30FC...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F: return .katakana
    default: break
    }
    let properties = scalar.properties
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .format: return .extend
    case .decimalNumber: return .digit
    case .connectorPunctuation: return .connector
    default: break
    }
    if properties.isIdeographic { return .ideograph }
    return properties.isAlphabetic ? .letter : .other
  }
}
