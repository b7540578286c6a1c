// Owns what goes into the index and what comes out of a search. Knows nothing about how either is stored.
import Foundation
import StrataCore

/// One chunk as the index takes it.
public struct IndexEntry: Sendable, Hashable {
  /// The chunk's id in the store.
  public var id: Int64
  /// Path of its document, for searches within documents.
  public var document: String
  /// Document title and headings; searched together with `body`.
  public var title: String
  public var body: String
  /// Normalized to length 1, so that a dot product is the cosine. Nil when nobody embedded the chunk.
  public var vector: [Float]?
  /// No readers means nobody.
  public var readers: [Reader]
  /// Typed metadata that searches can filter by.
  public var fields: [String: FieldValue]
  /// What it gives to the entity graph.
  public var entities: ChunkEntities
  /// From when on searches as of a time find the chunk; nil means from now on.
  public var since: Date?

  public init(
    id: Int64, document: String, title: String = "", body: String, vector: [Float]? = nil, readers: [Reader],
    fields: [String: FieldValue] = [:], entities: ChunkEntities = .none, since: Date? = nil
  ) {
    self.id = id
    self.document = document
    self.title = title
    self.body = body
    self.vector = vector
    self.readers = readers
    self.fields = fields
    self.entities = entities
    self.since = since
  }
}

/// A chunk that a search found. Scores compare only within one result list; higher is better.
public struct ScoredChunk: Sendable, Hashable {
  public var id: Int64
  public var score: Float

  public init(id: Int64, score: Float) {
    self.id = id
    self.score = score
  }
}
