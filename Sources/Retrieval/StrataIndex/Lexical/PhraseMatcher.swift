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
    let size = PlaceCursor.scratchCount
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: size * distinct.count + 3 * Postings.blockCount) {
      scratch in
      guard let base = scratch.baseAddress, segment.count > 0 else { return }
      var cursors = distinct.enumerated().map { number, term in
        PlaceCursor(segment, term, scratch: base + number * size)
      }
      // The words by how rare they are, so that most chunks are done with after two.
      let order = words.map {
        Search.Word(cursor: distinct.firstIndex(of: $0.term) ?? 0, offset: UInt32($0.offset))
      }.sorted { $0.cursor < $1.cursor }
      cursors.withUnsafeMutableBufferPointer { cursors in
        allowed.withUnsafeBufferPointer { allowed in
          guard let allowed = allowed.baseAddress else { return }
          var search = Search(words: order, field: field, cursors: cursors, scratch: base + size * distinct.count)
          search.run(allowed)
          matches = search.matches
        }
      }
    }
    return matches
  }
}

/// One search of one segment.
private struct Search {
  /// A word of the phrase, by its number in ``cursors``.
  struct Word {
    let cursor: Int
    let offset: UInt32
  }

  let words: [Word]
  let field: LexicalField?
  /// One for each distinct word, the rarest first.
  let cursors: UnsafeMutableBufferPointer<PlaceCursor>
  /// Chunks of a block of the rarest word, and their places in that block and in one of the next rarer.
  let candidates: UnsafeMutablePointer<UInt32>
  let own: UnsafeMutablePointer<UInt32>
  let others: UnsafeMutablePointer<UInt32>
  var starts: [UInt32] = []
  var matches = PhraseMatcher.Matches()

  init(
    words: [Word], field: LexicalField?, cursors: UnsafeMutableBufferPointer<PlaceCursor>,
    scratch: UnsafeMutablePointer<UInt32>
  ) {
    self.words = words
    self.field = field
    self.cursors = cursors
    candidates = scratch
    own = candidates + Postings.blockCount
    others = own + Postings.blockCount
  }

  mutating func run(_ allowed: UnsafePointer<UInt64>) {
    while let (positions, count) = cursors[0].nextBlock() {
      let kept = Int(strata_postings_allowed(candidates, own, positions, Int32(count), allowed))
      if cursors.count == 1 {
        for place in 0..<kept {
          cursors[0].index = Int(own[place])
          check(candidates[place])
        }
        continue
      }
      var next = 0
      while next < kept {
        guard let (positions, count, last) = cursors[1].block(of: candidates[next]) else { return }
        let end = Int(strata_postings_find(candidates, Int64(next), Int64(kept), last &+ 1))
        let met = Int(
          strata_postings_meet(
            candidates + next, own + next, others, Int32(end - next), positions, Int32(count)))
        for place in 0..<met {
          let position = candidates[next + place]
          var hasAll = true
          var other = 2
          while hasAll, other < cursors.count {
            hasAll = cursors[other].seek(position)
            other += 1
          }
          guard hasAll else { continue }
          cursors[0].index = Int(own[next + place])
          cursors[1].index = Int(others[place])
          check(position)
        }
        next = max(end, next + 1)
      }
    }
  }

  /// Counts how often the phrase is in the chunk that all cursors are at.
  @inline(__always)
  private mutating func check(_ position: UInt32) {
    var count = 0
    for (number, word) in words.enumerated() {
      let field = field
      count = cursors[word.cursor].withPlaces(field) { places, placeCount in
        if number > 0 {
          return Int(strata_postings_follow(&starts, Int64(count), places, Int64(placeCount), word.offset))
        }
        if starts.count < placeCount { starts = [UInt32](repeating: 0, count: 2 * placeCount + 16) }
        var kept = 0
        for place in 0..<placeCount where places[place] >= word.offset {
          starts[kept] = places[place] - word.offset
          kept += 1
        }
        return kept
      }
      if count == 0 { return }
    }
    matches.positions.append(position)
    matches.counts.append(UInt32(count))
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
  /// How many occurrences there are up to each posting of the block.
  private let ends: UnsafeMutablePointer<UInt32>
  private var block = -1
  /// The posting within the block.
  var index = 0
  private var unpackedBlock = -1
  private var countedBlock = -1
  /// Of the block whose ``ends`` are there, a posting and where its places start.
  private var readIndex = 0
  private var readStart = 0
  private var places: [UInt32] = []

  /// 4-byte values of scratch memory that a cursor needs.
  static let scratchCount = 2 * Postings.blockCount

  init(_ segment: LexicalSegment, _ term: Int, scratch: UnsafeMutablePointer<UInt32>) {
    list = segment.postings.list(term)
    chunkCount = segment.count
    bytes = segment.postings.occurrences.buffer
    byteStarts = segment.postings.occurrenceStarts.buffer
    positions = scratch
    ends = scratch + Postings.blockCount
  }

  /// The positions of the next block.
  mutating func nextBlock() -> (UnsafePointer<UInt32>, count: Int)? {
    block += 1
    guard block < list.blocks.count else { return nil }
    unpack()
    return (UnsafePointer(positions), list.count(of: block))
  }

  /// The positions of the block that `position` is in if it is anywhere, and its last; nil behind the last block.
  /// Positions asked for rise.
  @inline(__always)
  mutating func block(of position: UInt32) -> (UnsafePointer<UInt32>, count: Int, last: UInt32)? {
    guard let lasts = list.lasts.baseAddress else { return nil }
    block = Int(strata_postings_find(lasts, Int64(max(0, block)), Int64(list.blocks.count), position))
    guard block < list.blocks.count else { return nil }
    unpack()
    return (UnsafePointer(positions), list.count(of: block), lasts[block])
  }

  /// Moves to the chunk at `position`, which rises from call to call, or to where it would be.
  @inline(__always)
  mutating func seek(_ position: UInt32) -> Bool {
    guard let (positions, count, _) = block(of: position) else { return false }
    index = Int(strata_postings_find(positions, 0, Int64(count), position))
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
  mutating func withPlaces(
    _ field: LexicalField?, _ body: (UnsafePointer<UInt32>, _ count: Int) -> Int
  ) -> Int {
    guard let first = bytes.baseAddress else { return 0 }
    if countedBlock != block {
      countedBlock = block
      list.occurrenceEnds(of: block, into: ends)
      readIndex = -1
    }
    if index < readIndex || readIndex < 0 { (readIndex, readStart) = (0, Int(byteStarts[list.firstBlock + block])) }
    let (read, before) = (readIndex > 0 ? ends[readIndex - 1] : 0, index > 0 ? ends[index - 1] : 0)
    readStart += Int(strata_postings_skip(first + readStart, Int64(bytes.count - readStart), Int64(before &- read)))
    readIndex = index
    let count = min(Int(ends[index] &- before), bytes.count - readStart)
    if places.count < count { places = [UInt32](repeating: 0, count: 2 * count + 16) }
    let titleCount = field == nil ? 0 : Int(list.titleCount(of: block, index))
    let (from, size) = (first + readStart, bytes.count - readStart)
    return places.withUnsafeMutableBufferPointer { places in
      guard let target = places.baseAddress else { return 0 }
      let read = Int(strata_postings_places(target, from, Int64(size), Int64(count)))
      let title = min(titleCount, read)
      switch field {
      case nil: return body(target, read)
      case .title: return body(target, title)
      case .body: return body(target + title, read - title)
      }
    }
  }
}
