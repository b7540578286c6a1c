// Owns the protocol through which rows of somebody else's database are read. Knows nothing about any database.

/// Reads a database, and can do nothing else to it.
public protocol TableReader: Sendable {
  /// Rows of one statement, each with its columns in order. Values are null, numbers and text; bytes are left out.
  /// - Parameters:
  ///   - values: for the statement's `?`, in order.
  ///   - limit: most rows; one more is an error.
  /// - Throws: a ``StrataError`` when the statement is wrong, would change something, or takes too long.
  func rows(_ statement: String, _ values: [JSON], limit: Int) async throws -> [JSONObject]
}
