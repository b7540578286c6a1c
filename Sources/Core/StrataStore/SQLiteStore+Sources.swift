// Owns where documents come from, in the database.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore {
  public func sources(in collection: String) async throws -> [SourceRecord] {
    try await read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM sources WHERE collection = ? ORDER BY key",
        arguments: [Self.collectionID(db, collection, create: false)]
      ).map { row in
        SourceRecord(
          key: row["key"], connector: row["connector"], uri: row["uri"], cursor: row["cursor"],
          completedAt: (row["completed_at"] as Double?).map(Date.init(timeIntervalSinceReferenceDate:)))
      }
    }
  }

  public func setSource(_ source: SourceRecord, in collection: String) async throws {
    try await write { db in
      try db.execute(
        sql: """
          INSERT INTO sources (collection, key, connector, uri, cursor, completed_at) VALUES (?, ?, ?, ?, ?, ?)
          ON CONFLICT (collection, key) DO UPDATE SET connector = excluded.connector, uri = excluded.uri,
            cursor = excluded.cursor, completed_at = excluded.completed_at
          """,
        arguments: [
          Self.collectionID(db, collection, create: true), source.key, source.connector, source.uri, source.cursor,
          source.completedAt?.timeIntervalSinceReferenceDate,
        ])
    }
  }

  public func setStamps(_ stamps: [String: String], in collection: String) async throws {
    guard !stamps.isEmpty else { return }
    try await write { db in
      let collection = try Self.collectionID(db, collection, create: false)
      let statement = try db.cachedStatement(sql: "UPDATE documents SET stamp = ? WHERE collection = ? AND path = ?")
      for (path, stamp) in stamps { try statement.execute(arguments: [stamp, collection, path]) }
    }
  }
}
