// Owns what every loader produces: text and where its blocks lie in it. Knows nothing about any format.
import StrataCore

/// A document's text and its structure.
public struct ParsedDocument: Sendable, Hashable {
  /// What byte ranges count in: the file itself for Markdown, text, CSV and source code; what was extracted for all
  /// other formats.
  public var canonicalText: String
  public var title: String
  /// In order, without overlaps.
  public var blocks: [DocumentBlock]
  public var mediaType: String
  /// What the document says about itself: front matter, `<meta>`, properties; names in lower case.
  public var metadata: JSONObject

  public init(
    canonicalText: String, title: String, blocks: [DocumentBlock], mediaType: String, metadata: JSONObject = [:]
  ) {
    self.canonicalText = canonicalText
    self.title = title
    self.blocks = blocks
    self.mediaType = mediaType
    self.metadata = metadata
  }
}

/// One paragraph, heading, list item, piece of code or table row.
public struct DocumentBlock: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// `level` from 1.
    case heading(level: Int, title: String)
    case paragraph
    case listItem
    case code
    /// What a reply to an e-mail repeats of what it answers.
    case quote
    /// A named part, such as a function of source code or a record of JSON; `path` is `Parser.parse` or `users[3]`.
    case entry(path: String)
    case tableHeader
    /// `header` says what the columns are.
    case tableRow(header: String)

    var isTable: Bool {
      switch self {
      case .tableHeader, .tableRow: true
      default: false
      }
    }
  }

  public var kind: Kind
  /// UTF-8 byte range in the canonical text.
  public var range: Range<Int>
  /// From 1, for paged formats.
  public var page: Int?

  public init(_ kind: Kind, _ range: Range<Int>, page: Int? = nil) {
    self.kind = kind
    self.range = range
    self.page = page
  }

  var isHeading: Bool { if case .heading = kind { true } else { false } }
}

extension Array where Element == UInt8 {
  /// `range` without white space at either end.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper, self[lower].isASCIISpace { lower += 1 }
    while upper > lower, self[upper - 1].isASCIISpace { upper -= 1 }
    return lower..<upper
  }

  func text(_ range: Range<Int>) -> String { String(decoding: self[range], as: UTF8.self) }

  /// The byte ranges of lines without their terminators (LF, CRLF or CR).
  func lineRanges(from start: Int = 0) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var lower = start
    var index = start
    while index < count {
      let byte = self[index]
      if byte == 10 || byte == 13 {
        lines.append(lower..<index)
        if byte == 13, index + 1 < count, self[index + 1] == 10 { index += 1 }
        lower = index + 1
      }
      index += 1
    }
    if lower < count { lines.append(lower..<count) }
    return lines
  }
}

extension UInt8 {
  /// Space, tab, line feed, vertical tab, form feed, carriage return.
  var isASCIISpace: Bool { self == 32 || (9...13).contains(self) }
  /// A byte inside a UTF-8 sequence, not the first of it.
  var isUTF8Continuation: Bool { self & 0xC0 == 0x80 }
}
