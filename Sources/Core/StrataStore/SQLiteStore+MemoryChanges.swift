// Owns the record of what changed in a tenant's memory, which an index follows. What facts and episodes are is
// SQLiteStore+Memory's.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore {
  public func memoryTenants() async throws -> [String] {
    try await read { db in try String.fetchAll(db, sql: "SELECT tenant FROM memory_revisions ORDER BY tenant") }
  }

  public func memoryIdentity(tenant: String) async throws -> String? {
    try await read { db in
      try String.fetchOne(db, sql: "SELECT identity FROM memory_revisions WHERE tenant = ?", arguments: [tenant])
    }
  }

  public func memoryRows(tenant: String) async throws -> MemoryRows {
    try await read { db in
      func ids(_ table: String) throws -> [Int64] {
        try Int64.fetchAll(db, sql: "SELECT id FROM \(table) WHERE tenant = ? ORDER BY id", arguments: [tenant])
      }
      return MemoryRows(facts: try ids("memory_facts"), episodes: try ids("memory_episodes"))
    }
  }

  public func memoryToken(tenant: String) async throws -> Int64 {
    try await read { db in try Self.memoryToken(db, tenant) }
  }

  public func memoryChanges(since token: Int64, tenant: String) async throws -> (rows: MemoryRows, token: Int64)? {
    try await read { db in
      let newest = try Self.memoryToken(db, tenant)
      guard token < newest else { return token == newest ? (MemoryRows(), newest) : nil }
      let rows = try Row.fetchAll(
        db, sql: "SELECT * FROM memory_changes WHERE tenant = ? AND token >= ? ORDER BY token",
        arguments: [tenant, token])
      // The first row must be the one the caller has seen, or the record has been cut somewhere after it.
      guard token > 0, rows.first?["token"] == token else { return nil }
      var (facts, episodes): (Set<Int64>, Set<Int64>) = ([], [])
      for row in rows.dropFirst() {
        facts.formUnion((row["facts"] as Data?).map(VectorCoding.ids) ?? [])
        episodes.formUnion((row["episodes"] as Data?).map(VectorCoding.ids) ?? [])
      }
      return (MemoryRows(facts: facts.sorted(), episodes: episodes.sorted()), newest)
    }
  }

  private static func memoryToken(_ db: Database, _ tenant: String) throws -> Int64 {
    try Int64.fetchOne(db, sql: "SELECT max(token) FROM memory_changes WHERE tenant = ?", arguments: [tenant]) ?? 0
  }

  /// Notes a change, in the transaction that makes it.
  static func logMemory(_ db: Database, _ rows: MemoryRows, tenant: String) throws {
    guard rows != MemoryRows() else { return }
    try countUp(db, tenant, by: 0)
    try db.execute(
      sql: "INSERT INTO memory_changes (tenant, facts, episodes) VALUES (?, ?, ?)",
      arguments: [
        tenant, rows.facts.isEmpty ? nil : VectorCoding.data(rows.facts),
        rows.episodes.isEmpty ? nil : VectorCoding.data(rows.episodes),
      ])
    guard db.lastInsertedRowID % 1024 == 0 else { return }
    try db.execute(
      sql: """
        DELETE FROM memory_changes WHERE tenant = ?1 AND token <
          (SELECT token FROM memory_changes WHERE tenant = ?1 ORDER BY token DESC LIMIT 1 OFFSET ?2)
        """, arguments: [tenant, keptChanges])
  }
}
