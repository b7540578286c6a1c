// Owns finding phrases, and words in one field, by the places of words in chunks.

/// Finds where words follow each other in a segment.
struct PhraseMatcher {
  /// A term of the segment and how many places after the first it follows.
  struct Word {
    let term: Int
    let offset: Int
  }

  private let segment: LexicalSegment
  private let field: LexicalField?
  private var reader = PostingReader()

  init(segment: LexicalSegment, field: LexicalField?) {
    self.segment = segment
    self.field = field
  }

  /// The chunks of `allowed` that have the words, each at its offset from the first, and how often; nil for none.
  mutating func postings(_ words: [Word], within allowed: [UInt64]) -> Postings? {
    let found = words.count == 1 ? occurrences(of: words[0].term, within: allowed) : phrases(words, within: allowed)
    guard !found.isEmpty else { return nil }
    var writer = PostingsWriter(lengths: segment.lengths(of: field), titleWeight: 1)
    writer.beginTerm(mostPostings: found.count)
    for (position, count) in found {
      writer.add(PostingsWriter.Posting(position: position, count: count, titleCount: 0))
    }
    writer.endTerm()
    return writer.finish()
  }

  /// A word's chunks with its occurrences in the field.
  private mutating func occurrences(of term: Int, within allowed: [UInt64]) -> [(UInt32, UInt32)] {
    var found: [(UInt32, UInt32)] = []
    let field = field
    reader.forEachPosting(of: term, in: segment) { posting, _ in
      let count =
        switch field {
        case nil: posting.count
        case .title: posting.titleCount
        case .body: posting.count - min(posting.count, posting.titleCount)
        }
      if count > 0, allowed.testBit(Int(posting.position)) { found.append((posting.position, count)) }
    }
    return found
  }

  private mutating func phrases(
    _ words: [Word], within allowed: [UInt64]
  ) -> [(UInt32, UInt32)] {
    // Chunks that have all the words; only there places are read.
    var candidates = allowed
    for term in Set(words.map(\.term)) {
      var having = [UInt64](repeating: 0, count: allowed.count)
      segment.postings.list(term).forEachPosition(limit: segment.count) { having.setBit($0) }
      for word in candidates.indices { candidates[word] &= having[word] }
    }
    /// For each candidate the places where the phrase may begin, given the words so far.
    var starts: [UInt32: [UInt32]] = [:]
    for (index, word) in words.enumerated() {
      let offset = UInt32(word.offset)
      let field = field
      var next: [UInt32: [UInt32]] = [:]
      reader.forEachPosting(of: word.term, in: segment) { posting, bytes in
        guard candidates.testBit(Int(posting.position)) else { return }
        let known = index == 0 ? nil : starts[posting.position]
        if index > 0, known == nil { return }
        var begins: [UInt32] = []
        Self.forEachPlace(bytes) { number, place in
          let isTitle = number < posting.titleCount
          guard place >= offset, field == nil || isTitle == (field == .title) else { return }
          let start = place - offset
          if known.map({ Self.contains($0, start) }) ?? true { begins.append(start) }
        }
        if !begins.isEmpty { next[posting.position] = begins }
      }
      starts = next
    }
    return starts.map { ($0.key, UInt32($0.value.count)) }.sorted { $0.0 < $1.0 }
  }

  /// Calls `body` with each place in LEB128 gaps, rising.
  private static func forEachPlace(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (_ number: UInt32, UInt32) -> Void) {
    var (place, value, shift, number) = (UInt32(0), UInt32(0), UInt32(0), UInt32(0))
    for byte in bytes {
      value |= shift < 32 ? UInt32(byte & 0x7F) << shift : 0
      shift += 7
      if byte < 0x80 {
        place &+= value
        body(number, place)
        (value, shift) = (0, 0)
        number += 1
      }
    }
  }

  /// - Parameter sorted: rising.
  private static func contains(_ sorted: [UInt32], _ value: UInt32) -> Bool {
    let index = sorted.partitioningIndex { $0 >= value }
    return index < sorted.count && sorted[index] == value
  }
}
