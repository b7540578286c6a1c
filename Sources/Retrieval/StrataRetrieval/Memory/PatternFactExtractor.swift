// Owns finding facts by fixed patterns of English sentences in the first person. Deterministic; knows no model.
import Foundation
import StrataCore

/// Takes only what people say about themselves in plain forms ("I live in …", "my manager is …", "remember that …"), so
/// that questions, small talk and what documents say never become memories.
public struct PatternFactExtractor: FactExtractor {
  /// Longer objects are hardly ever one fact.
  private static let longestObject = 160

  public init() {}

  public func statements(in text: String, at time: Date) async throws -> [FactStatement] {
    let bytes = Array(text.utf8)
    return SentenceSplitter.sentences(bytes, in: 0..<bytes.count).compactMap { range in
      Self.statement(bytes.text(range).trimmingCharacters(in: .whitespacesAndNewlines), time)
    }
  }

  private struct Rule: Sendable {
    /// Lower-case beginning of the sentence.
    let opening: String
    let predicate: String
    var isSingle = false
    var importance = 0.5
  }

  /// The longest opening that fits decides.
  private static let rules: [Rule] = [
    Rule(opening: "my name is ", predicate: "is called", isSingle: true, importance: 0.9),
    Rule(opening: "call me ", predicate: "is called", isSingle: true, importance: 0.9),
    Rule(opening: "i live in ", predicate: "lives in", isSingle: true, importance: 0.8),
    Rule(opening: "i moved to ", predicate: "lives in", isSingle: true, importance: 0.8),
    Rule(opening: "i work at ", predicate: "works at", isSingle: true, importance: 0.8),
    Rule(opening: "i work for ", predicate: "works at", isSingle: true, importance: 0.8),
    Rule(opening: "i work as ", predicate: "works as", isSingle: true, importance: 0.7),
    Rule(opening: "i work on ", predicate: "works on", importance: 0.6),
    Rule(opening: "i am allergic to ", predicate: "is allergic to", importance: 1),
    Rule(opening: "i'm allergic to ", predicate: "is allergic to", importance: 1),
    Rule(opening: "i prefer ", predicate: "prefers", importance: 0.7),
    Rule(opening: "i like ", predicate: "likes"),
    Rule(opening: "i love ", predicate: "likes", importance: 0.6),
    Rule(opening: "i dislike ", predicate: "dislikes"),
    Rule(opening: "i hate ", predicate: "dislikes", importance: 0.6),
    Rule(opening: "i speak ", predicate: "speaks", importance: 0.6),
    Rule(opening: "i use ", predicate: "uses"),
    Rule(opening: "i am a ", predicate: "is a", importance: 0.6),
    Rule(opening: "i am an ", predicate: "is a", importance: 0.6),
    Rule(opening: "i'm a ", predicate: "is a", importance: 0.6),
    Rule(opening: "i'm an ", predicate: "is a", importance: 0.6),
  ]

  private static func statement(_ sentence: String, _ time: Date) -> FactStatement? {
    guard !sentence.hasSuffix("?"), sentence.utf8.count <= 2 * longestObject else { return nil }
    var rest = sentence[...]
    var importance: Double?
    for opening in ["please remember that ", "please remember ", "remember that ", "remember: ", "note that "]
    where rest.lowercased().hasPrefix(opening) {
      rest = rest.dropFirst(opening.count)
      importance = 0.9
      break
    }
    let isEnd = dropEnding(&rest)
    let times = MemoryTimes.take(from: &rest, saidAt: time)
    let clause = trimmed(rest)
    var found = possessive(clause) ?? ruled(clause)
    if found == nil, importance != nil, !isEnd, clause.split(separator: " ").count >= 2 {
      found = FactStatement(
        predicate: "asked to remember", object: clause, text: "The user asked to remember: \(clause).")
    }
    guard var statement = found, !statement.object.isEmpty, statement.object.utf8.count <= longestObject else {
      return nil
    }
    statement.importance = importance ?? statement.importance
    statement.isEnd = isEnd
    statement.validFrom = times.from
    statement.validTo = times.to
    if isEnd, statement.validFrom == nil { statement.validFrom = times.to }
    return statement
  }

  private static func ruled(_ clause: String) -> FactStatement? {
    let lowered = clause.lowercased()
    guard
      let rule = rules.filter({ lowered.hasPrefix($0.opening) }).max(by: { $0.opening.count < $1.opening.count })
    else { return nil }
    let object = trimmed(clause.dropFirst(rule.opening.count))
    return FactStatement(
      predicate: rule.predicate, object: object, text: "The user \(rule.predicate) \(object).", isSingle: rule.isSingle,
      importance: rule.importance)
  }

  /// "my favourite tea is Assam": one answer to each such question.
  private static func possessive(_ clause: String) -> FactStatement? {
    guard clause.lowercased().hasPrefix("my "), !clause.lowercased().hasPrefix("my name is ") else { return nil }
    let words = clause.split(separator: " ").map(String.init)
    guard let verb = words.firstIndex(where: { ["is", "are"].contains($0.lowercased()) }), (2...5).contains(verb),
      verb + 1 < words.count
    else { return nil }
    let attribute = words[1..<verb].joined(separator: " ").lowercased()
    let object = trimmed(words[(verb + 1)...].joined(separator: " ")[...])
    return FactStatement(
      predicate: "has \(attribute)", object: object, text: "The user's \(attribute) \(words[verb]) \(object).",
      isSingle: true, importance: 0.7)
  }

  /// Takes "no longer" and "any more" out, and says whether one was there.
  private static func dropEnding(_ rest: inout Substring) -> Bool {
    var text = trimmed(rest)
    var isEnd = false
    if let range = text.range(of: " no longer ", options: .caseInsensitive) {
      text.replaceSubrange(range, with: " ")
      isEnd = true
    }
    for ending in [" any more", " anymore"] where text.lowercased().hasSuffix(ending) {
      for negation in [" do not ", " don't ", " don’t "] {
        guard let range = text.range(of: negation, options: .caseInsensitive) else { continue }
        text.removeLast(ending.count)
        text.replaceSubrange(range, with: " ")
        isEnd = true
        break
      }
    }
    rest = text[...]
    return isEnd
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    text.trimmingCharacters(in: CharacterSet.whitespacesAndNewlines.union(CharacterSet(charactersIn: ".!,;:")))
  }
}
