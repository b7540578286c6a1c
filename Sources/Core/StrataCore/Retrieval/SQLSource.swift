// Owns the protocol of databases that questions may be answered from. Knows nothing about any database or about prompts.

/// A table or view as it is shown to whoever writes a query.
public struct SQLTable: Sendable, Hashable {
  public struct Column: Sendable, Hashable {
    public var name: String
    /// As declared; empty when it is not.
    public var type: String

    public init(name: String, type: String) {
      self.name = name
      self.type = type
    }
  }

  public struct Reference: Sendable, Hashable {
    public var column: String
    public var table: String
    public var target: String

    public init(column: String, table: String, target: String) {
      self.column = column
      self.table = table
      self.target = target
    }
  }

  public var name: String
  public var columns: [Column]
  /// Names of the columns that tell rows apart; empty when none are declared.
  public var key: [String]
  public var references: [Reference]

  public init(name: String, columns: [Column], key: [String] = [], references: [Reference] = []) {
    self.name = name
    self.columns = columns
    self.key = key
    self.references = references
  }
}

/// Rows that a query gave.
public struct SQLResult: Sendable, Hashable {
  public var columns: [String]
  /// One value for each column; binary values are null.
  public var rows: [[JSON]]
  /// For each row what it stands for in the database, such as `orders[id=7]`; nil where a row has no single origin.
  public var origins: [String?]
  /// Whether there are more rows than were asked for.
  public var isTruncated: Bool
  /// What the query read, as `table.column`, in alphabetical order.
  public var read: [String]

  public init(columns: [String], rows: [[JSON]], origins: [String?], isTruncated: Bool, read: [String]) {
    self.columns = columns
    self.rows = rows
    self.origins = origins
    self.isTruncated = isTruncated
    self.read = read
  }
}

/// A database that answers queries and cannot be changed through this.
public protocol SQLSource: Sendable {
  /// Short name for citations, such as that of the file.
  var name: String { get }
  /// The dialect, for whoever writes queries: `SQLite`.
  var dialect: String { get }
  /// Tables and views that may be read, in alphabetical order, with the columns that may.
  func tables() async throws -> [SQLTable]
  /// Runs one reading statement that touches nothing but what ``tables()`` names.
  /// - Parameter limit: most rows.
  /// - Throws: a ``StrataError`` of kind `permissionDenied` when the statement would do anything else, `invalidInput`
  ///   when it is wrong, `exhausted` when it takes too long.
  func query(_ statement: String, limit: Int) async throws -> SQLResult
}
