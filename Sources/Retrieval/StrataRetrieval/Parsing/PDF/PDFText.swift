// Owns turning the elements of all pages into text: paragraphs, headings, lists and code.

struct PDFText {
  private struct Line {
    var segment: PDFSegment
    var page: Int
    var text: String
    var size: Double
  }
  private enum Item {
    case line(Line)
    case table(PDFTable, page: Int)
  }

  private var items: [Item] = []
  private let outline: [String: [PDFOutlineEntry]]
  private var bodySize = 10.0
  private var headingSizes: [Double] = []
  private var words: Set<String> = []
  /// Between lines of one paragraph, in heights of a line.
  private var lineGap = 0.2
  private(set) var writer = CanonicalTextWriter()

  init(pages: [[PDFLayout.Element]], outline: [PDFOutlineEntry]) {
    self.outline = Dictionary(grouping: outline) { Self.key($0.title) }
    for (index, elements) in pages.enumerated() {
      for element in elements {
        switch element {
        case .line(let segment):
          items.append(
            .line(
              Line(segment: segment, page: index + 1, text: segment.text, size: (segment.size * 2).rounded() / 2)))
        case .table(let table): items.append(.table(table, page: index + 1))
        }
      }
    }
    measure()
    write()
  }

  /// Letters and digits in lower case: what an outline and a line have in common.
  private static func key(_ text: String) -> String { String(text.lowercased().filter { $0.isLetter || $0.isNumber }) }

  private mutating func measure() {
    var counts: [Double: Int] = [:]
    var gaps: [Double] = []
    var followsDivided = false
    var last: Line?
    for item in items {
      guard case .line(let line) = item else { continue }
      if let last, last.page == line.page, last.size == line.size {
        let gap = (line.segment.box.y0 - last.segment.box.y1) / max(1, line.segment.box.height)
        if gap > -0.5, gap < 2.5 { gaps.append(gap) }
      }
      last = line
      counts[line.size, default: 0] += line.text.count
      // Halves of divided words are no words.
      let isDivided = line.text.last == "-"
      for word in line.segment.words.dropFirst(followsDivided ? 1 : 0).dropLast(isDivided ? 1 : 0) {
        words.insert(Self.key(word.text))
      }
      followsDivided = isDivided
    }
    gaps.sort()
    if !gaps.isEmpty { lineGap = gaps[gaps.count / 2] }
    bodySize = counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 10
    headingSizes = counts.keys.filter { $0 >= bodySize * 1.1 }.sorted(by: >)
    // Sizes that differ by less than half a point or so are one.
    var merged: [Double] = []
    for size in headingSizes where merged.last.map({ $0 - size > 0.6 }) ?? true { merged.append(size) }
    headingSizes = merged
  }

  // MARK: Blocks

  private mutating func write() {
    var index = 0
    var lastTable: (table: PDFTable, page: Int, header: [[String]])?
    while index < items.count {
      switch items[index] {
      case .table(let table, let page):
        writer.page = page
        lastTable = write(table, page, after: lastTable)
        index += 1
      case .line(let first):
        var lines = [first]
        while index + lines.count < items.count, case .line(let next) = items[index + lines.count],
          let last = lines.last, belongs(next, to: last, first: lines[0])
        {
          lines.append(next)
        }
        index += lines.count
        writer.page = first.page
        write(lines)
      }
    }
  }

  /// A table that goes on at the top of the next page keeps the names of its columns.
  private mutating func write(
    _ table: PDFTable, _ page: Int, after last: (table: PDFTable, page: Int, header: [[String]])?
  ) -> (table: PDFTable, page: Int, header: [[String]])? {
    let own = table.headerCount ?? (table.rows.count > 1 && CanonicalTextWriter.isHeader(table.rows[0]) ? 1 : 0)
    if let last, last.page + 1 == page, !last.header.isEmpty, last.table.rows[0].count == table.rows[0].count,
      zip(last.table.columns, table.columns).allSatisfy({ abs($0 - $1) < 12 })
    {
      // The names that the page repeats are those of running heads: said once.
      let repeats = Array(table.rows.prefix(last.header.count)) == last.header
      writer.addTable(
        repeats ? Array(table.rows.dropFirst(last.header.count)) : table.rows, headerCount: 0,
        columns: CanonicalTextWriter.columnNames(last.header))
      return (table, page, last.header)
    }
    writer.addTable(table.rows, headerCount: own)
    return (table, page, Array(table.rows.prefix(own)))
  }

  private static func isListItem(_ text: String) -> Bool {
    let marker = text.prefix { $0 != " " }
    return marker.count < text.count && PDFSegment.isListMarker(marker)
  }

