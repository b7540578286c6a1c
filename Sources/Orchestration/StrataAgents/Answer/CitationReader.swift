// Owns reading what a model cites, the number of a sentence or a quote, as a place in a passage. That the place says what
// is quoted is checked in `CitedPlace`.
import StrataCore

struct CitationReader: Sendable {
  private let passages: [Int: (passage: NumberedPassage, finder: QuoteFinder)]
  private let limit: Int

  init(_ passages: [NumberedPassage], limit: Int) {
    var table: [Int: (NumberedPassage, QuoteFinder)] = [:]
    for passage in passages { table[passage.number] = (passage, QuoteFinder(passage.passage.text)) }
    self.passages = table
    self.limit = limit
  }

  /// Citations of places that exist, in their order, each place once, and how many were dropped for want of one.
  func read(_ citations: [JSON]) -> (valid: [Citation], dropped: Int) {
    var valid: [Citation] = []
    var dropped = 0
    for json in citations {
      guard let citation = citation(json) else {
        dropped += 1
        continue
      }
      let isKnown = valid.contains { $0.document == citation.document && $0.range == citation.range }
      if !isKnown, valid.count < limit { valid.append(citation) }
    }
    return (valid, dropped)
  }

  private func citation(_ json: JSON) -> Citation? {
    if let label = json.stringValue {
      let parts = label.split(separator: ".").compactMap { Int($0) }
      guard parts.count == 2, let entry = passages[parts[0]],
        entry.passage.sentences.indices.contains(parts[1] - 1)
      else { return nil }
      return entry.passage.citation(entry.passage.sentences[parts[1] - 1].range)
    }
    guard let number = json["passage"]?.intValue, let entry = passages[number],
      let quote = json["quote"]?.stringValue, let range = entry.finder.range(of: quote)
    else { return nil }
    return entry.passage.citation(range)
  }
}
