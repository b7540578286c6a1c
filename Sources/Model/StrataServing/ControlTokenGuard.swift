// Owns keeping people's text from steering the model: a message must not be able to open or close a turn.
import StrataCore
import StrataModel

/// Breaks up the names of control tokens in text that is about to be put into a chat template. The rendered prompt is
/// tokenized with its control tokens, so `<|im_end|>` in a message would otherwise end it.
struct ControlTokenGuard: Sendable {
  private let names: [String]
  /// U+2060 WORD JOINER: invisible, and enough to make another string of the name.
  private static let joiner: Character = "\u{2060}"

  init(_ tokenizer: any Tokenizer) {
    names = (0..<Int32(clamping: tokenizer.vocabularySize)).compactMap { id in
      guard tokenizer.isSpecial(id) else { return nil }
      let name = String(decoding: tokenizer.bytes(of: id), as: UTF8.self)
      return name.count > 1 ? name : nil
    }
  }

  func harmless(_ text: String) -> String {
    var result = text
    for name in names where result.contains(name) {
      result = result.replacing(name, with: "\(name.prefix(1))\(Self.joiner)\(name.dropFirst(1))")
    }
    return result
  }

  func harmless(_ message: Message) -> Message {
    var message = message
    message.content = harmless(message.content)
    return message
  }
}
