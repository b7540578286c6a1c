// Owns documents without a disk, for tests of everything that reads or writes them.
import StrataCore

/// A ``DocumentStore`` in memory that behaves like the durable one, and can be told to fail.
public actor InMemoryDocumentStore: DocumentStore, ChangeFeed, ExtractionCache {
  private struct Version {
    var record: DocumentRecord
    var text: String
    var chunks: [ChunkRecord]
  }

  private struct Collection {
    var versions: [String: [Version]] = [:]
    var groups: [String: [String]] = [:]
    var settings: [String: String] = [:]
    var changes: [Change] = []
    var sources: [String: SourceRecord] = [:]
    var embedders = CollectionEmbedders()
    /// Input hashes that wait, by embedder, oldest first; and why those that failed did.
    var queue: [String: [String]] = [:]
    var failures: [String: [String: String]] = [:]
  }

  private struct Change {
    var path: String?
    var added: [Int64] = []
    var removed: [Int64] = []
    var embedded: [Int64] = []
    var isOtherEmbedder = false
  }

  private var collections: [String: Collection] = [:]
  var relationTables: [String: InMemoryRelations] = [:]
  private var embeddings: [String: [String: [Float]]] = [:]
  private var extractions: [String: [String: JSON]] = [:]
  private var nextID: Int64 = 1
  /// Thrown by the next mutating calls, from the one after so many.
  private var failure: (after: Int, error: any Error)?
  public private(set) var saveCount = 0
  /// While true, the change feed says that nothing happens.
  private var isFeedMuted = false

  public init() {}

  /// Lets `count` more documents be saved, then throws `error` at each.
  public func fail(afterSaves count: Int, with error: any Error) { failure = (saveCount + count, error) }
  public func recover() { failure = nil }
  public func muteFeed() { isFeedMuted = true }

  public func documents(in collection: String) -> [DocumentRecord] {
    (collections[collection]?.versions ?? [:]).values.compactMap(\.last?.record).sorted { $0.path < $1.path }
  }

  public func documents(_ paths: [String], in collection: String) -> [DocumentRecord] {
    paths.compactMap { document($0, version: nil, in: collection) }
  }

  public func document(_ path: String, version: Int?, in collection: String) -> DocumentRecord? {
    let versions = collections[collection]?.versions[path] ?? []
    guard let version else { return versions.last?.record }
    return versions.first { $0.record.version == version }?.record
  }

  public func text(of path: String, version: Int, in collection: String) -> String? {
    collections[collection]?.versions[path]?.first { $0.record.version == version }?.text
  }

  public func chunks(in collection: String) -> [ChunkRecord] {
    currentChunks(collection).map { withVector($0, collection) }
  }

  private func currentChunks(_ collection: String) -> [ChunkRecord] {
    (collections[collection]?.versions ?? [:]).values.compactMap(\.last).flatMap(\.chunks).sorted { $0.id < $1.id }
  }

  private func withVector(_ chunk: ChunkRecord, _ collection: String) -> ChunkRecord {
    var chunk = chunk
    if let hash = chunk.inputHash, let embedder = collections[collection]?.embedders.current {
      chunk.embedding = embeddings[embedder]?[hash]
    }
    return chunk
  }

  public func chunkIDs(in collection: String) -> [Int64] { chunks(in: collection).map(\.id) }

  public func chunks(of path: String, version: Int, in collection: String) -> [ChunkRecord] {
    let versions = collections[collection]?.versions[path] ?? []
    return versions.first { $0.record.version == version }?.chunks.sorted { $0.ordinal < $1.ordinal } ?? []
  }

  public func chunks(ids: [Int64]) -> [ChunkRecord] {
    let wanted = Set(ids)
    return collections.flatMap { name, collection in
      collection.versions.values.flatMap { $0.flatMap(\.chunks) }.filter { wanted.contains($0.id) }
        .map { withVector($0, name) }
    }.sorted { $0.id < $1.id }
  }

  public func save(
    _ versions: [NewVersion], embedder: String?
  ) throws -> [(added: [ChunkRecord], removed: [Int64])] {
    // Unlike a database this keeps what was saved before a failure: as if each version had its own transaction.
    try versions.map { try save($0, embedder: embedder) }
  }

  private func save(_ version: NewVersion, embedder: String?) throws -> (added: [ChunkRecord], removed: [Int64]) {
    if let failure, saveCount >= failure.after { throw failure.error }
    saveCount += 1
    let record = version.record
    let name = record.collection
    let removed = collections[name]?.versions[record.path]?.last?.chunks.map(\.id) ?? []
    if let embedder, collections[name]?.embedders.current == nil {
      collections[name, default: Collection()].embedders.current = embedder
    }
    let added = version.chunks.map { chunk in
      var chunk = chunk
      chunk.id = nextID
      nextID += 1
      if let vector = chunk.embedding {
        chunk.inputHash = chunk.inputHash ?? SHA256.hash(chunk.text)
        if let embedder, let hash = chunk.inputHash { embeddings[embedder, default: [:]][hash] = vector }
      }
      chunk.embedding = nil
      return chunk
    }
    collections[name, default: Collection()].versions[record.path, default: []]
      .append(Version(record: record, text: version.text, chunks: added))
    for embedder in [collections[name]?.embedders.current, collections[name]?.embedders.next] {
      if let embedder { enqueue(added.compactMap(\.inputHash), embedder, name) }
    }
    log(Change(path: record.path, added: added.map(\.id), removed: removed), in: name)
    return (added.map { withVector($0, name) }, removed)
  }

  public func setStamps(_ stamps: [String: String], in collection: String) {
    for (path, stamp) in stamps {
      guard let last = collections[collection]?.versions[path]?.indices.last else { continue }
      collections[collection]?.versions[path]?[last].record.provenance.stamp = stamp
    }
  }

  public func sources(in collection: String) -> [SourceRecord] {
    (collections[collection]?.sources ?? [:]).values.sorted { $0.key < $1.key }
  }

  public func setSource(_ source: SourceRecord, in collection: String) {
    collections[collection, default: Collection()].sources[source.key] = source
  }

  public func deleteSource(_ key: String, in collection: String) -> [String]? {
    guard collections[collection]?.sources.removeValue(forKey: key) != nil else { return nil }
    let paths = documents(in: collection).filter { $0.provenance.source == key }.map(\.path)
    for path in paths { _ = delete(path, in: collection) }
    return paths
  }

  public func setReaders(_ readers: [Reader], of path: String, in collection: String) {
    guard let count = collections[collection]?.versions[path]?.count else { return }
    for index in 0..<count { collections[collection]?.versions[path]?[index].record.readers = readers }
    log(Change(path: path), in: collection)
  }

  public func delete(_ path: String, in collection: String) -> [Int64] {
    let removed = collections[collection]?.versions.removeValue(forKey: path)?.last?.chunks.map(\.id) ?? []
    log(Change(removed: removed), in: collection)
    return removed
  }

  public func cachedEmbeddings(_ textHashes: [String], embedder: String) -> [String: [Float]] {
    let known = embeddings[embedder] ?? [:]
    return Dictionary(textHashes.compactMap { hash in known[hash].map { (hash, $0) } }) { $1 }
  }

  public func cacheEmbeddings(_ embeddings: [String: [Float]], embedder: String) {
    self.embeddings[embedder, default: [:]].merge(embeddings) { $1 }
  }

  public func cachedExtractions(_ textHashes: [String], extractor: String) -> [String: JSON] {
    let known = extractions[extractor] ?? [:]
    return Dictionary(textHashes.compactMap { hash in known[hash].map { (hash, $0) } }) { $1 }
  }

  public func cacheExtractions(_ extractions: [String: JSON], extractor: String, in collection: String) {
    self.extractions[extractor, default: [:]].merge(extractions) { $1 }
    let chunks = currentChunks(collection).filter { $0.inputHash.map { extractions[$0] != nil } ?? false }
    log(Change(embedded: chunks.map(\.id)), in: collection)
  }

  // MARK: The embedding queue

  private func enqueue(_ hashes: [String], _ embedder: String, _ collection: String) {
    var waiting = Set(collections[collection]?.queue[embedder] ?? [])
    for hash in hashes where embeddings[embedder]?[hash] == nil && waiting.insert(hash).inserted {
      collections[collection]?.queue[embedder, default: []].append(hash)
    }
  }

  public func embedders(of collection: String) -> CollectionEmbedders {
    collections[collection]?.embedders ?? CollectionEmbedders()
  }

  public func prepare(embedder: String, in collection: String) {
    let known = embedders(of: collection)
    if let next = known.next, next != embedder { collections[collection]?.queue[next] = nil }
    if known.current == nil {
      collections[collection, default: Collection()].embedders.current = embedder
    } else {
      collections[collection]?.embedders.next = known.current == embedder ? nil : embedder
    }
    enqueue(currentChunks(collection).compactMap(\.inputHash), embedder, collection)
  }

  public func pendingEmbeddings(for embedder: String, in collection: String, limit: Int) -> [PendingEmbedding] {
    let current = currentChunks(collection)
    let failed = collections[collection]?.failures[embedder] ?? [:]
    return (collections[collection]?.queue[embedder] ?? []).lazy.filter { failed[$0] == nil }.compactMap { hash in
      current.first { $0.inputHash == hash }.map { chunk in
        PendingEmbedding(
          inputHash: hash, document: chunk.document,
          title: self.document(chunk.document, version: nil, in: collection)?.title ?? "",
          headingPath: chunk.headingPath,
          text: chunk.text)
      }
    }.prefix(limit).map { $0 }
  }

  public func pendingEmbeddingCount(for embedder: String, in collection: String) -> Int {
    pendingEmbeddings(for: embedder, in: collection, limit: .max).count
  }

  public func finishEmbeddings(
    _ vectors: [String: [Float]], failures: [String: String], embedder: String, in collection: String
  ) -> [ChunkRecord] {
    cacheEmbeddings(vectors, embedder: embedder)
    let served = Set(collections[collection]?.queue[embedder] ?? []).intersection(vectors.keys)
    collections[collection]?.queue[embedder]?.removeAll { served.contains($0) }
    collections[collection]?.failures[embedder, default: [:]].merge(failures) { $1 }
    guard embedders(of: collection).current == embedder else { return [] }
    let chunks = chunks(in: collection).filter { $0.inputHash.map(served.contains) ?? false }
    log(Change(embedded: chunks.map(\.id)), in: collection)
    return chunks
  }

  public func retryEmbeddings(in collection: String) { collections[collection]?.failures = [:] }

  public func switchEmbedder(in collection: String) -> Bool {
    guard let old = embedders(of: collection).current, let next = embedders(of: collection).next,
      pendingEmbeddingCount(for: next, in: collection) == 0
    else { return false }
    collections[collection]?.embedders = CollectionEmbedders(current: next)
    collections[collection]?.queue[old] = nil
    log(Change(isOtherEmbedder: true), in: collection)
    return true
  }

  public func setGroups(_ groups: [String: [String]], in collection: String) {
    collections[collection, default: Collection()].groups = groups
    log(Change(), in: collection)
  }

  public func groups(in collection: String) -> [String: [String]] { collections[collection]?.groups ?? [:] }
  public func setting(_ key: String, in collection: String) -> String? { collections[collection]?.settings[key] }
  public func setSetting(_ key: String, to value: String?, in collection: String) {
    collections[collection, default: Collection()].settings[key] = value
  }

  // MARK: Changes

  private func log(_ change: Change, in collection: String) {
    if !isFeedMuted { collections[collection]?.changes.append(change) }
  }

  public func changeToken(in collection: String) -> Int64 { Int64(collections[collection]?.changes.count ?? 0) }

  public func changes(since token: Int64, in collection: String) -> StoreChanges? {
    let all = collections[collection]?.changes ?? []
    guard token >= 0, token <= all.count else { return nil }
    var changes = StoreChanges(token: Int64(all.count), groupsChanged: true)
    let current = Set(currentChunks(collection).map(\.id))
    for change in all[Int(token)...] {
      changes.removed += change.removed
      changes.embedderChanged = changes.embedderChanged || change.isOtherEmbedder
      changes.embedded += chunks(ids: change.embedded.filter(current.contains))
      changes.added += chunks(ids: change.added.filter(current.contains))
      if let path = change.path, let record = document(path, version: nil, in: collection) {
        changes.readers[path] = record.readers
      }
    }
    return changes
  }
}
