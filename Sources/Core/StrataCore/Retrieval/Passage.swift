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
  /// Which legs found it and at which rank (from 1).
  public var ranks: [String: Int]
  /// How it came to its place, when the query asked.
  public var explanation: PassageExplanation?

  public init(
    chunk: Int64, document: String, version: Int, range: Range<Int>, text: String, title: String = "",
    headingPath: [String] = [], page: Int? = nil, score: Double, ranks: [String: Int] = [:],
    explanation: PassageExplanation? = nil
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
    self.explanation = explanation
  }
}

/// Finds passages that the principal may read; what they may not read is never scored.
///
/// A retriever that cannot do something that a query asks for throws; it never leaves a filter or a moment unheeded.
public protocol Retriever: Sendable {
  func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage]
}
