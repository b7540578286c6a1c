// Owns finding rows and columns in a region of a page where words stand in a grid.

struct PDFTable {
  private(set) var rows: [[String]]
  /// How many rows at the top name the columns; nil when nothing shows it.
  private(set) var headerCount: Int?
  private(set) var box: PDFBox
  /// The left edges of the columns.
  private(set) var columns: [Double]

  private struct Cell {
    var segment: PDFSegment
    var columns: ClosedRange<Int>
  }

  /// Nil when the words stand in no grid of at least two rows and two columns.
  init?(_ segments: [PDFSegment]) {
    let lines = PDFSegment.rows(of: segments, box: \.box).map { $0.sorted { $0.box.x0 < $1.box.x0 } }
    guard lines.count > 1, lines.contains(where: { $0.count > 1 }) else { return nil }
    let height = PDFLayout.medianHeight(segments)
    let gutters = Self.narrowed(Self.gutters(lines, height: height), by: lines[0])
    guard !gutters.isEmpty else { return nil }
    let placed = lines.map { line in line.flatMap { Self.place($0, gutters) } }
    let groups = Self.logicalRows(placed, height: height)
    let width = gutters.count + 1
    guard groups.count > 1, groups.count(where: { $0.count > 1 }) * 2 >= groups.count else { return nil }
    var table: [[String]] = []
    for group in groups {
      var row = [String](repeating: "", count: width)
      for cell in group {
        let text = cell.segment.text
        // A name over several columns is the name of each; elsewhere such a text is in the first.
        let spreads = cell.columns.count > 1 && table.count < 2 && groups.count > 2
        for column in spreads ? cell.columns : cell.columns.lowerBound...cell.columns.lowerBound {
          row[column] += (row[column].isEmpty ? "" : " ") + text
        }
      }
      table.append(row)
    }
    headerCount = Self.headerCount(groups, table)
    // A name beside two rows of names stands in the first of them.
    if let headerCount, headerCount > 1 {
      for row in 1..<headerCount {
        for column in 0..<width where table[row][column].isEmpty { table[row][column] = table[row - 1][column] }
      }
    }
    rows = table
    box = segments.dropFirst().reduce(segments[0].box) { $0.union($1.box) }
    columns = [box.x0] + gutters.map(\.upperBound)
  }

  // MARK: Columns

  /// Strips that almost no row crosses, with text on both sides.
  private static func gutters(_ lines: [[PDFSegment]], height: Double) -> [ClosedRange<Double>] {
    // Edges of what covers the width, counted once for each row.
    var edges: [(x: Double, change: Int)] = []
    for line in lines {
      for segment in line {
        edges.append((segment.box.x0, 1))
        edges.append((segment.box.x1, -1))
      }
    }
    edges.sort { ($0.x, $0.change) < ($1.x, $1.change) }
    // A heading over two columns may cross the strip between them.
    let tolerated = lines.count > 3 ? max(1, lines.count / 8) : 0
    var gutters: [ClosedRange<Double>] = []
    var covering = 0
    var seen = false
    var start: Double?
    for edge in edges {
      if covering <= tolerated, seen, let open = start, edge.change > 0, covering + 1 > tolerated {
        if edge.x - open >= 0.5 * height { gutters.append(open...edge.x) }
        start = nil
      }
      covering += edge.change
      if covering > tolerated {
        seen = true
        start = nil
      } else if start == nil {
        start = edge.x
      }
    }
    // Sparse columns are covered by few rows; where nothing below the first row crosses, a strip is one whatever
    // stands beside it.
    return tolerated == 0 ? gutters : merged(gutters, clear: clearGutters(lines.dropFirst(), height: height))
  }

  /// Names of columns are often wider than what stands below them.
  private static func narrowed(_ gutters: [ClosedRange<Double>], by names: [PDFSegment]) -> [ClosedRange<Double>] {
    gutters.map { gutter in
      var (lower, upper) = (gutter.lowerBound, gutter.upperBound)
      for name in names {
        if name.box.x0 < lower, name.box.x1 > lower, name.box.x1 < upper { lower = name.box.x1 }
        if name.box.x1 > upper, name.box.x0 < upper, name.box.x0 > lower { upper = name.box.x0 }
      }
      return lower...upper
    }
  }

