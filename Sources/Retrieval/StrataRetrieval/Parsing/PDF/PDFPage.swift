// Owns what is known of a page before its layout is: words with their places and fonts.

/// A rectangle in points, from the top left corner of the page.
struct PDFBox: Hashable {
  var x0: Double
  var y0: Double
  var x1: Double
  var y1: Double

  var width: Double { x1 - x0 }
  var height: Double { y1 - y0 }
  var midX: Double { (x0 + x1) / 2 }
  var midY: Double { (y0 + y1) / 2 }

  func union(_ other: PDFBox) -> PDFBox {
    PDFBox(x0: min(x0, other.x0), y0: min(y0, other.y0), x1: max(x1, other.x1), y1: max(y1, other.y1))
  }

  /// How much of the lower of the two lies beside the other, 0 to 1.
  func verticalOverlap(_ other: PDFBox) -> Double {
    let shared = min(y1, other.y1) - max(y0, other.y0)
    let smaller = min(height, other.height)
    return smaller > 0 ? max(0, shared / smaller) : 0
  }

  func horizontalOverlap(_ other: PDFBox) -> Double { max(0, min(x1, other.x1) - max(x0, other.x0)) }
}

struct PDFWord: Hashable {
  var box: PDFBox
  var text: String
  /// Of the font, in points; without fonts as high as the word's box.
  var size: Double
  var isBold = false
  var isMonospaced = false
}

struct PDFPage {
  var width: Double
  var height: Double
  var words: [PDFWord] = []
}

/// A run of words on one line without a wide gap: a line of a column, or a cell.
struct PDFSegment {
  var words: [PDFWord]
  var box: PDFBox

  init(_ words: [PDFWord]) {
    self.words = words
    box = words.dropFirst().reduce(words.first?.box ?? PDFBox(x0: 0, y0: 0, x1: 0, y1: 0)) { $0.union($1.box) }
  }

  /// Dots that lead from a title to a page number become one sign.
  var text: String {
    var parts: [String] = []
    for word in words {
      guard word.text.allSatisfy({ $0 == "." || $0 == "…" }), !word.text.isEmpty else {
        parts.append(word.text)
        continue
      }
      if parts.last == "." || parts.last == "…" || word.text.count > 3 {
        if parts.last == "." || parts.last == "…" { parts.removeLast() }
        parts.append("…")
      } else {
        parts.append(word.text)
      }
    }
    return parts.joined(separator: " ")
  }
  var characterCount: Int { words.reduce(0) { $0 + $1.text.count } }
  /// That of most characters.
  var size: Double {
    var counts: [Double: Int] = [:]
    for word in words { counts[word.size, default: 0] += word.text.count }
    return counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 0
  }
  var isBold: Bool {
    words.allSatisfy { $0.isBold || !$0.text.contains(where: \.isLetter) } && words.contains(where: \.isBold)
  }
  var isMonospaced: Bool { words.allSatisfy(\.isMonospaced) }

  /// Words on lines, lines cut where a gap is wider than `gap` heights of a word.
  static func segments(of words: [PDFWord], gap: Double = 0.9) -> [PDFSegment] {
    var result: [PDFSegment] = []
    for row in rows(of: words, box: \.box) {
      var run: [PDFWord] = []
      for word in row.sorted(by: { $0.box.x0 < $1.box.x0 }) {
        if let last = run.last, word.box.x0 - last.box.x1 > gap * min(last.box.height, word.box.height),
          run.count > 1 || !isListMarker(last.text) || word.box.x0 - last.box.x1 > 4 * last.box.height
        {
          result.append(PDFSegment(run))
          run = []
        }
        run.append(word)
      }
      if !run.isEmpty { result.append(PDFSegment(run)) }
    }
    return result
  }

  static let bullets: Set<Character> = ["•", "‣", "◦", "▪", "■", "●", "○", "–", "-", "*", "·", "\u{F0B7}"]

  /// `•`, `12.`, `a)` `(iv)` or `[7]`, which belong to the text beside them however far that is.
  static func isListMarker(_ text: some StringProtocol) -> Bool {
    guard let end = text.last else { return false }
    if text.count == 1 { return bullets.contains(end) }
    if text.first == "[", end == "]" { return text.count <= 6 }
    guard text.count <= 5, end == "." || end == ")" else { return false }
    let inner = text.dropLast().drop { $0 == "(" }
    return !inner.isEmpty
      && (inner.allSatisfy { $0.isNumber || $0 == "." } || (inner.count == 1 && inner.allSatisfy(\.isLowercase))
        || inner.allSatisfy { "ivx".contains($0) })
  }

  /// Groups what stands side by side, from top to bottom.
  static func rows<Item>(of items: [Item], box: (Item) -> PDFBox) -> [[Item]] {
    var rows: [(box: PDFBox, items: [Item])] = []
    for item in items.sorted(by: { box($0).midY < box($1).midY }) {
      let itemBox = box(item)
      // Only the last few rows can still be beside it.
      if let index = rows.indices.suffix(4).last(where: { rows[$0].box.verticalOverlap(itemBox) >= 0.6 }) {
        rows[index].items.append(item)
      } else {
        rows.append((itemBox, [item]))
      }
    }
    return rows.map(\.items)
  }
}
