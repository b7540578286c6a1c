import Foundation
import GRDB
import StrataCore
import StrataStore
import Testing

@Suite("Databases that questions are answered from")
struct SQLiteSourceTests {
  private static func database(_ folder: TemporaryFolder) throws -> String {
    let path = folder.path + "/ship.sqlite"
    let queue = try DatabaseQueue(path: path)
    try queue.write { db in
      try db.execute(
        sql: """
          CREATE TABLE crew (id INTEGER PRIMARY KEY, name TEXT, salary INTEGER, berth TEXT);
          CREATE TABLE watches (id INTEGER PRIMARY KEY, crew INTEGER REFERENCES crew (id), hours REAL);
          CREATE TABLE secrets (word TEXT);
          CREATE VIEW names AS SELECT id, name FROM crew;
          INSERT INTO crew VALUES (1, 'Sofia', 900, 'A1'), (2, 'Tom', 800, NULL), (3, 'Priya', 950, 'B2');
          INSERT INTO watches VALUES (1, 1, 4), (2, 1, 3.5), (3, 2, 8);
          INSERT INTO secrets VALUES ('swordfish');
          """)
    }
    try queue.close()
    return path
  }

  @Test("rows come with the place that they come from")
  func rows() async throws {
    let folder = try TemporaryFolder()
    let source = try SQLiteSource(path: try Self.database(folder))
    let result = try await source.query("SELECT id, name FROM crew ORDER BY name", limit: 2)
    #expect(result.columns == ["id", "name"])
    #expect(result.rows == [[3, "Priya"], [1, "Sofia"]])
    #expect(result.origins == ["crew[id=3]", "crew[id=1]"])
    #expect(result.isTruncated)
    #expect(result.read == ["crew.id", "crew.name"])
    let sums = try await source.query(
      "SELECT name, sum(hours) FROM crew JOIN watches ON watches.crew = crew.id GROUP BY name ORDER BY 2 DESC;",
      limit: 9)
    #expect(sums.rows == [["Tom", 8.0], ["Sofia", 7.5]])
    #expect(sums.origins == [nil, nil])
    #expect(try await source.query("SELECT name FROM names WHERE id = 2", limit: 1).rows == [["Tom"]])
  }

  @Test("rows by name, with values in the statement's places; more rows than were asked for are an error")
  func named() async throws {
    let folder = try TemporaryFolder()
    let source = try SQLiteSource(path: try Self.database(folder))
    let inner = "SELECT id, name, salary / 1000.0 AS pay FROM crew"
    #expect(
      try await source.rows("SELECT * FROM (\(inner)) WHERE id IN (?, ?) ORDER BY id", [1, 2.0], limit: 2) == [
        ["id": 1, "name": "Sofia", "pay": 0.9], ["id": 2, "name": "Tom", "pay": 0.8],
      ])
    #expect(try await source.rows("SELECT id FROM crew WHERE name = ?", ["Tom"], limit: 9) == [["id": 2]])
    #expect(try await source.rows("SELECT id FROM crew WHERE berth IS ?", [.null], limit: 9) == [["id": 2]])
    #expect(try await source.rows("SELECT ? AS empty, ? AS yes", ["", true], limit: 9) == [["empty": "", "yes": 1]])
    #expect(
      try await source.rows("SELECT value FROM json_each('[4, 5]')", [], limit: 9) == [["value": 4], ["value": 5]])
    await #expect(throws: StoreError.self) { try await source.rows("SELECT id FROM crew", [], limit: 2) }
    await #expect(throws: StoreError.self) { try await source.rows("SELECT 1 AS one", [1], limit: 2) }
    let narrow = try SQLiteSource(path: folder.path + "/ship.sqlite", valueByteLimit: 1000)
    await #expect(throws: StoreError.self) {
      try await narrow.rows(
        "SELECT replace(hex(?), '3', 'aaaa')", [.string(String(repeating: "1", count: 400))], limit: 1)
    }
  }

  @Test("tables show what is open, with keys and references")
  func tables() async throws {
    let folder = try TemporaryFolder()
    let path = try Self.database(folder)
    let all = try await SQLiteSource(path: path).tables()
    #expect(all.map(\.name) == ["crew", "names", "secrets", "watches"])
    #expect(all.last?.references == [.init(column: "crew", table: "crew", target: "id")])
    let some = try await SQLiteSource(path: path, tables: ["Crew": ["id", "Name"], "watches": nil]).tables()
    #expect(some.map(\.name) == ["crew", "watches"])
    #expect(some.first?.columns.map(\.name) == ["id", "name"])
    #expect(some.first?.key == ["id"])
  }

  @Test(
    "whatever is not reading what is open is refused",
    arguments: [
      "SELECT salary FROM crew", "SELECT * FROM crew", "SELECT word FROM secrets", "SELECT count(*) FROM secrets",
      "SELECT name FROM crew WHERE salary > 1", "SELECT name FROM crew ORDER BY salary",
      "SELECT (SELECT word FROM secrets)", "WITH crew AS (SELECT word AS name FROM secrets) SELECT name FROM crew",
      "WITH watches AS (SELECT salary AS hours FROM crew) SELECT hours FROM watches",
      "SELECT name FROM crew UNION SELECT word FROM secrets", "SELECT sql FROM sqlite_master",
      "SELECT * FROM pragma_table_info('crew')", "PRAGMA table_info(crew)", "PRAGMA query_only = OFF",
      "ATTACH '/tmp/x.sqlite' AS x", "INSERT INTO crew (name) VALUES ('x')", "UPDATE crew SET name = 'x'",
      "DELETE FROM crew", "DROP TABLE crew", "CREATE TABLE t (x)", "CREATE TEMP VIEW v AS SELECT word FROM secrets",
      "SELECT load_extension('x')", "SELECT readfile('/etc/passwd')", "SELECT randomblob(1000000000)", "VACUUM",
      "BEGIN",
      "SELECT name FROM names", "EXPLAIN SELECT word FROM secrets", "ANALYZE", "REINDEX",
    ])
  func refused(statement: String) async throws {
    let folder = try TemporaryFolder()
    let path = try Self.database(folder)
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let source = try SQLiteSource(path: path, tables: ["crew": ["id", "name"], "watches": nil])
    await #expect(throws: StoreError.self) { try await source.query(statement, limit: 10) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    // What was refused leaves nothing behind.
    #expect(try await source.query("SELECT count(*) FROM crew", limit: 1).rows == [[3]])
  }

  @Test("errors say what is wrong", arguments: ["", ";", "SELECT 1; SELECT 2", "SELEC 1", "SELECT nothing FROM crew"])
  func wrong(statement: String) async throws {
    let folder = try TemporaryFolder()
    let source = try SQLiteSource(path: try Self.database(folder))
    let error = await #expect(throws: StoreError.self) { try await source.query(statement, limit: 10) }
    #expect(error?.code == StoreError.queryInvalid)
  }

  @Test("a query without an end is ended; a file of another kind is no database")
  func bounds() async throws {
    let folder = try TemporaryFolder()
    let source = try SQLiteSource(path: try Self.database(folder), timeout: .milliseconds(50))
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    let error = await #expect(throws: StoreError.self) { try await source.query(endless, limit: 1) }
    #expect(error?.code == StoreError.queryTooLong)
    let text = folder.path + "/text.sqlite"
    try Data(String(repeating: "no database ", count: 1000).utf8).write(to: URL(fileURLWithPath: text))
    #expect(throws: StoreError.self) { try SQLiteSource(path: text) }
    #expect(throws: StoreError.self) { try SQLiteSource(path: folder.path + "/absent.sqlite") }
  }
}
