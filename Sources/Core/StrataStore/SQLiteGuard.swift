// Owns what a query that nobody has looked at may do. Knows nothing about files or results.
import Foundation
import GRDBSQLite
import StrataCore

/// The authorizer and the clock of one query; SQLite calls it while it compiles and runs.
final class SQLiteGuard {
  /// Allowed tables and columns, in lower case.
  private let tables: [String: Set<String>]
  private let deadline: ContinuousClock.Instant
  private(set) var read: Set<String> = []
  private var refused: String?
  private var isLate = false

  /// Functions that only compute. What is not here (`load_extension`, `readfile`, `fts3_tokenizer`…) does not exist.
  private static let functions: Set<String> = [
    "abs", "avg", "bm25", "ceil", "ceiling", "char", "coalesce", "concat", "concat_ws", "count", "cume_dist", "date",
    "datetime", "dense_rank", "exp",
    "first_value", "floor", "format", "glob", "group_concat", "hex", "highlight", "ifnull", "iif", "instr", "json",
    "json_array",
    "json_array_length", "json_extract", "json_object", "json_type", "json_valid", "julianday", "lag", "last_value",
    "lead", "length", "like", "ln", "log", "lower", "ltrim", "max", "min", "mod", "nth_value", "ntile", "nullif",
    "percent_rank", "pow", "power", "printf", "quote", "rank", "replace", "round", "row_number", "rtrim", "sign",
    "snippet", "sqrt", "strftime", "string_agg", "substr", "substring", "sum", "time", "total", "trim", "trunc",
    "typeof", "unicode",
    "unixepoch", "upper", "->", "->>",
  ]

  /// Tables that are functions, and only compute as well.
  private static let computedTables: Set<String> = ["json_each", "json_tree"]

  init(tables: [SQLTable], deadline: ContinuousClock.Instant) {
    self.tables = Dictionary(
      tables.map { ($0.name.lowercased(), Set($0.columns.map { $0.name.lowercased() })) }
    ) { $1 }
    self.deadline = deadline
  }

  static let authorize:
    @convention(c) (
      UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?,
      UnsafePointer<CChar>?
    ) -> Int32 = { context, action, first, second, _, _ in
      guard let context else { return SQLITE_DENY }
      let guardian = Unmanaged<SQLiteGuard>.fromOpaque(context).takeUnretainedValue()
      return guardian.judge(action, first.map { String(cString: $0) }, second.map { String(cString: $0) })
    }

  static let progress: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { context in
    guard let context else { return 1 }
    let guardian = Unmanaged<SQLiteGuard>.fromOpaque(context).takeUnretainedValue()
    guardian.isLate = .now > guardian.deadline
    return guardian.isLate ? 1 : 0
  }

  private func judge(_ action: Int32, _ first: String?, _ second: String?) -> Int32 {
    switch action {
    case SQLITE_SELECT, SQLITE_RECURSIVE:
      return SQLITE_OK
    case SQLITE_READ:
      let table = first?.lowercased() ?? ""
      let column = second?.lowercased() ?? ""
      if Self.computedTables.contains(table), tables[table] == nil { return SQLITE_OK }
      guard let columns = tables[table] else { return refuse("read the table \(first ?? "")") }
      // An empty name means that only the number of rows counts.
      guard column.isEmpty || columns.contains(column) || column == "rowid" else {
        return refuse("read the column \(first ?? "").\(second ?? "")")
      }
      if !column.isEmpty { read.insert("\(first ?? "").\(second ?? "")") }
      return SQLITE_OK
    case SQLITE_FUNCTION:
      guard Self.functions.contains(second?.lowercased() ?? "") else { return refuse("call \(second ?? "")") }
      return SQLITE_OK
    default:
      return refuse("do anything but read")
    }
  }

  private func refuse(_ what: String) -> Int32 {
    refused = refused ?? what
    return SQLITE_DENY
  }

  /// What an error of SQLite means, now that it is known what was refused.
  func explain(_ error: any Error, timeout: Duration, path: String) -> any Error {
    if let refused {
      return StoreError(
        StoreError.queryRefused, "The query would \(refused), which is not allowed.",
        remedy: "Use one SELECT over the tables that are open to questions.", location: path, cause: error)
    }
    if isLate {
      return StoreError(
        StoreError.queryTooLong, "The query took longer than \(timeout.components.seconds) seconds.",
        remedy: "Narrow it, or add an index.", location: path, cause: error)
    }
    return error
  }
}
