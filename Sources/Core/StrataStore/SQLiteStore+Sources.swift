// Owns where documents come from, in the database.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore {
  public func sources(in collection: String) async throws -> [SourceRecord] {
    try await read { db in try Self.sources(db, Self.collectionID(db, collection, create: false)) }
  }

  static func sources(_ db: Database, _ collection: Int64) throws -> [SourceRecord] {
    try Row.fetchAll(db, sql: "SELECT * FROM sources WHERE collection = ? ORDER BY key", arguments: [collection])
      .map { row in
        SourceRecord(
          key: row["key"], connector: row["connector"], uri: row["uri"], cursor: row["cursor"],
          completedAt: (row["completed_at"] as Double?).map(Date.init(timeIntervalSinceReferenceDate:)))
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

  public func deleteSource(_ key: String, in collection: String) async throws -> [String]? {
    let paths = try await write { db -> [String]? in
      let collection = try Self.collectionID(db, collection, create: false)
      let id = try Int64.fetchOne(
        db, sql: "SELECT id FROM sources WHERE collection = ? AND key = ?", arguments: [collection, key])
      guard let id else { return nil }
      let paths = try String.fetchAll(
        db, sql: "SELECT path FROM documents WHERE source = ? ORDER BY path", arguments: [id])
      try Self.remove(db, paths, in: collection)
      try db.execute(sql: "DELETE FROM sources WHERE id = ?", arguments: [id])
      return paths
    }
    if paths?.isEmpty == false { await truncateLogNowAndThen() }
    return paths
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

// MARK: Collections as wholes

/// How much a collection holds.
public struct CollectionSize: Sendable, Hashable {
  public var documents = 0
  /// Of all documents, history included.
  public var versions = 0
  /// Of current versions.
  public var chunks = 0
  /// Bytes of current documents as they were read.
  public var bytes = 0
}

extension SQLiteStore {
  public func size(of collection: String) async throws -> CollectionSize {
    try await read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT count(DISTINCT documents.id) AS documents, count(*) AS versions,
            coalesce(sum(chunk_count) FILTER (WHERE number = documents.version), 0) AS chunks,
            coalesce(sum(byte_count) FILTER (WHERE number = documents.version), 0) AS bytes
          FROM versions JOIN documents ON documents.id = versions.document WHERE documents.collection = ?
          """, arguments: [Self.collectionID(db, collection, create: false)])
      guard let row else { return CollectionSize() }
      return CollectionSize(
        documents: row["documents"], versions: row["versions"], chunks: row["chunks"], bytes: row["bytes"])
    }
  }

  /// Makes a collection disappear with its documents, settings, groups and the vectors that only it used.
  /// - Returns: whether there was one.
  @discardableResult
  public func deleteCollection(_ name: String) async throws -> Bool {
    let isDeleted = try await write { db in
      let id = try Self.collectionID(db, name, create: false)
      guard id >= 0 else { return false }
      for table in ["embeddings", "extractions"] {
        try db.execute(
          sql: """
            DELETE FROM \(table) WHERE text_hash IN
              (SELECT input_hash FROM chunks JOIN versions ON versions.id = chunks.version
                JOIN documents ON documents.id = versions.document
                WHERE documents.collection = ?1 AND input_hash IS NOT NULL)
            AND text_hash NOT IN
              (SELECT input_hash FROM chunks JOIN versions ON versions.id = chunks.version
                JOIN documents ON documents.id = versions.document
                WHERE documents.collection <> ?1 AND input_hash IS NOT NULL)
            """, arguments: [id])
      }
      try db.execute(sql: "DELETE FROM collections WHERE id = ?", arguments: [id])
      return true
    }
    if isDeleted { await truncateLogNowAndThen() }
    return isDeleted
  }
}
