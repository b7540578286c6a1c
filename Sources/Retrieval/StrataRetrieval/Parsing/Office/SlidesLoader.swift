// Owns PPTX (ECMA-376, PresentationML): slides in their order, each a page with title, texts, tables and notes.

struct SlidesLoader {
  func load(_ bytes: [UInt8], path: String) throws -> ParsedDocument {
    let package = try OfficePackage(bytes, path: path)
    let main = try package.mainPart(default: "ppt/presentation.xml")
    let related = try package.relationships(of: main)
    var writer = CanonicalTextWriter()
    var title: String?
    for (index, id) in try Self.slides(package.events(main)).enumerated() {
      try Task.checkCancellation()
      guard let part = related[id]?.target, let events = try package.events(part) else { continue }
      var slide = SlideReader()
      try slide.read(events)
      writer.page = index + 1
      if title == nil { title = slide.title }
      slide.write(to: &writer, number: index + 1)
      guard let notes = try package.relationships(of: part).values.first(where: { $0.type == "notesSlide" }),
        let noteEvents = try package.events(notes.target)
      else { continue }
      var reader = SlideReader()
      try reader.read(noteEvents)
      if let text = reader.notes { writer.add(.paragraph, "Notes: " + text) }
    }
    let properties = try package.properties()
    return try writer.document(
      title: title ?? properties.title,
      mediaType: "application/vnd.openxmlformats-officedocument.presentationml.presentation", path: path,
      metadata: properties.metadata)
  }

  /// Relationships of the slides in the order in which they are shown.
  private static func slides(_ events: XMLEvents?) throws -> [String] {
    guard let events else { return [] }
    var ids: [String] = []
    while let event = try events.next() {
      // `r:id` is the relationship, `id` a number.
      if event == .start("sldId"), let id = events.attribute(qualified: "r:id") { ids.append(id) }
    }
    return ids
  }
}

/// Reads the shapes of one slide or one page of notes.
private struct SlideReader {
  private struct Paragraph {
    var text: String
    var level: Int
    var isBullet: Bool
  }
  private enum Part {
    case texts([Paragraph])
    case table([[String]])
  }

  private(set) var title: String?
  private var parts: [Part] = []
  /// Of a page of notes: what is said, without the picture of the slide and the page number.
  private(set) var notes: String?

  mutating func read(_ events: XMLEvents) throws {
    while let event = try events.next() {
      switch event {
      case .start("sp"): try shape(events)
      case .start("tbl"): parts.append(.table(try table(events)))
      case .start("Fallback"): try events.skip()
      default: break
      }
    }
  }

  func write(to writer: inout CanonicalTextWriter, number: Int) {
    if let title { writer.addHeading(1, title) } else if !parts.isEmpty { writer.addHeading(1, "Slide \(number)") }
    for part in parts {
      switch part {
      case .table(let rows): writer.addTable(rows)
      case .texts(let paragraphs):
        for paragraph in paragraphs {
          let text = CanonicalTextWriter.onOneLine(paragraph.text)
          guard !text.isEmpty else { continue }
          writer.add(
            paragraph.isBullet ? .listItem : .paragraph,
            paragraph.isBullet ? "- " + text : text)
        }
      }
    }
  }

  private mutating func shape(_ events: XMLEvents) throws {
    var placeholder: String?
    var paragraphs: [Paragraph] = []
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("ph"):
        placeholder = events.attribute("type") ?? "body"
        depth += 1
      case .start("p"): paragraphs.append(try paragraph(events))
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    paragraphs.removeAll { $0.text.allSatisfy(\.isWhitespace) }
    guard !paragraphs.isEmpty else { return }
    switch placeholder {
    case "title", "ctrTitle":
      title = CanonicalTextWriter.onOneLine(paragraphs.map(\.text).joined(separator: " "))
    // Dates, page numbers and footers are the same on all slides; `sldImg` is the picture of a slide.
    case "dt", "sldNum", "ftr", "hdr", "sldImg": return
    case "body":
      notes = CanonicalTextWriter.onOneLine(paragraphs.map(\.text).joined(separator: " "))
      // What a layout's body holds are bullets, unless it is one paragraph.
      if paragraphs.count > 1 { for index in paragraphs.indices { paragraphs[index].isBullet = true } }
      parts.append(.texts(paragraphs))
    default: parts.append(.texts(paragraphs))
    }
  }

  private func paragraph(_ events: XMLEvents) throws -> Paragraph {
    var paragraph = Paragraph(text: "", level: 0, isBullet: false)
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("t"): paragraph.text += try events.text()
      case .start(let name):
        if name == "br" { paragraph.text += " " }
        if name == "pPr" { paragraph.level = events.attribute("lvl").flatMap(Int.init) ?? 0 }
        if name == "buChar" || name == "buAutoNum" { paragraph.isBullet = true }
        depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    return paragraph
  }

  private func table(_ events: XMLEvents) throws -> [[String]] {
    var rows: [[String]] = []
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("tr"):
        rows.append([])
        depth += 1
      case .start("tc"):
        let continues = ["1", "true"].contains(events.attribute("hMerge") ?? "")
        let continuesAbove = ["1", "true"].contains(events.attribute("vMerge") ?? "")
        let text = try cell(events)
        let above = rows.dropLast().last
        guard var row = rows.popLast() else { continue }
        if continues, let left = row.last {
          row.append(left)
        } else if continuesAbove, let above, above.indices.contains(row.count) {
          row.append(above[row.count])
        } else {
          row.append(text)
        }
        rows.append(row)
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    return rows
  }

  private func cell(_ events: XMLEvents) throws -> String {
    var parts: [String] = []
    var depth = 1
    while depth > 0, let event = try events.next() {
      switch event {
      case .start("p"): parts.append(try paragraph(events).text)
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
    return parts.filter { !$0.isEmpty }.joined(separator: " ")
  }
}
