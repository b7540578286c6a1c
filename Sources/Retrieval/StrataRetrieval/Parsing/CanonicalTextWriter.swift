// Owns writing the canonical text of formats that are no text themselves, block by block. Knows nothing about formats.
import StrataCore

/// Builds the text that citations point into: blocks separated by an empty line, table rows by a line break.
struct CanonicalTextWriter {
  /// More is refused: some formats can say very much in few bytes.
  static let byteLimit = 128 << 20

  private(set) var bytes: [UInt8] = []
  private(set) var blocks: [DocumentBlock] = []
  /// Of the blocks that follow, from 1.
  var page: Int?
  private var tableHeader = ""
  private var isFull = false

  /// Adds a block; white space around `text` is left out, and a block of nothing else is no block.
  mutating func add(_ kind: DocumentBlock.Kind, _ text: String) {
    let added = Array(text.utf8)
    let trimmed = added.trimmed(0..<added.count)
    guard !trimmed.isEmpty, !isFull else { return }
    guard bytes.count + trimmed.count <= Self.byteLimit else {
      isFull = true
      return
    }
    if !bytes.isEmpty { bytes += kind.isTable && blocks.last?.kind.isTable == true ? [10] : [10, 10] }
    let start = bytes.count
    bytes += added[trimmed]
    blocks.append(DocumentBlock(kind, start..<bytes.count, page: page))
  }

  /// Adds a heading on one line.
  mutating func addHeading(_ level: Int, _ text: String) {
    let title = Self.onOneLine(text)
    add(.heading(level: max(1, level), title: title), title)
  }

  /// Adds the rows of a table as `| cell | cell |`.
  /// - Parameters:
  ///   - headerCount: how many rows at the top name the columns; nil lets the first row decide.
  ///   - columns: names of the columns where no row has them.
  mutating func addTable(_ rows: [[String]], headerCount: Int? = nil, columns: String? = nil) {
    let rows = rows.map { $0.map(Self.onOneLine) }.filter { row in row.contains { !$0.isEmpty } }
    let width = rows.lazy.map(\.count).max() ?? 0
    guard width > 1 else {
      for row in rows { add(.paragraph, row[0]) }
      return
    }
    // Two tables in a row are still two, unless the second goes on with the first.
    if columns == nil, blocks.last?.kind.isTable == true, !bytes.isEmpty { bytes.append(10) }
    let headers = min(headerCount ?? (rows.count > 1 && Self.isHeader(rows[0]) ? 1 : 0), max(0, rows.count - 1))
    tableHeader = columns ?? Self.columnNames(Array(rows[..<headers]))
    for (index, row) in rows.enumerated() {
      add(index < headers ? .tableHeader : .tableRow(header: tableHeader), Self.markdownRow(row))
    }
  }

  /// Adds a whole document, its headings below `level`.
  mutating func add(_ document: ParsedDocument, below level: Int) {
    let source = Array(document.canonicalText.utf8)
    let outer = page
    for block in document.blocks {
      page = block.page ?? outer
      var kind = block.kind
      if case .heading(let inner, let title) = kind { kind = .heading(level: inner + level, title: title) }
      add(kind, source.text(block.range))
    }
    page = outer
  }

  /// - Throws: ``RetrievalError`` when nothing was written, or too much.
  func document(
    title: String?, mediaType: String, path: String, metadata: [(name: String, value: String?)] = []
  ) throws -> ParsedDocument {
    guard !isFull else {
      throw RetrievalError.parserFailed(
        "The document has more than \(Self.byteLimit >> 20) MB of text.", remedy: "Split it.", path: path)
    }
    let title = title.map(Self.onOneLine) ?? ""
    return ParsedDocument(
      canonicalText: String(decoding: bytes, as: UTF8.self),
      title: title.isEmpty ? DocumentFormat.title(fromPath: path) : title, blocks: blocks, mediaType: mediaType,
      metadata: JSONObject(
        metadata.compactMap { member in
          let value = Self.onOneLine(member.value ?? "")
          return value.isEmpty || value.utf8.count > 10_000 ? nil : (member.name, .string(value))
        }))
  }

  // MARK: Tables

  /// Column names are words, at least two, all different.
  static func isHeader(_ cells: [String]) -> Bool {
    // A name over several columns stands in each of them.
    var names: [String] = []
    for cell in cells where !cell.isEmpty && names.last != cell { names.append(cell) }
    return names.count > 1 && cells.count { !$0.isEmpty } * 2 > cells.count && Set(names).count == names.count
      && names.allSatisfy { name in name.utf8.count <= 120 && !isNumeric(name) }
  }

  /// A number, perhaps with a currency or percent sign, or a date in digits.
  static func isNumeric(_ cell: String) -> Bool {
    var digits = 0
    for scalar in cell.unicodeScalars {
      if scalar.properties.numericType != nil {
        digits += 1
      } else if !" .,:/-–+()%'’$€£¥".unicodeScalars.contains(scalar) {
        return false
      }
    }
    return digits > 0
  }

  /// The names of columns under one or more header rows: `2023 Q1, 2023 Q2`.
  static func columnNames(_ rows: [[String]]) -> String {
    var names: [String] = []
    for column in 0..<(rows.lazy.map(\.count).max() ?? 0) {
      var parts: [String] = []
      for row in rows where column < row.count && !row[column].isEmpty && parts.last != row[column] {
        parts.append(row[column])
      }
      if !parts.isEmpty { names.append(parts.joined(separator: " ")) }
    }
    return CSVLoader.shortened(names.joined(separator: ", "))
  }

  private static func markdownRow(_ cells: [String]) -> String {
    "|"
      + cells.map { cell in
        " " + cell.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") + " |"
      }
      .joined()
  }

  /// Words separated by one space, without control characters.
  static func onOneLine(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var pending = false
    for scalar in text.unicodeScalars {
      if scalar.properties.isWhitespace || scalar.value < 32 || scalar.value == 127 {
        pending = true
      } else {
        if pending, !result.isEmpty { result.append(" ") }
        pending = false
        result.append(scalar)
      }
    }
    return String(result)
  }
}
