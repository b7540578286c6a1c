// Owns what models have found in texts: kept by text and extractor, as vectors are.
import GRDB
import StrataCore

extension SQLiteStore: ExtractionCache {
  public func cachedExtractions(_ textHashes: [String], extractor: String) async throws -> [String: JSON] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT text_hash, entities FROM extractions
          WHERE extractor = ? AND text_hash IN (SELECT value FROM json_each(?))
          """, arguments: [extractor, JSON.array(textHashes.map(JSON.string)).text()])
      var found: [String: JSON] = [:]
      while let row = try rows.next() { found[row["text_hash"]] = try JSON(parsing: row["entities"] as String) }
      return found
    }
  }

  public func cacheExtractions(
    _ extractions: [String: JSON], extractor: String, in collection: String
  ) async throws {
    guard !extractions.isEmpty else { return }
    try await write { db in
      let statement = try db.cachedStatement(
        sql: """
          INSERT INTO extractions (text_hash, extractor, entities) VALUES (?, ?, ?)
          ON CONFLICT (text_hash, extractor) DO UPDATE SET entities = excluded.entities
          """)
      for (hash, entities) in extractions { try statement.execute(arguments: [hash, extractor, entities.text()]) }
      let id = try Self.collectionID(db, collection, create: false)
      let chunks = try Int64.fetchAll(
        db,
        sql: """
          SELECT chunks.id FROM chunks JOIN versions ON versions.id = chunks.version
          JOIN documents ON documents.id = versions.document
          WHERE documents.collection = ? AND versions.number = documents.version
          AND input_hash IN (SELECT value FROM json_each(?)) ORDER BY chunks.id
          """, arguments: [id, JSON.array(extractions.keys.map(JSON.string)).text()])
      if !chunks.isEmpty { try Self.logChange(db, id, "vectors", added: chunks) }
    }
  }
}
