// Owns documents without a disk, for tests of everything that reads or writes them.
import StrataCore

/// A ``DocumentStore`` in memory that behaves like the durable one, and can be told to fail.
public actor InMemoryDocumentStore: DocumentStore {
  private struct Version {
    var record: DocumentRecord
    var text: String
    var chunks: [ChunkRecord]
  }

  private struct Collection {
    var versions: [String: [Version]] = [:]
    var groups: [String: [String]] = [:]
    var settings: [String: String] = [:]
  }

  private var collections: [String: Collection] = [:]
  private var embeddings: [String: [String: [Float]]] = [:]
  private var nextID: Int64 = 1
  /// Thrown by the next mutating calls, from the one after so many.
  private var failure: (after: Int, error: any Error)?
  public private(set) var saveCount = 0

  public init() {}

  /// Lets `count` more documents be saved, then throws `error` at each.
  public func fail(afterSaves count: Int, with error: any Error) { failure = (saveCount + count, error) }
  public func recover() { failure = nil }

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
    return (added, removed)
  }

  public func setReaders(_ readers: [Reader], of path: String, in collection: String) {
    guard let count = collections[collection]?.versions[path]?.count else { return }
    for index in 0..<count { collections[collection]?.versions[path]?[index].record.readers = readers }
  }

  public func delete(_ path: String, in collection: String) -> [Int64] {
    collections[collection]?.versions.removeValue(forKey: path)?.last?.chunks.map(\.id) ?? []
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
  }

  public func groups(in collection: String) -> [String: [String]] { collections[collection]?.groups ?? [:] }
  public func setting(_ key: String, in collection: String) -> String? { collections[collection]?.settings[key] }
  public func setSetting(_ key: String, to value: String?, in collection: String) {
    collections[collection, default: Collection()].settings[key] = value
  }
}
