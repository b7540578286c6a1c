// Owns plain text: paragraphs are what blank lines separate.

struct PlainTextLoader {
  func load(_ text: String, path: String) -> ParsedDocument {
    let bytes = Array(text.utf8)
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let paragraphs = Self.paragraphs(bytes, in: start..<bytes.count)
    var blocks = paragraphs.map { DocumentBlock(.paragraph, $0) }
    var title = DocumentFormat.title(fromPath: path)
    // A short first line that stands alone and ends like no sentence is the document's title.
    if let first = paragraphs.first, paragraphs.count > 1, first.count <= 100 {
      let line = bytes.text(first)
      if !line.contains(where: \.isNewline), let last = line.last, !".!?:;,".contains(last) {
        title = line
        blocks[0].kind = .heading(level: 1, title: line)
      }
    }
    return ParsedDocument(canonicalText: text, title: title, blocks: blocks, mediaType: "text/plain")
  }

  /// Trimmed runs of lines that are not blank.
  static func paragraphs(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var paragraphs: [Range<Int>] = []
    var start: Int?
    var end = range.lowerBound
    for line in Array(bytes[..<range.upperBound]).lineRanges(from: range.lowerBound) {
      if bytes.trimmed(line).isEmpty {
        if let lower = start { paragraphs.append(bytes.trimmed(lower..<end)) }
        start = nil
      } else {
        if start == nil { start = line.lowerBound }
        end = line.upperBound
      }
    }
    if let lower = start { paragraphs.append(bytes.trimmed(lower..<end)) }
    return paragraphs
  }
}
