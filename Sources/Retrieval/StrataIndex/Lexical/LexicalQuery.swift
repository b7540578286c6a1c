// Owns what a lexical search can ask for, and reading it from what people type. Knows nothing about an index.

/// Words and phrases to look for, each in any field or one, wished for, required or excluded.
///
/// The syntax that ``init(parsing:)`` reads:
///
///     plain words          chunks with any of them, those with more and rarer ones first
///     "exact words"        the words next to each other, in this order
///     title:word           in the title and headings only; body:word likewise; title:"exact words" too
///     +word  +"a phrase"   only chunks that have it
///     -word  -title:word   only chunks that do not
///
/// Everything else is words: no text is an error.
public struct LexicalQuery: Sendable, Hashable {
  public enum Occurrence: String, Sendable, Hashable, Codable {
    case optional, required, excluded
  }

  /// A word, a phrase, or (when optional, in any field and no phrase) a run of plain text.
  public struct Clause: Sendable, Hashable {
    public var text: String
    public var field: LexicalField?
    public var isPhrase: Bool
    public var occurrence: Occurrence

    public init(
      _ text: String, field: LexicalField? = nil, isPhrase: Bool = false, occurrence: Occurrence = .optional
    ) {
      self.text = text
      self.field = field
      self.isPhrase = isPhrase
      self.occurrence = occurrence
    }

    var isPlain: Bool { field == nil && !isPhrase && occurrence == .optional }
  }

  public var clauses: [Clause]

  public init(clauses: [Clause]) { self.clauses = clauses }

  /// The words of `text`, whatever signs are in it.
  public init(words text: String) { self.init(clauses: [Clause(text)]) }

  /// What `text` asks for. A query that would only exclude is read as plain words, since it could find nothing.
  public init(parsing text: String) {
    if Self.isPlain(text) {
      self.init(words: text)
      return
    }
    var reader = Reader(text: text[...])
    let clauses = reader.clauses()
    self.init(clauses: clauses.contains { $0.occurrence != .excluded } ? clauses : [Clause(text)])
  }
}

extension LexicalQuery {
  /// Whether text has no sign that ``Reader`` could read: most has none, and looking at bytes is far cheaper than at
  /// characters. False where it would take more than a byte to tell.
  private static func isPlain(_ text: String) -> Bool {
    text.utf8.withContiguousStorageIfAvailable { bytes in
      var before = UInt8(ascii: " ")
      for (index, byte) in bytes.enumerated() {
        switch byte {
        case UInt8(ascii: "\""): return false
        // Signs count at the beginning of a word, fields after their names.
        case UInt8(ascii: "+"), UInt8(ascii: "-"): if before <= 0x20 || before >= 0x80 { return false }
        case UInt8(ascii: ":"): if before == UInt8(ascii: "e") || before == UInt8(ascii: "y") { return false }
        // “ and ” are E2 80 9C and E2 80 9D.
        case 0x9C, 0x9D: if before == 0x80, index > 1, bytes[index - 2] == 0xE2 { return false }
        default: break
        }
        before = byte
      }
      return true
    } ?? false
  }

  /// Reads clauses from left to right.
  private struct Reader {
    var text: Substring
    /// Plain text since the last other clause.
    var plain = ""

    mutating func clauses() -> [Clause] {
      var clauses: [Clause] = []
      while let first = text.first {
        if let clause = clause() {
          if !plain.isEmpty { clauses.append(Clause(plain)) }
          plain = ""
          clauses.append(clause)
        } else {
          // One word and the space after it, or just the space.
          let word = first.isWhitespace ? text.prefix { $0.isWhitespace } : text.prefix { !$0.isWhitespace }
          plain += word
          text = text[word.endIndex...]
        }
      }
      if plain.contains(where: { !$0.isWhitespace }) { clauses.append(Clause(plain)) }
      return clauses
    }

    /// The clause that begins here, if it is more than a plain word.
    private mutating func clause() -> Clause? {
      var rest = text
      var occurrence = Occurrence.optional
      if rest.first == "+" || rest.first == "-" {
        occurrence = rest.removeFirst() == "+" ? .required : .excluded
        // "-5" and "+1" are numbers and " - " a dash.
        guard let next = rest.first, next.isLetter || Self.isQuote(next) else { return nil }
      }
      var field: LexicalField?
      for candidate in LexicalField.allCases where rest.hasPrefix(candidate.rawValue + ":") {
        let after = rest.dropFirst(candidate.rawValue.count + 1)
        guard let next = after.first, !next.isWhitespace else { break }
        field = candidate
        rest = after
      }
      if let quote = rest.first, Self.isQuote(quote),
        let end = rest.dropFirst().firstIndex(where: Self.isQuote), end > rest.index(after: rest.startIndex)
      {
        let phrase = rest[rest.index(after: rest.startIndex)..<end]
        text = rest[rest.index(after: end)...]
        return Clause(String(phrase), field: field, isPhrase: true, occurrence: occurrence)
      }
      guard field != nil || occurrence != .optional else { return nil }
      let word = rest.prefix { !$0.isWhitespace }
      text = rest[word.endIndex...]
      return Clause(String(word), field: field, occurrence: occurrence)
    }

    private static func isQuote(_ character: Character) -> Bool {
      character == "\"" || character == "\u{201C}" || character == "\u{201D}"
    }
  }
}
