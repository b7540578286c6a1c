// Owns how a process that keeps an index in memory follows changes that another process makes to the store.

/// What happened to a collection after some moment.
public struct StoreChanges: Sendable, Hashable {
  /// The moment up to which this tells; hand it to the next call.
  public var token: Int64
  /// Chunks that are current now and were not then.
  public var added: [ChunkRecord]
  /// Chunks that stopped being current, those too that were added after that moment: whoever follows may have learnt
  /// of them in between.
  public var removed: [Int64]
  /// Chunks that were current then, are now, and have got their vector in between.
  public var embedded: [ChunkRecord]
  /// Whether all vectors are by another embedder now: read the whole collection again.
  public var embedderChanged: Bool
  /// New readers of documents that are still there, by path.
  public var readers: [String: [Reader]]
  /// Whether group membership may have changed.
  public var groupsChanged: Bool

  public init(
    token: Int64, added: [ChunkRecord] = [], removed: [Int64] = [], readers: [String: [Reader]] = [:],
    groupsChanged: Bool = false, embedded: [ChunkRecord] = [], embedderChanged: Bool = false
  ) {
    self.token = token
    self.added = added
    self.removed = removed
    self.embedded = embedded
    self.embedderChanged = embedderChanged
    self.readers = readers
    self.groupsChanged = groupsChanged
  }
}

/// A store that remembers what changed. Tokens grow with each change and survive restarts.
public protocol ChangeFeed: Sendable {
  /// Cheap enough to ask before each search. 0 for a collection that nobody has written to.
  func changeToken(in collection: String) async throws -> Int64
  /// - Returns: nil when `token` is too old for the feed: read the whole collection again, after taking a new token.
  func changes(since token: Int64, in collection: String) async throws -> StoreChanges?
}
