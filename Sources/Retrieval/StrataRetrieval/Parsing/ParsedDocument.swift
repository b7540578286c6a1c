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
