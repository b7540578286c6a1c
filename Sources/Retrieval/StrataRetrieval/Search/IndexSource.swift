// Owns what an index wants to know of that whose searchable form it is. Knows nothing about documents or memories.
import Foundation
import StrataCore
import StrataIndex

/// What happened to a source after some moment.
package struct IndexChanges: Sendable {
  /// The moment up to which this tells.
  package var token: Int64
  /// What is new or different.
  package var entries: [IndexEntry]
  package var removed: [Int64]
  /// New readers of all entries of a document, by its path.
  package var readers: [String: [Reader]] = [:]

  package init(token: Int64, entries: [IndexEntry], removed: [Int64], readers: [String: [Reader]] = [:]) {
    self.token = token
    self.entries = entries
    self.removed = removed
    self.readers = readers
  }
}

/// A part of the store that a ``CollectionIndex`` follows: the documents of a collection, or the memory of a tenant.
package protocol IndexSource: Sendable {
  /// Grows with each change; nil for a source that does not tell what changed, so that all of it is read.
  func token() async throws -> Int64?
  /// - Returns: nil when `token` is too old.
  func changes(since token: Int64) async throws -> IndexChanges?
  /// The ids of all entries, before they are all read.
  func ids() async throws -> [Int64]
  /// Those that are there.
  func entries(_ ids: [Int64]) async throws -> [IndexEntry]
  /// When entries went, by id, where the source knows better than "now".
  /// - Parameter documents: of each entry, its document.
  func removalTimes(_ documents: [Int64: String]) async throws -> [Int64: Date]
  /// How the entities of questions are found.
  func graphExtraction() async throws -> GraphExtraction
  /// What people know the entry by.
  func name(_ id: Int64, document: String?) -> String
}

extension IndexSource {
  package func removalTimes(_ documents: [Int64: String]) async throws -> [Int64: Date] { [:] }
  package func graphExtraction() async throws -> GraphExtraction { .off }
}
