// Owns how the chunks of a collection become entries of its index. Knows nothing about the index itself.
import Foundation
import StrataCore
import StrataIndex

/// The current chunks of a collection's documents.
actor DocumentSource: IndexSource {
  private let store: any DocumentStore
  private let collection: String
  private let dimension: Int?
  /// The embedder whose vectors belong here; nil takes those of the right length.
  private let embedder: String?
  /// False from when the collection has another embedder: its vectors mean nothing beside those that are here.
  private var takesVectors = true
  /// How entities are found; nil until the store has been asked.
  private var extraction: GraphExtraction?

  init(
    _ store: any DocumentStore, collection: String, dimension: Int?, embedder: String?,
    extraction: GraphExtraction? = nil
  ) {
    self.store = store
    self.collection = collection
    self.dimension = dimension
    self.embedder = embedder
    self.extraction = extraction
  }

  func token() async throws -> Int64? { try await (store as? any ChangeFeed)?.changeToken(in: collection) }

  func changes(since token: Int64) async throws -> IndexChanges? {
    guard let changes = try await (store as? any ChangeFeed)?.changes(since: token, in: collection) else { return nil }
    if changes.embedderChanged { takesVectors = false }
    // Chunks are told again when they get their vectors, or a model has read them.
    let chunks = changes.added + (takesVectors ? changes.embedded : [])
    return IndexChanges(
      token: changes.token, entries: try await entries(chunks), removed: changes.removed, readers: changes.readers)
  }

  func ids() async throws -> [Int64] {
    if let embedder, let current = try await store.embedders(of: collection).current, current != embedder {
      takesVectors = false
    }
    return try await store.chunkIDs(in: collection)
  }

  func entries(_ ids: [Int64]) async throws -> [IndexEntry] { try await entries(try await store.chunks(ids: ids)) }

  private func entries(_ chunks: [ChunkRecord]) async throws -> [IndexEntry] {
    let records = try await records(Set(chunks.map(\.document)))
    let extraction = try await graphExtraction()
    var answers: [String: JSON] = [:]
    if case .model(let identity) = extraction, let cache = store as? any ExtractionCache {
      answers = try await cache.cachedExtractions(chunks.compactMap(\.inputHash), extractor: identity)
    }
    return chunks.compactMap { chunk in
      guard let record = records[chunk.document], record.version == chunk.version else { return nil }
      var chunk = chunk
      // Vectors of another embedder than this index is made for are worth nothing here.
      if chunk.embedding?.count != dimension || !takesVectors { chunk.embedding = nil }
      var entry = IndexEntry(chunk, of: record)
      if extraction != .off {
        let answer = chunk.inputHash.flatMap { answers[$0] }
        entry.entities =
          answer.map { ChunkEntities(answer: $0, text: chunk.text, title: record.title) }
          ?? EntityExtractor().entities(in: chunk.text, title: record.title)
      }
      return entry
    }
  }

  private func records(_ paths: Set<String>) async throws -> [String: DocumentRecord] {
    let records = try await store.documents(Array(paths), in: collection)
    return Dictionary(records.map { ($0.path, $0) }) { $1 }
  }

  /// A chunk that was replaced went when its document's new version came.
  func removalTimes(_ documents: [Int64: String]) async throws -> [Int64: Date] {
    let records = try await records(Set(documents.values))
    return documents.compactMapValues { records[$0]?.ingestedAt }
  }

  func graphExtraction() async throws -> GraphExtraction {
    if let extraction { return extraction }
    let chosen = try await GraphExtraction.chosen(for: collection, in: store)
    extraction = chosen
    return chosen
  }

  nonisolated func name(_ id: Int64, document: String?) -> String {
    "Chunk \(id)" + (document.map { " of \($0)" } ?? "")
  }
}
