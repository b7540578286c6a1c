// Owns the protocol through which everything else turns text into token ids and back.

/// Turns text into the token ids of one model and back. Thread-safe.
public protocol Tokenizer: Sendable {
  /// Ids are `0..<vocabularySize`.
  var vocabularySize: Int { get }
  var special: SpecialTokens { get }

  /// The ids of `text`.
  /// - Parameters:
  ///   - addSpecial: Whether to add what the model expects around a text, such as a beginning-of-sequence token.
  ///   - parseSpecial: Whether control tokens written out in `text` (`<|im_start|>`) become that token. Leave it off
  ///     for text from users, who could forge turns otherwise.
  /// - Complexity: O(*n* log *n*) for *n* bytes, whatever the text is.
  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32]

  /// The bytes that `id` stands for, which may be a part of a character. A control token gives its name
  /// (`<|im_end|>`); an id out of range gives nothing.
  func bytes(of id: Int32) -> [UInt8]

  /// Whether `id` steers the model instead of standing for text: control, unknown and unused tokens, and ids out of
  /// range.
  func isSpecial(_ id: Int32) -> Bool

  /// The text of `ids`; bytes that are not UTF-8 become U+FFFD.
  /// - Parameter skipSpecial: Whether control tokens are left out instead of written by name.
  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String
}

/// The ids that have a meaning of their own, and what is added around a text.
public struct SpecialTokens: Sendable, Hashable {
  /// Beginning of sequence.
  public var bos: Int32?
  /// End of sequence.
  public var eos: Int32?
  /// End of turn.
  public var eot: Int32?
  public var unknown: Int32?
  public var separator: Int32?
  public var padding: Int32?
  /// The classification token of encoders.
  public var cls: Int32?
  public var mask: Int32?
  /// Whether ``Tokenizer/encode(_:addSpecial:parseSpecial:)`` begins with ``bos`` (``cls`` in encoders).
  public var addsBOS = false
  /// Whether it ends with ``eos`` (``separator`` in encoders).
  public var addsEOS = false
  /// Generation ends at any of these.
  public var endOfGeneration: Set<Int32> = []

  public init() {}
}

extension Tokenizer {
  public var bosID: Int32? { special.bos }
  public var eosID: Int32? { special.eos }
  public var eotID: Int32? { special.eot }
  public var unknownID: Int32? { special.unknown }
  public var paddingID: Int32? { special.padding }
  public var endOfGenerationIDs: Set<Int32> { special.endOfGeneration }
  public var addsBOS: Bool { special.addsBOS }

  public func encode(_ text: String) -> [Int32] { encode(text, addSpecial: false, parseSpecial: false) }

  public func decode(_ ids: some Sequence<Int32>) -> String { decode(ids, skipSpecial: false) }

  /// Tokens in `text`, without special ones.
  public func count(_ text: String) -> Int { encode(text).count }

  /// Bytes of every token in order of id, nothing for special ones: what a grammar mask is made from.
  public func tokenBytes() -> [[UInt8]] {
    (0..<Int32(clamping: vocabularySize)).map { isSpecial($0) ? [] : bytes(of: $0) }
  }
}
