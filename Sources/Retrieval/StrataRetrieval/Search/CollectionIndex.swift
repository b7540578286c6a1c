// Owns the index of one collection and keeps it as the store is, whoever changes the store. Knows nothing about queries
// or files.
import StrataCore
import StrataIndex

/// The searchable form of a collection. What the ingest of this process does arrives at once; what another process did
/// arrives with ``refresh()``, if the store has a change feed.
///
/// The store is the truth: every change here is one that the store has made already, and applying it twice changes
/// nothing.
public actor CollectionIndex {
  public nonisolated let index: HybridIndex
  public nonisolated let collection: String
  private let store: any DocumentStore
  private var documentsByChunk: [Int64: String] = [:]
  private var chunksByDocument: [String: Set<Int64>] = [:]
  private var token: Int64 = 0
  private var isLoaded = false
  /// The embedder whose vectors belong here; nil takes those of the right length.
  private let embedder: String?
  /// False from when the collection has another embedder: its vectors mean nothing beside those that are here.
  private var takesVectors = true

  /// - Parameters:
  ///   - dimension: of the embedder's vectors; nil searches by words only.
  ///   - embedder: its identity.
  public init(store: any DocumentStore, dimension: Int?, embedder: String? = nil, collection: String = "default") {
    self.store = store
    self.embedder = embedder
    self.collection = collection
    index = HybridIndex(dimension: dimension)
  }

  public var chunkCount: Int { documentsByChunk.count }

  /// Makes the index equal to the store, reading all of it.
  public func load() async throws {
    // The token first: what happens while we read will be told again, which does no harm.
    let token = try await (store as? any ChangeFeed)?.changeToken(in: collection) ?? 0
    if let embedder, let current = try await store.embedders(of: collection).current, current != embedder {
      takesVectors = false
    }
    let records = try await recordsByPath()
    let chunks = try await store.chunks(in: collection)
    let known = Set(documentsByChunk.keys)
    let present = Set(chunks.map(\.id))
    try add(chunks, of: records, removing: Array(known.subtracting(present)))
    self.token = max(self.token, token)
    isLoaded = true
  }

  /// Applies what happened to the store since the last time.
  public func refresh() async throws {
    guard isLoaded else { return try await load() }
    guard let feed = store as? any ChangeFeed else { return }
    guard try await feed.changeToken(in: collection) != token else { return }
    guard let changes = try await feed.changes(since: token, in: collection) else { return try await load() }
    if changes.embedderChanged { takesVectors = false }
    let fresh = changes.added.filter { documentsByChunk[$0.id] == nil }
    try add(fresh, of: fresh.isEmpty ? [:] : try await recordsByPath(), removing: changes.removed)
    try await embedded(changes.embedded)
    for (document, readers) in changes.readers { setReaders(readers, of: document) }
    token = max(token, changes.token)
  }

  /// After the store has saved versions.
  func saved(_ versions: [(chunks: [ChunkRecord], record: DocumentRecord)], removed: [Int64]) throws {
    let records = Dictionary(versions.map { ($0.record.path, $0.record) }) { $1 }
    try add(versions.flatMap(\.chunks), of: records, removing: removed)
  }

  /// After chunks that are here already have got their vectors.
  func embedded(_ chunks: [ChunkRecord]) async throws {
    guard !chunks.isEmpty, index.dimension != nil, takesVectors else { return }
    var records: [String: DocumentRecord] = [:]
    for document in Set(chunks.map(\.document)) {
      records[document] = try await store.document(document, version: nil, in: collection)
    }
    try add(chunks.filter { documentsByChunk[$0.id] != nil }, of: records, removing: [])
  }

  /// After the store has deleted a document.
  func deleted(_ chunks: [Int64]) throws { try add([], of: [:], removing: chunks) }

  func setReaders(_ readers: [Reader], of document: String) {
    index.setReaders(readers, of: Array(chunksByDocument[document] ?? []))
  }

  private func recordsByPath() async throws -> [String: DocumentRecord] {
    Dictionary(try await store.documents(in: collection).map { ($0.path, $0) }) { $1 }
  }

  private func add(
    _ chunks: [ChunkRecord], of records: [String: DocumentRecord], removing removed: [Int64]
  ) throws {
    var entries: [IndexEntry] = []
    for chunk in chunks {
      guard let record = records[chunk.document], record.version == chunk.version else { continue }
      var chunk = chunk
      // Vectors of another embedder than this index is made for are worth nothing here.
      if chunk.embedding?.count != index.dimension || !takesVectors { chunk.embedding = nil }
      entries.append(IndexEntry(chunk, of: record))
    }
    guard !entries.isEmpty || !removed.isEmpty else { return }
    try index.apply(adding: entries, removing: removed)
    for id in removed {
      if let document = documentsByChunk.removeValue(forKey: id) { chunksByDocument[document]?.remove(id) }
    }
    for entry in entries {
      documentsByChunk[entry.id] = entry.document
      chunksByDocument[entry.document, default: []].insert(entry.id)
    }
  }
}
