// Owns rows as evidence: their canonical text, the passages in it, and whether they still say the same. Knows nothing about
// models.
import Foundation
import StrataCore

/// The rows of one statement as a text with byte ranges, so that an answer cites a row as it cites a sentence.
public struct SQLEvidence: Sendable, Hashable {
  public var source: String
  public var statement: String

  public init(source: String, statement: String) {
    self.source = source
    self.statement = statement
  }

  /// What a passage names as its document: `sql:SOURCE#` and the beginning of the statement's SHA-256.
  public var document: String { "sql:\(source)#\(SHA256.hash(statement).prefix(16))" }

  /// One line for each row: `column: value · column: value`.
  public func text(of result: SQLResult) -> String { lines(result).joined(separator: "\n") }

  private func lines(_ result: SQLResult) -> [String] {
    result.rows.map { row in
      zip(result.columns, row).map { column, value in
        let shown = value.stringValue ?? (value == .null ? "–" : value.text())
        return "\(column): \(shown.split(whereSeparator: \.isNewline).joined(separator: " "))"
      }.joined(separator: " · ")
    }
  }

  /// One passage for each row. Its heading is the row's place in the database, or its number in the result.
  public func passages(_ result: SQLResult) -> [Passage] {
    var start = 0
    return lines(result).enumerated().map { index, line in
      let range = start..<(start + line.utf8.count)
      start = range.upperBound + 1
      let origin = index < result.origins.count ? result.origins[index] : nil
      return Passage(
        chunk: 0, document: document, version: 1, range: range, text: line, title: source,
        headingPath: [origin ?? "row \(index + 1)"], score: 1 / Double(index + 1))
    }
  }

  /// Whether the database still gives what `passage` quotes, at the same place of the same statement's result.
  public func stillHolds(_ passage: Passage, in database: any SQLSource, limit: Int) async throws -> Bool {
    guard passage.document == document else { return false }
    return passages(try await database.query(statement, limit: limit)).contains {
      $0.range == passage.range && $0.text == passage.text
    }
  }
}
