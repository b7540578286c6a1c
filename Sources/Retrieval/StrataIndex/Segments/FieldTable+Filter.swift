// Owns finding the chunks of a segment that satisfy a filter. What filters mean is StrataCore's business.
import Foundation
import StrataCore

extension FieldTable {
  /// One bit per chunk that satisfies `filter`.
  /// - Complexity: O(chunks / 64) for each condition, and as much as there are matches.
  func matches(_ filter: Filter) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (count + 63) / 64)
    switch filter {
    case .and(let filters):
      words = everything()
      for filter in filters { words.formIntersection(matches(filter)) }
    case .or(let filters):
      for filter in filters { words.formUnion(matches(filter)) }
    case .not(let filter):
      words = everything()
      words.subtract(matches(filter))
    case .equals(let name, let value):
      insert(name, value, into: &words)
    case .in(let name, let values):
      for value in values { insert(name, value, into: &words) }
    case .range(let name, let range):
      insert(name, range, into: &words)
    case .exists(let name):
      for field in fields where field.name == name { Self.forEach(field, all(field)) { words.setBit($0) } }
    case .prefix(let name, let prefix):
      for field in fields where field.name == name {
        if case .texts(let texts) = field.values {
          texts.forEachPosition(texts.values.range(ofPrefix: prefix)) { words.setBit($0) }
        }
      }
    }
    return words
  }

  private func everything() -> [UInt64] {
    var words = [UInt64](repeating: .max, count: (count + 63) / 64)
    if count % 64 != 0 { words[count / 64] = 1 << UInt64(count % 64) - 1 }
    return words
  }

  private func all(_ field: Field) -> Range<Int> {
    switch field.values {
    case .texts(let texts): 0..<texts.values.count
    case .numbers(let numbers): 0..<numbers.values.count
    }
  }

  private static func forEach(_ field: Field, _ range: Range<Int>, _ body: (Int) -> Void) {
    switch field.values {
    case .texts(let texts): texts.forEachPosition(range, body)
    case .numbers(let numbers): for index in range { body(Int(numbers.positions[index])) }
    }
  }

  private func insert(_ name: String, _ value: FieldValue, into words: inout [UInt64]) {
    if let wanted = value.texts {
      // Each element has to be there: the chunks of the first, narrowed by those of the others.
      guard let first = wanted.first else { return }
      var found = positions(name, first)
      for text in wanted.dropFirst() { found.formIntersection(positions(name, text)) }
      words.formUnion(found)
    } else if !value.isEmpty {
      insert(name, FieldRange(from: value, through: value), allowsBooleans: true, into: &words)
    }
  }

  private func positions(_ name: String, _ text: String) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (count + 63) / 64)
    for field in fields where field.name == name {
      if case .texts(let texts) = field.values, let index = texts.values.index(of: text) {
        texts.forEachPosition(index..<index + 1) { words.setBit($0) }
      }
    }
    return words
  }

  private func insert(
    _ name: String, _ range: FieldRange, allowsBooleans: Bool = false, into words: inout [UInt64]
  ) {
    guard range.lower != nil || range.upper != nil, range.lower?.isEmpty != true, range.upper?.isEmpty != true
    else { return }
    for field in fields where field.name == name && (allowsBooleans || field.kind != .boolean) {
      let ends: Range<Int>?
      switch field.values {
      case .numbers(let numbers): ends = Self.range(of: range, in: numbers, kind: field.kind)
      case .texts(let texts): ends = Self.range(of: range, in: texts)
      }
      if let ends { Self.forEach(field, ends) { words.setBit($0) } }
    }
  }

  /// Nil when an end is of another kind.
  private static func range(of range: FieldRange, in numbers: Numbers, kind: Kind) -> Range<Int>? {
    func end(_ value: FieldValue) -> Double? {
      switch (kind, value) {
      case (.number, .number(let number)): number
      case (.boolean, .boolean(let flag)): flag ? 1 : 0
      case (.date, .date(let date)): date.timeIntervalSinceReferenceDate
      default: nil
      }
    }
    var (start, stop) = (0, numbers.values.count)
    if let lower = range.lower {
      guard let bound = end(lower) else { return nil }
      start = numbers.values.partitioningIndex { range.includesLower ? $0 >= bound : $0 > bound }
    }
    if let upper = range.upper {
      guard let bound = end(upper) else { return nil }
      stop = numbers.values.partitioningIndex { range.includesUpper ? $0 > bound : $0 >= bound }
    }
    return start..<max(start, stop)
  }

  private static func range(of range: FieldRange, in texts: Texts) -> Range<Int>? {
    func bound(_ value: FieldValue, isBefore: Bool) -> Int? {
      guard case .string(let text) = value else { return nil }
      // The shortest string after `text` is `text` with a zero byte.
      return texts.values.lowerBound(Array(text.utf8) + (isBefore ? [] : [0]))
    }
    var (start, stop) = (0, texts.values.count)
    if let lower = range.lower {
      guard let place = bound(lower, isBefore: range.includesLower) else { return nil }
      start = place
    }
    if let upper = range.upper {
      guard let place = bound(upper, isBefore: !range.includesUpper) else { return nil }
      stop = place
    }
    return start..<max(start, stop)
  }
}

extension [UInt64] {
  mutating func formIntersection(_ other: [UInt64]) { for index in indices { self[index] &= other[index] } }
  mutating func formUnion(_ other: [UInt64]) { for index in indices { self[index] |= other[index] } }
  mutating func subtract(_ other: [UInt64]) { for index in indices { self[index] &= ~other[index] } }
}
