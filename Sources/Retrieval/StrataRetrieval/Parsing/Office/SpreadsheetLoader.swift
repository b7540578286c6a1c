// Owns XLSX (ECMA-376, SpreadsheetML): every sheet as tables, cells as people see them. Formulas give their last value.

struct SpreadsheetLoader {
  func load(_ bytes: [UInt8], path: String) throws -> ParsedDocument {
    let package = try OfficePackage(bytes, path: path)
    let main = try package.mainPart(default: "xl/workbook.xml")
    let related = try package.relationships(of: main)
    func events(_ type: String) throws -> XMLEvents? {
      try related.values.first { $0.type == type }.flatMap { try package.events($0.target) }
    }
    let workbook = try Workbook(package.events(main))
    let reader = SheetReader(
      strings: try Self.sharedStrings(events("sharedStrings")), formats: try CellFormats(events("styles")),
      startsIn1904: workbook.startsIn1904)
    var writer = CanonicalTextWriter()
    for (index, sheet) in workbook.sheets.enumerated() {
      try Task.checkCancellation()
      guard let part = related[sheet.relationship]?.target, let events = try package.events(part) else { continue }
      let rows = try reader.rows(events)
      guard !rows.isEmpty else { continue }
      writer.page = index + 1
      writer.addHeading(1, sheet.name)
      SheetTables(rows: rows).write(to: &writer)
    }
    // A sheet's name alone is no content.
    if !writer.blocks.contains(where: { !$0.isHeading }) { writer = CanonicalTextWriter() }
    let properties = try package.properties()
    return try writer.document(
      title: properties.title, mediaType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
      path: path,
      metadata: properties.metadata)
  }

  private static func sharedStrings(_ events: XMLEvents?) throws -> [String] {
    guard let events else { return [] }
    var strings: [String] = []
    while let event = try events.next() {
      // `rPh` says how to pronounce what was said already.
      if event == .start("si") { strings.append(try events.text(without: ["rPh", "phoneticPr"])) }
    }
    return strings
  }
}

/// The sheets in the order of their tabs.
private struct Workbook {
  var sheets: [(name: String, relationship: String)] = []
  var startsIn1904 = false

  init(_ events: XMLEvents?) throws {
    guard let events else { return }
    while let event = try events.next() {
      if event == .start("workbookPr") {
        startsIn1904 = ["1", "true"].contains(events.attribute("date1904") ?? "")
      } else if event == .start("sheet"), let id = events.attribute("id") {
        // `id` with a prefix; the number without one is called `sheetId`.
        sheets.append((events.attribute("name") ?? "Sheet", id))
      }
    }
  }
}

/// One row's cells by column.
private struct SheetRow {
  /// From 1.
  var number: Int
  var cells: [(column: Int, text: String)]
}

private struct SheetReader {
  let strings: [String]
  let formats: CellFormats
  let startsIn1904: Bool

  func rows(_ events: XMLEvents) throws -> [SheetRow] {
    var rows: [SheetRow] = []
    var merged: [(rows: ClosedRange<Int>, columns: ClosedRange<Int>)] = []
    while let event = try events.next() {
      switch event {
      case .start("row"):
        let number = events.attribute("r").flatMap(Int.init) ?? (rows.last?.number ?? 0) + 1
        let cells = try self.cells(events)
        if !cells.isEmpty { rows.append(SheetRow(number: number, cells: cells)) }
      case .start("mergeCell"):
        guard let reference = events.attribute("ref") else { continue }
        let corners = reference.split(separator: ":").compactMap { Self.position(String($0)) }
        if corners.count == 2, corners[0].row <= corners[1].row, corners[0].column <= corners[1].column {
          merged.append((corners[0].row...corners[1].row, corners[0].column...corners[1].column))
        }
      default: break
      }
    }
    spread(merged, &rows)
    return rows
  }

