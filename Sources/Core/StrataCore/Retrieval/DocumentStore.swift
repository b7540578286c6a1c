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
  /// Typed facts about the version: front matter, document properties, columns of its row. Filterable.
  public var metadata: JSONObject
  /// Where it came from and how it was made.
  public var provenance: Provenance

  public init(
    collection: String, path: String, version: Int, contentHash: String, byteCount: Int, mediaType: String,
    title: String, readers: [Reader], modifiedAt: Date, ingestedAt: Date, chunkCount: Int = 0,
    metadata: JSONObject = [:], provenance: Provenance = Provenance()
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
    self.metadata = metadata
    self.provenance = provenance
  }
}

/// Where a document version came from, and what made it searchable.
public struct Provenance: Sendable, Hashable {
  /// Key of the source that the document belongs to (``SourceRecord/key``); nil when it was handed in.
  public var source: String?
  /// Address of exactly these bytes, such as `file:///docs/a.md` or `git+file:///repo@COMMIT#a.md`.
  public var origin: String
  /// What the source calls this version: a commit, an entity tag, the value of a column.
  public var sourceVersion: String?
  /// Tells the item from itself at another time without reading it; nil when only reading it tells.
  public var stamp: String?
  /// Loader and chunker with their revisions and settings.
  public var pipeline: String

  public init(
    source: String? = nil, origin: String = "", sourceVersion: String? = nil, stamp: String? = nil,
    pipeline: String = ""
  ) {
    self.source = source
    self.origin = origin
    self.sourceVersion = sourceVersion
    self.stamp = stamp
    self.pipeline = pipeline
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
  /// Normalized, by the collection's embedder; nil while nobody has embedded the chunk.
  public var embedding: [Float]?
  /// SHA-256 of what is embedded of it (title, headings and text); equal ones share a vector. Nil is never embedded.
  public var inputHash: String?

  public init(
    id: Int64 = 0, collection: String, document: String, version: Int, ordinal: Int, range: Range<Int>, text: String,
    headingPath: [String] = [], page: Int? = nil, embedding: [Float]? = nil, inputHash: String? = nil
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
    self.inputHash = inputHash
  }
}

/// A document version that is to be saved.
public struct NewVersion: Sendable {
  public var record: DocumentRecord
  /// Canonical text.
  public var text: String
  public var chunks: [ChunkRecord]

  public init(_ record: DocumentRecord, text: String, chunks: [ChunkRecord]) {
    self.record = record
    self.text = text
    self.chunks = chunks
  }
}

/// Durable documents. Each mutating call is one transaction: all of it is on disk when it returns, or nothing is.
public protocol DocumentStore: EmbeddingQueue {
  /// Current version of each document, by path. Deleted ones are absent.
  func documents(in collection: String) async throws -> [DocumentRecord]
  /// The current versions of those of `paths` that exist.
  func documents(_ paths: [String], in collection: String) async throws -> [DocumentRecord]
  /// The current version, or the one numbered `version`, if it exists.
  func document(_ path: String, version: Int?, in collection: String) async throws -> DocumentRecord?
  /// Canonical text of a version.
  func text(of path: String, version: Int, in collection: String) async throws -> String?
  /// Chunks of all current versions, in id order.
  func chunks(in collection: String) async throws -> [ChunkRecord]
  func chunks(ids: [Int64]) async throws -> [ChunkRecord]
  /// Chunks of one version, which need not be current, in the order of the text.
  func chunks(of path: String, version: Int, in collection: String) async throws -> [ChunkRecord]
  /// Ids of the chunks of all current versions, rising.
  func chunkIDs(in collection: String) async throws -> [Int64]

  /// Adds each as the newest version of its document, in one transaction, and makes the previous one history.
  /// - Parameter embedder: made the vectors that chunks bring along; it becomes the collection's if that has none.
  ///   A chunk without a vector gets the one that its ``ChunkRecord/inputHash`` has in the cache, or is queued.
  /// - Returns: for each the chunks with their ids, and the ids of the chunks that stopped being current.
  func save(_ versions: [NewVersion], embedder: String?) async throws -> [(added: [ChunkRecord], removed: [Int64])]
  /// Notes what tells items from themselves at another time, by path, without a new version.
  func setStamps(_ stamps: [String: String], in collection: String) async throws
  /// Changes who may read without a new version.
  func setReaders(_ readers: [Reader], of path: String, in collection: String) async throws
  /// Makes the document, all its versions, text and chunks disappear.
  /// - Returns: ids of the chunks that stopped being current.
  func delete(_ path: String, in collection: String) async throws -> [Int64]

  /// Where the collection's documents come from, by key.
  func sources(in collection: String) async throws -> [SourceRecord]
  /// Adds the source, or replaces the one with its key.
  func setSource(_ source: SourceRecord, in collection: String) async throws
  /// Makes a source disappear with all documents that came from it, in one transaction.
  /// - Returns: the paths of those documents; nil when there is no source with that key.
  func deleteSource(_ key: String, in collection: String) async throws -> [String]?

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

extension DocumentStore {
  /// Saves one version.
  public func save(
    _ record: DocumentRecord, text: String, chunks: [ChunkRecord], embedder: String?
  ) async throws -> (added: [ChunkRecord], removed: [Int64]) {
    try await save([NewVersion(record, text: text, chunks: chunks)], embedder: embedder).first ?? ([], [])
  }
}
