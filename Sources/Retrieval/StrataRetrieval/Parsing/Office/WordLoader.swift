// Owns DOCX (ECMA-376, WordprocessingML): headings, lists, tables and footnotes of a text document.

struct WordLoader {
  func load(_ bytes: [UInt8], path: String) throws -> ParsedDocument {
    let package = try OfficePackage(bytes, path: path)
    let main = try package.mainPart(default: "word/document.xml")
    let related = try package.relationships(of: main)
    func part(_ type: String) -> String? { related.values.first { $0.type == type }?.target }
    var reader = WordReader(
      styles: try part("styles").flatMap { try WordStyles(package.events($0)) } ?? WordStyles(),
      footnotes: try notes(part("footnotes"), "footnote", package),
      endnotes: try notes(part("endnotes"), "endnote", package))
    if let events = try package.events(main) { try reader.readBody(events) }
    let heading = reader.writer.blocks.lazy.compactMap { block in
      if case .heading(1, let title) = block.kind { title } else { nil }
    }.first
    let properties = try package.properties()
    return try reader.writer.document(
      title: reader.title ?? heading ?? properties.title,
      mediaType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", path: path,
      metadata: properties.metadata)
  }

  /// Texts of notes by id.
  private func notes(_ part: String?, _ element: String, _ package: OfficePackage) throws -> [String: String] {
    guard let part, let events = try package.events(part) else { return [:] }
    var notes: [String: String] = [:]
    while let event = try events.next() {
      guard event == .start(element), let id = events.attribute("id") else { continue }
      if events.attribute("type") != nil { continue }
      var reader = WordReader(styles: WordStyles(), footnotes: [:], endnotes: [:])
      try reader.readBlocks(events)
      let text = String(decoding: reader.writer.bytes, as: UTF8.self)
      notes[id] = CanonicalTextWriter.onOneLine(text)
    }
    return notes
  }
}

/// Which styles are headings, and of what level.
private struct WordStyles {
  private struct Style {
    var name = ""
    var base: String?
    var level: Int?
    var isList = false
  }
  private var styles: [String: Style] = [:]

  init() {}

  init?(_ events: XMLEvents?) throws {
    guard let events else { return nil }
    var current: String?
    while let event = try events.next() {
      guard case .start(let name) = event else {
        if event == .end("style") { current = nil }
        continue
      }
      if name == "style" {
        current = events.attribute("styleId")
        if let current { styles[current] = Style() }
      }
      guard let current else { continue }
      switch name {
      case "name": styles[current]?.name = events.attribute("val")?.lowercased() ?? ""
      case "basedOn": styles[current]?.base = events.attribute("val")
      case "outlineLvl": styles[current]?.level = events.attribute("val").flatMap(Int.init)
      case "numPr": styles[current]?.isList = true
      default: break
      }
    }
  }

  private func lookUp<Value>(_ id: String?, _ value: (Style) -> Value?) -> Value? {
    var id = id
    // Chains of styles are short; one that goes round has an end here.
    for _ in 0..<16 {
      guard let current = id, let style = styles[current] else { return nil }
      if let found = value(style) { return found }
      id = style.base
    }
    return nil
  }

  func isTitle(_ id: String?) -> Bool { lookUp(id) { $0.name == "title" ? true : nil } ?? (id == "Title") }

  /// From 1; nil for text.
  func headingLevel(_ id: String?) -> Int? {
    let named = lookUp(id) { style in
      if style.name.hasPrefix("heading "), let level = Int(style.name.dropFirst(8)) { return level }
      return style.level.map { $0 + 1 }
    }
    let level = named ?? id.flatMap { $0.hasPrefix("Heading") ? Int($0.dropFirst(7)) : nil }
    return level.flatMap { (1...9).contains($0) ? $0 : nil }
  }

  func isList(_ id: String?) -> Bool {
    lookUp(id) { $0.isList || $0.name.hasPrefix("list ") && !$0.name.hasSuffix("paragraph") ? true : nil } ?? false
  }

  func isCode(_ id: String?) -> Bool {
    lookUp(id) { $0.name.contains("code") || $0.name == "html preformatted" || $0.name == "macro text" ? true : nil }
      ?? false
  }
}

/// Reads the content of a document, a note or a cell.
private struct WordReader {
  let styles: WordStyles
  let footnotes: [String: String]
  let endnotes: [String: String]
  private(set) var writer = CanonicalTextWriter()
  private(set) var title: String?

  init(styles: WordStyles, footnotes: [String: String], endnotes: [String: String]) {
    self.styles = styles
    self.footnotes = footnotes
    self.endnotes = endnotes
  }

  private struct Paragraph {
    var text = ""
    var style: String?
    var level: Int?
    var isListItem = false
    var listLevel = 0
    var notes: [String] = []
  }

  mutating func readBody(_ events: XMLEvents) throws {
    while let event = try events.next() {
      if event == .start("body") { return try readBlocks(events) }
    }
  }