  /// A title over several columns names each of them. Only small merges are spread: large ones are layout.
  private func spread(_ merged: [(rows: ClosedRange<Int>, columns: ClosedRange<Int>)], _ rows: inout [SheetRow]) {
    let indexOfNumber = Dictionary(rows.enumerated().map { ($1.number, $0) }) { first, _ in first }
    // Looked at so far; a hostile file could otherwise ask for hours of it.
    var steps = 0
    for area in merged where area.columns.count <= 32 && area.rows.count <= 256 && steps < 20_000_000 {
      guard let first = indexOfNumber[area.rows.lowerBound],
        let text = rows[first].cells.first(where: { $0.column == area.columns.lowerBound })?.text
      else { continue }
      for number in area.rows {
        // Where nothing else stands in the row the merge is a heading, not a column's name.
        guard let index = indexOfNumber[number], rows[index].cells.count > 1 || index != first else { continue }
        steps += area.columns.count * rows[index].cells.count
        for column in area.columns where !rows[index].cells.contains(where: { $0.column == column }) {
          rows[index].cells.append((column, text))
        }
        rows[index].cells.sort { $0.column < $1.column }
      }
    }
  }

  private func cells(_ events: XMLEvents) throws -> [(column: Int, text: String)] {
    var cells: [(column: Int, text: String)] = []
    var column = 0
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("c"):
        column = events.attribute("r").flatMap(Self.position)?.column ?? column + 1
        let type = events.attribute("t") ?? "n"
        let style = events.attribute("s").flatMap(Int.init)
        let text = CanonicalTextWriter.onOneLine(try value(events, type: type, style: style))
        if !text.isEmpty { cells.append((column, text)) }
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    return cells
  }

  private func value(_ events: XMLEvents, type: String, style: Int?) throws -> String {
    var text = ""
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("v"): text = try events.text()
      case .start("is"): text = try events.text(without: ["rPh", "phoneticPr"])
      case .start: try events.skip()
      case .end: depth -= 1
      case .text: break
      }
    }
    switch type {
    case "s": return Int(text).flatMap { strings.indices.contains($0) ? strings[$0] : nil } ?? ""
    case "b": return text == "1" ? "TRUE" : text == "0" ? "FALSE" : text
    case "n": return formats.shown(text, style: style, startsIn1904: startsIn1904)
    default: return text
    }
  }

  /// `AB12` → row 12, column 28.
  private static func position(_ reference: String) -> (row: Int, column: Int)? {
    var column = 0
    var row = 0
    for byte in reference.utf8 where byte != UInt8(ascii: "$") {
      switch byte {
      case 65...90 where row == 0: column = column * 26 + Int(byte - 64)
      case 48...57: row = row * 10 + Int(byte - 48)
      default: return nil
      }
      // What the format allows: 16,384 columns and 1,048,576 rows.
      guard column <= 16_384, row <= 1_048_576 else { return nil }
    }
    return column > 0 ? (row, column) : nil
  }
}

/// Separates a sheet's cells into tables: rows without an empty row between them.
private struct SheetTables {
  let rows: [SheetRow]
  /// Wider tables are written without their empty cells.
  private static let columnLimit = 512

  init(rows: [SheetRow]) { self.rows = rows }

  func write(to writer: inout CanonicalTextWriter) {
    var start = 0
    while start < rows.count {
      var end = start + 1
      while end < rows.count, rows[end].number == rows[end - 1].number + 1 { end += 1 }
      write(rows[start..<end], to: &writer)
      start = end
    }
  }

  private func write(_ table: ArraySlice<SheetRow>, to writer: inout CanonicalTextWriter) {
    var table = table
    // A line of one cell above the columns is a caption.
    while table.count > 1, let first = table.first, first.cells.count == 1,
      table.contains(where: { $0.cells.count > 1 })
    {
      writer.add(.paragraph, first.cells[0].text)
      table.removeFirst()
    }
    let columns = Set(table.flatMap { $0.cells.map(\.column) }).sorted()
    guard columns.count <= Self.columnLimit else {
      writer.addTable(table.map { $0.cells.map(\.text) }, headerCount: 0)
      return
    }
    let place = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })
    writer.addTable(
      table.map { row in
        var cells = [String](repeating: "", count: columns.count)
        for cell in row.cells { if let index = place[cell.column] { cells[index] = cell.text } }
        return cells
      })
  }
}
