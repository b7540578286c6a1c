// Owns the protocol of the durable queue between chunks and their vectors. Knows nothing about models.

/// A text that waits for its vector.
public struct PendingEmbedding: Sendable, Hashable {
  /// ``ChunkRecord/inputHash`` of every chunk that waits for it.
  public var inputHash: String
  /// One of the documents it is part of.
  public var document: String
  public var title: String
  public var headingPath: [String]
  public var text: String

  public init(inputHash: String, document: String, title: String, headingPath: [String], text: String) {
    self.inputHash = inputHash
    self.document = document
    self.title = title
    self.headingPath = headingPath
    self.text = text
  }
}

/// Whose vectors a collection is searched with, and whose are being made to take their place.
public struct CollectionEmbedders: Sendable, Hashable {
  public var current: String?
  public var next: String?

  public init(current: String? = nil, next: String? = nil) {
    self.current = current
    self.next = next
  }
}

/// Texts of chunks that have no vector yet, by embedder. What is queued and what is cached survives a crash; a vector is
/// stored once for all chunks with the same text.
public protocol EmbeddingQueue: Sendable {
  func embedders(of collection: String) async throws -> CollectionEmbedders
  /// Makes `embedder` the collection's if it has none; else queues every current chunk for it, while searches go on with
  /// the vectors of the present one. Repeating the call changes nothing. The present one given again ends what was begun.
  func prepare(embedder: String, in collection: String) async throws
  /// Texts that wait, oldest first, each once.
  func pendingEmbeddings(for embedder: String, in collection: String, limit: Int) async throws -> [PendingEmbedding]
  /// Chunks that wait.
  func pendingEmbeddingCount(for embedder: String, in collection: String) async throws -> Int
  /// Stores vectors and takes their texts off the queue; texts in `failures` stay aside until ``retryEmbeddings(in:)``.
  /// - Returns: the current chunks that have got a vector to be searched by.
  func finishEmbeddings(
    _ vectors: [String: [Float]], failures: [String: String], embedder: String, in collection: String
  ) async throws -> [ChunkRecord]
  /// Queues failed texts again, unless they have failed three times.
  func retryEmbeddings(in collection: String) async throws
  /// Makes the next embedder the current one, at once for every search that begins later, and forgets the vectors of the
  /// one before.
  /// - Returns: false, and nothing has changed, when chunks still wait or there is no next embedder.
  func switchEmbedder(in collection: String) async throws -> Bool
}
