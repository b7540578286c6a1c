// Owns what every kind of source has in common: a list of what is there, and the bytes of each. Knows nothing about
// parsing, stores or indexes.
import Foundation
import StrataCore

/// A place that documents come from.
///
/// A connector says what is there now, each item with a stamp that changes when the item does; the ``Ingestor`` compares
/// and fetches only what differs. What is no longer listed disappears from the collection.
public protocol Connector: Sendable {
  /// `folder`, `git`, `sitemap` or `sql`.
  var kind: String { get }
  /// Address of the whole source.
  var uri: String { get }
  /// Begins the paths of the source's documents and names it in its collection; empty for the folder.
  var key: String { get }

  /// Whether each item says who may read it (``SourceItem/readers``), rather than a policy.
  var tellsReadersByItem: Bool { get }
  /// Who may read what is there, when the source says so itself. Paths in it lack the ``key``.
  func accessPolicy() async throws -> AccessPolicy?
  /// - Parameter cursor: of an earlier listing, all of which was taken in.
  /// - Returns: nil when nothing has changed since.
  /// - Throws: ``RetrievalError`` when the source cannot be read; then nothing is deleted.
  func list(since cursor: String?) async throws -> SourceListing?
  /// Whether the item is what it was when it was known by `stamp`, without fetching it.
  func isUnchanged(_ item: SourceItem, since stamp: String) -> Bool
  /// One result for each of `items`, in their order. One that cannot be read does not stop the others.
  func fetch(_ items: [SourceItem]) async -> [Result<FetchedItem, any Error>]
}

extension Connector {
  public var tellsReadersByItem: Bool { false }
  public func isUnchanged(_ item: SourceItem, since stamp: String) -> Bool { item.stamp == stamp }
}

/// What a source holds at one moment.
public struct SourceListing: Sendable {
  /// In an order that is always the same.
  public var items: [SourceItem]
  public var skipped: [IngestReport.Skipped]
  /// Paths below which could not be looked: what was there before may still be.
  public var unlisted: [String]
  public var warnings: [String]
  /// Names this state of the source, if that can be told from others cheaply.
  public var cursor: String?

  public init(
    items: [SourceItem] = [], skipped: [IngestReport.Skipped] = [], unlisted: [String] = [], warnings: [String] = [],
    cursor: String? = nil
  ) {
    self.items = items
    self.skipped = skipped
    self.unlisted = unlisted
    self.warnings = warnings
    self.cursor = cursor
  }
}

/// Something in a source that may become a document.
public struct SourceItem: Sendable, Hashable {
  /// Path of the document, which begins with the connector's key.
  public var path: String
  /// How the connector finds it again: a relative path, a blob, a URL, a row's key.
  public var locator: String
  /// Equal as long as the item is; nil when only fetching tells.
  public var stamp: String?
  /// About how much there is to read, for the time left.
  public var byteCount: Int
  /// Who may read it, from a connector that ``Connector/tellsReadersByItem``.
  public var readers: [Reader]?
  /// What ``stamp`` or ``SourceContent/stamp`` was when the item was taken in; set by the ingest.
  public var knownStamp: String?

  public init(path: String, locator: String, stamp: String?, byteCount: Int = 0) {
    self.path = path
    self.locator = locator
    self.stamp = stamp
    self.byteCount = byteCount
  }
}

/// What fetching an item gave.
public enum FetchedItem: Sendable {
  case content(SourceContent)
  /// The source says itself that it is as it was.
  case unchanged(stamp: String?)
  /// It is not there any more.
  case gone
}

/// An item's bytes, and what its source says about them.
public struct SourceContent: Sendable {
  public var bytes: [UInt8]
  public var format: DocumentFormat
  /// Of exactly these bytes; nil when they may change without it changing.
  public var stamp: String?
  /// Address of these bytes.
  public var origin: String
  /// What the source calls this version.
  public var sourceVersion: String?
  public var modifiedAt: Date
  /// Facts that the bytes do not hold, such as the other columns of a row.
  public var metadata: JSONObject

  public init(
    bytes: [UInt8], format: DocumentFormat, stamp: String?, origin: String, sourceVersion: String? = nil,
    modifiedAt: Date, metadata: JSONObject = [:]
  ) {
    self.bytes = bytes
    self.format = format
    self.stamp = stamp
    self.origin = origin
    self.sourceVersion = sourceVersion
    self.modifiedAt = modifiedAt
    self.metadata = metadata
  }
}
