// Owns the tables and how older files become current. A released migration is never edited; add one instead.
import GRDB

/// The migrations, oldest first.
///
/// Texts are UTF-8 in blobs, since a text value would end at the first NUL when read as a C string.
/// Points in time are seconds since 2001-01-01 UTC as a double: what `Date` holds, so that a value comes back equal.
enum Schema {
  /// "Stra": marks the file as ours in SQLite's header.
  static let applicationID: Int32 = 0x5374_7261

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 documents, cache, journal") { db in
      try db.execute(sql: documents)
      try db.execute(sql: cache)
      try db.execute(sql: journal)
      try db.execute(sql: "PRAGMA application_id = \(applicationID)")
    }
    return migrator
  }

  private static let documents = """
    CREATE TABLE collections (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE
    );
    CREATE TABLE documents (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      path TEXT NOT NULL,
      version INTEGER NOT NULL,
      UNIQUE (collection, path)
    );
    CREATE TABLE readers (
      document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
      position INTEGER NOT NULL,
      reader TEXT NOT NULL,
      PRIMARY KEY (document, position)
    ) WITHOUT ROWID;
    CREATE TABLE versions (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
      number INTEGER NOT NULL,
      content_hash TEXT NOT NULL,
      byte_count INTEGER NOT NULL,
      media_type TEXT NOT NULL,
      title TEXT NOT NULL,
      modified_at REAL NOT NULL,
      ingested_at REAL NOT NULL,
      chunk_count INTEGER NOT NULL,
      embedder TEXT,
      text BLOB NOT NULL,
      UNIQUE (document, number)
    );
    CREATE TABLE chunks (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      version INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
      ordinal INTEGER NOT NULL,
      start_byte INTEGER NOT NULL,
      end_byte INTEGER NOT NULL,
      text BLOB NOT NULL,
      headings TEXT NOT NULL,
      page INTEGER,
      embedding BLOB,
      embedding_hash INTEGER,
      UNIQUE (version, ordinal)
    );
    CREATE INDEX chunks_by_embedding ON chunks (embedding_hash) WHERE embedding_hash IS NOT NULL;
    CREATE TABLE groups (
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      name TEXT NOT NULL,
      position INTEGER NOT NULL,
      user TEXT,
      PRIMARY KEY (collection, name, position)
    ) WITHOUT ROWID;
    CREATE TABLE settings (
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      key TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (collection, key)
    ) WITHOUT ROWID;
    CREATE TABLE changes (
      token INTEGER PRIMARY KEY AUTOINCREMENT,
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      kind TEXT NOT NULL,
      path TEXT,
      added BLOB,
      removed BLOB
    );
    CREATE INDEX changes_by_collection ON changes (collection, token);
    """

  private static let cache = """
    CREATE TABLE embeddings (
      id INTEGER PRIMARY KEY,
      embedder TEXT NOT NULL,
      text_hash TEXT NOT NULL,
      vector BLOB NOT NULL,
      vector_hash INTEGER NOT NULL,
      UNIQUE (embedder, text_hash)
    );
    CREATE INDEX embeddings_by_vector ON embeddings (vector_hash);
    """

  private static let journal = """
    CREATE TABLE runs (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      user TEXT NOT NULL,
      title TEXT NOT NULL,
      status TEXT NOT NULL,
      started_at REAL NOT NULL,
      updated_at REAL NOT NULL,
      event_count INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX runs_by_status ON runs (status, id);
    CREATE TABLE events (
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
      sequence INTEGER NOT NULL,
      kind TEXT NOT NULL,
      payload TEXT NOT NULL,
      timestamp REAL NOT NULL,
      PRIMARY KEY (run, sequence)
    ) WITHOUT ROWID;
    """
}
