// Owns what an answer names and its quotes do not, though the question asks for it and the passages speak of it.
// Deterministic; asks no model.
import StrataCore

/// Small models take the general rule for the exception beside it that was asked for: "165 euros. In Oslo … 210 euros".
struct AnswerFocus {
  /// Stems of names that question and answer have and a sentence speaks of, and no quote.
  let names: Set<String>
  /// The stretches of the passages that speak of them, in their order; at most ``passageLimit``.
  let passages: [NumberedPassage]

  private static let passageLimit = 2

  /// Nil when the quotes, or the places where they stand, name all that answer and question name.
  init?(question: String, answer: String, citations: [Citation], passages: [NumberedPassage]) {
    let asked = Set(ContentWords.stems(of: question)).intersection(ContentWords.stems(of: answer))
    let known = passages.reduce(into: EvidenceGate.names(of: question)) {
      $0.formUnion(EvidenceGate.names(of: $1.passage.text))
    }
    var open = asked.intersection(known)
    open.subtract(citations.flatMap { ContentWords.stems(of: $0.quote) })
    for passage in passages where citations.contains(where: { $0.passage == passage.number }) {
      open.subtract(ContentWords.stems(of: passage.place))
    }
    var named: Set<String> = []
    var focused: [NumberedPassage] = []
    for passage in passages where focused.count < Self.passageLimit {
      guard let (narrow, found) = Self.narrowed(passage, to: open) else { continue }
      named.formUnion(found)
      focused.append(narrow)
    }
    guard !named.isEmpty else { return nil }
    names = named
    self.passages = focused
  }

  /// Whether the citations speak of any of the names.
  func isMet(by citations: [Citation]) -> Bool {
    citations.contains { !names.isDisjoint(with: ContentWords.stems(of: $0.quote)) }
  }

  /// The sentences that name something of `names`, each with its neighbours: the one before often says what it is about.
  private static func narrowed(
    _ passage: NumberedPassage, to names: Set<String>
  ) -> (NumberedPassage, Set<String>)? {
    var found: Set<String> = []
    var kept: Set<Int> = []
    for (index, sentence) in passage.sentences.enumerated() {
      let here = names.intersection(ContentWords.stems(of: sentence.text))
      guard !here.isEmpty else { continue }
      found.formUnion(here)
      kept.formUnion([index - 1, index, index + 1])
    }
    guard !found.isEmpty else { return nil }
    let text = passage.sentences.indices.filter(kept.contains).map { passage.sentences[$0].text }
    return (passage.saying(text.joined(separator: " ")), found)
  }
}