  private func headingLevel(_ line: Line) -> Int? {
    if let entries = outline[Self.key(line.text)], let entry = entries.first(where: { $0.page == line.page }) {
      return entry.level + (outlineStartsBelowTitle ? 1 : 0)
    }
    guard line.text.contains(where: \.isLetter), line.text.count <= 160, !line.segment.isMonospaced,
      !line.text.contains(" … ")
    else { return nil }
    if line.size >= bodySize * 1.1 {
      guard let rank = headingSizes.firstIndex(where: { $0 - line.size <= 0.6 }) else { return nil }
      return rank + 1
    }
    guard line.segment.isBold, line.text.count <= 100, line.size >= bodySize - 0.5,
      !Self.isListItem(line.text) || startsWithNumber(line.text),
      let last = line.text.last, !".,;:".contains(last)
    else { return nil }
    return headingSizes.count + 1
  }

  private func startsWithNumber(_ text: String) -> Bool { text.first?.isNumber == true }

  /// The first page has a title that the outline does not name.
  private var outlineStartsBelowTitle: Bool {
    guard case .line(let first)? = items.first, outline[Self.key(first.text)] == nil else { return false }
    return headingSizes.first.map { $0 - first.size <= 0.6 } ?? false
  }

  /// Whether a line goes on with what the line before it says.
  private func belongs(_ next: Line, to last: Line, first: Line) -> Bool {
    let (box, previous) = (next.segment.box, last.segment.box)
    let level = headingLevel(last)
    guard headingLevel(next) == level, next.segment.isMonospaced == last.segment.isMonospaced else { return false }
    if level != nil {
      // A heading over two lines.
      return next.page == last.page && abs(next.size - last.size) < 0.6 && box.y0 - previous.y1 < 0.5 * previous.height
        && box.y0 > previous.y0 && next.text.first?.isNumber != true
    }
    if Self.isListItem(next.text) { return false }
    if next.segment.isMonospaced {
      return next.page == last.page && box.y0 > previous.y0 && box.y0 - previous.y1 < 2.4 * previous.height
    }
    guard abs(next.size - last.size) <= 1.1 else { return false }
    let continuesBelow = next.page == last.page && box.y0 >= previous.y0 && box.horizontalOverlap(previous) > 0
    if continuesBelow {
      guard box.y0 - previous.y1 <= max(0.55, 1.3 * lineGap) * max(box.height, previous.height) else { return false }
      // Indented: the beginning of a paragraph, unless it is a list item that hangs.
      let isIndented = box.x0 - first.segment.box.x0 > 0.8 * box.height && lineIsFull(last, against: next) == false
      let isNewlyIndented =
        box.x0 - previous.x0 > 0.8 * box.height && !Self.isListItem(first.text)
        && last.text.last.map(Self.endsSentence) == true
      return !isIndented && !isNewlyIndented
    }
    // In the next column or on the next page, only in the middle of a sentence.
    guard let end = last.text.last, let start = next.text.first else { return false }
    return !Self.endsSentence(end) && end != ":" && start.isLowercase
  }

  private func lineIsFull(_ line: Line, against next: Line) -> Bool {
    line.segment.box.x1 >= next.segment.box.x1 - 2 * next.size
  }

  private static func endsSentence(_ character: Character) -> Bool { ".!?”\"".contains(character) }

  private mutating func write(_ lines: [Line]) {
    if let level = headingLevel(lines[0]) {
      return writer.addHeading(level, joined(lines))
    }
    if lines.allSatisfy(\.segment.isMonospaced) {
      let left = lines.map(\.segment.box.x0).min() ?? 0
      var text: [String] = []
      var bottom: Double?
      for line in lines {
        let box = line.segment.box
        if let bottom, box.y0 - bottom > box.height { text.append("") }
        bottom = box.y1
        let advance = max(1, box.width / Double(max(1, line.text.count)))
        text.append(String(repeating: " ", count: min(80, max(0, Int((box.x0 - left) / advance + 0.5)))) + line.text)
      }
      return writer.add(.code, text.joined(separator: "\n"))
    }
    var text = joined(lines)
    guard Self.isListItem(text) else { return writer.add(.paragraph, text) }
    if let first = text.first, PDFSegment.bullets.contains(first) { text = "- " + text.dropFirst(2) }
    writer.add(.listItem, text)
  }

  /// Joins lines with spaces, and words that were divided at the end of a line.
  private func joined(_ lines: [Line]) -> String {
    var text = ""
    for line in lines {
      guard let last = text.last else {
        text = line.text
        continue
      }
      let isHyphen = last == "-" || last == "\u{AD}" || last == "\u{2010}"
      guard isHyphen, text.dropLast().last?.isLetter == true, line.text.first?.isLowercase == true else {
        text += " " + line.text
        continue
      }
      let before = text.dropLast().reversed().prefix { $0.isLetter || $0 == "-" }.reversed()
      let after = line.text.prefix { $0.isLetter || $0 == "-" }
      // `well-` and `known` stay `well-known` where the document writes that elsewhere, or only its parts.
      let whole = Self.key(String(before) + after)
      let isCompound =
        last != "\u{AD}" && !words.contains(whole) && words.contains(Self.key(String(before)))
        && words.contains(Self.key(String(after)))
      text = (isCompound ? text : String(text.dropLast())) + line.text
    }
    return text
  }
}
