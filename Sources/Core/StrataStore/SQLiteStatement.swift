// Owns one prepared statement of SQLite's C interface. Knows nothing about what it asks.
import Foundation
import GRDBSQLite
import StrataCore

/// A statement and the row that it stands on.
final class SQLiteStatement {
  private let handle: OpaquePointer
  private let statement: OpaquePointer
  private let path: String
  let columns: [String]

  /// - Throws: ``StoreError`` when `text` is no statement, or more than one.
  init(_ handle: OpaquePointer, _ text: String, path: String) throws {
    self.handle = handle
    self.path = path
    var prepared: OpaquePointer?
    let rest = try text.withCString { start -> String in
      var tail: UnsafePointer<CChar>?
      guard sqlite3_prepare_v2(handle, start, -1, &prepared, &tail) == SQLITE_OK else {
        throw Self.failure(handle, path)
      }
      return tail.map { String(cString: $0) } ?? ""
    }
    let left = rest.trimmingCharacters(in: CharacterSet.whitespacesAndNewlines.union(CharacterSet(charactersIn: ";")))
    guard let prepared, left.isEmpty else {
      sqlite3_finalize(prepared)
      throw StoreError(
        StoreError.queryInvalid, prepared == nil ? "There is no statement." : "There is more than one statement.",
        remedy: "Write one SELECT.", location: path)
    }
    statement = prepared
    columns = (0..<sqlite3_column_count(prepared)).map { index in
      sqlite3_column_name(prepared, index).map { String(cString: $0) } ?? ""
    }
  }

  deinit { sqlite3_finalize(statement) }

  /// Values for the statement's `?`, in order. Arrays and objects are null.
  func bind(_ values: [JSON]) throws {
    // Tells SQLite to copy the bytes, which it does not outlive.
    let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    for (index, value) in zip(Int32(1)..., values) {
      let status: Int32
      switch value {
      case .string(let text):
        let bytes = Array(text.utf8)
        status = bytes.withUnsafeBytes { buffer in
          buffer.withMemoryRebound(to: CChar.self) {
            sqlite3_bind_text64(
              statement, index, $0.baseAddress, UInt64($0.count), copied, UInt8(SQLITE_UTF8))
          }
        }
      case .bool(let value): status = sqlite3_bind_int64(statement, index, value ? 1 : 0)
      case .number(let number):
        status =
          number.intValue.map { sqlite3_bind_int64(statement, index, Int64($0)) }
          ?? sqlite3_bind_double(statement, index, number.doubleValue)
      case .null, .array, .object: status = sqlite3_bind_null(statement, index)
      }
      guard status == SQLITE_OK else { throw Self.failure(handle, path) }
    }
  }

  /// Goes on to the next row; false when there is none.
  func step() throws -> Bool {
    switch sqlite3_step(statement) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw Self.failure(handle, path)
    }
  }

  var row: [JSON] {
    (0..<Int32(columns.count)).map { index in
      switch sqlite3_column_type(statement, index) {
      case SQLITE_INTEGER: return .int(Int(sqlite3_column_int64(statement, index)))
      case SQLITE_FLOAT:
        let value = sqlite3_column_double(statement, index)
        return value.isFinite ? .double(value) : .null
      case SQLITE_TEXT:
        guard let text = sqlite3_column_text(statement, index) else { return .null }
        let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, index)))
        return .string(String(decoding: bytes, as: UTF8.self))
      default: return .null
      }
    }
  }

  /// Where each column of the result comes from; nil for what is computed.
  var origins: [(table: String, column: String)?] {
    (0..<Int32(columns.count)).map { index in
      guard let table = sqlite3_column_table_name(statement, index),
        let column = sqlite3_column_origin_name(statement, index)
      else { return nil }
      return (String(cString: table), String(cString: column))
    }
  }

  private static func failure(_ handle: OpaquePointer, _ path: String) -> StoreError {
    let message = sqlite3_errmsg(handle).map { String(cString: $0) } ?? "unknown"
    return StoreError(
      StoreError.queryInvalid, "SQLite does not accept the query: \(message).", remedy: "Correct the query.",
      location: path)
  }
}
