// Owns what is done to an answer's wording: cutting the loops that small models fall into. Adds nothing.

enum AnswerText {
  /// Words that make a repetition.
  private static let span = 6

  /// Where `text` starts to repeat six words that it has said before, as an offset in its words; nil when it does not.
  static func loopStart(_ text: String) -> Int? {
    let words = text.lowercased().split(separator: " ")
    guard words.count > span else { return nil }
    var seen: Set<[Substring]> = []
    for start in 0...(words.count - span) {
      if !seen.insert(Array(words[start..<(start + span)])).inserted { return start }
    }
    return nil
  }

  /// `text` up to where it repeats itself, ending at a sentence if there is one.
  static func tidy(_ text: String) -> String {
    guard let start = loopStart(text) else { return text }
    let kept = text.split(separator: " ").prefix(start)
    if let end = kept.lastIndex(where: { $0.last.map { ".!?".contains($0) } ?? false }) {
      return kept[...end].joined(separator: " ")
    }
    var rest = kept
    while let last = rest.last, ["and", "or", "but", "is", "of", "the"].contains(last.lowercased()) {
      rest.removeLast()
    }
    var result = rest.joined(separator: " ")
    while let last = result.last, ",;:-".contains(last) { result.removeLast() }
    return result + "."
  }
}
