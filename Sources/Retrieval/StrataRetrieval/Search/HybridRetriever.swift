// Owns answering a query from the index and the store. Knows nothing about how documents get there.
import StrataCore
import StrataIndex

/// Searches a collection by words and by meaning, within what the principal may read.
public final class HybridRetriever: Retriever {
  public struct Options: Sendable {
    /// Chunks that each leg contributes before fusion.
    public var depth = 100
    public var fusion = RankFusion.reciprocalRank(k: 60)

    public init() {}
  }

  public let index: CollectionIndex
  public var collection: String { index.collection }
  /// Decides who may read what; everything else that shows documents of the collection asks it too.
  public let gate: AccessGate
  private let store: any DocumentStore
  private let embedder: (any Embedder)?
  private let options: Options

  /// - Parameters:
  ///   - index: shared with the ``Ingestor`` of this process, if there is one; nil makes one.
  ///   - embedder: the one that the collection was ingested with; nil searches by words only.
  public init(
    store: any DocumentStore, index: CollectionIndex? = nil, embedder: (any Embedder)?,
    collection: String = "default", options: Options = Options(), gate: AccessGate? = nil
  ) {
    let index =
      index
      ?? CollectionIndex(
        store: store, dimension: embedder?.dimension, embedder: embedder?.id, collection: collection)
    self.index = index
    self.gate = gate ?? AccessGate(store: store, collection: index.collection)
    self.store = store
    self.embedder = embedder
    self.options = options
  }

  /// Fills the index with what the store has; the first search does it otherwise.
  /// - Returns: how many chunks there are.
  @discardableResult
  public func load() async throws -> Int {
    try await index.load()
    return await index.chunkCount
  }

  /// Follows changes that another process made to the store. Each search does so by itself.
  public func refresh() async throws { try await index.refresh() }

  public func search(_ query: RetrievalQuery, as principal: Principal) async throws -> [Passage] {
    guard query.limit > 0, query.text.contains(where: { !$0.isWhitespace }) else { return [] }
    try await index.refresh()
    let wantsVector = query.legs.contains(.dense) && index.index.dimension != nil
    let vector = wantsVector ? try await embedder?.embed([query.text]).first : nil
    try Task.checkCancellation()
    let hits = try rank(query, vector: vector, within: await gate.decision(for: principal))
    return try await passages(hits, limit: query.limit, as: principal)
  }

  /// The fused ranking alone, for evaluation: more than `query.limit`, to make up for what turns out to be gone.
  package func rank(
    _ query: RetrievalQuery, vector: [Float]?, within access: AccessDecision
  ) throws -> [RankFusion.Hit] {
    let snapshot = index.index.snapshot()
    let readable = access.readable(in: snapshot)
    guard !readable.isEmpty else { return [] }
    let depth = max(options.depth, query.limit)
    let lexical =
      query.legs.contains(.lexical) ? snapshot.lexical(query.text, limit: depth, within: readable) : []
    let dense = try vector.map { try snapshot.dense($0, limit: depth, within: readable) } ?? []
    return options.fusion.fuse(lexical: lexical, dense: dense, limit: depth)
  }

  /// The store has the last word: what was deleted, replaced or forbidden since the index was told is left out.
  private func passages(
    _ hits: [RankFusion.Hit], limit: Int, as principal: Principal
  ) async throws -> [Passage] {
    // Asked again: what was revoked while the search ran is not shown.
    let access = try await gate.decision(for: principal)
    var passages: [Passage] = []
    var records: [String: DocumentRecord?] = [:]
    var rest = hits[...]
    while passages.count < limit, !rest.isEmpty {
      let some = rest.prefix(limit - passages.count)
      rest = rest.dropFirst(some.count)
      let chunks = Dictionary(try await store.chunks(ids: some.map(\.id)).map { ($0.id, $0) }) { $1 }
      for hit in some {
        guard let chunk = chunks[hit.id], chunk.collection == collection else { continue }
        if records[chunk.document] == nil {
          records[chunk.document] = .some(try await store.document(chunk.document, version: nil, in: collection))
        }
        guard let record = records[chunk.document] ?? nil, record.version == chunk.version,
          access.mayRead(record)
        else { continue }
        passages.append(
          Passage(
            chunk: chunk.id, document: chunk.document, version: chunk.version, range: chunk.range, text: chunk.text,
            title: record.title, headingPath: chunk.headingPath, page: chunk.page, score: hit.score, ranks: hit.ranks))
      }
    }
    return passages
  }
}
