import StrataModel
import Testing

/// A tokenizer whose ids are bytes.
private struct ByteTokenizer: Tokenizer {
  var vocabularySize: Int { 256 }
  var special: SpecialTokens { SpecialTokens() }
  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] { text.utf8.map(Int32.init) }
  func bytes(of id: Int32) -> [UInt8] { UInt8(exactly: id).map { [$0] } ?? [] }
  func isSpecial(_ id: Int32) -> Bool { UInt8(exactly: id) == nil }
  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String {
    String(decoding: ids.flatMap { bytes(of: $0) }, as: UTF8.self)
  }
}

@Suite("StreamingDecoder")
struct StreamingDecoderTests {
  @Test("text comes in whole characters", arguments: ["plain", "naïve 日本語 😀👨‍👩‍👧 e\u{301}", "", "\u{10FFFF}\u{7FF}"])
  func wholeCharacters(text: String) {
    var decoder = StreamingDecoder(tokenizer: ByteTokenizer())
    var pieces: [String] = []
    for byte in text.utf8 { pieces.append(decoder.push(Int32(byte))) }
    pieces.append(decoder.finish())
    #expect(pieces.joined() == text)
    #expect(!pieces.contains { $0.unicodeScalars.contains("\u{FFFD}") })
  }

  @Test("any bytes give what decoding them at once gives")
  func anyBytes() {
    var generator = SystemRandomNumberGenerator()
    let interesting: [UInt8] = [
      0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xE2, 0xED, 0xA0, 0xF0, 0x90, 0xF4, 0xF5, 0xFF, 0x96,
    ]
    for _ in 0..<2_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
        interesting.randomElement(using: &generator) ?? 0
      }
      var decoder = StreamingDecoder(tokenizer: ByteTokenizer())
      var text = ""
      for byte in bytes { text += decoder.push(Int32(byte)) }
      text += decoder.finish()
      #expect(Array(text.utf8) == Array(String(decoding: bytes, as: UTF8.self).utf8), "\(bytes)")
    }
  }
}
