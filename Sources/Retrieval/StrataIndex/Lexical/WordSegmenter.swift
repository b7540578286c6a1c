// Owns where words begin and end in UTF-8 text. Knows nothing about languages.
import Synchronization

/// Splits text at the word boundaries of Unicode Standard Annex #29, keeping segments that hold a letter or a digit.
///
/// Runs in scripts that do not write word boundaries go to ICU's dictionaries (``DictionaryWords``). Two deviations: the
/// colon does not join letters (`note:this` is two words), nor `_` Japanese to others.
struct WordSegmenter {
  enum CharacterClass: UInt8 {
    case other, letter, digit, connector, midLetter, midNumberLetter, midNumber, extend, dictionary
  }

  /// Calls `body` with the byte range of each word.
  @inline(__always)
  static func forEachWord(in bytes: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    let table = classes
    var dictionary: DictionaryWords?
    var position = 0
    while position < bytes.count {
      let (kind, next) = classify(bytes, position, table)
      switch kind {
      case .letter, .digit, .connector:
        let (end, hasContent) = endOfWord(bytes, next, kind, table)
        if hasContent { body(position..<end) }
        position = end
      case .dictionary:
        let end = endOfRun(bytes, next, table)
        dictionary = dictionary ?? DictionaryWords()
        let run = UnsafeBufferPointer(rebasing: bytes[position..<end])
        let start = position
        let isFound = dictionary?.forEachWord(in: run) { body((start + $0.lowerBound)..<(start + $0.upperBound)) }
        if isFound != true { body(position..<end) }
        position = end
      default:
        position = next
      }
    }
  }

  /// The end of a word whose first character, of class `kind`, ends at `position`, and whether it is more than
  /// connectors.
  @inline(__always)
  private static func endOfWord(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ kind: CharacterClass, _ table: ClassTable
  ) -> (end: Int, hasContent: Bool) {
    var kind = kind
    var end = position
    var hasContent = kind != .connector
    while end < bytes.count {
      let (following, next) = classify(bytes, end, table)
      switch following {
      case .extend:
        end = next
      case .letter, .digit, .connector:
        kind = following
        hasContent = hasContent || following != .connector
        end = next
      case .midLetter, .midNumberLetter, .midNumber:
        let wanted: CharacterClass = kind == .digit ? .digit : .letter
        guard kind != .connector, following != (kind == .digit ? .midLetter : .midNumber),
          let after = resume(bytes, next, wanted, table)
        else { return (end, hasContent) }
        end = after
      case .other, .dictionary:
        guard isGershayim(bytes, end) else { return (end, hasContent) }
        end = next
      }
    }
    return (end, hasContent)
  }

  /// Whether a straight quotation mark stands between Hebrew letters, as it is typed in acronyms.
  private static func isGershayim(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int) -> Bool {
    guard bytes[position] == UInt8(ascii: "\""), position >= 2, position + 2 < bytes.count else { return false }
    let letters: ClosedRange<UInt8> = 0x90...0xAA
    return bytes[position - 2] == 0xD7 && letters.contains(bytes[position - 1]) && bytes[position + 1] == 0xD7
      && letters.contains(bytes[position + 2])
  }

  /// The end of a run of characters that ICU has dictionaries for.
  private static func endOfRun(
    _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ table: ClassTable
  ) -> Int {
    var end = start
    while end < bytes.count {
      let (kind, next) = classify(bytes, end, table)
      guard kind == .dictionary || kind == .extend else { return end }
      end = next
    }
    return end
  }

  /// The position after the next character that is no combining mark, if that is of the wanted class.
  private static func resume(
    _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ wanted: CharacterClass, _ table: ClassTable
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
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ table: ClassTable
  ) -> (CharacterClass, Int) {
    let first = bytes[position]
    if first < 0x80 { return (classOf(UInt32(first), table), position + 1) }
    let (scalar, next) = decode(bytes, position)
    if scalar < 0x10000 { return (classOf(scalar, table), next) }
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

  typealias ClassTable = UnsafePointer<Atomic<UInt8>>

  /// Classes of the Basic Multilingual Plane; ``unknown`` until a character is met, since asking the standard library's
  /// Unicode data about all takes a tenth of a second. Unsafe only to the compiler, which trusts no pointer: this one
  /// never changes, is never freed, and what it points to is atomic. Two threads that learn a class learn the same.
  private nonisolated(unsafe) static let classes: ClassTable = {
    let table = UnsafeMutablePointer<Atomic<UInt8>>.allocate(capacity: 0x10000)
    for value in 0..<0x10000 { (table + value).initialize(to: Atomic(unknown)) }
    return ClassTable(table)
  }()
  private static let unknown = UInt8.max

  @inline(__always)
  private static func classOf(_ value: UInt32, _ table: ClassTable) -> CharacterClass {
    let known = table[Int(value)].load(ordering: .relaxed)
    if known != unknown { return unsafeBitCast(known, to: CharacterClass.self) }
    return learn(value, table)
  }

  @inline(never)
  private static func learn(_ value: UInt32, _ table: ClassTable) -> CharacterClass {
    let found = Unicode.Scalar(value).map(computeClass) ?? .other
    table[Int(value)].store(found.rawValue, ordering: .relaxed)
    return found
  }

  private static func computeClass(_ scalar: Unicode.Scalar) -> CharacterClass {
    switch scalar.value {
    case 0x27, 0x2E, 0x2018, 0x2019, 0x2024, 0xFE52, 0xFF07, 0xFF0E: return .midNumberLetter
    case 0xB7, 0x387, 0x55F, 0x5F4, 0x2027: return .midLetter
    case 0x2C, 0x3B, 0x37E, 0x589, 0x60C, 0x60D, 0x66C, 0x7F8, 0x2044, 0xFE10, 0xFE14: return .midNumber
    case 0x200B, 0x30FB: return .other
    default: break
    }
    let properties = scalar.properties
    switch properties.generalCategory {
    case .decimalNumber: return .digit
    case .connectorPunctuation: return .connector
    case .nonspacingMark, .spacingMark, .enclosingMark, .format:
      return DictionaryWords.has(scalar.value) ? .dictionary : .extend
    default: break
    }
    guard properties.isAlphabetic || properties.isIdeographic else { return .other }
    return DictionaryWords.has(scalar.value) ? .dictionary : .letter
  }
}
