// Owns a passage as the model sees it: numbered, cut to size, split into sentences.
import StrataCore

struct NumberedPassage: Sendable {
  /// From 1.
  let number: Int
  /// Shortened at its end when it was too long, so that its range still starts where the text does.
  let passage: Passage
  let sentences: [Sentence]
  /// Which sentences may be quoted.
  var quotable: [Int]

  init(number: Int, passage: Passage) {
    self.number = number
    self.passage = passage
    sentences = QuotableSentences.sentences(of: passage.text)
    quotable = Array(sentences.indices)
  }

  /// As the answer contract's input schema wants it.
  func json(strategy: QuotingStrategy) -> JSON {
    var text = passage.text
    if strategy == .sentenceNumbers {
      text = sentences.enumerated().map { "[\(number).\($0.offset + 1)] \($0.element.text)" }.joined(separator: "\n")
    }
    return ["number": .int(number), "title": .string(heading), "text": .string(text)]
  }

  /// The title and headings under which the passage stands, as one text.
  var place: String { ([passage.title] + passage.headingPath).joined(separator: "\n") }

  /// The same passage for a prompt with other words; its ranges point nowhere any more.
  func saying(_ text: String) -> NumberedPassage {
    var other = passage
    other.text = text
    return NumberedPassage(number: number, passage: other)
  }

  private var heading: String {
    let title = passage.title.isEmpty ? passage.document : passage.title
    let path = passage.headingPath.filter { $0 != title }
    return ([title] + path).joined(separator: " > ")
  }

  /// Fewer sentences, for a smaller prompt; nil when nothing would be left.
  func shortened() -> NumberedPassage? {
    guard sentences.count > 1 else { return nil }
    let keep = sentences[sentences.count - 1 - sentences.count / 4..<sentences.count].first
    guard let end = keep?.range.lowerBound, end > 0 else { return nil }
    let bytes = Array(passage.text.utf8)[..<end]
    var shorter = passage
    shorter.text = String(decoding: bytes, as: UTF8.self)
    shorter.range = passage.range.lowerBound..<(passage.range.lowerBound + bytes.count)
    return NumberedPassage(number: number, passage: shorter)
  }

  /// - Parameter range: UTF-8 bytes of the passage's text; nil when it has no such bytes.
  func citation(_ range: Range<Int>) -> Citation? {
    let bytes = Array(passage.text.utf8)
    guard
      let place = CitedPlace(
        document: passage.document, version: passage.version, quoting: range, of: bytes,
        from: passage.range.lowerBound)
    else { return nil }
    return Citation(
      document: place.document, version: place.version, range: place.range, quote: bytes.text(range), passage: number,
      title: passage.title, page: passage.page)
  }
}
