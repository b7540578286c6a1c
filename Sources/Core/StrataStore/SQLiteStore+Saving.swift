// Owns how new versions get into the database: the version, its chunks, and their places in the embedding queue.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore {
  /// - Throws: ``StoreError`` `store_version_conflict` unless each version is one more than the newest of its document
  ///   (1 for a new one): somebody else has changed the document. Nothing is saved then.
  public func save(
    _ versions: [NewVersion], embedder: String?
  ) async throws -> [(added: [ChunkRecord], removed: [Int64])] {
    for version in versions { try Self.check(version.record, text: version.text, chunks: version.chunks) }
    return try await write { db in
      var places: [String: CollectionPlace] = [:]
      return try versions.map { version in
        let name = version.record.collection
        let place = try places[name] ?? CollectionPlace(db, name, embedder: embedder)
        places[name] = place
        return try Self.save(db, version, in: place, embedder: embedder)
      }
    }
  }

  /// What every save into one collection needs to know about it.
  struct CollectionPlace {
    let id: Int64
    let embedders: CollectionEmbedders
    let sources: [String: Int64]

    init(_ db: Database, _ name: String, embedder: String?) throws {
      id = try SQLiteStore.collectionID(db, name, create: true)
      var embedders = try SQLiteStore.embedders(db, id)
      if embedders.current == nil, let embedder {
        try db.execute(sql: "UPDATE collections SET embedder = ? WHERE id = ?", arguments: [embedder, id])
        embedders.current = embedder
      }
      self.embedders = embedders
      let rows = try Row.fetchAll(db, sql: "SELECT key, id FROM sources WHERE collection = ?", arguments: [id])
      sources = Dictionary(rows.map { ($0["key"], $0["id"]) }) { $1 }
    }
  }

  private static func save(
    _ db: Database, _ version: NewVersion, in place: CollectionPlace, embedder: String?
  ) throws -> (added: [ChunkRecord], removed: [Int64]) {
    let record = version.record
    let (document, removed) = try advance(db, record, collection: place.id)
    try db.execute(
      sql: "UPDATE documents SET source = ?, stamp = ? WHERE id = ?",
      arguments: [record.provenance.source.flatMap { place.sources[$0] }, record.provenance.stamp, document])
    try replaceReaders(db, record.readers, document: document)
    try db.cachedStatement(
      sql: """
        INSERT INTO versions (document, number, content_hash, byte_count, media_type, title, modified_at, ingested_at,
          chunk_count, embedder, text, metadata, origin, source_version, pipeline)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      document, record.version, record.contentHash, record.byteCount, record.mediaType, record.title,
      record.modifiedAt.timeIntervalSinceReferenceDate, record.ingestedAt.timeIntervalSinceReferenceDate,
      version.chunks.count, place.embedders.current, Data(version.text.utf8), JSON.object(record.metadata).text(),
      record.provenance.origin, record.provenance.sourceVersion, record.provenance.pipeline,
    ])
    let added = try insert(
      db, version.chunks, of: record, version: db.lastInsertedRowID, in: place, embedder: embedder)
    try logChange(db, place.id, "saved", path: record.path, added: added.map(\.id), removed: removed)
    return (added, removed)
  }

  private static func insert(
    _ db: Database, _ chunks: [ChunkRecord], of record: DocumentRecord, version: Int64, in place: CollectionPlace,
    embedder: String?
  ) throws -> [ChunkRecord] {
    let statement = try db.cachedStatement(
      sql: """
        INSERT INTO chunks (version, ordinal, start_byte, end_byte, text, headings, page, input_hash)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """)
    let lookup = try db.cachedStatement(sql: "SELECT vector FROM embeddings WHERE embedder = ? AND text_hash = ?")
    let queue = try db.cachedStatement(
      sql: """
        INSERT INTO embedding_queue (collection, embedder, chunk) SELECT ?1, ?2, ?3
        WHERE NOT EXISTS (SELECT 1 FROM embeddings WHERE embedder = ?2 AND text_hash = ?4)
        """)
    return try chunks.map { chunk in
      var stored = chunk
      if let vector = chunk.embedding {
        // What nobody has hashed is known by its text.
        let hash = chunk.inputHash ?? SHA256.hash(chunk.text)
        stored.inputHash = hash
        if let embedder { try cache(db, [hash: vector], embedder: embedder) }
      }
      try statement.execute(arguments: [
        version, chunk.ordinal, chunk.range.lowerBound, chunk.range.upperBound, Data(chunk.text.utf8),
        JSON.array(chunk.headingPath.map(JSON.string)).text(), chunk.page, stored.inputHash,
      ])
      stored.id = db.lastInsertedRowID
      stored.collection = record.collection
      stored.document = record.path
      stored.version = record.version
      stored.embedding = nil
      if let hash = stored.inputHash {
        if let current = place.embedders.current {
          stored.embedding = try Data.fetchOne(lookup, arguments: [current, hash]).map(VectorCoding.vector)
        }
        for name in [place.embedders.current, place.embedders.next].compactMap({ $0 }) {
          try queue.execute(arguments: [place.id, name, stored.id, hash])
        }
      }
      return stored
    }
  }

  private static func check(_ record: DocumentRecord, text: String, chunks: [ChunkRecord]) throws {
    let length = text.utf8.count
    for chunk in chunks {
      guard chunk.range.lowerBound >= 0, chunk.range.upperBound <= length else {
        throw StoreError(
          StoreError.invalidRecord, "Chunk \(chunk.ordinal) covers bytes \(chunk.range) of a text of \(length) bytes.",
          location: record.path)
      }
    }
    guard Set(chunks.map(\.ordinal)).count == chunks.count else {
      throw StoreError(StoreError.invalidRecord, "Two chunks have the same ordinal.", location: record.path)
    }
  }

  /// Makes the document's row say `record.version`; the chunks of the version before are history from here on.
  private static func advance(
    _ db: Database, _ record: DocumentRecord, collection: Int64
  ) throws -> (document: Int64, removed: [Int64]) {
    let row = try Row.fetchOne(
      db, sql: "SELECT id, version FROM documents WHERE collection = ? AND path = ?",
      arguments: [collection, record.path])
    let newest: Int = row?["version"] ?? 0
    guard record.version == newest + 1 else {
      throw StoreError(
        StoreError.versionConflict, "Version \(record.version) cannot follow version \(newest).",
        remedy: "Another process has changed the document; ingest it again.", location: record.path)
    }
    guard let row else {
      try db.execute(
        sql: "INSERT INTO documents (collection, path, version) VALUES (?, ?, ?)",
        arguments: [collection, record.path, record.version])
      return (db.lastInsertedRowID, [])
    }
    let document: Int64 = row["id"]
    let removed = try chunkIDs(db, document: document, version: newest)
    try db.execute(sql: "UPDATE documents SET version = ? WHERE id = ?", arguments: [record.version, document])
    // History is read, not searched: nobody waits for its vectors.
    let dequeue = try db.makeStatement(sql: "DELETE FROM embedding_queue WHERE chunk = ?")
    for chunk in removed { try dequeue.execute(arguments: [chunk]) }
    return (document, removed)
  }
}
