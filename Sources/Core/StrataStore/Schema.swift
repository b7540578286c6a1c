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
    migrator.registerMigration("2 relations") { db in try db.execute(sql: relations) }
    migrator.registerMigration("3 lineage") { db in
      try db.execute(sql: lineage)
      try db.execute(sql: vectorsByText)
    }
    migrator.registerMigration("4 memory") { db in try db.execute(sql: memory) }
    migrator.registerMigration("5 extractions") { db in try db.execute(sql: extractions) }
    migrator.registerMigration("6 memory changes") { db in try db.execute(sql: memoryChanges) }
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

  /// Sources, what each version is made from and by, and which answers cite it. The folder of an older file becomes the
  /// source of its documents; `citations` is filled with what journals say.
  private static let lineage = """
    CREATE TABLE sources (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      key TEXT NOT NULL,
      connector TEXT NOT NULL,
      uri TEXT NOT NULL,
      cursor TEXT,
      completed_at REAL,
      UNIQUE (collection, key)
    );
    ALTER TABLE documents ADD COLUMN source INTEGER REFERENCES sources ON DELETE SET NULL;
    ALTER TABLE documents ADD COLUMN stamp TEXT;
    ALTER TABLE versions ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE versions ADD COLUMN origin TEXT NOT NULL DEFAULT '';
    ALTER TABLE versions ADD COLUMN source_version TEXT;
    ALTER TABLE versions ADD COLUMN pipeline TEXT NOT NULL DEFAULT '';
    INSERT INTO sources (collection, key, connector, uri)
      SELECT collection, '', 'folder', 'file://' || value FROM settings WHERE settings.key = 'folder';
    UPDATE documents SET source =
      (SELECT id FROM sources WHERE sources.collection = documents.collection AND sources.key = '')
      WHERE path NOT LIKE '@uploads/%';
    DELETE FROM settings WHERE key = 'pipeline';
    CREATE TABLE citations (
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
      position INTEGER NOT NULL,
      collection TEXT,
      path TEXT NOT NULL,
      version INTEGER NOT NULL,
      start_byte INTEGER NOT NULL,
      end_byte INTEGER NOT NULL,
      PRIMARY KEY (run, position)
    ) WITHOUT ROWID;
    CREATE INDEX citations_by_document ON citations (path, version);
    INSERT OR IGNORE INTO citations (run, position, path, version, start_byte, end_byte)
      SELECT events.run, cited.key, cited.value ->> 'document', cited.value ->> 'version', cited.value ->> 'start',
        cited.value ->> 'end'
      FROM events, json_each(events.payload, '$.result.citations') AS cited
      WHERE events.kind = 'answer.completed' AND cited.value ->> 'document' IS NOT NULL
        AND cited.value ->> 'version' IS NOT NULL AND cited.value ->> 'start' IS NOT NULL
        AND cited.value ->> 'end' IS NOT NULL;
    """

  /// A chunk's vector was a copy in its row; now it is the cached one of its text.
  private static let vectorsByText = """
    ALTER TABLE collections ADD COLUMN embedder TEXT;
    ALTER TABLE collections ADD COLUMN next_embedder TEXT;
    ALTER TABLE chunks ADD COLUMN input_hash TEXT;
    UPDATE chunks SET input_hash =
      (SELECT text_hash FROM embeddings WHERE vector_hash = chunks.embedding_hash ORDER BY id DESC LIMIT 1)
      WHERE embedding_hash IS NOT NULL;
    UPDATE collections SET embedder =
      (SELECT embedder FROM versions JOIN documents ON documents.id = versions.document
        WHERE documents.collection = collections.id AND embedder IS NOT NULL ORDER BY versions.id DESC LIMIT 1);
    DROP INDEX chunks_by_embedding;
    DROP INDEX embeddings_by_vector;
    ALTER TABLE chunks DROP COLUMN embedding;
    ALTER TABLE chunks DROP COLUMN embedding_hash;
    ALTER TABLE embeddings DROP COLUMN vector_hash;
    CREATE INDEX chunks_by_input ON chunks (input_hash) WHERE input_hash IS NOT NULL;
    CREATE TABLE embedding_queue (
      id INTEGER PRIMARY KEY,
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      embedder TEXT NOT NULL,
      chunk INTEGER NOT NULL REFERENCES chunks ON DELETE CASCADE,
      attempts INTEGER NOT NULL DEFAULT 0,
      error TEXT,
      UNIQUE (chunk, embedder)
    );
    CREATE INDEX embedding_queue_by_turn ON embedding_queue (collection, embedder, id);
    """

  private static let extractions = """
    CREATE TABLE extractions (
      text_hash TEXT NOT NULL,
      extractor TEXT NOT NULL,
      entities TEXT NOT NULL,
      PRIMARY KEY (text_hash, extractor)
    ) WITHOUT ROWID;
    """

  private static let memory = """
    CREATE TABLE memory_episodes (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      tenant TEXT NOT NULL,
      user TEXT NOT NULL,
      agent TEXT NOT NULL,
      text BLOB NOT NULL,
      occurred_at REAL NOT NULL,
      recorded_at REAL NOT NULL,
      run TEXT,
      readers TEXT NOT NULL,
      is_extracted INTEGER NOT NULL
    );
    CREATE INDEX memory_episodes_by_scope ON memory_episodes (tenant, user, agent, id);
    CREATE TABLE memory_facts (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      tenant TEXT NOT NULL,
      user TEXT NOT NULL,
      agent TEXT NOT NULL,
      subject BLOB NOT NULL,
      predicate BLOB NOT NULL,
      object BLOB NOT NULL,
      text BLOB NOT NULL,
      is_single INTEGER NOT NULL,
      valid_from REAL NOT NULL,
      valid_to REAL,
      recorded_at REAL NOT NULL,
      retracted_at REAL,
      confirmations INTEGER NOT NULL,
      importance REAL NOT NULL,
      readers TEXT NOT NULL,
      episode INTEGER REFERENCES memory_episodes ON DELETE SET NULL,
      embedding BLOB
    );
    CREATE INDEX memory_facts_by_scope ON memory_facts (tenant, user, agent, retracted_at);
    CREATE INDEX memory_facts_by_episode ON memory_facts (episode);
    CREATE TABLE memory_revisions (
      tenant TEXT PRIMARY KEY,
      revision INTEGER NOT NULL
    ) WITHOUT ROWID;
    """

  /// What an index follows: each row names facts and episodes that were added, changed or erased. The first of a tenant
  /// names none: an index that has seen nothing reads everything.
  private static let memoryChanges = """
    CREATE TABLE memory_changes (
      token INTEGER PRIMARY KEY AUTOINCREMENT,
      tenant TEXT NOT NULL,
      facts BLOB,
      episodes BLOB
    );
    CREATE INDEX memory_changes_by_tenant ON memory_changes (tenant, token);
    ALTER TABLE memory_episodes ADD COLUMN embedding BLOB;
    ALTER TABLE memory_revisions ADD COLUMN identity TEXT NOT NULL DEFAULT '';
    INSERT INTO memory_revisions (tenant, revision)
      SELECT DISTINCT tenant, 0 FROM memory_episodes WHERE tenant NOT IN (SELECT tenant FROM memory_revisions);
    UPDATE memory_revisions SET identity = lower(hex(randomblob(16)));
    INSERT INTO memory_changes (tenant) SELECT tenant FROM memory_revisions;
    """

  /// A revision is one write. `relation_changes` tells what each did, so that readers can follow; old ones are cut off.
  private static let relations = """
    CREATE TABLE relation_revisions (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE
    );
    CREATE INDEX relation_revisions_by_collection ON relation_revisions (collection, id);
    CREATE TABLE relation_tuples (
      collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
      object_type TEXT NOT NULL,
      object_id TEXT NOT NULL,
      relation TEXT NOT NULL,
      subject TEXT NOT NULL,
      condition TEXT,
      context TEXT,
      PRIMARY KEY (collection, object_type, object_id, relation, subject)
    ) WITHOUT ROWID;
    CREATE TABLE relation_changes (
      revision INTEGER NOT NULL REFERENCES relation_revisions ON DELETE CASCADE,
      position INTEGER NOT NULL,
      kind TEXT NOT NULL,
      object_type TEXT,
      object_id TEXT,
      relation TEXT,
      subject TEXT,
      condition TEXT,
      context TEXT,
      PRIMARY KEY (revision, position)
    ) WITHOUT ROWID;
    CREATE TABLE authorization_models (
      collection INTEGER PRIMARY KEY REFERENCES collections ON DELETE CASCADE,
      text TEXT NOT NULL
    );
    """
}
