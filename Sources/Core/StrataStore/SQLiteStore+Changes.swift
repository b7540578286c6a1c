// Owns the record of changes that lets another process follow.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore: ChangeFeed {
  /// How many changes a collection's feed goes back at least.
  package static let keptChanges: Int64 = 10_000

  public func changeToken(in collection: String) async throws -> Int64 {
    try await read { db in try Self.token(db, collection) }
  }

  public func changes(since token: Int64, in collection: String) async throws -> StoreChanges? {
    try await read { db in
      var changes = StoreChanges(token: try Self.token(db, collection))
      guard token < changes.token else { return token == changes.token ? changes : nil }
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT changes.* FROM changes JOIN collections ON collections.id = changes.collection
          WHERE collections.name = ? AND token >= ? ORDER BY token
          """, arguments: [collection, token])
      // The first row must be the one the caller has seen, or the feed has been cut somewhere after it.
      guard token == 0 ? rows.first?["kind"] == "created" : rows.first?["token"] == token else { return nil }
      var added: Set<Int64> = []
      var paths: Set<String> = []
      var (embedded, gone): (Set<Int64>, Set<Int64>) = ([], [])
      for row in rows where row["token"] as Int64 > token {
        let kind: String = row["kind"]
        let (before, after) = (row["removed"] as Data?, row["added"] as Data?)
        if kind == "vectors" {
          embedded.formUnion(after.map(VectorCoding.ids) ?? [])
          continue
        }
        for id in before.map(VectorCoding.ids) ?? [] {
          gone.insert(id)
          added.remove(id)
        }
        added.formUnion(after.map(VectorCoding.ids) ?? [])
        if kind == "groups" { changes.groupsChanged = true }
        if kind == "embedder" { changes.embedderChanged = true }
        if kind == "readers" || kind == "saved", let path: String = row["path"] { paths.insert(path) }
      }
      changes.added = try Self.chunks(db, ids: added.sorted())
      changes.removed = gone.sorted()
      changes.embedded = try Self.chunks(db, ids: embedded.subtracting(added).subtracting(gone).sorted())
      for path in paths {
        let document = try Int64.fetchOne(
          db,
          sql: """
            SELECT documents.id FROM documents JOIN collections ON collections.id = documents.collection
            WHERE collections.name = ? AND documents.path = ?
            """, arguments: [collection, path])
        if let document { changes.readers[path] = try Self.readers(db, document: document) }
      }
      return changes
    }
  }

  private static func token(_ db: Database, _ collection: String) throws -> Int64 {
    try Int64.fetchOne(
      db,
      sql: """
        SELECT max(token) FROM changes WHERE collection = (SELECT id FROM collections WHERE name = ?)
        """, arguments: [collection]) ?? 0
  }

  /// Notes a change, in the transaction that makes it.
  static func logChange(
    _ db: Database, _ collection: Int64, _ kind: String, path: String? = nil, added: [Int64] = [],
    removed: [Int64] = []
  ) throws {
    try db.execute(
      sql: "INSERT INTO changes (collection, kind, path, added, removed) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        collection, kind, path, added.isEmpty ? nil : VectorCoding.data(added),
        removed.isEmpty ? nil : VectorCoding.data(removed),
      ])
    if db.lastInsertedRowID % 1024 == 0 { try cutChanges(db, of: collection, to: keptChanges) }
  }

  /// Forgets all but the last changes of each collection.
  static func cutChanges(_ db: Database, to count: Int64) throws {
    for collection in try Int64.fetchAll(db, sql: "SELECT id FROM collections") {
      try cutChanges(db, of: collection, to: count)
    }
  }

  private static func cutChanges(_ db: Database, of collection: Int64, to count: Int64) throws {
    try db.execute(
      sql: """
        DELETE FROM changes WHERE collection = ?1 AND token <
          (SELECT token FROM changes WHERE collection = ?1 ORDER BY token DESC LIMIT 1 OFFSET ?2)
        """, arguments: [collection, count])
  }
}
