// Owns a memory in use: remembering, recalling, forgetting, listing. What statements mean is MemoryTimeline's; what goes
// when there is too much is MemoryConsolidation's.
import Foundation
import StrataCore
import StrataIndex

/// How much one scope may hold. Reaching a bound makes the least important go, never an error.
public struct MemoryLimits: Sendable, Hashable {
  /// Rows that are believed now.
  public var facts = 1000
  public var episodes = 2000
  /// UTF-8 bytes of one thing that is remembered.
  public var textByteCount = 16_384

  public init() {}
}

/// Facts and episodes per user and agent, bi-temporal, searched like documents and gated by the same permissions.
///
/// The store is written first; the index follows its change feed, as that of documents does, before each search.
public actor AgentMemory: Memory {
  private let store: any MemoryStore
  /// Where what is remembered is searched.
  public nonisolated let index: MemoryIndex
  private let embedder: (any Embedder)?
  private let extractor: any FactExtractor
  private let agent: String
  private let limits: MemoryLimits
  private let now: @Sendable () -> Date
  private let search: MemorySearch

  /// - Parameter index: shared by the agents of this process; nil makes one in memory.
  public init(
    store: any MemoryStore, index: MemoryIndex? = nil, embedder: (any Embedder)? = nil,
    extractor: any FactExtractor = PatternFactExtractor(), agent: String = "assistant",
    limits: MemoryLimits = MemoryLimits(), now: @escaping @Sendable () -> Date = { Date() }
  ) {
    let index = index ?? MemoryIndex(store: store, embedder: embedder)
    self.store = store
    self.index = index
    search = MemorySearch(store: store, index: index, embedder: embedder, agent: agent, now: now)
    self.embedder = embedder
    self.extractor = extractor
    self.agent = agent
    self.limits = limits
    self.now = now
  }

  // MARK: Remembering

  @discardableResult public func remember(
    _ text: String, run: String? = nil, as principal: Principal
  ) async throws -> [MemoryFact] {
    try await remember(text, run: run, readers: [.user(principal.user)], as: principal)
  }

  /// - Parameter readers: who may recall it; the user is added.
  /// - Throws: ``RetrievalError`` when the text is empty or too long; nothing is kept then.
  @discardableResult public func remember(
    _ text: String, run: String? = nil, readers: [Reader], as principal: Principal
  ) async throws -> [MemoryFact] {
    let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !text.isEmpty else { throw RetrievalError.nothingToRemember() }
    guard text.utf8.count <= limits.textByteCount else {
      throw RetrievalError.memoryTooLong(text.utf8.count, limit: limits.textByteCount)
    }
    let scope = MemoryScope(principal, agent: agent)
    let time = now()
    let episode = MemoryEpisode(
      scope: scope, text: text, occurredAt: time, recordedAt: time, run: run,
      readers: Self.withOwner(readers, principal), embedding: try await embedder?.embed([text]).first)
    let id = try await store.add(episode)
    let statements = try await extractor.statements(in: text, at: time)
    let added = try await state(
      statements, in: scope, readers: episode.readers, episode: id, at: time, extracted: [id])
    try await enforceLimits(scope)
    return added
  }

  /// Believes `statements` from now on, without a text that they come from.
  @discardableResult public func state(
    _ statements: [FactStatement], readers: [Reader] = [], as principal: Principal
  ) async throws -> [MemoryFact] {
    let scope = MemoryScope(principal, agent: agent)
    let added = try await state(
      statements, in: scope, readers: Self.withOwner(readers, principal), episode: nil, at: now(), extracted: [])
    try await enforceLimits(scope)
    return added
  }

  private static func withOwner(_ readers: [Reader], _ principal: Principal) -> [Reader] {
    let owner = Reader.user(principal.user)
    return readers.contains(owner) ? readers : [owner] + readers
  }

  private func state(
    _ statements: [FactStatement], in scope: MemoryScope, readers: [Reader], episode: Int64?, at time: Date,
    extracted: [Int64]
  ) async throws -> [MemoryFact] {
    let timeline = MemoryTimeline(scope: scope, readers: readers, episode: episode, now: time)
    return try await change(scope) { believed in
      var believed = believed
      var change = MemoryChange()
      for statement in statements { timeline.apply(statement, to: &believed, &change) }
      change.extractedEpisodes = extracted
      return change
    }
  }

  /// Decides upon the present rows and writes, again when somebody else wrote in between.
  private func change(
    _ scope: MemoryScope, _ decide: ([MemoryFact]) async throws -> MemoryChange
  ) async throws -> [MemoryFact] {
    for _ in 0..<20 {
      let revision = try await store.memoryRevision(tenant: scope.tenant)
      var change = try await decide(try await store.facts(tenant: scope.tenant, scope: scope, history: false))
      guard !change.isEmpty else { return [] }
      if let embedder {
        let missing = change.added.indices.filter { change.added[$0].embedding == nil }
        let vectors = try await embedder.embed(missing.map { change.added[$0].text })
        for (index, vector) in zip(missing, vectors) { change.added[index].embedding = vector }
      }
      if let ids = try await store.apply(change, tenant: scope.tenant, ifRevisionIs: revision) {
        return zip(change.added, ids).map { fact, id in
          var fact = fact
          fact.id = id
          return fact
        }
      }
    }
    throw RetrievalError.memoryBusy(user: scope.user)
  }

  // MARK: Recalling

  /// Facts that the query is about, best first, of those that hold at the moment asked for.
  public func recall(_ query: MemoryQuery, as principal: Principal) async throws -> [RecalledFact] {
    try await search.facts(query, as: principal)
  }

  /// What was said that the query is about, best first, up to the moment asked for.
  public func recallEpisodes(_ query: MemoryQuery, as principal: Principal) async throws -> [RecalledEpisode] {
    try await search.episodes(query, as: principal)
  }

  /// What documents and this memory know about a question, both in one state of the store: whatever was written before a
  /// write that one of them shows, the other shows too.
  ///
  /// - Parameters:
  ///   - query: as of a time it asks for the documents of then, and for what was believed then.
  ///   - limit: most facts.
  public func context(
    _ query: QuerySpec, facts limit: Int = 8, documents: HybridRetriever, as principal: Principal
  ) async throws -> (passages: [Passage], facts: [RecalledFact]) {
    let remembered = try await index.index(of: principal.tenant)
    let states = try await CollectionIndex.snapshots(of: [documents.index, remembered])
    let past = try query.asOf.map { try documents.index.index.snapshot(asOf: $0) }
    async let passages = documents.search(query, in: past ?? states[0], as: principal)
    let facts = try await search.facts(
      MemoryQuery(query.text, limit: limit, asOf: query.asOf, knownAt: query.asOf), in: states[1], as: principal)
    return (try await passages, facts)
  }

  /// What the principal's own scope holds, oldest first.
  /// - Parameter history: also what is no longer believed.
  public func list(history: Bool = false, as principal: Principal) async throws -> [MemoryFact] {
    try await store.facts(tenant: principal.tenant, scope: MemoryScope(principal, agent: agent), history: history)
  }

  // MARK: Forgetting

  /// Erases facts of the principal's own scope: each row that ever said the same, and the episodes that they were found in.
  ///
  /// - Parameter ids: nil forgets everything.
  /// - Returns: how many rows are gone.
  @discardableResult public func forget(_ ids: [Int64]?, as principal: Principal) async throws -> Int {
    let scope = MemoryScope(principal, agent: agent)
    for _ in 0..<20 {
      let revision = try await store.memoryRevision(tenant: scope.tenant)
      let rows = try await store.facts(tenant: scope.tenant, scope: scope, history: true)
      var change = MemoryChange()
      if let ids {
        let chosen = Set(rows.filter { ids.contains($0.id) }.map(Self.saying))
        let gone = rows.filter { chosen.contains(Self.saying($0)) }
        change.erased = gone.map(\.id)
        change.erasedEpisodes = Array(Set(gone.compactMap(\.episode))).sorted()
      } else {
        change.erased = rows.map(\.id)
        change.erasedEpisodes = try await store.episodes(of: scope, extracted: nil, limit: .max).map(\.id)
      }
      guard !change.isEmpty else { return 0 }
      if try await store.apply(change, tenant: scope.tenant, ifRevisionIs: revision) != nil {
        try await index.purge(scope.tenant)
        return change.erased.count
      }
    }
    throw RetrievalError.memoryBusy(user: scope.user)
  }

  private static func saying(_ fact: MemoryFact) -> [String] {
    [fact.subject, fact.predicate, fact.object].map(MemoryTimeline.key)
  }

  // MARK: Consolidating

  /// Looks for facts in episodes that nobody has read yet, makes one of facts that say the same, and drops what the
  /// limits have no room for.
  @discardableResult public func consolidate(as principal: Principal) async throws -> MemoryConsolidation.Report {
    let scope = MemoryScope(principal, agent: agent)
    var report = MemoryConsolidation.Report()
    for episode in try await store.episodes(of: scope, extracted: false, limit: limits.episodes) {
      let statements = try await extractor.statements(in: episode.text, at: episode.occurredAt)
      report.found += try await state(
        statements, in: scope, readers: episode.readers, episode: episode.id, at: now(), extracted: [episode.id]
      ).count
    }
    var merged = 0
    let time = now()
    _ = try await change(scope) { believed in
      let change = MemoryConsolidation.merging(believed, at: time)
      merged = change.retracted.count - change.added.count
      return change
    }
    report.merged = merged
    report.dropped = try await enforceLimits(scope)
    try await index.purge(scope.tenant)
    return report
  }

  @discardableResult private func enforceLimits(_ scope: MemoryScope) async throws -> Int {
    let episodes = try await store.episodes(of: scope, extracted: true, limit: .max)
    var dropped = 0
    _ = try await change(scope) { [limits] believed in
      var change = MemoryConsolidation.dropping(believed, limit: limits.facts)
      dropped = change.erased.count
      change.erasedEpisodes = episodes.prefix(max(0, episodes.count - limits.episodes)).map(\.id)
      return change
    }
    return dropped
  }
}
