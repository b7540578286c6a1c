// Owns what retrieval hands to everybody else: passages that know where they come from.

/// Part of one version of a document that a search found.
public struct Passage: Sendable, Hashable {
  public var chunk: Int64
  /// Path relative to the ingested folder, with `/`.
  public var document: String
  public var version: Int
  /// UTF-8 byte range in the version's canonical text: the file itself for Markdown, text and CSV; what was extracted
  /// for HTML and PDF.
  public var range: Range<Int>
  /// Exactly the bytes of `range`.
  public var text: String
  public var title: String
  /// Headings from the outermost inwards.
  public var headingPath: [String]
  /// From 1, for paged formats.
  public var page: Int?
  /// Compares only within one result list; higher is better.
  public var score: Double
  /// Which legs found it and at which rank (from 1), for explanations.
  public var ranks: [String: Int]

  public init(
    chunk: Int64, document: String, version: Int, range: Range<Int>, text: String, title: String = "",
    headingPath: [String] = [], page: Int? = nil, score: Double, ranks: [String: Int] = [:]
  ) {
    self.chunk = chunk
    self.document = document
    self.version = version
    self.range = range
    self.text = text
    self.title = title
    self.headingPath = headingPath
    self.page = page
    self.score = score
    self.ranks = ranks
  }
}

/// Which signals a search uses.
public struct RetrievalLegs: OptionSet, Sendable, Hashable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  public static let lexical = RetrievalLegs(rawValue: 1)
  public static let dense = RetrievalLegs(rawValue: 2)
  public static let hybrid: RetrievalLegs = [.lexical, .dense]
}

public struct RetrievalQuery: Sendable, Hashable {
  public var text: String
  /// Most passages to return.
  public var limit: Int
  public var legs: RetrievalLegs

  public init(_ text: String, limit: Int = 8, legs: RetrievalLegs = .hybrid) {
    self.text = text
    self.limit = limit
    self.legs = legs
  }
}

/// Finds passages that the principal may read; what they may not read is never scored.
public protocol Retriever: Sendable {
  func search(_ query: RetrievalQuery, as principal: Principal) async throws -> [Passage]
}
