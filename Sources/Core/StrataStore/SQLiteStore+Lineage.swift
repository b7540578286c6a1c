// Owns what came from what, in the database.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore: LineageStore {
  public func lineage(of path: String, in collection: String) async throws -> DocumentLineage? {
    try await read { db in
      let rows = try Row.fetchAll(
        db,
        sql: Self.selectVersions + " WHERE collections.name = ? AND documents.path = ? ORDER BY versions.number",
        arguments: [collection, path])
      guard let document: Int64 = rows.first?["document"] else { return nil }
      let readers = try Self.readers(db, document: document)
      let versions = try rows.map { row in
        let record = try Self.record(row, readers: readers)
        return VersionLineage(
          record: record, chunks: try Self.chunkLineage(db, version: row["id"]),
          citations: try Self.citations(
            db, "path = ? AND version = ? AND coalesce(collection, ?3) = ?3", [path, record.version, collection]))
      }
      let number = try Int.fetchOne(db, sql: "SELECT version FROM documents WHERE id = ?", arguments: [document])
      guard let current = versions.first(where: { $0.record.version == number })?.record else { return nil }
      let source = try Self.sources(db, Self.collectionID(db, collection, create: false))
        .first { $0.key == current.provenance.source }
      return DocumentLineage(source: source, current: current, versions: versions)
    }
  }

  private static func chunkLineage(_ db: Database, version: Int64) throws -> [ChunkLineage] {
    let vectors = try db.cachedStatement(
      sql: "SELECT embedder FROM embeddings WHERE text_hash = ? ORDER BY embedder")
    return try Row.fetchAll(
      db, sql: "SELECT id, ordinal, start_byte, end_byte, input_hash FROM chunks WHERE version = ? ORDER BY ordinal",
      arguments: [version]
    ).map { row in
      let (start, end): (Int, Int) = (row["start_byte"], row["end_byte"])
      guard start <= end else { throw StoreError(StoreError.corrupted, "A chunk ends before it starts.") }
      let hash: String? = row["input_hash"]
      return ChunkLineage(
        id: row["id"], ordinal: row["ordinal"], range: start..<end, inputHash: hash,
        embedders: try hash.map { try String.fetchAll(vectors, arguments: [$0]) } ?? [])
    }
  }

  public func document(ofChunk chunk: Int64) async throws -> (collection: String, path: String, version: Int)? {
    try await read { db in
      try Row.fetchOne(
        db,
        sql: """
          SELECT collections.name, documents.path, versions.number FROM chunks
          JOIN versions ON versions.id = chunks.version JOIN documents ON documents.id = versions.document
          JOIN collections ON collections.id = documents.collection WHERE chunks.id = ?
          """, arguments: [chunk]
      ).map { ($0[0], $0[1], $0[2]) }
    }
  }

  public func citations(of run: String) async throws -> [CitationRecord] {
    try await read { db in try Self.citations(db, "runs.run = ?", [run]) }
  }

  private static func citations(
    _ db: Database, _ condition: String, _ arguments: StatementArguments
  ) throws -> [CitationRecord] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT citations.*, runs.run AS name, runs.tenant, runs.user, runs.title, runs.updated_at FROM citations
        JOIN runs ON runs.id = citations.run WHERE \(condition) ORDER BY citations.run, citations.position
        """, arguments: arguments
    ).compactMap { row in
      let (start, end): (Int, Int) = (row["start_byte"], row["end_byte"])
      guard 0 <= start, start <= end else { return nil }
      return CitationRecord(
        run: row["name"], tenant: row["tenant"], user: row["user"], title: row["title"],
        answeredAt: Date(timeIntervalSinceReferenceDate: row["updated_at"]), collection: row["collection"],
        document: row["path"], version: row["version"], range: start..<end)
    }
  }

  /// Notes what an answer quotes, in the transaction that journals it. Which collection it is from is not in the answer;
  /// it is the one whose document has the quoted bytes in that place.
  static func noteCitations(_ db: Database, of run: Int64, _ payload: JSON) throws {
    for (position, cited) in (payload["result"]?["citations"]?.arrayValue ?? []).enumerated() {
      guard let path = cited["document"]?.stringValue, let version = cited["version"]?.intValue,
        let start = cited["start"]?.intValue, let end = cited["end"]?.intValue, 0 <= start, start <= end
      else { continue }
      let collection = try String.fetchOne(
        db,
        sql: """
          SELECT collections.name FROM documents JOIN versions ON versions.document = documents.id
          JOIN collections ON collections.id = documents.collection
          WHERE documents.path = ? AND versions.number = ?
          ORDER BY substr(versions.text, ? + 1, ?) = ? DESC, collections.id LIMIT 1
          """,
        arguments: [path, version, start, end - start, Data((cited["quote"]?.stringValue ?? "").utf8)])
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO citations (run, position, collection, path, version, start_byte, end_byte)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """, arguments: [run, position, collection, path, version, start, end])
    }
  }
}
