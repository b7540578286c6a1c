// Owns the index of one collection and keeps it as the store is, whoever changes the store. Knows nothing about queries
// or files.
import Foundation
import StrataCore
import StrataIndex

/// The searchable form of a collection. What happens to the store, in this process or another, arrives with
/// ``refresh()``: the store's change feed says what.
///
/// The store is the truth. The index remembers the change token up to which it has followed, on disk too when it is
/// kept in a folder, so that a start costs as much as has changed since, and applying a change twice changes nothing.
public actor CollectionIndex {
  public nonisolated let index: HybridIndex
  public nonisolated let collection: String
  /// Why an index that was there had to be given up for a new one, if it had to.
  public nonisolated let repair: IndexError?
  let store: any DocumentStore
  private var isLoaded: Bool
  /// The embedder whose vectors belong here; nil takes those of the right length.
  private let embedder: String?
  /// False from when the collection has another embedder: its vectors mean nothing beside those that are here.
  private var takesVectors = true
  /// How entities are found; nil until the store has been asked.
  private var extraction: GraphExtraction?
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
      store, HybridIndex(dimension: dimension, bm25: Self.bm25), embedder: embedder, collection: collection,
      repair: nil, extraction: nil)
  }

  private init(
    _ store: any DocumentStore, _ index: HybridIndex, embedder: String?, collection: String, repair: IndexError?,
    extraction: GraphExtraction?
  ) {
    self.store = store
    self.index = index
    self.embedder = embedder
    self.collection = collection
    self.repair = repair
    self.extraction = extraction
    isLoaded = index.token > 0
  }

  public var chunkCount: Int { index.snapshot().count }

  // MARK: In a folder

  /// Where a collection keeps the mark that ties its index to its store.
  private static let identitySetting = "index.identity"
  /// Where a collection keeps its ``HistoryPolicy``, see ``setHistory(_:store:collection:)``.
  private static let historySetting = "index.history"
  /// Where a collection keeps how its vectors are searched, see ``setVectors(_:store:collection:)``.
  private static let vectorsSetting = "index.vectors"

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
    let path = indexFolder(folder, collection: collection)
    do throws(IndexError) {
      let index = try HybridIndex.open(folder: path, dimension: dimension, bm25: Self.bm25, options: options)
      return CollectionIndex(
        store, index, embedder: embedder, collection: collection, repair: nil, extraction: extraction)
    } catch {
      guard repairsDamage, error.isCuredByRebuilding else { throw error }
      guard try discard(path) else {
        // Somebody still searches by the embedder of before, in this process or another: the next start makes the files.
        return CollectionIndex(store: store, dimension: dimension, embedder: embedder, collection: collection)
      }
      let index = try HybridIndex.open(folder: path, dimension: dimension, bm25: Self.bm25, options: options)
      return CollectionIndex(
        store, index, embedder: embedder, collection: collection, repair: error, extraction: extraction)
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

  /// The folder of a collection's index. Letters, digits, `-` and `_` of its name stay; others become hexadecimal.
  public static func indexFolder(_ folder: String, collection: String) -> String {
    let name = collection.utf8.map { byte in
      let character = Character(Unicode.Scalar(byte))
      let isPlain = byte < 128 && (character.isLetter || character.isNumber || byte == 45 || byte == 95)
      return isPlain ? String(character) : "%" + String(byte, radix: 16)
    }.joined()
    return "\(folder)/\(name.isEmpty ? "%" : name)"
  }

  private static func identity(store: any DocumentStore, collection: String) async throws -> String {
    if let known = try await store.setting(identitySetting, in: collection) { return known }
    let new = UUID().uuidString
    try await store.setSetting(identitySetting, to: new, in: collection)
    return new
  }

  /// What ``setVectors(_:store:collection:)`` said last.
  public static func vectors(store: any DocumentStore, collection: String = "default") async throws -> VectorOptions {
    guard let text = try await store.setting(vectorsSetting, in: collection), let json = try? JSON(parsing: text)
    else { return .default }
    let isLists = json["structure"]?.stringValue == "lists"
    let lists = VectorListOptions(
      count: json["lists"]?.intValue, partWidth: json["part_width"]?.intValue ?? 2, probes: json["probes"]?.intValue)
    return VectorOptions(structure: isLists ? .lists(lists) : .graph)
  }

  /// Chooses how the collection's vectors are searched. An index that is open goes on as before; the next that is opened
  /// for writing remakes its segments in the background.
  public static func setVectors(
    _ structure: VectorStructure, store: any DocumentStore, collection: String = "default"
  ) async throws {
    var json: JSON = ["structure": "graph"]
    if case .lists(let options) = structure {
      json = [
        "structure": "lists", "part_width": .int(options.partWidth), "lists": options.count.map(JSON.int) ?? .null,
        "probes": options.probes.map(JSON.int) ?? .null,
      ]
    }
    try await store.setSetting(vectorsSetting, to: json.text(), in: collection)
  }

  private static func history(store: any DocumentStore, collection: String) async throws -> HistoryPolicy {
    guard let text = try await store.setting(historySetting, in: collection), let json = try? JSON(parsing: text),
      let seconds = json["seconds"]?.intValue, let limit = json["chunks"]?.intValue
    else { return .none }
    return HistoryPolicy(age: .seconds(seconds), chunkLimit: limit)
  }

  /// Says what the collection's index keeps of removed chunks, from the next time it is opened.
  public static func setHistory(
    _ policy: HistoryPolicy, store: any DocumentStore, collection: String = "default"
  ) async throws {
    let json: JSON = ["seconds": .int(Int(policy.age.components.seconds)), "chunks": .int(policy.chunkLimit)]
    try await store.setSetting(historySetting, to: json.text(), in: collection)
  }

  // MARK: Following the store

  /// Makes the index equal to the store: by what has changed since the last time, or by reading all of it.
  public func load() async throws { try await refresh() }

  /// Applies what happened to the store since the last time.
  public func refresh() async throws {
    if isLoaded, running == nil, let feed = store as? any ChangeFeed,
      try await feed.changeToken(in: collection) == index.token
    {
      return
    }
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
    guard isLoaded, let feed = store as? any ChangeFeed else { return try await readAll() }
    guard try await feed.changeToken(in: collection) != index.token else { return }
    guard let changes = try await feed.changes(since: index.token, in: collection) else { return try await readAll() }
    if changes.embedderChanged { takesVectors = false }
    // Chunks are told again when they get their vectors, or a model has read them.
    let chunks = changes.added + (takesVectors ? changes.embedded : [])
    let records = Self.byPath(try await store.documents(Array(Set(chunks.map(\.document))), in: collection))
    for (document, readers) in changes.readers {
      index.setReaders(readers, of: index.chunks(ofDocument: document))
    }
    let entries = try await entries(chunks, of: records).filter { !index.holds($0) }
    try index.apply(
      adding: entries, removing: changes.removed, removedAt: times(of: changes.removed, records),
      token: changes.token)
    // So that the next start has less to do.
    if entries.count + changes.removed.count > Self.pageChunkCount { try? index.flush() }
  }

  /// Chunks that are read at a time: with their vectors a few megabytes.
  private static let pageChunkCount = 2000

  private func readAll() async throws {
    // The token first: what happens while we read will be told again, which does no harm.
    let token = try await (store as? any ChangeFeed)?.changeToken(in: collection) ?? 0
    if let embedder, let current = try await store.embedders(of: collection).current, current != embedder {
      takesVectors = false
    }
    let records = Self.byPath(try await store.documents(in: collection))
    let ids = try await store.chunkIDs(in: collection)
    let gone = Array(index.chunkIDs().subtracting(ids))
    try index.apply(adding: [], removing: gone, removedAt: times(of: gone, records))
    for start in stride(from: 0, to: ids.count, by: Self.pageChunkCount) {
      let page = try await store.chunks(ids: Array(ids[start..<min(ids.count, start + Self.pageChunkCount)]))
      let entries = try await entries(page, of: records)
      try index.apply(adding: entries.filter { !index.holds($0) })
      for (document, readers) in Dictionary(entries.map { ($0.document, $0.readers) }, uniquingKeysWith: { $1 }) {
        index.setReaders(readers, of: index.chunks(ofDocument: document))
      }
    }
    try index.apply(adding: [], token: token)
    isLoaded = true
    try? index.flush()
  }

  static func byPath(_ records: [DocumentRecord]) -> [String: DocumentRecord] {
    Dictionary(records.map { ($0.path, $0) }) { $1 }
  }

  /// How the entities of chunks are found.
  func graphExtraction() async throws -> GraphExtraction {
    if let extraction { return extraction }
    let chosen = try await GraphExtraction.chosen(for: collection, in: store)
    extraction = chosen
    return chosen
  }

  func entries(_ chunks: [ChunkRecord], of records: [String: DocumentRecord]) async throws -> [IndexEntry] {
    let extraction = try await graphExtraction()
    var answers: [String: JSON] = [:]
    if case .model(let identity) = extraction, let cache = store as? any ExtractionCache {
      answers = try await cache.cachedExtractions(chunks.compactMap(\.inputHash), extractor: identity)
    }
    return chunks.compactMap { chunk in
      guard let record = records[chunk.document], record.version == chunk.version else { return nil }
      var chunk = chunk
      // Vectors of another embedder than this index is made for are worth nothing here.
      if chunk.embedding?.count != index.dimension || !takesVectors { chunk.embedding = nil }
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

  /// A chunk that was replaced went when its document's new version came.
  private func times(of removed: [Int64], _ records: [String: DocumentRecord]) -> [Int64: Date] {
    guard index.options.history.keepsAnything else { return [:] }
    var times: [Int64: Date] = [:]
    for id in removed {
      if let path = index.document(ofChunk: id), let record = records[path] { times[id] = record.ingestedAt }
    }
    return times
  }
}
