// Owns turning a stream of tokens into text that never ends inside a character.

/// Text of tokens as they come. Bytes of an unfinished UTF-8 character are held back until it is whole; bytes that
/// cannot become one are replaced by U+FFFD, as when the whole stream is decoded at once.
public struct StreamingDecoder: Sendable {
  private let tokenizer: any Tokenizer
  private let skipsSpecial: Bool
  private var held: [UInt8] = []

  /// - Parameter skipsSpecial: Whether control tokens give no text, instead of their name.
  public init(tokenizer: any Tokenizer, skipsSpecial: Bool = true) {
    self.tokenizer = tokenizer
    self.skipsSpecial = skipsSpecial
  }

  /// The text that is certain once `id` has come; often empty in the middle of a character.
  public mutating func push(_ id: Int32) -> String {
    if skipsSpecial, tokenizer.isSpecial(id) { return "" }
    return push(bytes: tokenizer.bytes(of: id))
  }

  public mutating func push(bytes: some Sequence<UInt8>) -> String {
    held.append(contentsOf: bytes)
    let whole = held.count - Self.unfinishedCount(held)
    guard whole > 0 else { return "" }
    let text = String(decoding: held[..<whole], as: UTF8.self)
    held.removeFirst(whole)
    return text
  }

  /// What is left at the end: U+FFFD for a character that was never finished.
  public mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// Bytes at the end that may still become a character (Unicode 16.0, table 3-7).
  static func unfinishedCount(_ bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let lead = bytes[bytes.count - count]
      if lead & 0xC0 == 0x80 { continue }
      let needed =
        switch lead {
        case 0xF0...0xF4: 4
        case 0xE0...0xEF: 3
        case 0xC2...0xDF: 2
        default: 1
        }
      guard needed > count else { return 0 }
      if count > 1 {
        let second = bytes[bytes.count - count + 1]
        let isValid =
          switch lead {
          case 0xE0: second >= 0xA0
          case 0xED: second < 0xA0
          case 0xF0: second >= 0x90
          case 0xF4: second < 0x90
          default: true
          }
        guard isValid else { return 0 }
      }
      return count
    }
    return 0
  }
}
