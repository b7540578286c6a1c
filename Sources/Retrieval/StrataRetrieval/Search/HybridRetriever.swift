// Owns answering a query from the index and the store. Knows nothing about how documents get there.
import Foundation
import StrataCore
import StrataIndex

/// Searches a collection by words, by meaning and by shared entities, within what the principal may read.
public final class HybridRetriever: Retriever {
  public let index: CollectionIndex
  public var collection: String { index.collection }
  /// Decides who may read what; everything else that shows documents of the collection asks it too.
  public let gate: AccessGate
  private let store: any DocumentStore
  private let ranker: QueryRanker
  private let countTokens: @Sendable (String) -> Int

  /// - Parameters:
  ///   - index: shared with the ``Ingestor`` of this process, if there is one; nil makes one.
  ///   - embedder: the one that the collection was ingested with; nil searches by words only. One that is a
  ///     ``TokenEmbedder`` also reranks by late interaction.
  ///   - rerankers: by the methods that they stand for.
  ///   - decomposer: for queries that ask for multi-hop search by decomposition.
  ///   - countTokens: by the tokenizer of the model that will read passages, for budgets; the embedder's otherwise.
  public init(
    store: any DocumentStore, index: CollectionIndex? = nil, embedder: (any Embedder)?,
    collection: String = "default", rerankers: [RerankMethod: any Reranker] = [:],
    decomposer: QuestionDecomposer? = nil, gate: AccessGate? = nil,
    countTokens: (@Sendable (String) -> Int)? = nil
  ) {
    let index =
      index
      ?? CollectionIndex(
        store: store, dimension: embedder?.dimension, embedder: embedder?.id, collection: collection)
    self.index = index
    self.gate = gate ?? AccessGate(store: store, collection: index.collection)
    self.store = store
    var rerankers = rerankers
    if rerankers[.lateInteraction] == nil, let tokens = embedder as? any TokenEmbedder {
      rerankers[.lateInteraction] = LateInteraction(tokens)
    }
    ranker = QueryRanker(embedder: embedder, rerankers: rerankers, decomposer: decomposer)
    // Without any tokenizer a token is taken for two bytes, which prose stays far below.
    let estimate: @Sendable (String) -> Int = { embedder?.countTokens($0) ?? $0.utf8.count / 2 }
    self.countTokens = countTokens ?? estimate
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

  public func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage] {
    try await index.refresh()
    let snapshot = try query.asOf.map { try index.index.snapshot(asOf: $0) } ?? index.index.snapshot()
    return try await search(query, in: snapshot, as: principal)
  }

  /// Searches one state of this retriever's index, whatever has happened since but for what was revoked or deleted.
  func search(_ query: QuerySpec, in snapshot: IndexSnapshot, as principal: Principal) async throws -> [Passage] {
    guard query.limit > 0, query.text.contains(where: { !$0.isWhitespace }) else { return [] }
    let access = try await gate.decision(for: principal)
    let readable = access.readable(
      in: snapshot, matching: query.filter, inDocuments: try await documents(query))
    guard !readable.isEmpty else { return [] }
    let extraction = try await index.graphExtraction()
    let space = SearchSpace(
      snapshot: snapshot, readable: readable, question: { extraction.entities(ofQuestion: $0) },
      content: { [self] ids in
        try await current(ids, query, within: access).mapValues { chunk, record in
          let context = DocumentChunk.context(title: record.title, headingPath: chunk.headingPath)
          return ChunkContent(
            text: context.isEmpty ? chunk.text : context + "\n" + chunk.text, title: record.title,
            vector: chunk.embedding)
        }
      })
    let ranked = try await ranker.rank(query, in: space)
    var passages = try await assembled(try await self.passages(ranked, query, as: principal), query, as: principal)
    if query.explains, query.legs.contains(.lexical) {
      for index in passages.indices {
        let words = Self.words(snapshot.explain(query.text, chunk: passages[index].chunk, within: readable))
        passages[index].explanation?.words = words
      }
    }
    return passages
  }

