// Owns the order in which a page is read: columns and tables found from where words stand and where nothing does.
//
// A recursive cut along white space (Nagy and Seth, "Hierarchical representation of optically scanned documents",
// 1984), with the difference that a cut between columns need not go through the whole region: lines that cross it only
// end it. What such a cut divides is either columns of prose, read one after the other, or a table.

struct PDFLayout {
  enum Element {
    case line(PDFSegment)
    case table(PDFTable)
  }

  /// More pieces than any page has; beyond it, words stay in the order that the file has them in.
  private static let segmentLimit = 3_000

  static func elements(_ segments: [PDFSegment]) -> [Element] {
    guard segments.count <= segmentLimit else {
      return segments.map(Element.line)
    }
    return PDFLayout().arrange(segments, depth: 0)
  }

  private func arrange(_ segments: [PDFSegment], depth: Int) -> [Element] {
    guard depth < 24, let cut = bestCut(segments) else {
      return PDFSegment.rows(of: segments, box: \.box).flatMap { row in
        row.sorted { $0.box.x0 < $1.box.x0 }.map(Element.line)
      }
    }
    let above = arrange(cut.above, depth: depth + 1)
    let below = arrange(cut.below, depth: depth + 1)
    return above + divide(cut, depth: depth + 1) + below
  }

  private func divide(_ cut: Cut, depth: Int) -> [Element] {
    let (left, right) = (isProse(cut.left), isProse(cut.right))
    if (left && right) || (left && endsColumn(cut.right)) || (right && endsColumn(cut.left)) {
      return arrange(cut.left, depth: depth) + arrange(cut.right, depth: depth)
    }
    var all = cut.left + cut.right
    // Columns of prose may end where they like; what stands apart below one column of a table is no row of it.
    let bottom = bottomOfBoth(cut.left.map(\.box), cut.right.map(\.box), gap: Self.medianHeight(all))
    let tail = all.filter { $0.box.y0 >= bottom }
    if !tail.isEmpty {
      all.removeAll { $0.box.y0 >= bottom }
      return arrangeTable(all, depth: depth) + arrange(tail, depth: depth)
    }
    return arrangeTable(all, depth: depth)
  }

  private func arrangeTable(_ all: [PDFSegment], depth: Int) -> [Element] {
    // Two tables, or a table and what stands above it, have more space between them than rows do.
    let bands = self.bands(all)
    if bands.count > 1 { return bands.flatMap { arrange($0, depth: depth) } }
    if let table = PDFTable(all) { return [.table(table)] }
    return PDFSegment.rows(of: all, box: \.box).flatMap { row in
      row.sorted { $0.box.x0 < $1.box.x0 }.map(Element.line)
    }
  }

  // MARK: Cutting

  private struct Cut {
    var above: [PDFSegment]
    var left: [PDFSegment]
    var right: [PDFSegment]
    var below: [PDFSegment]
  }

  /// A cut by positions in the sorted segments, and the height over which both sides have text.
  private struct Candidate {
    var left: [Int]
    var right: [Int]
    var score: Double
  }

  /// The white strip between two sides that is longest.
  private func bestCut(_ segments: [PDFSegment]) -> Cut? {
    guard segments.count > 3 else { return nil }
    let sorted = segments.sorted { $0.box.y0 < $1.box.y0 }
    let boxes = sorted.map(\.box)
    let height = Self.medianHeight(sorted)
    // Strips begin where something ends, and are at least so wide; `x` is their middle.
    let margin = 0.4 * height
    let candidates = Set(boxes.map { (($0.x1 + margin) / 2).rounded(.up) * 2 }).sorted()
    var best: Candidate?
    for x in candidates.prefix(300) {
      for run in runs(boxes, at: x, margin: margin - 1) {
        guard let candidate = candidate(run, boxes, at: x, lineHeight: height) else { continue }
        if candidate.score > (best?.score ?? 0) { best = candidate }
      }
    }
    guard let best else { return nil }
    let kept = Set(best.left + best.right)
    let top = kept.map { boxes[$0].y0 }.min() ?? 0
    let rest = sorted.indices.filter { !kept.contains($0) }
    return Cut(
      above: rest.filter { boxes[$0].y0 < top }.map { sorted[$0] }, left: best.left.map { sorted[$0] },
      right: best.right.map { sorted[$0] }, below: rest.filter { boxes[$0].y0 >= top }.map { sorted[$0] })
  }

