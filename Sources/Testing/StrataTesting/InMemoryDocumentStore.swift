// Owns documents without a disk, for tests of everything that reads or writes them.
import StrataCore

/// A ``DocumentStore`` in memory that behaves like the durable one, and can be told to fail.
public actor InMemoryDocumentStore: DocumentStore, ChangeFeed {
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
  }

  private struct Change {
    var path: String?
    var added: [Int64] = []
    var removed: [Int64] = []
  }

  private var collections: [String: Collection] = [:]
  private var embeddings: [String: [String: [Float]]] = [:]
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

  public func document(_ path: String, version: Int?, in collection: String) -> DocumentRecord? {
    let versions = collections[collection]?.versions[path] ?? []
    guard let version else { return versions.last?.record }
    return versions.first { $0.record.version == version }?.record
  }

  public func text(of path: String, version: Int, in collection: String) -> String? {
    collections[collection]?.versions[path]?.first { $0.record.version == version }?.text
  }

  public func chunks(in collection: String) -> [ChunkRecord] {
    (collections[collection]?.versions ?? [:]).values.compactMap(\.last).flatMap(\.chunks).sorted { $0.id < $1.id }
  }

  public func chunks(ids: [Int64]) -> [ChunkRecord] {
    let wanted = Set(ids)
    return collections.values.flatMap { $0.versions.values.flatMap { $0.flatMap(\.chunks) } }
      .filter { wanted.contains($0.id) }.sorted { $0.id < $1.id }
  }

  public func save(
    _ record: DocumentRecord, text: String, chunks: [ChunkRecord], embedder: String?
  ) throws -> (added: [ChunkRecord], removed: [Int64]) {
    if let failure, saveCount >= failure.after { throw failure.error }
    saveCount += 1
    let removed = collections[record.collection]?.versions[record.path]?.last?.chunks.map(\.id) ?? []
    let added = chunks.map { chunk in
      var chunk = chunk
      chunk.id = nextID
      nextID += 1
      return chunk
    }
    collections[record.collection, default: Collection()].versions[record.path, default: []]
      .append(Version(record: record, text: text, chunks: added))
    log(Change(path: record.path, added: added.map(\.id), removed: removed), in: record.collection)
    return (added, removed)
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
    let current = Set(chunks(in: collection).map(\.id))
    for change in all[Int(token)...] {
      changes.removed += change.removed
      changes.added += chunks(ids: change.added.filter(current.contains))
      if let path = change.path, let record = document(path, version: nil, in: collection) {
        changes.readers[path] = record.readers
      }
    }
    return changes
  }
}
