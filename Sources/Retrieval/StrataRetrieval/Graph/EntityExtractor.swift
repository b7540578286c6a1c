// Owns finding names in text by their form alone, and what stands between them. Knows nothing about graphs or models.
import Foundation
import StrataIndex

/// Takes runs of capitalized words for names, as English and most languages with capitals write them. The same text
/// gives the same names, always.
///
/// Words between two capitalized ones may be small when they are such as names have (`University of Kent`). Function
/// words at either end are left out (`The Beatles` → `beatles`), as are names of fewer than three letters.
///
/// Two names with one to five small words and nothing else between them are a relation, whose predicate those words are
/// (`Ada Lovelace wrote to Charles Babbage`), as in ReVerb (Fader, Soderland and Etzioni 2011) but without a tagger.
public struct EntityExtractor: Sendable {
  /// Longer runs are headlines rather than names; their parts still count.
  private static let wordLimit = 8
  private static let connectors: Set<String> = [
    "of", "the", "de", "la", "van", "von", "and", "for", "du", "der", "le", "in", "&",
  ]
  private static let functionWords: Set<String> = [
    "the", "a", "an", "in", "on", "at", "it", "he", "she", "they", "his", "her", "this", "that", "these", "those",
    "who", "what", "which", "when", "where", "is", "was", "are", "were", "how", "from", "for", "by", "as", "of", "and",
    "but", "or", "if", "its", "their", "there", "both", "do", "does", "did", "has", "had", "have", "while", "after",
    "before", "during", "since", "until", "according", "to", "with", "we", "our", "i", "you", "not", "no", "also",
  ]

  public init() {}

  /// What a text mentions.
  ///
  /// - Parameter title: of its document, whose name becomes the subject; nil leaves that open, as a question does.
  public func entities(in text: String, title: String? = nil) -> ChunkEntities {
    var names: [String: Int] = [:]
    var parts: [String: Int] = [:]
    var relations: [ChunkEntities.Relation] = []
    var last: String?
    for run in Self.runs(text) {
      let words = Self.trimmed(run.words[...])
      let name = words.isEmpty || words.count > Self.wordLimit ? nil : Self.name(words)
      if let name {
        names[name, default: 0] += 1
        if let last, last != name, let predicate = Self.predicate(run.gap) {
          relations.append(ChunkEntities.Relation(last, predicate, name))
        }
      }
      last = name
      for start in words.indices where !Self.functionWords.contains(words[start]) {
        for end in (start + 1)...min(words.endIndex, start + Self.wordLimit)
        where !Self.functionWords.contains(words[end - 1]) {
          if let part = Self.name(words[start..<end]) { parts[part, default: 0] += 1 }
        }
      }
    }
    var mentions = names.map { ChunkEntities.Mention($0.key, .named, count: $0.value) }
    mentions += parts.filter { names[$0.key] == nil }.map { ChunkEntities.Mention($0.key, .part, count: $0.value) }
    if let title, let subject = Self.name(ofTitle: title) {
      // The name's place in the text is counted already.
      if let known = mentions.firstIndex(where: { $0.name == subject }) {
        mentions[known].role.insert(.subject)
      } else {
        mentions.append(ChunkEntities.Mention(subject, .subject))
      }
    }
    return ChunkEntities(mentions, relations: relations)
  }

  /// Words that only enumerate say nothing of two names.
  private static func predicate(_ gap: [String]?) -> String? {
    guard let gap, gap.contains(where: { !["and", "or", "but", "the", "a", "an", "&"].contains($0) }) else {
      return nil
    }
    return gap.joined(separator: " ")
  }

  /// The name that a title stands for: without what distinguishes it (`Mercury (planet)` → `mercury`).
  public static func name(ofTitle title: String) -> String? {
    var title = title[...]
    if title.hasSuffix(")"), let open = title.lastIndex(of: "("), open > title.startIndex {
      title = title[..<open]
    }
    let words = scan(title).flatMap(\.words)
    guard words.count <= 2 * wordLimit else { return nil }
    return name(trimmed(words[...]).isEmpty ? words[...] : trimmed(words[...]))
  }

  /// The words of a text as names have them.
  static func words(_ text: String) -> [String] { scan(text[...]).flatMap(\.words) }

  /// How often a name stands in a text, word by word.
  static func count(of name: [Substring], in words: [String]) -> Int {
    guard !name.isEmpty, name.count <= words.count else { return 0 }
    return (0...words.count - name.count).count { start in
      zip(name, words[start...]).allSatisfy { $0 == $1 }
    }
  }

