// Owns finding headers, footers and page numbers: lines at the edge of pages that are the same on many.

/// What repeats from page to page and is no part of the text.
struct PDFRunningLines {
  private struct Key: Hashable {
    var text: String
    var place: Int
  }
  private var repeated: Set<Key> = []

  init(_ pages: [(page: PDFPage, segments: [PDFSegment])]) {
    guard pages.count > 1 else { return }
    var counts: [Key: Int] = [:]
    for (page, segments) in pages {
      var keys: Set<Key> = []
      for segment in segments where Self.isAtEdge(segment, of: page) { keys.formUnion(Self.keys(segment, page)) }
      for key in keys { counts[key, default: 0] += 1 }
    }
    let needed = pages.count < 4 ? 2 : max(3, pages.count / 5)
    repeated = Set(counts.filter { $0.value >= needed }.keys)
  }

  func contains(_ segment: PDFSegment, on page: PDFPage) -> Bool {
    !repeated.isEmpty && Self.isAtEdge(segment, of: page) && Self.keys(segment, page).contains { repeated.contains($0) }
  }

  private static func isAtEdge(_ segment: PDFSegment, of page: PDFPage) -> Bool {
    segment.box.midY < 0.1 * page.height || segment.box.midY > 0.9 * page.height
  }

  /// The text with digits as one sign, at its height; twice, since heights near a step may fall on either side.
  private static func keys(_ segment: PDFSegment, _ page: PDFPage) -> [Key] {
    var text = ""
    for character in segment.text.lowercased() {
      if character.isNumber { if text.last != "#" { text.append("#") } } else { text.append(character) }
    }
    let place = segment.box.midY / 8
    guard abs(place) < 1e6 else { return [] }
    return [Key(text: text, place: Int(place)), Key(text: text, place: Int(place + 0.5) + 10_000_000)]
  }
}
