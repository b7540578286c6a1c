// Owns making a follow-up question stand alone by rules. The same conversation always gives the same question.
import Foundation
import StrataCore

/// Completes a question that leans on earlier ones by what those were about.
///
/// A fragment takes the place of its counterpart in the question before (`What is the limit for a hotel night?`, `And in
/// Oslo?`); a question with a word that stands for something else keeps its words and gets what that is behind it, from the
/// question before and the names in its answer. Earlier follow-ups are completed first, so that a topic lasts over several.
/// A question that stands alone is left as it is. (The task: Elgohary et al. 2019, "Can You Unpack That?".)
public struct ConversationRewriter: QuestionRewriter {
  /// Turns that are looked at, the latest.
  public var turnLimit = 4
  /// Most words that are taken over.
  public var carriedWordLimit = 12
  /// Bytes of an answer in which names are looked for.
  private static let answerByteLimit = 600

  public init() {}

  public func rewrite(_ question: String, after turns: [ConversationTurn]) -> RewrittenQuestion {
    var previous: String?
    var answer = ""
    for turn in turns.suffix(turnLimit) {
      previous = rewrite(turn.question, previous, answer).text
      answer = turn.answer
    }
    return rewrite(question, previous, answer)
  }

  private func rewrite(_ question: String, _ previous: String?, _ answer: String) -> RewrittenQuestion {
    guard let previous else { return RewrittenQuestion(question) }
    let followUp = FollowUp(question)
    guard followUp.dependsOnContext else { return RewrittenQuestion(question) }
    let earlier = FollowUp.words(previous)
    let known = Set(followUp.words.map { Self.stem($0.lower) })
    var topic = earlier.filter { FollowUp.isContent($0) && !known.contains(Self.stem($0.lower)) }
    if followUp.signs.contains(.fragment), !followUp.content.isEmpty {
      let replaced = replaced(by: followUp, in: earlier)
      topic.removeAll { replaced.contains($0.range.lowerBound) }
    }
    var carried = Self.distinct(topic.map(\.text))
    if followUp.signs != [.thin], followUp.content.isEmpty || !followUp.signs.isDisjoint(with: [.person, .thing]) {
      // What the answer named is what the question may go on about.
      let names = Self.names(in: answer).filter { !known.contains(Self.stem($0.lowercased())) }
      carried = followUp.signs.contains(.person) ? Self.distinct(names + carried) : Self.distinct(carried + names)
    }
    guard !carried.isEmpty else { return RewrittenQuestion(question) }
    let words = carried.prefix(carriedWordLimit).joined(separator: " ")
    return RewrittenQuestion("\(question) (\(words))", carried: words, source: .rules)
  }

  /// Where the words of the earlier question begin in whose place the fragment stands: names by a name, and what follows
  /// the same preposition.
  private func replaced(by fragment: FollowUp, in earlier: [FollowUp.Word]) -> Set<String.Index> {
    var starts: Set<String.Index> = []
    if let first = fragment.rest.first, FollowUp.prepositions.contains(first.lower),
      let same = earlier.lastIndex(where: { $0.lower == first.lower })
    {
      for word in earlier[(same + 1)...] {
        if FollowUp.prepositions.contains(word.lower) { break }
        // What a name replaces is a name: `for a hotel night` stays when `for Oslo` is asked.
        if fragment.content.contains(where: \.isName) == word.isName { starts.insert(word.range.lowerBound) }
      }
    } else if fragment.content.allSatisfy(\.isName) {
      for word in earlier where word.isName { starts.insert(word.range.lowerBound) }
    }
    return starts
  }

  // MARK: Words

  /// Capitalized words and words with digits that do not merely open a sentence, in order.
  private static func names(in answer: String) -> [String] {
    let text = String(decoding: Array(answer.utf8.prefix(answerByteLimit)), as: UTF8.self)
    var names: [String] = []
    for sentence in text.split(whereSeparator: { ".!?\n".contains($0) }) {
      let words = FollowUp.words(String(sentence))
      for (index, word) in words.enumerated() where FollowUp.isContent(word) {
        // The first word of a sentence is a name when another name follows it at once.
        let opensName = index == 0 && word.text.first?.isUppercase == true && words.count > 1 && words[1].isName
        let isNumber = word.text.first?.isNumber == true
        if word.isName && !isNumber || opensName { names.append(word.text) }
      }
    }
    return distinct(names)
  }

  private static func distinct(_ words: [String]) -> [String] {
    var seen: Set<String> = []
    return words.filter { seen.insert(stem($0.lowercased())).inserted }
  }

  /// Enough for `parcel` and `parcels` to be one word.
  static func stem(_ word: String) -> String {
    let word = word.hasSuffix("'s") ? String(word.dropLast(2)) : word
    return word.count > 3 && word.hasSuffix("s") && !word.hasSuffix("ss") ? String(word.dropLast()) : word
  }

}