  /// Every few words of a question that might be the name of something, for graphs whose names have no capitals.
  static func phrases(_ text: String) -> [String] {
    let words = words(text)
    return words.indices.flatMap { start in
      (start + 1...min(words.count, start + 5)).compactMap { end in
        functionWords.contains(words[start]) || functionWords.contains(words[end - 1])
          ? nil : name(words[start..<end])
      }
    }
  }

  private static func name(_ words: ArraySlice<String>) -> String? {
    let name = words.joined(separator: " ")
    return name.utf8.count > 2 ? name : nil
  }

  private static func trimmed(_ words: ArraySlice<String>) -> ArraySlice<String> {
    words.drop { functionWords.contains($0) }.trimmingSuffix { functionWords.contains($0) }
  }

  // MARK: Scanning

  /// A word of the text with what it looks like.
  private struct Word {
    /// Lower case without marks, cut at hyphens, without a possessive.
    var words: [String]
    var isCapitalized: Bool
    var isInitial: Bool
    /// Nothing but blanks before it, so that it may continue a name.
    var continues: Bool
  }

  /// Words that may be a name.
  private struct Run {
    var words: [String]
    /// What stands between the run before and this one; nil when that is more than a few words, or a mark.
    var gap: [String]?
  }

  private static let gapLimit = 5

  private static func runs(_ text: String) -> [Run] {
    var runs: [Run] = []
    var current: [String] = []
    /// Small words that belong to the run only if a capitalized one follows.
    var pending: [String] = []
    var gap: [String]?
    func close() {
      if !current.isEmpty {
        runs.append(Run(words: current, gap: gap))
        gap = pending
      }
      current = []
      pending = []
    }
    for word in scan(text[...]) {
      if !word.continues {
        close()
        gap = nil
      }
      if word.isCapitalized || !current.isEmpty && word.words.allSatisfy({ $0.allSatisfy(\.isNumber) }) {
        current += pending + word.words
        pending = []
      } else if !current.isEmpty, pending.count < 2, word.words.count == 1, connectors.contains(word.words[0]) {
        pending += word.words
      } else {
        close()
        gap?.append(contentsOf: word.words)
        if let length = gap?.count, length > gapLimit { gap = nil }
      }
    }
    close()
    return runs
  }

  private static func scan(_ text: Substring) -> [Word] {
    let scalars = Array(text.unicodeScalars)
    var words: [Word] = []
    var index = 0
    var continues = false
    while index < scalars.count {
      guard isWordScalar(scalars[index]) || scalars[index] == "&" else {
        // A full stop continues a name only after an initial: J. K. Rowling.
        let isBlank = scalars[index].properties.isWhitespace && scalars[index] != "\n"
        if !isBlank, !(scalars[index] == "." && words.last?.isInitial == true) { continues = false }
        index += 1
        continue
      }
      let start = index
      while index < scalars.count {
        if isWordScalar(scalars[index]) || index == start {
          index += 1
        } else if "'’.-".unicodeScalars.contains(scalars[index]), index + 1 < scalars.count,
          isWordScalar(scalars[index + 1])
        {
          index += 2
        } else {
          break
        }
      }
      var raw = String(String.UnicodeScalarView(scalars[start..<index]))
      for ending in ["'s", "’s"] where raw.hasSuffix(ending) { raw.removeLast(2) }
      let first = scalars[start]
      words.append(
        Word(
          words: normalized(raw),
          isCapitalized: first.properties.isUppercase || first.properties.generalCategory == .titlecaseLetter,
          isInitial: index - start == 1 && first.properties.isUppercase, continues: continues))
      continues = true
    }
    return words
  }

  private static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.properties.isAlphabetic || scalar.properties.numericType != nil }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
      .spacingMark, .decimalNumber:
      return true
    default: return false
    }
  }

  private static func normalized(_ word: String) -> [String] {
    var lower = word.lowercased()
    if !lower.utf8.allSatisfy({ $0 < 0x80 }) {
      lower =
        String(
          String.UnicodeScalarView(
            lower.decomposedStringWithCanonicalMapping.unicodeScalars.filter {
              $0.properties.generalCategory != .nonspacingMark
            })
        ).precomposedStringWithCanonicalMapping
    }
    return lower.split(separator: "-").map(String.init)
  }
}

extension ArraySlice {
  fileprivate func trimmingSuffix(_ belongs: (Element) -> Bool) -> Self {
    var slice = self
    while let last = slice.last, belongs(last) { slice.removeLast() }
    return slice
  }
}
