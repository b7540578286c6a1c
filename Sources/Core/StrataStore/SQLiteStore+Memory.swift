// Owns facts, episodes and the revision of a tenant's memory in the database.
//
// `+tenant` keeps SQLite from walking the tenant's whole index where ids are named.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore: MemoryStore {
  public func memoryRevision(tenant: String) async throws -> Int64 {
    try await read { db in try Self.memoryRevision(db, tenant) }
  }

  public func facts(tenant: String, scope: MemoryScope?, history: Bool) async throws -> [MemoryFact] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT * FROM memory_facts WHERE tenant = ?1 \(scope == nil ? "" : "AND user = ?2 AND agent = ?3")
            AND (?4 OR retracted_at IS NULL) ORDER BY id
          """, arguments: [tenant, scope?.user, scope?.agent, history])
      return try Array(rows.map(Self.fact))
    }
  }

  public func facts(ids: [Int64], tenant: String) async throws -> [MemoryFact] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: "SELECT * FROM memory_facts WHERE id IN (SELECT value FROM json_each(?)) AND +tenant = ? ORDER BY id",
        arguments: [Self.json(ids), tenant])
      return try Array(rows.map(Self.fact))
    }
  }

  public func episodes(ids: [Int64], tenant: String) async throws -> [MemoryEpisode] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: "SELECT * FROM memory_episodes WHERE id IN (SELECT value FROM json_each(?)) AND +tenant = ? ORDER BY id",
        arguments: [Self.json(ids), tenant])
      return try Array(rows.map(Self.episode))
    }
  }

  public func episodes(of scope: MemoryScope, extracted: Bool?, limit: Int) async throws -> [MemoryEpisode] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT * FROM memory_episodes WHERE tenant = ?1 AND user = ?2 AND agent = ?3
            AND (?4 IS NULL OR is_extracted = ?4) ORDER BY id LIMIT ?5
          """, arguments: [scope.tenant, scope.user, scope.agent, extracted, limit])
      return try Array(rows.map(Self.episode))
    }
  }

  public func add(_ episode: MemoryEpisode) async throws -> Int64 {
    try await write { db in
      try db.execute(
        sql: """
          INSERT INTO memory_episodes (tenant, user, agent, text, occurred_at, recorded_at, run, readers, is_extracted,
            embedding)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          episode.scope.tenant, episode.scope.user, episode.scope.agent, Data(episode.text.utf8),
          episode.occurredAt.timeIntervalSinceReferenceDate, episode.recordedAt.timeIntervalSinceReferenceDate,
          episode.run, Self.text(episode.readers), episode.isExtracted, episode.embedding.map(VectorCoding.data),
        ])
      let id = db.lastInsertedRowID
      try Self.logMemory(db, MemoryRows(episodes: [id]), tenant: episode.scope.tenant)
      return id
    }
  }

  public func apply(_ change: MemoryChange, tenant: String, ifRevisionIs revision: Int64) async throws -> [Int64]? {
    let ids: [Int64]? = try await write { db in
      guard try Self.memoryRevision(db, tenant) == revision else { return nil }
      try Self.erase(db, change, tenant)
      if let time = change.retractedAt, !change.retracted.isEmpty {
        try db.execute(
          sql: """
            UPDATE memory_facts SET retracted_at = ?
            WHERE +tenant = ? AND retracted_at IS NULL AND id IN (SELECT value FROM json_each(?))
            """, arguments: [time.timeIntervalSinceReferenceDate, tenant, Self.json(change.retracted)])
      }
      try db.execute(
        sql: """
          UPDATE memory_facts SET confirmations = confirmations + 1
          WHERE +tenant = ? AND id IN (SELECT value FROM json_each(?))
          """, arguments: [tenant, Self.json(change.confirmed)])
      try db.execute(
        sql: "UPDATE memory_episodes SET is_extracted = 1 WHERE +tenant = ? AND id IN (SELECT value FROM json_each(?))",
        arguments: [tenant, Self.json(change.extractedEpisodes)])
      let added = try change.added.map { try Self.insert(db, $0) }
      try Self.countUp(db, tenant, by: 1)
      // Neither how often a fact was said nor whether an episode was read changes what is found.
      let rows = MemoryRows(facts: added + change.retracted + change.erased, episodes: change.erasedEpisodes)
      try Self.logMemory(db, rows, tenant: tenant)
      return added
    }
    // What was forgotten must not live on in the write-ahead log.
    if ids != nil, !change.erased.isEmpty || !change.erasedEpisodes.isEmpty { await truncateLogNowAndThen() }
    return ids
  }

  private static func erase(_ db: Database, _ change: MemoryChange, _ tenant: String) throws {
    for (table, ids) in [("memory_facts", change.erased), ("memory_episodes", change.erasedEpisodes)]
    where !ids.isEmpty {
      try db.execute(
        sql: "DELETE FROM \(table) WHERE +tenant = ? AND id IN (SELECT value FROM json_each(?))",
        arguments: [tenant, json(ids)])
    }
  }

  private static func insert(_ db: Database, _ fact: MemoryFact) throws -> Int64 {
    try db.execute(
      sql: """
        INSERT INTO memory_facts (tenant, user, agent, subject, predicate, object, text, is_single, valid_from, valid_to,
          recorded_at, retracted_at, confirmations, importance, readers, episode, embedding)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        fact.scope.tenant, fact.scope.user, fact.scope.agent, Data(fact.subject.utf8), Data(fact.predicate.utf8),
        Data(fact.object.utf8), Data(fact.text.utf8), fact.isSingle, fact.validFrom.timeIntervalSinceReferenceDate,
        fact.validTo?.timeIntervalSinceReferenceDate, fact.recordedAt.timeIntervalSinceReferenceDate,
        fact.retractedAt?.timeIntervalSinceReferenceDate, fact.confirmations, fact.importance, text(fact.readers),
        fact.episode, fact.embedding.map(VectorCoding.data),
      ])
    return db.lastInsertedRowID
  }

  private static func memoryRevision(_ db: Database, _ tenant: String) throws -> Int64 {
    try Int64.fetchOne(db, sql: "SELECT revision FROM memory_revisions WHERE tenant = ?", arguments: [tenant]) ?? 0
  }

  /// The tenant's row, made when there is none.
  static func countUp(_ db: Database, _ tenant: String, by count: Int64) throws {
    try db.execute(
      sql: """
        INSERT INTO memory_revisions (tenant, revision, identity) VALUES (?1, ?2, lower(hex(randomblob(16))))
        ON CONFLICT (tenant) DO UPDATE SET revision = revision + ?2
        """, arguments: [tenant, count])
  }

  private static func fact(_ row: Row) -> MemoryFact {
    MemoryFact(
      id: row["id"], scope: scope(row), subject: string(row["subject"]), predicate: string(row["predicate"]),
      object: string(row["object"]), text: string(row["text"]), isSingle: row["is_single"],
      validFrom: date(row["valid_from"]), validTo: (row["valid_to"] as Double?).map(date),
      recordedAt: date(row["recorded_at"]), retractedAt: (row["retracted_at"] as Double?).map(date),
      confirmations: row["confirmations"], importance: row["importance"], readers: readers(row["readers"]),
      episode: row["episode"], embedding: (row["embedding"] as Data?).map(VectorCoding.vector))
  }

  private static func episode(_ row: Row) -> MemoryEpisode {
    MemoryEpisode(
      id: row["id"], scope: scope(row), text: string(row["text"]), occurredAt: date(row["occurred_at"]),
      recordedAt: date(row["recorded_at"]), run: row["run"], readers: readers(row["readers"]),
      isExtracted: row["is_extracted"], embedding: (row["embedding"] as Data?).map(VectorCoding.vector))
  }

  private static func scope(_ row: Row) -> MemoryScope {
    MemoryScope(tenant: row["tenant"], user: row["user"], agent: row["agent"])
  }

  private static func string(_ data: Data) -> String { String(decoding: data, as: UTF8.self) }
  private static func date(_ seconds: Double) -> Date { Date(timeIntervalSinceReferenceDate: seconds) }
  static func json(_ ids: [Int64]) -> String { JSON.array(ids.map { .int(Int($0)) }).text() }
  private static func text(_ readers: [Reader]) -> String {
    JSON.array(readers.map { .string($0.description) }).text()
  }

  /// What cannot be read lets nobody in.
  private static func readers(_ text: String) -> [Reader] {
    ((try? JSON(parsing: text))?.arrayValue ?? []).compactMap { $0.stringValue.flatMap(Reader.init) }
  }
}
