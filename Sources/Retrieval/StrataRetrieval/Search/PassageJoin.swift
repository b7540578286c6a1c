// Owns making one passage of several that touch. Knows nothing about room.
import StrataCore

/// Joins passages of one document version into one byte range with exactly its bytes as text.
struct PassageJoin {
  var documents: [Version: ContextDocument]
  /// Passages with no more bytes than this between them touch, when their document is at hand.
  var gapByteLimit: Int

  /// Each joined passage stays where its best part was.
  func joined(_ passages: [Passage]) -> [Passage] {
    var result: [Passage] = []
    for passage in passages {
      var current = passage
      var place = result.count
      // A passage may close the gap between two that are there already, so look again after each joining.
      while let index = result.firstIndex(where: { join($0, current) != nil }),
        let whole = join(result[index], current)
      {
        current = whole
        place = min(place, index)
        result.remove(at: index)
      }
      result.insert(current, at: min(place, result.count))
    }
    return result
  }

  /// Nil when the two do not touch, or lie on different pages.
  func join(_ left: Passage, _ right: Passage) -> Passage? {
    guard Version(left) == Version(right), left.page == right.page else { return nil }
    let (first, second) = left.range.lowerBound <= right.range.lowerBound ? (left, right) : (right, left)
    guard let text = text(first.range, first.text, second.range, second.text, Version(left)) else { return nil }
    var whole = left.score >= right.score ? left : right
    whole.headingPath = Self.common(left.headingPath, right.headingPath)
    whole.range = first.range.lowerBound..<max(first.range.upperBound, second.range.upperBound)
    whole.text = text
    return whole
  }

  /// The passage with the chunk after or before it; nil when there is none that touches it, or when its document is not
  /// at hand.
  func neighbour(of passage: Passage, isAfter: Bool) -> Passage? {
    guard let chunks = documents[Version(passage)]?.chunks.filter({ $0.page == passage.page }) else { return nil }
    let next =
      isAfter
      ? chunks.filter { $0.range.upperBound > passage.range.upperBound }.min {
        $0.range.lowerBound < $1.range.lowerBound
      }
      : chunks.filter { $0.range.lowerBound < passage.range.lowerBound }.max {
        $0.range.upperBound < $1.range.upperBound
      }
    guard let next else { return nil }
    var other = passage
    other.range = next.range
    other.text = next.text
    other.headingPath = next.headingPath
    other.score = -.infinity
    guard var whole = join(passage, other), whole.range != passage.range else { return nil }
    whole.score = passage.score
    return whole
  }

  private func text(
    _ first: Range<Int>, _ firstText: String, _ second: Range<Int>, _ secondText: String, _ version: Version
  ) -> String? {
    guard first.lowerBound >= 0 else { return nil }
    let gap = second.lowerBound - first.upperBound
    let range = first.lowerBound..<max(first.upperBound, second.upperBound)
    if let bytes = documents[version]?.bytes {
      // What does not have the bytes of its range cannot be joined by ranges.
      guard gap <= gapByteLimit, range.upperBound <= bytes.count, bytes[first].elementsEqual(firstText.utf8),
        bytes[second].elementsEqual(secondText.utf8)
      else { return nil }
      return bytes.text(range)
    }
    guard gap <= 0, firstText.utf8.count == first.count, secondText.utf8.count == second.count else { return nil }
    let extra = second.upperBound - first.upperBound
    let text = extra <= 0 ? firstText : firstText + String(decoding: secondText.utf8.suffix(extra), as: UTF8.self)
    return text.utf8.count == range.count ? text : nil
  }

  private static func common(_ left: [String], _ right: [String]) -> [String] {
    Array(zip(left, right).prefix { $0 == $1 }.map(\.0))
  }
}
