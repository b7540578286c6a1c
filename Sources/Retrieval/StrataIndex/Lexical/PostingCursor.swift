// Owns walking one packed list of postings for one query: which block, its positions, its scores, its bounds.
import CStrataKernels

/// A place in the postings of one word, moving forward. Pointers are valid while the segment and the scratch memory are.
struct PostingCursor {
  let list: PostingList
  let weights: strata_bm25
  private let lengths: UnsafePointer<UInt32>
  private let chunkCount: Int
  private let titleWeight: UInt32
  /// [128] each.
  private let positions: UnsafeMutablePointer<UInt32>
  private let counts: UnsafeMutablePointer<UInt32>
  private let scores: UnsafeMutablePointer<Int32>

  /// The block that the cursor is in.
  private(set) var block = 0
  /// Next posting within the block.
  private var index = 0
  private var unpackedBlock = -1
  /// How many postings were unpacked.
  private(set) var walkedCount = 0
  private var scoredBlock = -1
  /// The block that ``bound(of:)`` was asked for last.
  private var boundedBlock = -1
  private var blockBound: Int32 = 0

  /// 4-byte values of scratch memory that a cursor needs.
  static let scratchCount = 3 * Postings.blockCount

  init(
    list: PostingList, weights: strata_bm25, lengths: UnsafePointer<UInt32>, chunkCount: Int, titleWeight: UInt32,
    scratch: UnsafeMutablePointer<Int32>
  ) {
    self.list = list
    self.weights = weights
    self.lengths = lengths
    self.chunkCount = chunkCount
    self.titleWeight = titleWeight
    scores = scratch
    positions = UnsafeMutableRawPointer(scratch + Postings.blockCount)
      .bindMemory(to: UInt32.self, capacity: 2 * Postings.blockCount)
    counts = positions + Postings.blockCount
  }

  /// The most that a posting of a block scores.
  private mutating func bound(of block: Int) -> Int32 {
    guard block != boundedBlock else { return blockBound }
    boundedBlock = block
    guard !list.impacts.isEmpty else {
      blockBound = Int32(min(weights.weight, 0x1p30)) + 2
      return blockBound
    }
    var share: Float = 0
    for index in (block * Postings.impactCount)..<((block + 1) * Postings.impactCount) {
      let impact = list.impacts[index]
      let frequency = Float(impact >> 32)
      let norm = weights.offset + weights.factor * Float(UInt32(truncatingIfNeeded: impact))
      share = max(share, frequency / (frequency + norm))
    }
    // Rounding can lift a posting's share a little above that of a pair that bounds it.
    blockBound = Int32(min(weights.weight * min(share * 1.000_001, 1), 0x1p30)) + 2
    return blockBound
  }

  /// Moves to the block that may hold `position`, without unpacking it.
  @inline(__always)
  private mutating func skip(to position: Int) {
    let before = block
    while block < list.blocks.count, Int(list.lasts[block]) < position { block += 1 }
    if block != before { index = 0 }
  }

  /// Moves to the chunks from `start` to before `end`, and says the most that the word adds there.
  @inline(__always)
  mutating func enter(start: Int, end: Int) -> Int32 {
    skip(to: start)
    var most: Int32 = 0
    var block = block
    while block < list.blocks.count {
      most = max(most, bound(of: block))
      if Int(list.lasts[block]) >= end - 1 { break }
      block += 1
    }
    return most
  }

  /// Adds the scores of all allowed chunks from `start` to before `start + size` to a window.
  @inline(__always)
  mutating func add(to window: UnsafeMutablePointer<Int32>, start: Int, size: Int, allowed: UnsafePointer<UInt64>) {
    while block < list.blocks.count {
      scoreBlock()
      let count = list.count(of: block)
      while index < count, Int(positions[index]) < start { index += 1 }
      index = Int(
        strata_bm25_add(
          window, UInt32(start), UInt32(size), allowed, positions, scores, Int32(index), Int32(count)))
      if index < count || Int(list.lasts[block]) >= start + size - 1 { return }
      block += 1
      index = 0
    }
  }

  /// What the word adds to the chunk at `position`, or nil when it cannot lift `score` to `least`.
  ///
  /// Positions asked for rise.
  @inline(__always)
  mutating func score(at position: Int, above score: Int32, others: Int32, least: Int32) -> Int32? {
    skip(to: position)
    guard block < list.blocks.count else { return 0 }
    if score &+ bound(of: block) &+ others < least { return nil }
    unpack()
    let count = list.count(of: block)
    var low = index
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if Int(positions[middle]) < position { low = middle + 1 } else { high = middle }
    }
    index = low
    guard low < count, Int(positions[low]) == position else { return 0 }
    scoreBlock()
    return scores[low]
  }

  @inline(__always)
  private mutating func unpack() {
    guard unpackedBlock != block else { return }
    unpackedBlock = block
    walkedCount += list.count(of: block)
    list.positions(of: block, limit: chunkCount, into: positions)
  }

  @inline(__always)
  private mutating func scoreBlock() {
    unpack()
    guard scoredBlock != block else { return }
    scoredBlock = block
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: titleWeight == 1 ? 0 : Postings.blockCount) { titles in
      list.counts(of: block, titleWeight: titleWeight, into: counts, titles: titles.baseAddress ?? counts)
    }
    strata_bm25_scores(scores, positions, counts, Int32(list.count(of: block)), lengths, weights)
  }
}