  /// The documents that the query confines itself to; nil for all.
  private func documents(_ query: QuerySpec) async throws -> Set<String>? {
    guard query.changedFrom != nil || query.changedThrough != nil else { return nil }
    let from = query.changedFrom ?? .distantPast
    let through = query.changedThrough ?? .distantFuture
    return Set(
      try await store.documents(in: collection).filter { from <= $0.modifiedAt && $0.modifiedAt <= through }.map(\.path)
    )
  }

  /// The store has the last word: what was deleted, replaced or forbidden since the index was told is left out.
  private func passages(
    _ ranked: [RankedChunk], _ query: QuerySpec, as principal: Principal
  ) async throws -> [Passage] {
    // Asked again: what was revoked while the search ran is not shown.
    let access = try await gate.decision(for: principal)
    var passages: [Passage] = []
    var rest = ranked[...]
    while passages.count < query.limit, !rest.isEmpty {
      let some = rest.prefix(query.limit - passages.count)
      rest = rest.dropFirst(some.count)
      let known = try await current(some.map(\.id), query, within: access)
      for hit in some {
        guard let (chunk, record) = known[hit.id] else { continue }
        passages.append(
          Passage(
            chunk: chunk.id, document: chunk.document, version: chunk.version, range: chunk.range, text: chunk.text,
            title: record.title, headingPath: chunk.headingPath, page: chunk.page, score: hit.score,
            ranks: hit.fused.ranks, explanation: query.explains ? explanation(hit) : nil))
      }
    }
    return passages
  }

  /// Chunks that are there and readable at this moment, with their documents. What a query finds in the past is
  /// readable for those who may read the document today; what was deleted since is gone for all times.
  private func current(
    _ ids: [Int64], _ query: QuerySpec, within access: AccessDecision
  ) async throws -> [Int64: (chunk: ChunkRecord, record: DocumentRecord)] {
    var found: [Int64: (chunk: ChunkRecord, record: DocumentRecord)] = [:]
    var records: [String: DocumentRecord?] = [:]
    for chunk in try await store.chunks(ids: ids) where chunk.collection == collection {
      if records[chunk.document] == nil {
        records[chunk.document] = .some(try await store.document(chunk.document, version: nil, in: collection))
      }
      guard let record = records[chunk.document] ?? nil, record.version == chunk.version || query.asOf != nil,
        access.mayRead(record)
      else { continue }
      found[chunk.id] = (chunk, record)
    }
    return found
  }

  private func explanation(_ hit: RankedChunk) -> PassageExplanation {
    PassageExplanation(
      legs: hit.fused.legs, fusedScore: hit.fused.score, stages: hit.stages, entities: hit.entities)
  }

  private static func words(_ explanation: LexicalExplanation?) -> [PassageExplanation.Word] {
    (explanation?.parts ?? []).map { part in
      PassageExplanation.Word(
        term: part.term, score: part.score, note: "\(part.frequency) here, in \(part.chunkFrequency) chunks")
    }
  }

  // MARK: Context

  private func assembled(_ found: [Passage], _ query: QuerySpec, as principal: Principal) async throws -> [Passage] {
    guard query.context != nil || query.budget.tokens != nil else { return found }
    let assembler = ContextAssembler(
      tokenLimit: query.budget.tokens, options: query.context ?? ContextOptions(), countTokens: countTokens)
    return try await assembler.assemble(found) { try await self.document(of: $0, query, as: principal) }
      .sources.map(\.passage)
  }

  /// The version that the passage is part of, for somebody who may read it at this moment.
  private func document(
    of passage: Passage, _ query: QuerySpec, as principal: Principal
  ) async throws -> ContextDocument? {
    guard let record = try await store.document(passage.document, version: nil, in: collection),
      record.version == passage.version || query.asOf != nil,
      try await gate.decision(for: principal).mayRead(record),
      let text = try await store.text(of: passage.document, version: passage.version, in: collection)
    else { return nil }
    let chunks =
      (query.context?.neighbours ?? 0) > 0
      ? try await store.chunks(of: passage.document, version: passage.version, in: collection) : []
    return ContextDocument(text: text, chunks: chunks)
  }
}
