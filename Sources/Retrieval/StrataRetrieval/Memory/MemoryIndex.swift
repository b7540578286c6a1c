// Owns the indexes of memories, one for each tenant. What is in them is MemorySource's, how they follow the store
// CollectionIndex's.
import StrataCore
import StrataIndex

/// The searchable form of what is remembered. Each tenant's facts and episodes are an index of their own, with segments,
/// a manifest, snapshots and merges as those of documents; tenants cannot meet in a search.
///
/// Agents of one process share one, since a folder has one writer.
public actor MemoryIndex {
  private nonisolated let store: any MemoryStore
  private nonisolated let embedder: (dimension: Int, id: String)?
  private nonisolated let folder: String?
  private nonisolated let options: HybridIndex.Options
  private var opened: [String: Task<CollectionIndex, any Error>] = [:]

  /// - Parameters:
  ///   - embedder: the one that facts are remembered with; nil searches by words only.
  ///   - folder: of these indexes, a folder for each tenant below; nil keeps them in memory.
  public init(
    store: any MemoryStore, embedder: (any Embedder)? = nil, folder: String? = nil,
    options: HybridIndex.Options = HybridIndex.Options()
  ) {
    self.store = store
    self.embedder = embedder.map { ($0.dimension, $0.id) }
    self.folder = folder
    self.options = options
  }

  /// The tenant's index, opened on first use. Follow the store with ``CollectionIndex/refresh()`` before a search.
  ///
  /// - Parameter repairsDamage: false throws when files are damaged; else they give way to new ones.
  public func index(of tenant: String, repairsDamage: Bool = true) async throws -> CollectionIndex {
    if let known = opened[tenant] { return try await known.value }
    // Who has no memory yet gets no folder, and is asked for again.
    if folder != nil, try await store.memoryIdentity(tenant: tenant) == nil { return makeInMemory(tenant) }
    if let known = opened[tenant] { return try await known.value }
    // Shared by all that ask meanwhile, so not cancelled with the first.
    let opening = Task { try await self.open(tenant, repairsDamage: repairsDamage) }
    opened[tenant] = opening
    do {
      return try await opening.value
    } catch {
      opened[tenant] = nil
      throw error
    }
  }

  private nonisolated func open(_ tenant: String, repairsDamage: Bool) async throws -> CollectionIndex {
    guard let folder, let identity = try await store.memoryIdentity(tenant: tenant) else {
      return makeInMemory(tenant)
    }
    var options = settled
    options.identity = [identity, embedder?.id ?? "", "memory r\(MemorySource.revision)"].joined(separator: " ")
    return try CollectionIndex.open(
      source(tenant), name: tenant, dimension: embedder?.dimension,
      folder: CollectionIndex.indexFolder(folder, collection: tenant), repairsDamage: repairsDamage, options: options)
  }

  private nonisolated func makeInMemory(_ tenant: String) -> CollectionIndex {
    let index = HybridIndex(dimension: embedder?.dimension, bm25: CollectionIndex.bm25, options: settled)
    return CollectionIndex(source(tenant), index, name: tenant)
  }

  private nonisolated func source(_ tenant: String) -> MemorySource {
    MemorySource(store: store, tenant: tenant, dimension: embedder?.dimension)
  }

  private nonisolated var settled: HybridIndex.Options {
    var options = options
    // What was forgotten is kept for nobody; the past of what was not is in the fields.
    options.history = .none
    // Nobody reads more than a sliver of all rows, and a sliver is scanned faster than a graph is walked.
    options.vectors.graphFrom = .max
    return options
  }

  /// Lets no file hold what was forgotten. An index in memory has nothing to do.
  func purge(_ tenant: String) async throws {
    guard folder != nil else { return }
    let index = try await index(of: tenant)
    try await index.refresh()
    try index.index.purge()
  }

  /// Proves for each tenant that its index holds what the store says, see ``CollectionIndex/verify()``.
  public func verify() async throws -> [(tenant: String, verification: IndexVerification)] {
    var results: [(tenant: String, verification: IndexVerification)] = []
    for tenant in try await store.memoryTenants() {
      results.append((tenant, try await index(of: tenant, repairsDamage: false).verify()))
    }
    return results
  }

  /// Throws every tenant's index away and makes it again from the store.
  /// - Returns: how many rows there are.
  @discardableResult public func rebuild() async throws -> Int {
    var count = 0
    for tenant in try await store.memoryTenants() {
      if let folder, opened[tenant] == nil {
        try HybridIndex.discard(folder: CollectionIndex.indexFolder(folder, collection: tenant))
      }
      let index = try await index(of: tenant)
      try await index.reload()
      try await index.flush()
      count += await index.chunkCount
    }
    return count
  }
}
