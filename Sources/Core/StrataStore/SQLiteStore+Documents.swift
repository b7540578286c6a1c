// Owns documents, versions and chunks in the database.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore: DocumentStore {
  /// Names of the collections, in alphabetical order.
  public func collections() async throws -> [String] {
    try await read { db in try String.fetchAll(db, sql: "SELECT name FROM collections ORDER BY name") }
  }

  public func documents(in collection: String) async throws -> [DocumentRecord] {
    try await read { db in
      let readers = try Self.readersByDocument(db, collection)
      return try Row.fetchAll(
        db,
        sql: Self.selectVersions + """
           WHERE collections.name = ? AND versions.number = documents.version ORDER BY documents.path
          """,
        arguments: [collection]
      ).map { row in try Self.record(row, readers: readers[row["document"]] ?? []) }
    }
  }

  public func documents(_ paths: [String], in collection: String) async throws -> [DocumentRecord] {
    try await read { db in
      let rows = try Row.fetchAll(
        db,
        sql: Self.selectVersions + """
           WHERE collections.name = ? AND versions.number = documents.version
          AND documents.path IN (SELECT value FROM json_each(?))
          """,
        arguments: [collection, JSON.array(paths.map(JSON.string)).text()])
      return try rows.map { row in try Self.record(row, readers: try Self.readers(db, document: row["document"])) }
    }
  }

  public func document(_ path: String, version: Int?, in collection: String) async throws -> DocumentRecord? {
    try await read { db in
      let row = try Row.fetchOne(
        db,
        sql: Self.selectVersions + """
           WHERE collections.name = ? AND documents.path = ? AND versions.number = coalesce(?, documents.version)
          """,
        arguments: [collection, path, version])
      guard let row else { return nil }
      return try Self.record(row, readers: try Self.readers(db, document: row["document"]))
    }
  }

  /// Numbers of the versions that are kept, oldest first.
  public func versions(of path: String, in collection: String) async throws -> [Int] {
    try await read { db in
      try Int.fetchAll(
        db,
        sql: """
          SELECT number FROM versions JOIN documents ON documents.id = versions.document
          JOIN collections ON collections.id = documents.collection
          WHERE collections.name = ? AND documents.path = ? ORDER BY number
          """,
        arguments: [collection, path])
    }
  }

  public func text(of path: String, version: Int, in collection: String) async throws -> String? {
    try await read { db in
      try Data.fetchOne(
        db,
        sql: """
          SELECT versions.text FROM versions JOIN documents ON documents.id = versions.document
          JOIN collections ON collections.id = documents.collection
          WHERE collections.name = ? AND documents.path = ? AND versions.number = ?
          """,
        arguments: [collection, path, version]
      ).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  public func chunks(in collection: String) async throws -> [ChunkRecord] {
    try await read { db in
      let cursor = try Row.fetchCursor(
        db,
        sql: Self.selectChunks + """
           WHERE collections.name = ? AND versions.number = documents.version ORDER BY chunks.id
          """,
        arguments: [collection])
      return try Array(cursor.map(Self.chunk))
    }
  }

  public func chunkIDs(in collection: String) async throws -> [Int64] {
    try await read { db in
      try Int64.fetchAll(
        db,
        sql: """
          SELECT chunks.id FROM chunks JOIN versions ON versions.id = chunks.version
          JOIN documents ON documents.id = versions.document JOIN collections ON collections.id = documents.collection
          WHERE collections.name = ? AND versions.number = documents.version ORDER BY chunks.id
          """,
        arguments: [collection])
    }
  }

  /// In the order of `ids`; those that do not exist are left out. Chunks of older versions are found too.
  public func chunks(ids: [Int64]) async throws -> [ChunkRecord] {
    try await read { db in try Self.chunks(db, ids: ids) }
  }

  public func chunks(of path: String, version: Int, in collection: String) async throws -> [ChunkRecord] {
    try await read { db in
      let cursor = try Row.fetchCursor(
        db,
        sql: Self.selectChunks + """
           WHERE collections.name = ? AND documents.path = ? AND versions.number = ? ORDER BY chunks.ordinal
          """,
        arguments: [collection, path, version])
      return try Array(cursor.map(Self.chunk))
    }
  }

  public func setReaders(_ readers: [Reader], of path: String, in collection: String) async throws {
    try await write { db in
      let collection = try Self.collectionID(db, collection, create: false)
      guard
        let document = try Int64.fetchOne(
          db, sql: "SELECT id FROM documents WHERE collection = ? AND path = ?", arguments: [collection, path])
      else {
        throw StoreError(StoreError.noSuchDocument, "There is no document \(path).", location: path)
      }
      guard try Self.readers(db, document: document) != readers else { return }
      try Self.replaceReaders(db, readers, document: document)
      try Self.logChange(db, collection, "readers", path: path)
    }
  }

  /// Cached embeddings that only this document used go too. Deleting an absent document does nothing.
  public func delete(_ path: String, in collection: String) async throws -> [Int64] {
    try await delete([path], in: collection)
  }

  /// The same for many documents in one transaction.
  public func delete(_ paths: [String], in collection: String) async throws -> [Int64] {
    let removed = try await write { db in
      try Self.remove(db, paths, in: Self.collectionID(db, collection, create: false))
    }
    if !removed.isEmpty { await truncateLogNowAndThen() }
    return removed
  }

  @discardableResult
  static func remove(_ db: Database, _ paths: [String], in collection: Int64) throws -> [Int64] {
    let embedders = try cachedEmbedders(db)
    return try paths.flatMap { try remove(db, $0, in: collection, embedders: embedders) }
  }

  /// All embedders whose vectors are cached, by one look at the index for each.
  private static func cachedEmbedders(_ db: Database) throws -> [String] {
    try String.fetchAll(
      db,
      sql: """
        WITH RECURSIVE names (name) AS (
          SELECT min(embedder) FROM embeddings
          UNION ALL SELECT (SELECT min(embedder) FROM embeddings WHERE embedder > name) FROM names
          WHERE name IS NOT NULL
        ) SELECT name FROM names WHERE name IS NOT NULL
        """)
  }

  private static func remove(
    _ db: Database, _ path: String, in collection: Int64, embedders: [String]
  ) throws -> [Int64] {
    let row = try Row.fetchOne(
      db.cachedStatement(sql: "SELECT id, version FROM documents WHERE collection = ? AND path = ?"),
      arguments: [collection, path])
    guard let row else { return [] }
    let document: Int64 = row["id"]
    let removed = try chunkIDs(db, document: document, version: row["version"])
    let inputs = try String.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT DISTINCT input_hash FROM chunks JOIN versions ON versions.id = chunks.version
          WHERE versions.document = ? AND input_hash IS NOT NULL
          """),
      arguments: [document])
    try db.cachedStatement(sql: "DELETE FROM documents WHERE id = ?").execute(arguments: [document])
    // The table's index begins with the embedder: without it each would look at every vector.
    let forget = try db.cachedStatement(
      sql: """
        DELETE FROM embeddings WHERE embedder = ?1 AND text_hash = ?2
        AND NOT EXISTS (SELECT 1 FROM chunks WHERE input_hash = ?2)
        """)
    let forgetEntities = try db.cachedStatement(
      sql: """
        DELETE FROM extractions WHERE text_hash = ?1 AND NOT EXISTS (SELECT 1 FROM chunks WHERE input_hash = ?1)
        """)
    for input in inputs {
      for embedder in embedders { try forget.execute(arguments: [embedder, input]) }
      try forgetEntities.execute(arguments: [input])
    }
    try logChange(db, collection, "deleted", path: path, removed: removed)
    return removed
  }

  static func replaceReaders(_ db: Database, _ readers: [Reader], document: Int64) throws {
    try db.execute(sql: "DELETE FROM readers WHERE document = ?", arguments: [document])
    for (position, reader) in readers.enumerated() {
      try db.execute(
        sql: "INSERT INTO readers (document, position, reader) VALUES (?, ?, ?)",
        arguments: [document, position, reader.description])
    }
  }

  // MARK: Rows

  static let selectVersions = """
    SELECT versions.*, documents.path, documents.stamp, sources.key AS source, collections.name AS collection
    FROM versions JOIN documents ON documents.id = versions.document
    JOIN collections ON collections.id = documents.collection LEFT JOIN sources ON sources.id = documents.source
    """

  static let selectChunks = """
    SELECT chunks.*, versions.number, documents.path, collections.name AS collection, embeddings.vector AS embedding
    FROM chunks JOIN versions ON versions.id = chunks.version JOIN documents ON documents.id = versions.document
    JOIN collections ON collections.id = documents.collection
    LEFT JOIN embeddings ON embeddings.text_hash = chunks.input_hash AND embeddings.embedder = collections.embedder
    """

  static func chunks(_ db: Database, ids: [Int64]) throws -> [ChunkRecord] {
    let list = JSON.array(ids.map { JSON.number(JSONNumber(Int($0))) }).text()
    let rows = try Row.fetchAll(
      db, sql: selectChunks + " WHERE chunks.id IN (SELECT value FROM json_each(?))", arguments: [list])
    let found = Dictionary(try rows.map { try chunk($0) }.map { ($0.id, $0) }) { first, _ in first }
    return ids.compactMap { found[$0] }
  }

  static func chunkIDs(_ db: Database, document: Int64, version: Int) throws -> [Int64] {
    try Int64.fetchAll(
      db,
      sql: """
        SELECT chunks.id FROM chunks JOIN versions ON versions.id = chunks.version
        WHERE versions.document = ? AND versions.number = ? ORDER BY chunks.id
        """, arguments: [document, version])
  }

  static func record(_ row: Row, readers: [Reader]) throws -> DocumentRecord {
    let metadata: String = row["metadata"]
    return DocumentRecord(
      collection: row["collection"], path: row["path"], version: row["number"], contentHash: row["content_hash"],
      byteCount: row["byte_count"], mediaType: row["media_type"], title: row["title"], readers: readers,
      modifiedAt: Date(timeIntervalSinceReferenceDate: row["modified_at"]),
      ingestedAt: Date(timeIntervalSinceReferenceDate: row["ingested_at"]), chunkCount: row["chunk_count"],
      metadata: metadata == "{}" ? [:] : try JSON(parsing: metadata).objectValue ?? [:],
      provenance: Provenance(
        source: row["source"], origin: row["origin"], sourceVersion: row["source_version"], stamp: row["stamp"],
        pipeline: row["pipeline"]))
  }

  static func chunk(_ row: Row) throws -> ChunkRecord {
    let (start, end): (Int, Int) = (row["start_byte"], row["end_byte"])
    guard start <= end else { throw StoreError(StoreError.corrupted, "A chunk ends before it starts.") }
    let headings = try JSON(parsing: row["headings"] as String).arrayValue ?? []
    return ChunkRecord(
      id: row["id"], collection: row["collection"], document: row["path"], version: row["number"],
      ordinal: row["ordinal"], range: start..<end, text: String(decoding: row["text"] as Data, as: UTF8.self),
      headingPath: headings.compactMap(\.stringValue),
      page: row["page"], embedding: (row["embedding"] as Data?).map(VectorCoding.vector),
      inputHash: row["input_hash"])
  }

  static func readers(_ db: Database, document: Int64) throws -> [Reader] {
    try String.fetchAll(
      db, sql: "SELECT reader FROM readers WHERE document = ? ORDER BY position", arguments: [document]
    ).compactMap(Reader.init)
  }

  private static func readersByDocument(_ db: Database, _ collection: String) throws -> [Int64: [Reader]] {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT readers.document, readers.reader FROM readers JOIN documents ON documents.id = readers.document
        JOIN collections ON collections.id = documents.collection
        WHERE collections.name = ? ORDER BY readers.document, readers.position
        """, arguments: [collection])
    var readers: [Int64: [Reader]] = [:]
    for row in rows { if let reader = Reader(row["reader"]) { readers[row["document"], default: []].append(reader) } }
    return readers
  }

  /// - Returns: -1 when there is none and none is made.
  static func collectionID(_ db: Database, _ name: String, create: Bool) throws -> Int64 {
    if let id = try Int64.fetchOne(db, sql: "SELECT id FROM collections WHERE name = ?", arguments: [name]) {
      return id
    }
    guard create else { return -1 }
    try db.execute(sql: "INSERT INTO collections (name) VALUES (?)", arguments: [name])
    let id = db.lastInsertedRowID
    try logChange(db, id, "created")
    return id
  }
}
