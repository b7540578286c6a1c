// Owns packing postings, term after term. The counterpart of Postings.
import CStrataKernels

/// Makes ``Postings``. Terms come in order of their numbers, postings of a term in order of position.
struct PostingsWriter {
  /// One chunk that has the term at hand.
  struct Posting {
    var position: UInt32
    /// Occurrences in title and body; at least 1.
    var count: UInt32
    var titleCount: UInt32
  }

  /// Most that is kept of occurrences, so that weighted ones fit 31 bits.
  static let mostOccurrences: UInt32 = 1 << 24
  static let mostTitleOccurrences: UInt32 = 1 << 20 - 1

  /// BM25 lengths of all chunks, for what bounds scores.
  private let lengths: Column<UInt32>
  private let titleWeight: UInt32
  private var data: [UInt8] = []
  private var blocks: [UInt64] = []
  private var lasts: [UInt32] = []
  private var impacts: [UInt64] = []
  private var frequencies: [UInt32] = []
  private var firstBlocks: [UInt32] = []
  private var firstImpacts: [UInt32] = []
  private var occurrences: [UInt8] = []
  private var occurrenceStarts: [UInt64] = []

  /// The block at hand.
  private var gaps = [UInt32](repeating: 0, count: Postings.blockCount)
  private var counts = [UInt32](repeating: 0, count: Postings.blockCount)
  private var titleCounts = [UInt32](repeating: 0, count: Postings.blockCount)
  private var filled = 0
  private var previous: UInt32 = 0
  private var frequency: UInt32 = 0
  private var hasImpacts = false
  private var firstImpact = 0
  private var blockOccurrences = 0

  init(lengths: Column<UInt32>, titleWeight: Int) {
    self.lengths = lengths
    self.titleWeight = UInt32(titleWeight)
  }

  /// - Parameter mostPostings: how many postings will follow at most.
  mutating func beginTerm(mostPostings: Int) {
    firstBlocks.append(UInt32(blocks.count))
    firstImpact = impacts.count
    firstImpacts.append(UInt32(impacts.count / Postings.impactCount))
    hasImpacts = mostPostings > Postings.blockCount
    previous = 0
    self.frequency = 0
  }

  /// Adds a place of a word to the posting that comes next.
  @inline(__always)
  mutating func addOccurrence(gap: UInt32) {
    var rest = gap
    while rest >= 0x80 {
      occurrences.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    occurrences.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func addOccurrences(_ bytes: UnsafeBufferPointer<UInt8>) { occurrences.append(contentsOf: bytes) }

  @inline(__always)
  mutating func add(_ posting: Posting) {
    // A merge may read a file whose positions do not rise.
    guard posting.position >= previous else { return }
    gaps[filled] = posting.position - previous
    counts[filled] = min(posting.count, Self.mostOccurrences) - 1
    titleCounts[filled] = min(posting.titleCount, Self.mostTitleOccurrences)
    previous = posting.position + 1
    filled += 1
    frequency += 1
    if filled == Postings.blockCount { flush() }
  }

  mutating func endTerm() {
    if filled > 0 { flush() }
    if frequency <= UInt32(Postings.blockCount), hasImpacts { impacts.removeLast(impacts.count - firstImpact) }
    frequencies.append(frequency)
  }

  private mutating func flush() {
    let count = Int32(filled)
    let widths = (
      strata_postings_width(gaps, count), strata_postings_width(counts, count),
      strata_postings_width(titleCounts, count)
    )
    let start = data.count
    blocks.append(
      PostingBlock.word(start: start, gapWidth: widths.0, countWidth: widths.1, titleWidth: widths.2))
    lasts.append(previous - 1)
    occurrenceStarts.append(UInt64(blockOccurrences))
    blockOccurrences = occurrences.count
    let sizes = (
      strata_postings_bytes(count, widths.0), strata_postings_bytes(count, widths.1),
      strata_postings_bytes(count, widths.2)
    )
    data.append(contentsOf: repeatElement(0, count: sizes.0 + sizes.1 + sizes.2))
    data.withUnsafeMutableBufferPointer { data in
      guard let target = data.baseAddress.map({ $0 + start }) else { return }
      strata_postings_pack(target, gaps, count, widths.0)
      strata_postings_pack(target + sizes.0, counts, count, widths.1)
      strata_postings_pack(target + sizes.0 + sizes.1, titleCounts, count, widths.2)
    }
    if hasImpacts { addImpacts() }
    filled = 0
  }

  /// For rising occurrences the shortest chunk with at least so many: what no posting of the block beats.
  private mutating func addImpacts() {
    var position = lasts.count > Int(firstBlocks[firstBlocks.count - 1]) + 1 ? lasts[lasts.count - 2] + 1 : 0
    // Shortest chunk by occurrences; the last place is for all above.
    let buckets = 16
    var shortest = [UInt32](repeating: .max, count: buckets)
    var most: UInt32 = 0
    for index in 0..<filled {
      position += gaps[index]
      let count = counts[index] + 1 + (titleWeight - 1) * titleCounts[index]
      most = max(most, count)
      let bucket = min(Int(count), buckets) - 1
      shortest[bucket] = min(shortest[bucket], lengths.buffer[Int(position)])
      position += 1
    }
    var pairs: [UInt64] = []
    var best = UInt32.max
    for bucket in (0..<buckets).reversed() where shortest[bucket] < best {
      best = shortest[bucket]
      pairs.append(UInt64(bucket == buckets - 1 ? most : UInt32(bucket + 1)) << 32 | UInt64(best))
    }
    // Two pairs become one that neither beats: the rarer words' occurrences with the shorter chunk's length.
    while pairs.count > Postings.impactCount {
      let last = pairs.removeLast()
      pairs[pairs.count - 1] = pairs[pairs.count - 1] & ~0xFFFF_FFFF | last & 0xFFFF_FFFF
    }
    while let last = pairs.last, pairs.count < Postings.impactCount { pairs.append(last) }
    impacts.append(contentsOf: pairs)
  }

  consuming func finish() -> Postings {
    data.append(contentsOf: repeatElement(0, count: 16))
    return Postings(
      data: Column(data), blocks: Column(blocks), lasts: Column(lasts), impacts: Column(impacts),
      frequencies: Column(frequencies), firstBlocks: Column(firstBlocks), firstImpacts: Column(firstImpacts),
      occurrences: Column(occurrences), occurrenceStarts: Column(occurrenceStarts))
  }
}
