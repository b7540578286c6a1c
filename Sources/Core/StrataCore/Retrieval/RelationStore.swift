// Owns the protocol of the store that keeps relation tuples and models. Knows nothing about SQL or evaluation.

/// What happened to the tuples of a collection after some revision.
public struct RelationChanges: Sendable, Hashable {
  /// The revision up to which this tells; hand it to the next call.
  public var revision: Int64
  /// In the order in which they happened; a written tuple replaces one with the same key.
  public var changes: [Change]
  /// The model in force at `revision` when it is another than before; nil when it is the same.
  public var model: Model?

  public enum Change: Sendable, Hashable {
    case written(RelationTuple)
    case deleted(RelationTuple)
  }

  /// A model's text; nil says that the collection has none any more.
  public struct Model: Sendable, Hashable {
    public var text: String?
    public init(text: String?) { self.text = text }
  }

  public init(revision: Int64, changes: [Change] = [], model: Model? = nil) {
    self.revision = revision
    self.changes = changes
    self.model = model
  }
}

/// Everything that permissions of a collection rest on, as of one revision.
public struct RelationState: Sendable, Hashable {
  public var revision: Int64
  public var tuples: [RelationTuple]
  /// Text of the authorization model; nil when documents name their readers themselves.
  public var model: String?

  public init(revision: Int64 = 0, tuples: [RelationTuple] = [], model: String? = nil) {
    self.revision = revision
    self.tuples = tuples
    self.model = model
  }
}

/// Durable tuples. Each writing call is one transaction, and what it returns is the consistency token of Zanzibar (Pang
/// et al. 2019, section 2.2.1: a "zookie"): whoever reads at that revision or later sees the write.
public protocol RelationStore: Sendable {
  /// Grows with each write to the tuples or the model. 0 for a collection that never had any. Cheap enough to ask
  /// before each search.
  func relationRevision(in collection: String) async throws -> Int64
  func relations(in collection: String) async throws -> RelationState
  /// - Returns: nil when `revision` is too old: read everything again.
  func relationChanges(since revision: Int64, in collection: String) async throws -> RelationChanges?

  /// Deletes, then writes, all or nothing. A written tuple replaces one with the same key; deleting an absent one does
  /// nothing.
  /// - Parameters:
  ///   - present: tuples that must be there before.
  ///   - absent: tuples that must not.
  ///   - revision: when given, the revision that the caller has seen; the write fails if somebody has written since.
  /// - Returns: the new revision; the old one when nothing changes.
  /// - Throws: an error of kind `conflict` when a precondition does not hold; then nothing has changed.
  func changeRelations(
    writing: [RelationTuple], deleting: [RelationTuple], ifPresent present: [RelationTuple],
    ifAbsent absent: [RelationTuple], ifRevision revision: Int64?, in collection: String
  ) async throws -> Int64
  /// Paths of all documents of the collection, from which folders follow.
  func documentPaths(in collection: String) async throws -> [String]
  /// Puts a model in force; nil takes it away.
  /// - Returns: the new revision.
  func setAuthorizationModel(_ text: String?, in collection: String) async throws -> Int64
}

extension RelationStore {
  /// - Returns: the revision at which the tuples are there.
  @discardableResult
  public func writeRelations(_ tuples: [RelationTuple], in collection: String) async throws -> Int64 {
    try await changeRelations(
      writing: tuples, deleting: [], ifPresent: [], ifAbsent: [], ifRevision: nil, in: collection)
  }

  /// - Returns: the revision from which on the tuples count no more.
  @discardableResult
  public func deleteRelations(_ tuples: [RelationTuple], in collection: String) async throws -> Int64 {
    try await changeRelations(
      writing: [], deleting: tuples, ifPresent: [], ifAbsent: [], ifRevision: nil, in: collection)
  }
}
