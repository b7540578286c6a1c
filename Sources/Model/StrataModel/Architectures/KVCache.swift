// Owns where the keys and values of one sequence are. Knows nothing about scheduling or who else has its pages.
import StrataCore

/// Keys and values of one sequence in all layers of a model: pages of a ``KVStore``, and how many positions are filled.
///
/// Not safe for use from several threads at once; whoever schedules the sequence owns its cache.
public final class KVCache: @unchecked Sendable {
  // Unchecked: used by one owner at a time, as documented.
  public let store: KVStore
  /// Page `pages[i]` of the store holds positions 16 i ... 16 i + 15. A pass writes the pages of positions from `count`
  /// on: no other cache may have those.
  package var pages: [Int32]
  /// Positions that hold keys and values; the next token gets this position.
  public package(set) var count = 0
  /// Positions that the sequence may have at most, whatever its pages.
  private let limit: Int

  /// A cache that has no pages yet, for one sequence of at most `limit` positions.
  package init(store: KVStore, limit: Int) {
    self.store = store
    self.limit = limit
    pages = []
  }

  /// A cache that has all pages of a store, for `capacity` positions.
  convenience init(owning store: KVStore, capacity: Int) {
    self.init(store: store, limit: capacity)
    pages = Array(0..<Int32(clamping: store.pageCount))
  }

  /// Positions that there are pages for.
  public var capacity: Int { min(limit, pages.count * KVStore.positionsPerPage) }

  /// Bytes of the pages in use.
  public var byteCount: Int { KVStore.pages(for: count) * store.bytesPerPage }

  /// Forgets positions from `newCount` on; does nothing when there are fewer.
  public func truncate(to newCount: Int) {
    count = min(count, max(0, newCount))
  }

  /// Replaces the contents by a copy of the first `prefixCount` positions of `source`, a cache of the same model. For
  /// caches that share no pages.
  /// - Throws: ``ModelError`` `context_overflow` when they do not fit, `invalid_argument` when `source` has fewer
  ///   positions or belongs to a model of another shape or a store of another type.
  public func copyPrefix(from source: KVCache, count prefixCount: Int) throws(ModelError) {
    guard prefixCount <= capacity else {
      throw ModelError(
        ModelError.contextOverflow, "A prefix of \(prefixCount) positions does not fit a cache of \(capacity).",
        remedy: "Make the cache as large as the prompt and the completion.")
    }
    guard source !== self, prefixCount >= 0, prefixCount <= source.count, source.store.shape == store.shape else {
      throw ModelError(
        ModelError.invalidArgument,
        "\(prefixCount) positions cannot be copied from a cache that holds \(source.count).",
        remedy: "Copy between different caches of one model, and no more than the source holds.")
    }
    count = 0
    for index in 0..<KVStore.pages(for: prefixCount) {
      try store.copyPage(source.pages[index], of: source.store, to: pages[index])
    }
    count = prefixCount
  }
}