  /// Up to the end of the element that just started.
  mutating func readBlocks(_ events: XMLEvents) throws {
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("p"): write(try paragraph(events))
      case .start("tbl"): try table(events)
      // Taken away by an editor, or the old way of saying what was said just before.
      case .start("del"), .start("moveFrom"), .start("Fallback"), .start("sectPr"): try events.skip()
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
  }

  private mutating func write(_ paragraph: Paragraph) {
    let text = paragraph.text
    if title == nil, writer.blocks.isEmpty, styles.isTitle(paragraph.style) {
      writer.addHeading(1, text)
      if !writer.blocks.isEmpty { title = CanonicalTextWriter.onOneLine(text) }
    } else if let level = paragraph.level ?? styles.headingLevel(paragraph.style), text.utf8.count <= 400 {
      writer.addHeading(level, text)
    } else if paragraph.isListItem || styles.isList(paragraph.style) {
      let trimmed = CanonicalTextWriter.onOneLine(text)
      if !trimmed.isEmpty { writer.add(.listItem, "- " + trimmed) }
    } else {
      writer.add(styles.isCode(paragraph.style) ? .code : .paragraph, text)
    }
    for note in paragraph.notes { writer.add(.paragraph, note) }
  }

  private func paragraph(_ events: XMLEvents) throws -> Paragraph {
    var paragraph = Paragraph()
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("t"):
        paragraph.text += try events.text()
      case .start(let name):
        if try startElement(name, events, &paragraph) { depth += 1 }
      case .end: depth -= 1
      case .text: break
      }
    }
    return paragraph
  }

  /// - Returns: whether the element is still open.
  private func startElement(_ name: String, _ events: XMLEvents, _ paragraph: inout Paragraph) throws -> Bool {
    switch name {
    case "pStyle": paragraph.style = events.attribute("val")
    case "outlineLvl": paragraph.level = events.attribute("val").flatMap(Int.init).flatMap { $0 < 9 ? $0 + 1 : nil }
    case "numId": paragraph.isListItem = events.attribute("val") != "0"
    case "tab": paragraph.text += "\t"
    case "br", "cr": paragraph.text += "\n"
    case "noBreakHyphen": paragraph.text += "\u{2011}"
    case "footnoteReference": note(events.attribute("id"), footnotes, &paragraph)
    case "endnoteReference": note(events.attribute("id"), endnotes, &paragraph)
    case "p":
      // In a text box, whose own paragraph this is: its words follow those of the line that holds it.
      let inner = try self.paragraph(events)
      if !inner.text.isEmpty { paragraph.text += (paragraph.text.isEmpty ? "" : "\n") + inner.text }
      paragraph.notes += inner.notes
      return false
    case "del", "moveFrom", "Fallback", "rPr", "instrText", "delText", "tabs":
      try events.skip()
      return false
    default: break
    }
    return true
  }

  private func note(_ id: String?, _ notes: [String: String], _ paragraph: inout Paragraph) {
    guard let id, let text = notes[id], !text.isEmpty else { return }
    paragraph.text += "[\(id)]"
    paragraph.notes.append("[\(id)] \(text)")
  }

  // MARK: Tables

  private struct Cell {
    var text: String
    var span = 1
    var continuesAbove = false
  }

  private mutating func table(_ events: XMLEvents) throws {
    var rows: [[String]] = []
    var headers = 0
    var hasMarkedHeader = false
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("tr"):
        let (cells, isHeader) = try row(events)
        if isHeader, headers == rows.count { headers += 1 }
        hasMarkedHeader = hasMarkedHeader || isHeader
        rows.append(spread(cells, above: rows.last))
      case .start("del"): try events.skip()
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    writer.addTable(rows, headerCount: hasMarkedHeader && headers > 0 ? headers : nil)
  }

  /// A cell that spans columns or rows says its text in each of them, so that every row can be read alone.
  private func spread(_ cells: [Cell], above: [String]?) -> [String] {
    var row: [String] = []
    for cell in cells {
      for _ in 0..<cell.span {
        if cell.continuesAbove, let above, row.count < above.count {
          row.append(above[row.count])
        } else {
          row.append(cell.text)
        }
      }
    }
    return row
  }

  private func row(_ events: XMLEvents) throws -> ([Cell], isHeader: Bool) {
    var cells: [Cell] = []
    var isHeader = false
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("tc"): cells.append(try cell(events))
      case .start("tblHeader"):
        isHeader = !["0", "false", "off"].contains(events.attribute("val") ?? "1")
        depth += 1
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    return (cells, isHeader)
  }

  private func cell(_ events: XMLEvents) throws -> Cell {
    var cell = Cell(text: "")
    var parts: [String] = []
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("gridSpan"):
        cell.span = min(64, max(1, events.attribute("val").flatMap(Int.init) ?? 1))
        depth += 1
      case .start("vMerge"):
        cell.continuesAbove = events.attribute("val") != "restart"
        depth += 1
      case .start("p"):
        let paragraph = try paragraph(events)
        parts.append(paragraph.text)
        parts += paragraph.notes
      case .start("del"), .start("moveFrom"), .start("Fallback"): try events.skip()
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    cell.text = parts.filter { !$0.isEmpty }.joined(separator: " ")
    return cell
  }
}
