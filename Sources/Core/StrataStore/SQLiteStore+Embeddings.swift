// Owns vectors in the database: the cache that all collections share, and the queue of what is not in it yet.
import Foundation
import GRDB
import StrataCore

/// A chunk's vector is the cached one of its text by its collection's embedder. So equal texts share a vector, a vector
/// survives its document's next version, and changing the embedder of a collection is changing one row.
extension SQLiteStore {
  public func cachedEmbeddings(_ textHashes: [String], embedder: String) async throws -> [String: [Float]] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT text_hash, vector FROM embeddings
          WHERE embedder = ? AND text_hash IN (SELECT value FROM json_each(?))
          """, arguments: [embedder, JSON.array(textHashes.map(JSON.string)).text()])
      var found: [String: [Float]] = [:]
      while let row = try rows.next() { found[row["text_hash"]] = VectorCoding.vector(row["vector"] as Data) }
      return found
    }
  }

  public func cacheEmbeddings(_ embeddings: [String: [Float]], embedder: String) async throws {
    guard !embeddings.isEmpty else { return }
    try await write { db in try Self.cache(db, embeddings, embedder: embedder) }
  }

  static func cache(_ db: Database, _ embeddings: [String: [Float]], embedder: String) throws {
    let statement = try db.cachedStatement(
      sql: """
        INSERT INTO embeddings (embedder, text_hash, vector) VALUES (?, ?, ?)
        ON CONFLICT (embedder, text_hash) DO UPDATE SET vector = excluded.vector
        """)
    for (hash, vector) in embeddings {
      try statement.execute(arguments: [embedder, hash, VectorCoding.data(vector)])
    }
  }

  // MARK: The queue

  public func embedders(of collection: String) async throws -> CollectionEmbedders {
    try await read { db in try Self.embedders(db, Self.collectionID(db, collection, create: false)) }
  }

  static func embedders(_ db: Database, _ collection: Int64) throws -> CollectionEmbedders {
    let row = try Row.fetchOne(
      db, sql: "SELECT embedder, next_embedder FROM collections WHERE id = ?", arguments: [collection])
    return CollectionEmbedders(current: row?["embedder"], next: row?["next_embedder"])
  }

  public func prepare(embedder: String, in collection: String) async throws {
    try await write { db in
      let id = try Self.collectionID(db, collection, create: true)
      let known = try Self.embedders(db, id)
      guard known.current != embedder || known.next != nil, known.next != embedder else { return }
      if let next = known.next {
        try db.execute(
          sql: "DELETE FROM embedding_queue WHERE collection = ? AND embedder = ?", arguments: [id, next])
      }
      let column = known.current == nil ? "embedder" : "next_embedder"
      try db.execute(
        sql: "UPDATE collections SET \(column) = ? WHERE id = ?",
        arguments: [known.current == embedder ? nil : embedder, id])
      try db.execute(
        sql: """
          INSERT INTO embedding_queue (collection, embedder, chunk) SELECT ?1, ?2, chunks.id FROM chunks
          JOIN versions ON versions.id = chunks.version JOIN documents ON documents.id = versions.document
          WHERE documents.collection = ?1 AND versions.number = documents.version AND input_hash IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM embeddings WHERE embedder = ?2 AND text_hash = input_hash)
          ORDER BY chunks.id ON CONFLICT DO NOTHING
          """, arguments: [id, embedder])
    }
  }

  public func pendingEmbeddings(
    for embedder: String, in collection: String, limit: Int
  ) async throws -> [PendingEmbedding] {
    try await read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT chunks.input_hash, chunks.headings, chunks.text, versions.title, documents.path FROM embedding_queue
          JOIN chunks ON chunks.id = embedding_queue.chunk JOIN versions ON versions.id = chunks.version
          JOIN documents ON documents.id = versions.document
          WHERE embedding_queue.collection = ? AND embedding_queue.embedder = ? AND error IS NULL
          ORDER BY embedding_queue.id LIMIT ?
          """, arguments: [Self.collectionID(db, collection, create: false), embedder, max(1, limit)])
      var seen: Set<String> = []
      return try rows.compactMap { row in
        guard let hash: String = row["input_hash"], seen.insert(hash).inserted else { return nil }
        return PendingEmbedding(
          inputHash: hash, document: row["path"], title: row["title"],
          headingPath: try JSON(parsing: row["headings"] as String).arrayValue?.compactMap(\.stringValue) ?? [],
          text: String(decoding: row["text"] as Data, as: UTF8.self))
      }
    }
  }

  public func pendingEmbeddingCount(for embedder: String, in collection: String) async throws -> Int {
    try await read { db in
      try Self.pendingCount(db, Self.collectionID(db, collection, create: false), embedder)
    }
  }

  private static func pendingCount(_ db: Database, _ collection: Int64, _ embedder: String) throws -> Int {
    try Int.fetchOne(
      db, sql: "SELECT count(*) FROM embedding_queue WHERE collection = ? AND embedder = ? AND error IS NULL",
      arguments: [collection, embedder]) ?? 0
  }

  public func finishEmbeddings(
    _ vectors: [String: [Float]], failures: [String: String], embedder: String, in collection: String
  ) async throws -> [ChunkRecord] {
    try await write { db in
      try Self.cache(db, vectors, embedder: embedder)
      let waiting = try db.cachedStatement(
        sql: """
          SELECT embedding_queue.id, collection, chunk FROM embedding_queue JOIN chunks ON chunks.id = chunk
          WHERE input_hash = ? AND embedder = ?
          """)
      let remove = try db.cachedStatement(sql: "DELETE FROM embedding_queue WHERE id = ?")
      // Other collections may wait for the same texts.
      var served: [Int64: [Int64]] = [:]
      for hash in vectors.keys {
        for row in try Row.fetchAll(waiting, arguments: [hash, embedder]) {
          try remove.execute(arguments: [row["id"] as Int64])
          served[row["collection"], default: []].append(row["chunk"])
        }
      }
      for (hash, reason) in failures {
        for row in try Row.fetchAll(waiting, arguments: [hash, embedder]) {
          try db.execute(
            sql: "UPDATE embedding_queue SET error = ?, attempts = attempts + 1 WHERE id = ?",
            arguments: [reason, row["id"] as Int64])
        }
      }
      let own = try Self.collectionID(db, collection, create: false)
      var embedded: [ChunkRecord] = []
      for (id, chunks) in served where try Self.embedders(db, id).current == embedder {
        try Self.logChange(db, id, "vectors", added: chunks.sorted())
        if id == own { embedded = try Self.chunks(db, ids: chunks.sorted()) }
      }
      return embedded
    }
  }

  public func retryEmbeddings(in collection: String) async throws {
    try await write { db in
      try db.execute(
        sql: "UPDATE embedding_queue SET error = NULL WHERE collection = ? AND error IS NOT NULL AND attempts < 3",
        arguments: [Self.collectionID(db, collection, create: false)])
    }
  }

  public func switchEmbedder(in collection: String) async throws -> Bool {
    try await write { db in
      let id = try Self.collectionID(db, collection, create: false)
      let known = try Self.embedders(db, id)
      guard let old = known.current, let next = known.next, try Self.pendingCount(db, id, next) == 0 else {
        return false
      }
      try db.execute(
        sql: "UPDATE collections SET embedder = next_embedder, next_embedder = NULL WHERE id = ?", arguments: [id])
      try db.execute(sql: "DELETE FROM embedding_queue WHERE collection = ? AND embedder = ?", arguments: [id, old])
      let inputs = """
        SELECT input_hash FROM chunks JOIN versions ON versions.id = chunks.version
        JOIN documents ON documents.id = versions.document JOIN collections ON collections.id = documents.collection
        WHERE input_hash IS NOT NULL AND
        """
      try db.execute(
        sql: """
          DELETE FROM embeddings WHERE embedder = ?2 AND text_hash IN (\(inputs) collections.id = ?1)
          AND text_hash NOT IN
            (\(inputs) collections.id <> ?1 AND (collections.embedder = ?2 OR collections.next_embedder = ?2))
          """, arguments: [id, old])
      try Self.logChange(db, id, "embedder")
      return true
    }
  }
}
