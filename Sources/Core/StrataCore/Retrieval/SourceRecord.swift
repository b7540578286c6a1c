// Owns the record of a place that documents come from. Knows nothing about how it is read.
import Foundation

/// A source that a collection follows: a folder, a repository, a site, a table.
public struct SourceRecord: Sendable, Hashable {
  /// Names the source within its collection, and begins the paths of its documents; empty for the folder.
  public var key: String
  /// Which connector reads it: `folder`, `git`, `sitemap`, `sql`.
  public var connector: String
  public var uri: String
  /// How far it was read, in the connector's own words; nil when the next run has to look at everything.
  public var cursor: String?
  /// When it was last read to its end.
  public var completedAt: Date?

  public init(key: String, connector: String, uri: String, cursor: String? = nil, completedAt: Date? = nil) {
    self.key = key
    self.connector = connector
    self.uri = uri
    self.cursor = cursor
    self.completedAt = completedAt
  }
}
