// Owns reading the SQLite files of other programs, also by queries that nobody has looked at (a model wrote them). What a
// query may touch is decided while SQLite compiles it, by its authorizer, never by looking at the text.
import Dispatch
import Foundation
import GRDBSQLite
import StrataCore
import Synchronization

/// A SQLite file, open for reading, of which only named tables and columns exist.
///
/// Three bounds hold at once: the file is opened read-only; the authorizer (sqlite.org, "Compile-Time Authorization
/// Callbacks") refuses everything but reading what is allowed and functions that compute; a progress handler ends what
/// takes too long. Extensions cannot be loaded and functions inside the file's own schema are not trusted.
public final class SQLiteSource: SQLSource, TableReader {
  public let name: String
  public let dialect = "SQLite"
  private let path: String
  private let allowed: [String: Set<String>?]?
  private let timeout: Duration
  private let lock = Mutex(())

  /// Longest row of a source of documents: what the other connectors take of a file.
  public static let recordByteLimit = 64 << 20

  // SQLite's handle; used under `lock` only.
  nonisolated(unsafe) private let handle: OpaquePointer

  /// - Parameters:
  ///   - tables: tables and views that may be read; a value names the columns, nil all of them. Nil allows all tables.
  ///   - timeout: longest time for one statement.
  ///   - valueByteLimit: longest text or row; more is an error.
  /// - Throws: ``StoreError`` when the file is absent or no database.
  public init(
    path: String, name: String? = nil, tables: [String: Set<String>?]? = nil, timeout: Duration = .seconds(10),
    valueByteLimit: Int = 1_000_000
  ) throws {
    self.path = path
    self.name = name ?? URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    self.timeout = timeout
    allowed = tables.map { tables in
      Dictionary(tables.map { ($0.key.lowercased(), $0.value.map { Set($0.map { $0.lowercased() }) }) }) { $1 }
    }
    guard FileManager.default.fileExists(atPath: path) else {
      throw StoreError(
        StoreError.notAccessible, "There is no database file.", remedy: "Check the path.", location: path)
    }
    var opened: OpaquePointer?
    let status = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, nil)
    guard status == SQLITE_OK, let opened else {
      sqlite3_close_v2(opened)
      throw StoreError(StoreError.notAccessible, "The database cannot be opened for reading.", location: path)
    }
    handle = opened
    sqlite3_busy_timeout(handle, 5000)
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Int32(clamping: valueByteLimit))
    sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, 100_000)
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
    // Reads the header, so that a file of another kind is noticed here. The tables that only compute declare themselves at
    // their first use, which the guard would take for the making of a table.
    let start = """
      PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; SELECT count(*) FROM sqlite_master;
      SELECT 1 FROM json_each('[]'), json_tree('[]');
      """
    guard sqlite3_exec(handle, start, nil, nil, nil) == SQLITE_OK else {
      sqlite3_close_v2(handle)
      throw StoreError(
        StoreError.corrupted, "The file is not a readable database.", remedy: "Name a SQLite file.", location: path)
    }
  }

  deinit { sqlite3_close_v2(handle) }

  // MARK: What there is

  public func tables() async throws -> [SQLTable] {
    try lock.withLock { _ in
      let names = try unguarded(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name")
      return try names.compactMap { row in
        guard let name = row.first?.stringValue else { return nil }
        let columns: Set<String>?
        if let allowed {
          guard let entry = allowed[name.lowercased()] else { return nil }
          columns = entry
        } else {
          columns = nil
        }
        return try table(name, columns)
      }
    }
  }

  private func table(_ name: String, _ columns: Set<String>?) throws -> SQLTable {
    let quoted = "'" + name.replacingOccurrences(of: "'", with: "''") + "'"
    let described = try unguarded("SELECT name, type, pk FROM pragma_table_info(\(quoted))").filter { row in
      columns?.contains(row[0].stringValue?.lowercased() ?? "") ?? true
    }
    let references = try unguarded(
      "SELECT \"from\", \"table\", coalesce(\"to\", '') FROM pragma_foreign_key_list(\(quoted))")
    return SQLTable(
      name: name,
      columns: described.map { .init(name: $0[0].stringValue ?? "", type: $0[1].stringValue ?? "") },
      key: described.filter { ($0[2].intValue ?? 0) > 0 }.sorted { ($0[2].intValue ?? 0) < ($1[2].intValue ?? 0) }
        .compactMap { $0[0].stringValue },
      references: references.compactMap { row in
        guard let column = row[0].stringValue, let table = row[1].stringValue, let target = row[2].stringValue,
          allowed.map({ $0[table.lowercased()] != nil }) ?? true
        else { return nil }
        return .init(column: column, table: table, target: target)
      })
  }

  /// For statements of our own.
  private func unguarded(_ statement: String) throws -> [[JSON]] {
    let prepared = try SQLiteStatement(handle, statement, path: path)
    var rows: [[JSON]] = []
    while try prepared.step() { rows.append(prepared.row) }
    return rows
  }

  // MARK: Answering

  public func query(_ statement: String, limit: Int) async throws -> SQLResult {
    let known = try await tables()
    return try guarded(statement, [], known) { prepared, guardian in
      var result = SQLResult(
        columns: prepared.columns, rows: [], origins: [], isTruncated: false, read: guardian.read.sorted())
      let origin = SQLOrigin(prepared, known)
      while try prepared.step() {
        guard result.rows.count < limit else {
          result.isTruncated = true
          break
        }
        let row = prepared.row
        result.rows.append(row)
        result.origins.append(origin?.describe(row))
      }
      return result
    }
  }

  public func rows(_ statement: String, _ values: [JSON], limit: Int) async throws -> [JSONObject] {
    try guarded(statement, values, try await tables()) { prepared, _ in
      var rows: [JSONObject] = []
      while try prepared.step() {
        guard rows.count < limit else {
          throw StoreError(
            StoreError.queryInvalid, "The query gives more than \(limit) rows.",
            remedy: "Narrow it with WHERE or LIMIT.", location: path)
        }
        rows.append(JSONObject(zip(prepared.columns, prepared.row).map { ($0, $1) }))
      }
      return rows
    }
  }

  /// `body` with one statement that SQLite has compiled and runs under ``SQLiteGuard``.
  private func guarded<Result: Sendable>(
    _ statement: String, _ values: [JSON], _ known: [SQLTable],
    _ body: (SQLiteStatement, SQLiteGuard) throws -> Result
  ) throws -> Result {
    try lock.withLock { _ in
      let guardian = SQLiteGuard(tables: known, deadline: .now + timeout)
      return try withExtendedLifetime(guardian) {
        let context = Unmanaged.passUnretained(guardian).toOpaque()
        sqlite3_set_authorizer(handle, SQLiteGuard.authorize, context)
        sqlite3_progress_handler(handle, 10_000, SQLiteGuard.progress, context)
        defer {
          sqlite3_set_authorizer(handle, nil, nil)
          sqlite3_progress_handler(handle, 0, nil, nil)
        }
        do {
          let prepared = try SQLiteStatement(handle, statement, path: path)
          // Commands such as REINDEX ask for nothing when there is nothing to do, and give no columns.
          guard !prepared.columns.isEmpty else {
            throw StoreError(
              StoreError.queryInvalid, "The statement is no query.", remedy: "Write a SELECT.", location: path)
          }
          try prepared.bind(values)
          return try body(prepared, guardian)
        } catch {
          throw guardian.explain(error, timeout: timeout, path: path)
        }
      }
    }
  }
}

/// Says which row of the database a row of the result is: possible when all its columns come from one table and its key is
/// among them.
private struct SQLOrigin {
  private let table: String
  private let key: [(name: String, index: Int)]

  init?(_ statement: SQLiteStatement, _ known: [SQLTable]) {
    let origins = statement.origins.compactMap { $0 }
    guard origins.count == statement.columns.count, let name = origins.first?.table,
      origins.allSatisfy({ $0.table == name }), let table = known.first(where: { $0.name == name }), !table.key.isEmpty
    else { return nil }
    key = table.key.compactMap { column in
      origins.firstIndex { $0.column == column }.map { (column, $0) }
    }
    guard key.count == table.key.count else { return nil }
    self.table = name
  }

  func describe(_ row: [JSON]) -> String {
    let parts = key.map { "\($0.name)=\(row[$0.index].stringValue ?? row[$0.index].text())" }
    return "\(table)[\(parts.joined(separator: ", "))]"
  }
}
