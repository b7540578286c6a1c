// Owns the records of ingested documents and the protocol of the store that keeps them. Knows nothing about SQL.
import Foundation

/// One version of one document, as the store keeps it.
public struct DocumentRecord: Sendable, Hashable {
  public var collection: String
  /// Path relative to the ingested folder, with `/`.
  public var path: String
  /// From 1, one more for each change of content.
  public var version: Int
  /// Lower-case hexadecimal SHA-256 of the file's bytes.
  public var contentHash: String
  public var byteCount: Int
  public var mediaType: String
  public var title: String
  public var readers: [Reader]
  public var modifiedAt: Date
  public var ingestedAt: Date
  public var chunkCount: Int

  public init(
    collection: String, path: String, version: Int, contentHash: String, byteCount: Int, mediaType: String,
    title: String, readers: [Reader], modifiedAt: Date, ingestedAt: Date, chunkCount: Int = 0
  ) {
    self.collection = collection
    self.path = path
    self.version = version
    self.contentHash = contentHash
    self.byteCount = byteCount
    self.mediaType = mediaType
    self.title = title
    self.readers = readers
    self.modifiedAt = modifiedAt
    self.ingestedAt = ingestedAt
    self.chunkCount = chunkCount
  }
}

/// A piece of a document version that is searched as one.
public struct ChunkRecord: Sendable, Hashable {
  /// Given by the store, never used twice; 0 before that.
  public var id: Int64
  public var collection: String
  public var document: String
  public var version: Int
  /// Position in the document, from 0.
  public var ordinal: Int
  /// UTF-8 byte range in the version's canonical text.
  public var range: Range<Int>
  public var text: String
  public var headingPath: [String]
  public var page: Int?
  /// Normalized; nil when there was no embedder.
  public var embedding: [Float]?

  public init(
    id: Int64 = 0, collection: String, document: String, version: Int, ordinal: Int, range: Range<Int>, text: String,
    headingPath: [String] = [], page: Int? = nil, embedding: [Float]? = nil
  ) {
    self.id = id
    self.collection = collection
    self.document = document
    self.version = version
    self.ordinal = ordinal
    self.range = range
    self.text = text
    self.headingPath = headingPath
    self.page = page
    self.embedding = embedding
  }
}

/// Durable documents. Each mutating call is one transaction: all of it is on disk when it returns, or nothing is.
public protocol DocumentStore: Sendable {
  /// Current version of each document, by path. Deleted ones are absent.
  func documents(in collection: String) async throws -> [DocumentRecord]
  /// The current version, or the one numbered `version`, if it exists.
  func document(_ path: String, version: Int?, in collection: String) async throws -> DocumentRecord?
  /// Canonical text of a version.
  func text(of path: String, version: Int, in collection: String) async throws -> String?
  /// Chunks of all current versions, in id order.
  func chunks(in collection: String) async throws -> [ChunkRecord]
  func chunks(ids: [Int64]) async throws -> [ChunkRecord]

  /// Adds `record` as the newest version with its chunks and makes the previous one history.
  /// - Returns: the chunks with their ids, and the ids of the chunks that stopped being current.
  func save(_ record: DocumentRecord, text: String, chunks: [ChunkRecord], embedder: String?) async throws
    -> (added: [ChunkRecord], removed: [Int64])
  /// Changes who may read without a new version.
  func setReaders(_ readers: [Reader], of path: String, in collection: String) async throws
  /// Makes the document, all its versions, text and chunks disappear.
  /// - Returns: ids of the chunks that stopped being current.
  func delete(_ path: String, in collection: String) async throws -> [Int64]

  /// Embeddings computed earlier by `embedder`, by SHA-256 of the embedded text.
  func cachedEmbeddings(_ textHashes: [String], embedder: String) async throws -> [String: [Float]]
  func cacheEmbeddings(_ embeddings: [String: [Float]], embedder: String) async throws

  /// Replaces the members of all groups of a collection, as its ACL file says.
  func setGroups(_ groups: [String: [String]], in collection: String) async throws
  /// Group name → users.
  func groups(in collection: String) async throws -> [String: [String]]
  /// Small durable settings of a collection, such as the folder it came from.
  func setting(_ key: String, in collection: String) async throws -> String?
  func setSetting(_ key: String, to value: String?, in collection: String) async throws
}
