// Owns the rows of a query as a source. Which database answers it is the reader's business.
import Foundation
import StrataCore

/// One document for each row of a query.
///
/// The text of a document is the row's text columns; all columns are its metadata. A row is known by its key column, and
/// its change by the `updated` column if there is one; else all rows are read and compared each time.
public struct SQLConnector: Connector {
  /// Which column means what.
  public struct Columns: Sendable, Hashable {
    /// Names the row, now and later.
    public var key: String
    /// Changes whenever the row does: a time or a version.
    public var updated: String?
    public var title: String?
    /// What is searched; nil takes every column that holds text, but the key, the title and `updated`.
    public var text: [String]?
    /// Who may read the row: a reader or several, separated by commas or spaces. Empty means nobody.
    public var readers: String?

    public init(
      key: String, updated: String? = nil, title: String? = nil, text: [String]? = nil, readers: String? = nil
    ) {
      self.key = key
      self.updated = updated
      self.title = title
      self.text = text
      self.readers = readers
    }
  }

  public let kind = "sql"
  public let uri: String
  public let key: String
  private let reader: any TableReader
  private let query: String
  private let columns: Columns
  private let readers: [Reader]
  private let rowLimit: Int
  private let now: @Sendable () -> Date

  /// - Parameters:
  ///   - uri: of the database, without the query.
  ///   - query: a SELECT; it may not end with a semicolon.
  ///   - key: begins the paths of the documents and names the source.
  ///   - readers: who may read rows, unless a column says so.
  public init(
    _ reader: any TableReader, uri: String, query: String, columns: Columns, key: String, readers: [Reader],
    rowLimit: Int = 1_000_000, now: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.reader = reader
    self.uri = "\(uri)?\(query)"
    self.query = query
    self.columns = columns
    self.key = key
    self.readers = readers
    self.rowLimit = rowLimit
    self.now = now
  }

  private func quoted(_ name: String) -> String { "\"\(name.replacing("\"", with: "\"\""))\"" }

  public var tellsReadersByItem: Bool { columns.readers != nil }

  public func accessPolicy() -> AccessPolicy? {
    AccessPolicy(rules: [AccessPolicy.Rule("**", readers: columns.readers == nil ? readers : [])])
  }

  public func list(since cursor: String?) async throws -> SourceListing? {
    let updated = columns.updated.map { ", \(quoted($0)) AS u" } ?? ""
    let readers = columns.readers.map { ", \(quoted($0)) AS r" } ?? ""
    let rows = try await reader.rows(
      "SELECT \(quoted(columns.key)) AS k\(updated)\(readers) FROM (\(query))", [], limit: rowLimit)
    var listing = SourceListing()
    var nameless = 0
    for row in rows {
      guard let value = row["k"], let name = name(of: value) else {
        nameless += 1
        continue
      }
      let updated = row["u"].flatMap { $0.isNull ? nil : $0.text() }
      var item = SourceItem(path: key + name, locator: value.text(), stamp: updated)
      if tellsReadersByItem { item.readers = Self.readers(row["r"]?.stringValue ?? "") }
      listing.items.append(item)
    }
    if nameless > 0 {
      listing.warnings.append("\(nameless) rows have no \(columns.key) and were passed over.")
    }
    if Set(listing.items.map(\.path)).count < listing.items.count {
      listing.warnings.append("Several rows have the same \(columns.key); one of each was taken.")
    }
    return listing
  }

  /// Nobody, when a word is no reader: what cannot be understood must not let anybody in.
  private static func readers(_ text: String) -> [Reader] {
    let words = text.split { $0 == "," || $0.isWhitespace }
    let readers = words.compactMap { Reader(String($0)) }
    return readers.count == words.count ? readers : []
  }

  /// A key as part of a path: slashes and such would make folders of it.
  private func name(of value: JSON?) -> String? {
    switch value {
    case .string(let text) where !text.isEmpty:
      text.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-_.@ ")))
    case .number(let number): number.intValue.map(String.init) ?? JSON.number(number).text()
    default: nil
    }
  }

  public func fetch(_ items: [SourceItem]) async -> [Result<FetchedItem, any Error>] {
    do {
      let keys = try items.map { try JSON(parsing: $0.locator) }
      let places = [String](repeating: "?", count: keys.count).joined(separator: ", ")
      let rows = try await reader.rows(
        "SELECT * FROM (\(query)) WHERE \(quoted(columns.key)) IN (\(places))", keys, limit: rowLimit)
      var found: [String: JSONObject] = [:]
      for row in rows { if let value = row[columns.key] { found[value.text()] = found[value.text()] ?? row } }
      return items.map { item in Result { try found[item.locator].map { try content($0, item) } ?? .gone } }
    } catch {
      return items.map { _ in .failure(error) }
    }
  }

  private func content(_ row: JSONObject, _ item: SourceItem) throws -> FetchedItem {
    let special = [columns.key, columns.title, columns.updated, columns.readers].compactMap { $0 }
    let names = columns.text ?? row.keys.filter { !special.contains($0) && row[$0]?.stringValue != nil }
    var parts: [String] = []
    if let title = columns.title.flatMap({ row[$0]?.stringValue }), !title.isEmpty {
      parts.append("# " + title.split(whereSeparator: \.isNewline).joined(separator: " "))
    }
    for name in names {
      guard let value = row[name], !value.isNull else { continue }
      parts.append(value.stringValue ?? value.text())
    }
    guard !parts.isEmpty else {
      throw RetrievalError.noText("The row has no text.", remedy: "Choose text columns.", path: item.path)
    }
    var metadata = row
    for name in names { metadata[name] = nil }
    if let readers = columns.readers { metadata[readers] = nil }
    let updated = columns.updated.flatMap { row[$0] }
    return .content(
      SourceContent(
        bytes: Array(parts.joined(separator: "\n\n").utf8), format: .markdown,
        stamp: updated.flatMap { $0.isNull ? nil : $0.text() }, origin: "\(uri)#\(item.locator)",
        sourceVersion: updated.map { $0.stringValue ?? $0.text() }, modifiedAt: Self.date(updated) ?? now(),
        metadata: metadata))
  }

  /// ISO 8601, with a space or a T between date and time, or seconds since 1970.
  private static func date(_ value: JSON?) -> Date? {
    if let seconds = value?.doubleValue { return Date(timeIntervalSince1970: seconds) }
    guard let text = value?.stringValue else { return nil }
    let iso = text.replacing(" ", with: "T")
    for candidate in [iso, iso + "Z", iso + "T00:00:00Z"] {
      if let date = try? Date(candidate, strategy: .iso8601) { return date }
    }
    return nil
  }
}
