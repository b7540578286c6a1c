// Owns the entity graph of one collection and keeps it as the store is. Knows nothing about queries.
import StrataCore

/// The graph of a collection, made from the store when it is first asked for and following its change feed from then on.
///
/// It is derived, like the index, and lives in memory: the store is the truth, so there is nothing to repair.
public actor GraphIndex {
  private let store: any DocumentStore
  private let collection: String
  private let extractor: any EntityExtracting
  private var graph = EntityGraph()
  private var token: Int64?
  /// The update under way, so that searches that come meanwhile wait for it instead of doing it again.
  private var update: Task<Void, any Error>?

  public init(
    store: any DocumentStore, collection: String = "default", extractor: any EntityExtracting = EntityExtractor()
  ) {
    self.store = store
    self.collection = collection
    self.extractor = extractor
  }

  /// The graph as the store is now.
  public func current() async throws -> EntityGraph {
    if let update {
      try await update.value
    } else {
      // Not the caller's child: another search may be waiting for it when the first one is cancelled.
      let task = Task { try await refresh() }
      update = task
      defer { update = nil }
      try await task.value
    }
    return graph
  }

  private func refresh() async throws {
    let feed = store as? any ChangeFeed
    let now = try await feed?.changeToken(in: collection)
    if let token, token == now { return }
    if let token, let changes = try await feed?.changes(since: token, in: collection) {
      for id in changes.removed { graph.remove(id) }
      try await add(changes.added)
      self.token = changes.token
      return
    }
    let chunks = try await store.chunks(in: collection)
    let present = Set(chunks.map(\.id))
    for id in graph.contributions.keys where !present.contains(id) { graph.remove(id) }
    try await add(chunks.filter { graph.contributions[$0.id] == nil })
    token = now
  }

  private func add(_ chunks: [ChunkRecord]) async throws {
    guard !chunks.isEmpty else { return }
    let titles = Dictionary(try await store.documents(in: collection).map { ($0.path, $0.title) }) { $1 }
    for chunk in chunks {
      let mentions = try await extractor.mentions(in: chunk.text)
      let subject = titles[chunk.document].flatMap(EntityExtractor.name(ofTitle:))
      graph.add(chunk.id, EntityGraph.Contribution(mentions: mentions, subject: subject))
    }
  }
}
