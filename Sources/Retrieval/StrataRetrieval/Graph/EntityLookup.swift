// Owns looking at one entity of a collection as a principal may: its passages, its neighbours, what is said of it.
import Foundation
import StrataCore
import StrataIndex

/// An entity with the passages that somebody may read.
public struct EntityDescription: Sendable {
  public struct Passage: Sendable {
    public var chunk: ChunkRecord
    public var title: String
    /// Whether the document is about the entity.
    public var isSubject: Bool
    /// How often the passage has the name.
    public var count: Int
  }

  /// What the readable chunks tell, passages by number.
  public var entity: EntityView
  /// Those about it first, then by count.
  public var passages: [Passage]
}

/// Looks entities up in a collection's index.
public struct EntityLookup: Sendable {
  private let store: any DocumentStore
  private let index: CollectionIndex
  private let gate: AccessGate

  public init(store: any DocumentStore, index: CollectionIndex, gate: AccessGate? = nil) {
    self.store = store
    self.index = index
    self.gate = gate ?? AccessGate(store: store, collection: index.collection)
  }

  /// The entity of a name, however that is written; nil when the principal may read of none.
  ///
  /// - Parameter limit: most passages whose text is read; the entity counts all.
  public func describe(
    _ name: String, as principal: Principal, asOf date: Date? = nil, limit: Int = 20
  ) async throws -> EntityDescription? {
    let (snapshot, access) = try await open(principal, date)
    guard let name = EntityExtractor.name(ofTitle: name),
      let entity = snapshot.entity(name, within: access.readable(in: snapshot))
    else { return nil }
    let best = entity.passages.prefix(max(0, limit))
    var chunks: [Int64: (chunk: ChunkRecord, title: String)] = [:]
    // The store has the last word on what is still there.
    for chunk in try await store.chunks(ids: best.map(\.chunk)) where chunk.collection == index.collection {
      guard let record = try await store.document(chunk.document, version: nil, in: index.collection),
        record.version == chunk.version || date != nil, access.mayRead(record)
      else { continue }
      chunks[chunk.id] = (chunk, record.title)
    }
    return EntityDescription(
      entity: entity,
      passages: best.compactMap { passage in
        chunks[passage.chunk].map {
          EntityDescription.Passage(
            chunk: $0.chunk, title: $0.title, isSubject: passage.role.contains(.subject), count: passage.count)
        }
      })
  }

  /// Names that begin with `prefix` and that the principal may read of, in byte order.
  public func names(prefix: String, as principal: Principal, limit: Int = 20) async throws -> [String] {
    let (snapshot, access) = try await open(principal, nil)
    return snapshot.entityNames(
      prefix: EntityExtractor.name(ofTitle: prefix) ?? prefix.lowercased(), within: access.readable(in: snapshot),
      limit: limit)
  }

  private func open(_ principal: Principal, _ date: Date?) async throws -> (IndexSnapshot, AccessDecision) {
    try await index.refresh()
    let snapshot = try date.map { try index.index.snapshot(asOf: $0) } ?? index.index.snapshot()
    return (snapshot, try await gate.decision(for: principal))
  }
}