  /// Stretches from top to bottom in which nothing lies across `x`.
  private func runs(_ boxes: [PDFBox], at x: Double, margin: Double) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var start = 0
    for (index, box) in boxes.enumerated() where box.x0 < x + margin && box.x1 > x - margin {
      if index - start > 3 { runs.append(start..<index) }
      start = index + 1
    }
    if boxes.count - start > 3 { runs.append(start..<boxes.count) }
    return runs
  }

  private func candidate(_ run: Range<Int>, _ boxes: [PDFBox], at x: Double, lineHeight: Double) -> Candidate? {
    var left = run.filter { boxes[$0].midX < x }
    var right = run.filter { boxes[$0].midX >= x }
    guard left.count > 1, right.count > 1, let leftEdge = left.lazy.map({ boxes[$0].x1 }).max(),
      let rightEdge = right.lazy.map({ boxes[$0].x0 }).min(), rightEdge - leftEdge >= 0.8 * lineHeight
    else { return nil }
    // What stands alone above both sides is above the cut; what stands alone below, and apart, is below it.
    let top = max(boxes[left[0]].y0, boxes[right[0]].y0) - lineHeight * 0.5
    let bottom = bottomOfBoth(left.map { boxes[$0] }, right.map { boxes[$0] }, gap: 2.5 * lineHeight)
    left.removeAll { boxes[$0].y1 <= top || boxes[$0].y0 >= bottom }
    right.removeAll { boxes[$0].y1 <= top || boxes[$0].y0 >= bottom }
    guard left.count > 1, right.count > 1 else { return nil }
    func span(_ side: [Int]) -> (Double, Double) {
      (boxes[side[0]].y0, side.lazy.map { boxes[$0].y1 }.max() ?? 0)
    }
    let (first, second) = (span(left), span(right))
    let score = min(first.1, second.1) - max(first.0, second.0)
    return score > 1.2 * lineHeight ? Candidate(left: left, right: right, score: score) : nil
  }

  /// Below this only one side goes on, after white space higher than `gap`: it is no longer a column.
  private func bottomOfBoth(_ left: [PDFBox], _ right: [PDFBox], gap: Double) -> Double {
    let ends = (left.map(\.y1).max() ?? 0, right.map(\.y1).max() ?? 0)
    let longer = ends.0 > ends.1 ? left : right
    var last = min(ends.0, ends.1)
    for box in longer where box.y1 > last + 0.5 * gap {
      if box.y0 - last > gap { return box.y0 }
      last = max(last, box.y1)
    }
    return .infinity
  }

  // MARK: Judging

  /// Lines of prose fill their column, all but the last of each paragraph; there may be columns side by side.
  private func isProse(_ segments: [PDFSegment], depth: Int = 0) -> Bool {
    if fillsItsColumn(segments) { return true }
    guard depth < 3, let cut = bestCut(segments), (cut.left.count + cut.right.count) * 3 > segments.count * 2 else {
      return false
    }
    return isProse(cut.left, depth: depth + 1) && isProse(cut.right, depth: depth + 1)
  }

  /// Too few lines to judge, but lines of words: the last of a page.
  private func endsColumn(_ segments: [PDFSegment]) -> Bool {
    segments.count <= 3 && segments.reduce(0) { $0 + $1.words.count } >= 4 * segments.count
  }

  private func fillsItsColumn(_ segments: [PDFSegment]) -> Bool {
    let lines = PDFSegment.rows(of: segments, box: \.box)
    guard lines.count > 2, let lower = segments.map(\.box.x0).min(), let upper = segments.map(\.box.x1).max() else {
      return false
    }
    var full = 0
    var total = 0
    for line in lines {
      let count = line.reduce(0) { $0 + $1.characterCount }
      total += count
      guard line.count == 1 else { continue }
      if line[0].box.width >= 0.72 * (upper - lower), line[0].words.count > 2 { full += count }
    }
    return full * 2 > total
  }

  /// Separated by white space that goes across everything and is higher than that between rows.
  private func bands(_ segments: [PDFSegment]) -> [[PDFSegment]] {
    let sorted = segments.sorted { $0.box.y0 < $1.box.y0 }
    var gaps: [(index: Int, height: Double)] = []
    var bottom = sorted.first?.box.y1 ?? 0
    for (index, segment) in sorted.enumerated().dropFirst() {
      if segment.box.y0 > bottom { gaps.append((index, segment.box.y0 - bottom)) }
      bottom = max(bottom, segment.box.y1)
    }
    guard gaps.count > 1 else { return [segments] }
    let median = gaps.map(\.height).sorted()[gaps.count / 2]
    let limit = max(1.6 * Self.medianHeight(sorted), 2.2 * median)
    var bands: [[PDFSegment]] = []
    var start = 0
    for gap in gaps where gap.height > limit {
      bands.append(Array(sorted[start..<gap.index]))
      start = gap.index
    }
    bands.append(Array(sorted[start...]))
    return bands
  }

  static func medianHeight(_ segments: [PDFSegment]) -> Double {
    let heights = segments.map(\.box.height).sorted()
    return heights.isEmpty ? 10 : heights[heights.count / 2]
  }
}
