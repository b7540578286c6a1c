// Owns the index of a part of the store and keeps it as the store is, whoever changes the store. Knows nothing about
// queries or files, and what the entries are only its source knows.
import Foundation
import StrataCore
import StrataIndex

/// The searchable form of a collection's documents, or of a tenant's memory (``MemoryIndex``). What happens to the store,
/// in this process or another, arrives with ``refresh()``: the store's change feed says what.
///
/// The store is the truth. The index remembers the change token up to which it has followed, on disk too when it is
/// kept in a folder, so that a start costs as much as has changed since, and applying a change twice changes nothing.
public actor CollectionIndex {
  public nonisolated let index: HybridIndex
  public nonisolated let collection: String
  /// Why an index that was there had to be given up for a new one, if it had to.
  public nonisolated let repair: IndexError?
  nonisolated let source: any IndexSource
  private var isLoaded: Bool
  /// The update that runs: one at a time, since an older state must never be applied over a newer one.
  private var running: Task<Void, any Error>?

  /// A word of the title counts twice. In a prototype 2 was better than 1 on Cranfield, HotpotQA and SciFact; 3 was better
  /// still on Cranfield alone.
  package static let bm25 = BM25Parameters(titleWeight: 2)

  /// An index in memory, which reads the whole store when it is first used.
  ///
  /// - Parameters:
  ///   - dimension: of the embedder's vectors; nil searches by words only.
  ///   - embedder: its identity.
  public init(store: any DocumentStore, dimension: Int?, embedder: String? = nil, collection: String = "default") {
    self.init(
      DocumentSource(store, collection: collection, dimension: dimension, embedder: embedder),
      HybridIndex(dimension: dimension, bm25: Self.bm25), name: collection)
  }

  init(_ source: any IndexSource, _ index: HybridIndex, name: String, repair: IndexError? = nil) {
    self.source = source
    self.index = index
    collection = name
    self.repair = repair
    isLoaded = index.token > 0
  }

  public var chunkCount: Int { index.snapshot().count }

  // MARK: In a folder

  /// The index in `folder`, which goes on where it was. A damaged one, and one that was made for another store or with
  /// other settings, gives way to a new one, see ``repair``.
  ///
  /// - Parameters:
  ///   - embedder: identity of what made the vectors; an index with vectors of another one gives way too.
  ///   - folder: of all indexes; this one's lies below.
  ///   - repairsDamage: false throws instead when files are damaged.
  ///   - createsCollection: false keeps the index of a collection that does not exist in memory.
  public static func open(
    store: any DocumentStore, dimension: Int?, embedder: String? = nil, collection: String = "default",
    folder: String,
    createsCollection: Bool = false, repairsDamage: Bool = true,
    options: HybridIndex.Options = HybridIndex.Options()
  ) async throws -> CollectionIndex {
    let token = try await (store as? any ChangeFeed)?.changeToken(in: collection)
    guard let token, createsCollection || token > 0 else {
      return CollectionIndex(store: store, dimension: dimension, embedder: embedder, collection: collection)
    }
    var options = options
    options.history = try await history(store: store, collection: collection)
    options.vectors = try await vectors(store: store, collection: collection)
    let extraction = try await GraphExtraction.chosen(for: collection, in: store)
    options.identity = [
      try await identity(store: store, collection: collection), embedder ?? "", extraction.fingerprint,
    ].joined(separator: " ")
    let source = DocumentSource(
      store, collection: collection, dimension: dimension, embedder: embedder, extraction: extraction)
    return try open(
      source, name: collection, dimension: dimension, folder: indexFolder(folder, collection: collection),
      repairsDamage: repairsDamage, options: options)
  }

  /// - Parameter folder: of this index alone.
  static func open(
    _ source: any IndexSource, name: String, dimension: Int?, folder: String, repairsDamage: Bool,
    options: HybridIndex.Options
  ) throws -> CollectionIndex {
    do throws(IndexError) {
      let index = try HybridIndex.open(folder: folder, dimension: dimension, bm25: bm25, options: options)
      return CollectionIndex(source, index, name: name)
    } catch {
      guard repairsDamage, error.isCuredByRebuilding else { throw error }
      guard try discard(folder) else {
        // Somebody still searches by the embedder of before, in this process or another: the next start makes the files.
        return CollectionIndex(source, HybridIndex(dimension: dimension, bm25: bm25), name: name)
      }
      let index = try HybridIndex.open(folder: folder, dimension: dimension, bm25: bm25, options: options)
      return CollectionIndex(source, index, name: name, repair: error)
    }
  }

  /// - Returns: false, and nothing has happened, while somebody writes there.
  private static func discard(_ folder: String) throws -> Bool {
    do {
      try HybridIndex.discard(folder: folder)
      return true
    } catch {
      guard error.code.name == "index_busy" else { throw error }
      return false
    }
  }

  // MARK: Following the store

  /// Makes the index equal to the store: by what has changed since the last time, or by reading all of it.
  public func load() async throws { try await refresh() }

  /// Applies what happened to the store since the last time.
  public func refresh() async throws {
    if isLoaded, running == nil, let token = try await source.token(), token == index.token { return }
    try await inTurn { try await self.update() }
  }

  /// Reads the whole store and makes the index equal to it, whatever it was before.
  public func reload() async throws { try await inTurn { try await self.readAll() } }

  /// Writes what is not on disk yet.
  public func flush() async throws { try index.flush() }

  /// Runs `body` when no other update runs. Not cancelled with the caller: half an update helps nobody.
  private func inTurn(_ body: @escaping @Sendable () async throws -> Void) async throws {
    while let running { _ = await running.result }
    let task = Task { try await body() }
    running = task
    let result = await task.result
    running = nil
    try result.get()
  }

  private func update() async throws {
    guard isLoaded, let token = try await source.token() else { return try await readAll() }
    guard token != index.token else { return }
    guard let changes = try await source.changes(since: index.token) else { return try await readAll() }
    for (document, readers) in changes.readers {
      index.setReaders(readers, of: index.chunks(ofDocument: document))
    }
    let entries = changes.entries.filter { !index.holds($0) }
    try index.apply(
      adding: entries, removing: changes.removed, removedAt: try await times(of: changes.removed),
      token: changes.token)
    // So that the next start has less to do.
    if entries.count + changes.removed.count > Self.pageEntryCount { try? index.flush() }
  }

  /// Entries that are read at a time: with their vectors a few megabytes.
  static let pageEntryCount = 2000

  private func readAll() async throws {
    // The token first: what happens while we read will be told again, which does no harm.
    let token = try await source.token() ?? 0
    let ids = try await source.ids()
    let gone = Array(index.chunkIDs().subtracting(ids))
    try index.apply(adding: [], removing: gone, removedAt: try await times(of: gone))
    for start in stride(from: 0, to: ids.count, by: Self.pageEntryCount) {
      let entries = try await source.entries(Array(ids[start..<min(ids.count, start + Self.pageEntryCount)]))
      try index.apply(adding: entries.filter { !index.holds($0) })
      for (readers, same) in Dictionary(grouping: entries, by: \.readers) {
        index.setReaders(readers, of: same.map(\.id))
      }
    }
    try index.apply(adding: [], token: token)
    isLoaded = true
    try? index.flush()
  }

  /// How the entities of questions are found.
  func graphExtraction() async throws -> GraphExtraction { try await source.graphExtraction() }

  private func times(of removed: [Int64]) async throws -> [Int64: Date] {
    guard index.options.history.keepsAnything else { return [:] }
    var documents: [Int64: String] = [:]
    for id in removed { documents[id] = index.document(ofChunk: id) }
    return try await source.removalTimes(documents)
  }
}
