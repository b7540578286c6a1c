// Owns finding phrases by the places of words in chunks. Knows nothing about weights.
import CStrataKernels

/// Finds where words follow each other in a segment.
///
/// The chunks of the rarest word are looked up among those of the next rarer, and so on, passing over blocks; places are
/// read only of chunks that have all the words.
struct PhraseMatcher {
  /// A term of the segment and how many places after the first it follows.
  struct Word {
    let term: Int
    let offset: Int
  }

  /// The chunks that have a phrase, rising, and how often each.
  struct Matches {
    var positions: [UInt32] = []
    var counts: [UInt32] = []
  }

  let segment: LexicalSegment
  let field: LexicalField?

  /// The chunks of `allowed` that have the words, each at its offset from the first.
  func matches(_ words: [Word], within allowed: [UInt64]) -> Matches {
    var matches = Matches()
    var distinct: [Int] = []
    for word in words where !distinct.contains(word.term) { distinct.append(word.term) }
    distinct.sort { segment.postings.frequencies[$0] < segment.postings.frequencies[$1] }
    let size = 2 * Postings.blockCount
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: size * distinct.count) { scratch in
      guard let base = scratch.baseAddress, segment.count > 0 else { return }
      var cursors = distinct.enumerated().map { number, term in
        PlaceCursor(segment, term, scratch: base + number * size)
      }
      // The words by how rare they are, so that most chunks are done with after two.
      let order = words.map { (cursor: distinct.firstIndex(of: $0.term) ?? 0, offset: UInt32($0.offset)) }
        .sorted { $0.cursor < $1.cursor }
      var starts: [UInt32] = []
      cursors.withUnsafeMutableBufferPointer { cursors in
        allowed.withUnsafeBufferPointer { allowed in
          while let position = cursors[0].next(allowed) {
            var hasAll = true
            for index in 1..<max(1, cursors.count) where !cursors[index].seek(position) {
              hasAll = false
              break
            }
            guard hasAll else {
              if cursors.contains(where: \.isAtEnd) { return }
              continue
            }
            let count = Self.occurrences(order, cursors, field, &starts)
            if count > 0 {
              matches.positions.append(position)
              matches.counts.append(UInt32(count))
            }
          }
        }
      }
    }
    return matches
  }

  /// How often the phrase is in the chunk that all cursors are at.
  @inline(__always)
  private static func occurrences(
    _ words: [(cursor: Int, offset: UInt32)], _ cursors: UnsafeMutableBufferPointer<PlaceCursor>,
    _ field: LexicalField?, _ starts: inout [UInt32]
  ) -> Int {
    starts.removeAll(keepingCapacity: true)
    for (number, word) in words.enumerated() {
      cursors[word.cursor].withPlaces(field) { places in
        if number == 0 {
          for place in places where place >= word.offset { starts.append(place - word.offset) }
          return
        }
        var (kept, next) = (0, 0)
        for start in starts {
          let (place, overflow) = start.addingReportingOverflow(word.offset)
          while next < places.count, places[next] < place { next += 1 }
          if !overflow, next < places.count, places[next] == place {
            starts[kept] = start
            kept += 1
          }
        }
        starts.removeLast(starts.count - kept)
      }
      if starts.isEmpty { return 0 }
    }
    return starts.count
  }
}

/// A place in the packed postings of one word, moving forward, from which the places of the word in a chunk can be read.
private struct PlaceCursor {
  private let list: PostingList
  private let chunkCount: Int
  private let bytes: UnsafeBufferPointer<UInt8>
  private let byteStarts: UnsafeBufferPointer<UInt64>
  /// [128] each.
  private let positions: UnsafeMutablePointer<UInt32>
  private let counts: UnsafeMutablePointer<UInt32>
  private var block = 0
  private var index = 0
  private var unpackedBlock = -1
  private var countedBlock = -1
  private var places: [UInt32] = []

  init(_ segment: LexicalSegment, _ term: Int, scratch: UnsafeMutablePointer<UInt32>) {
    list = segment.postings.list(term)
    chunkCount = segment.count
    bytes = segment.postings.occurrences.buffer
    byteStarts = segment.postings.occurrenceStarts.buffer
    positions = scratch
    counts = scratch + Postings.blockCount
  }

  var isAtEnd: Bool { block >= list.blocks.count }

  /// Moves to the next chunk that is allowed.
  @inline(__always)
  mutating func next(_ allowed: UnsafeBufferPointer<UInt64>) -> UInt32? {
    // Before the first call nothing is unpacked and the cursor is at no chunk.
    if unpackedBlock >= 0 { index += 1 }
    while block < list.blocks.count {
      unpack()
      let count = list.count(of: block)
      while index < count {
        let position = positions[index]
        if allowed[Int(position >> 6)] >> UInt64(position & 63) & 1 == 1 { return position }
        index += 1
      }
      block += 1
      index = 0
    }
    return nil
  }

  /// Moves to the chunk at `position`, which rises from call to call, or to where it would be.
  @inline(__always)
  mutating func seek(_ position: UInt32) -> Bool {
    guard block < list.blocks.count, let lasts = list.lasts.baseAddress else { return false }
    if lasts[block] < position {
      block = Int(strata_postings_find(lasts, Int64(block), Int64(list.blocks.count), position))
      index = 0
      guard block < list.blocks.count else { return false }
    }
    unpack()
    let count = list.count(of: block)
    index = Int(strata_postings_find(positions, Int64(index), Int64(count), position))
    return index < count && positions[index] == position
  }

  @inline(__always)
  private mutating func unpack() {
    guard unpackedBlock != block else { return }
    unpackedBlock = block
    list.positions(of: block, limit: chunkCount, into: positions)
  }

  /// Calls `body` with the places of the word in the chunk that the cursor is at, rising.
  @inline(__always)
  mutating func withPlaces(_ field: LexicalField?, _ body: (UnsafeBufferPointer<UInt32>) -> Void) {
    if countedBlock != block {
      countedBlock = block
      list.counts(of: block, titleWeight: 1, into: counts, titles: counts)
    }
    guard let first = bytes.baseAddress else { return }
    var before = 0
    for other in 0..<index { before &+= Int(counts[other]) }
    let start = Int(byteStarts[list.firstBlock + block])
    let from = start + Int(strata_postings_skip(first + start, Int64(bytes.count - start), Int64(before)))
    let count = min(Int(counts[index]), bytes.count - from)
    if places.count < count { places = [UInt32](repeating: 0, count: 2 * count) }
    let titleCount = field == nil ? 0 : Int(list.titleCount(of: block, index))
    places.withUnsafeMutableBufferPointer { places in
      guard let target = places.baseAddress else { return }
      let read = Int(strata_postings_places(target, first + from, Int64(bytes.count - from), Int64(count)))
      let title = min(titleCount, read)
      let range =
        switch field {
        case nil: 0..<read
        case .title: 0..<title
        case .body: title..<read
        }
      body(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(places)[range]))
    }
  }
}
