// Owns reading SQLite files of other programs. Writes nothing, not even to make a lock file permanent.
import Foundation
import GRDB
import StrataCore

/// A SQLite file that is only read: opened read-only, one reading statement at a time, within a bound of time.
public final class SQLiteReader: TableReader {
  private let queue: DatabaseQueue
  private let path: String
  private let timeout: Duration

  /// - Parameter timeout: longest time for one statement.
  /// - Throws: ``StoreError`` when the file is absent or no database.
  public init(path: String, timeout: Duration = .seconds(60)) throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw StoreError(
        StoreError.notAccessible, "There is no database file.", remedy: "Check the path.", location: path)
    }
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(10)
    configuration.label = "strata.reader"
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration)
    } catch { throw StoreError.wrapping(error, path: path) }
    self.path = path
    self.timeout = timeout
  }

  public func rows(_ statement: String, _ values: [JSON], limit: Int) async throws -> [JSONObject] {
    let (path, queue) = (path, queue)
    let watchdog = Task { [timeout] in
      try await Task.sleep(for: timeout)
      queue.interrupt()
    }
    defer { watchdog.cancel() }
    do {
      return try await queue.read { db in
        let prepared = try db.makeStatement(sql: statement)
        // ATTACH and PRAGMA count as reading, which they are not here.
        let verb = statement.drop { $0.isWhitespace || $0 == "(" }.prefix { $0.isLetter }.uppercased()
        guard prepared.isReadonly, ["SELECT", "WITH", "VALUES"].contains(verb) else {
          throw StoreError(
            StoreError.invalidRecord, "The statement would change the database.", remedy: "Use a SELECT.",
            location: path)
        }
        var rows: [JSONObject] = []
        let cursor = try Row.fetchCursor(prepared, arguments: StatementArguments(values.map(Self.value)))
        while let row = try cursor.next() {
          guard rows.count < limit else {
            throw StoreError(
              StoreError.invalidRecord, "The query gives more than \(limit) rows.",
              remedy: "Narrow it with WHERE or LIMIT.", location: path)
          }
          rows.append(JSONObject(row.map { ($0, Self.json($1)) }))
        }
        return rows
      }
    } catch let error as DatabaseError where error.resultCode == .SQLITE_ERROR {
      throw StoreError(
        StoreError.invalidRecord, "SQLite does not understand the query: \(error.message ?? "syntax error").",
        remedy: "Try it with the sqlite3 program.", location: path, cause: error)
    } catch let error as DatabaseError where error.resultCode == .SQLITE_INTERRUPT {
      throw StoreError(
        StoreError.locked, "The query took longer than \(timeout.components.seconds) seconds.",
        remedy: "Narrow it, or add an index.", location: path, cause: error)
    } catch { throw StoreError.wrapping(error, path: path) }
  }

  private static func value(_ json: JSON) -> (any DatabaseValueConvertible)? {
    switch json {
    case .string(let text): text
    case .bool(let value): value
    case .number(let number): number.intValue ?? number.doubleValue
    case .null, .array, .object: nil
    }
  }

  private static func json(_ value: DatabaseValue) -> JSON {
    switch value.storage {
    case .null, .blob: .null
    case .int64(let number): .int(Int(number))
    case .double(let number): .double(number)
    case .string(let text): .string(text)
    }
  }
}
