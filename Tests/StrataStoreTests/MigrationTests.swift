// Tests that databases of released versions become current ones.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore migrations")
struct MigrationTests {
  @Test(
    "A database of the first version keeps its vectors, its folder and its citations",
    .enabled(if: OpeningTests.hasPython, "no python3"))
  func firstVersion() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("strata.sqlite")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = [
      "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])", path,
      Self.schema + Self.content,
    ]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)

    let store = try SQLiteStore(path: path)
    #expect(try await store.embedders(of: "main") == CollectionEmbedders(current: "e@1"))
    let chunks = try await store.chunks(in: "main")
    #expect(chunks.map(\.embedding) == [[1, 0], [0, 1], [1, 0]])
    #expect(chunks.map(\.inputHash) == ["h1", "h2", "h1"])
    #expect(try await store.sources(in: "main").map(\.uri) == ["file:///docs"])
    #expect(try await store.documents(in: "main").map(\.provenance.source) == [nil, ""])
    let citation = try #require(try await store.citations(of: "run-1").first)
    #expect(citation.range == 0..<5 && citation.document == "a.md" && citation.version == 2)
    #expect(try await store.lineage(of: "a.md", in: "main")?.versions.map(\.citations.count) == [0, 1])
    #expect(try await store.setting("pipeline", in: "main") == nil)
    #expect(try await store.verify().isEmpty)
    #expect(try await store.delete("a.md", in: "main") == [2, 3])
    #expect(try await store.cachedEmbeddings(["h1", "h2"], embedder: "e@1").keys.sorted() == ["h1"])
  }

  /// A document of two versions, and one that was handed in and says the same; vectors are [1, 0] and [0, 1].
  private static let content = """
    INSERT INTO collections VALUES (1, 'main');
    INSERT INTO documents VALUES (1, 1, 'a.md', 2), (2, 1, '@uploads/b.md', 1);
    INSERT INTO readers VALUES (1, 0, 'everyone'), (2, 0, 'user:amy');
    INSERT INTO versions VALUES
      (1, 1, 1, 'x', 5, 'text/markdown', 'A', 0, 0, 1, 'e@1', CAST('older' AS BLOB)),
      (2, 1, 2, 'y', 11, 'text/markdown', 'A', 0, 0, 2, 'e@1', CAST('alpha bravo' AS BLOB)),
      (3, 2, 1, 'z', 5, 'text/markdown', 'B', 0, 0, 1, 'e@1', CAST('alpha' AS BLOB));
    INSERT INTO chunks VALUES
      (1, 1, 0, 0, 5, CAST('older' AS BLOB), '[]', NULL, NULL, 33),
      (2, 2, 0, 0, 5, CAST('alpha' AS BLOB), '[]', NULL, x'0000803f00000000', 11),
      (3, 2, 1, 6, 11, CAST('bravo' AS BLOB), '["H"]', 1, x'000000000000803f', 22),
      (4, 3, 0, 0, 5, CAST('alpha' AS BLOB), '[]', NULL, x'0000803f00000000', 11);
    INSERT INTO embeddings VALUES (1, 'e@1', 'h1', x'0000803f00000000', 11), (2, 'e@1', 'h2', x'000000000000803f', 22),
      (3, 'e@1', 'h3', x'0000803f0000803f', 33);
    INSERT INTO settings VALUES (1, 'folder', '/docs'), (1, 'pipeline', '{}');
    INSERT INTO changes (collection, kind) VALUES (1, 'created');
    INSERT INTO runs VALUES (1, 'run-1', 'default', 'amy', 'What?', 'completed', 0, 0, 1);
    INSERT INTO events VALUES (1, 0, 'answer.completed',
      '{"step":1,"result":{"answer":"A","citations":[{"document":"a.md","version":2,"start":0,"end":5,"quote":"alpha"}]}}', 0);
    CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
    INSERT INTO grdb_migrations VALUES ('1 documents, cache, journal');
    PRAGMA application_id = 1400140385;
    """

  /// The tables as the first version made them. A copy on purpose: whoever edits a released migration fails here.
  private static let schema = """
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
    CREATE TABLE embeddings (
      id INTEGER PRIMARY KEY,
      embedder TEXT NOT NULL,
      text_hash TEXT NOT NULL,
      vector BLOB NOT NULL,
      vector_hash INTEGER NOT NULL,
      UNIQUE (embedder, text_hash)
    );
    CREATE INDEX embeddings_by_vector ON embeddings (vector_hash);
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