  private static func clearGutters(_ lines: ArraySlice<[PDFSegment]>, height: Double) -> [ClosedRange<Double>] {
    let boxes = lines.joined().map(\.box).sorted { $0.x0 < $1.x0 }
    var gutters: [ClosedRange<Double>] = []
    var end = boxes.first?.x1 ?? 0
    for box in boxes.dropFirst() {
      if box.x0 - end >= 0.5 * height { gutters.append(end...box.x0) }
      end = max(end, box.x1)
    }
    return gutters
  }

  private static func merged(_ first: [ClosedRange<Double>], clear: [ClosedRange<Double>]) -> [ClosedRange<Double>] {
    var result = clear
    for gutter in first where !clear.contains(where: { $0.overlaps(gutter) }) { result.append(gutter) }
    return result.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// Cuts a segment at the gutters that lie between its words.
  private static func place(_ segment: PDFSegment, _ gutters: [ClosedRange<Double>]) -> [Cell] {
    func column(_ x: Double) -> Int { gutters.count { ($0.lowerBound + $0.upperBound) / 2 < x } }
    var cells: [Cell] = []
    var run: [PDFWord] = []
    func flush() {
      guard let first = run.first, let last = run.last else { return }
      let lower = column(first.box.x0 + 0.5)
      cells.append(Cell(segment: PDFSegment(run), columns: lower...max(lower, column(last.box.x1 - 0.5))))
      run = []
    }
    for word in segment.words {
      if let last = run.last,
        gutters.contains(where: { gutter in
          let gap = word.box.x0 - last.box.x1
          return last.box.x1 <= gutter.lowerBound + 1 && word.box.x0 >= gutter.upperBound - 1
            && gap > 0.35 * word.box.height
        })
      {
        flush()
      }
      run.append(word)
    }
    flush()
    return cells
  }

  // MARK: Rows

  /// Puts the lines of wrapped cells together.
  private static func logicalRows(_ lines: [[Cell]], height: Double) -> [[Cell]] {
    let boxes = lines.map { line in line.dropFirst().reduce(line[0].segment.box) { $0.union($1.segment.box) } }
    let gaps = zip(boxes, boxes.dropFirst()).map { $1.y0 - $0.y1 }
    let sorted = gaps.sorted()
    // Lines of one cell stand closer than rows, where cells are padded.
    var limit = Double.infinity
    if let least = sorted.first, let most = sorted.last, least < 0.45 * height, most - least > 0.3 * height {
      var widest = 0.0
      for (lower, upper) in zip(sorted, sorted.dropFirst()) where upper - lower > widest {
        widest = upper - lower
        limit = (lower + upper) / 2
      }
      if widest < 0.2 * height { limit = .infinity }
    }
    var rows: [[Cell]] = []
    for (index, line) in lines.enumerated() {
      let continues: Bool
      if index == 0 {
        continues = false
      } else if limit.isFinite {
        continues = gaps[index - 1] < limit
      } else {
        // Without padding, a line whose first column is empty and that has little to say goes on with a cell.
        continues =
          gaps[index - 1] < 0.6 * height && line.allSatisfy { $0.columns.lowerBound > 0 }
          && line.count * 2 <= max(2, rows.last?.count ?? 0)
          && !line.contains { CanonicalTextWriter.isNumeric($0.segment.text) }
      }
      if continues, !rows.isEmpty { rows[rows.count - 1] += line } else { rows.append(line) }
    }
    return rows
  }

  /// Rows in bold above others that are not; above rows with numbers, those without.
  private static func headerCount(_ groups: [[Cell]], _ rows: [[String]]) -> Int? {
    let bold = groups.prefix { $0.allSatisfy(\.segment.isBold) }.count
    if bold > 0, bold < groups.count, bold <= 3 { return bold }
    // A first row that spans columns, above the names of single ones.
    if rows.count > 3, groups[0].contains(where: { $0.columns.count > 1 }),
      rows[0...1].allSatisfy({ !$0.contains(where: CanonicalTextWriter.isNumeric) }),
      rows[2...].contains(where: { $0.contains(where: CanonicalTextWriter.isNumeric) })
    {
      return 2
    }
    return nil
  }
}
