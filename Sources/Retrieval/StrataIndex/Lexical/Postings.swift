// Owns the packed lists of chunks that have each term. Knows nothing about words, readers or scores.
import CStrataKernels

/// For each term the chunks that have it, in blocks of 128: gaps between positions, occurrences, and occurrences in the
/// title, each with as many bits as the block's largest needs.
///
/// What bounds scores for block-max pruning (Ding and Suel 2011) is, as in Lucene, a few pairs of occurrences and length
/// that no posting of the block beats, so that it holds whatever k1, b and the average length are. Lists of one block
/// have none: they are scored whole.
struct Postings: Sendable {
  static let blockCount = Int(STRATA_POSTINGS_BLOCK)
  /// Pairs that bound a block.
  static let impactCount = 4

  /// Packed values, and 16 bytes that may be read past the last.
  let data: Column<UInt8>
  /// Of each block: where it starts in `data`, and three widths (``PostingBlock``).
  let blocks: Column<UInt64>
  /// Last position of each block.
  let lasts: Column<UInt32>
  /// `occurrences << 32 | length`, ``impactCount`` for each block of a term that has several.
  let impacts: Column<UInt64>
  /// How many chunks have term i.
  let frequencies: Column<UInt32>
  /// First block of term i.
  let firstBlocks: Column<UInt32>
  /// First block of term i that has impacts, counting only such.
  let firstImpacts: Column<UInt32>
  /// Places of the words within chunks, for phrases: for each posting as many gaps as there are occurrences, as LEB128.
  let occurrences: Column<UInt8>
  /// Where the occurrences of each block start.
  let occurrenceStarts: Column<UInt64>

  /// The chunks that have a term. Valid while `self` is.
  func list(_ term: Int) -> PostingList {
    let count = Int(frequencies[term])
    let first = Int(firstBlocks[term])
    return PostingList(
      count: count, firstBlock: first, data: data.buffer,
      blocks: UnsafeBufferPointer(rebasing: blocks.buffer[first..<(first + PostingList.blockCount(of: count))]),
      lasts: UnsafeBufferPointer(rebasing: lasts.buffer[first..<(first + PostingList.blockCount(of: count))]),
      impacts: count > Self.blockCount
        ? UnsafeBufferPointer(rebasing: impacts.buffer[(Int(firstImpacts[term]) * Self.impactCount)...])
        : UnsafeBufferPointer(start: nil, count: 0))
  }
}

/// Where a block is and how it is packed.
struct PostingBlock {
  let start: Int
  let gapWidth: Int32
  let countWidth: Int32
  let titleWidth: Int32

  @inline(__always)
  init(_ word: UInt64) {
    start = Int(word >> 24)
    gapWidth = Int32(word & 63)
    countWidth = Int32(word >> 6 & 63)
    titleWidth = Int32(word >> 12 & 63)
  }

  static func word(start: Int, gapWidth: Int32, countWidth: Int32, titleWidth: Int32) -> UInt64 {
    UInt64(start) << 24 | UInt64(titleWidth) << 12 | UInt64(countWidth) << 6 | UInt64(gapWidth)
  }

  /// Bytes of a block of `count` postings.
  func byteCount(_ count: Int) -> Int {
    strata_postings_bytes(Int32(count), gapWidth) + strata_postings_bytes(Int32(count), countWidth)
      + strata_postings_bytes(Int32(count), titleWidth)
  }
}

/// The postings of one term: pointers into a ``Postings``.
struct PostingList {
  let count: Int
  let firstBlock: Int
  let data: UnsafeBufferPointer<UInt8>
  let blocks: UnsafeBufferPointer<UInt64>
  let lasts: UnsafeBufferPointer<UInt32>
  let impacts: UnsafeBufferPointer<UInt64>

  static func blockCount(of count: Int) -> Int { (count + Postings.blockCount - 1) / Postings.blockCount }

  @inline(__always)
  func count(of block: Int) -> Int {
    min(Postings.blockCount, count - block * Postings.blockCount)
  }

  /// Writes the positions of a block; all are below `limit`, whatever the bytes are.
  @inline(__always)
  func positions(of block: Int, limit: Int, into target: UnsafeMutablePointer<UInt32>) {
    guard let data = data.baseAddress else { return }
    let place = PostingBlock(blocks[block])
    let first = block == 0 ? 0 : lasts[block - 1] &+ 1
    strata_postings_positions(
      target, data + place.start, Int32(count(of: block)), place.gapWidth, first, UInt32(limit))
  }

  /// Writes occurrences: all of them, an occurrence in the title counting `titleWeight` times.
  @inline(__always)
  func counts(
    of block: Int, titleWeight: UInt32, into target: UnsafeMutablePointer<UInt32>,
    titles: UnsafeMutablePointer<UInt32>
  ) {
    guard let data = data.baseAddress else { return }
    let place = PostingBlock(blocks[block])
    let count = Int32(count(of: block))
    let start = data + place.start + strata_postings_bytes(count, place.gapWidth)
    strata_postings_unpack(target, start, count, place.countWidth)
    for index in 0..<Int(count) { target[index] &+= 1 }
    guard titleWeight != 1, place.titleWidth > 0 else { return }
    strata_postings_unpack(titles, start + strata_postings_bytes(count, place.countWidth), count, place.titleWidth)
    for index in 0..<Int(count) { target[index] &+= (titleWeight &- 1) &* titles[index] }
  }

  /// Writes how many occurrences there are up to each posting, modulo 2^32.
  @inline(__always)
  func occurrenceEnds(of block: Int, into target: UnsafeMutablePointer<UInt32>) {
    guard let data = data.baseAddress else { return }
    let place = PostingBlock(blocks[block])
    let count = Int32(count(of: block))
    // Counts are packed less 1, as gaps between positions are.
    strata_postings_positions(
      target, data + place.start + strata_postings_bytes(count, place.gapWidth), count, place.countWidth, 1, .max)
  }

  /// Writes the occurrences in the title.
  func titleCounts(of block: Int, into target: UnsafeMutablePointer<UInt32>) {
    guard let data = data.baseAddress else { return }
    let place = PostingBlock(blocks[block])
    let count = Int32(count(of: block))
    let start =
      place.start + strata_postings_bytes(count, place.gapWidth) + strata_postings_bytes(count, place.countWidth)
    strata_postings_unpack(target, data + start, count, place.titleWidth)
  }

  /// Calls `body` with each position, rising.
  func forEachPosition(limit: Int, _ body: (Int) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Postings.blockCount) { positions in
      guard let base = positions.baseAddress, limit > 0 else { return }
      for block in blocks.indices {
        self.positions(of: block, limit: limit, into: base)
        for index in 0..<count(of: block) { body(Int(positions[index])) }
      }
    }
  }

  /// How many occurrences of a posting are in the title.
  func titleCount(of block: Int, _ index: Int) -> UInt32 {
    guard let data = data.baseAddress else { return 0 }
    let place = PostingBlock(blocks[block])
    let count = Int32(count(of: block))
    let start =
      place.start + strata_postings_bytes(count, place.gapWidth) + strata_postings_bytes(count, place.countWidth)
    return strata_postings_value(data + start, count, place.titleWidth, Int32(index))
  }

  /// The chunks that have the term in a field, and how often.
  func occurrences(in field: LexicalField, limit: Int) -> (positions: [UInt32], counts: [UInt32]) {
    var found: (positions: [UInt32], counts: [UInt32]) = ([], [])
    let size = Postings.blockCount
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 3 * size) { memory in
      guard let positions = memory.baseAddress, limit > 0 else { return }
      let (counts, titles) = (positions + size, positions + 2 * size)
      for block in blocks.indices {
        self.positions(of: block, limit: limit, into: positions)
        titleCounts(of: block, into: titles)
        if field == .body { self.counts(of: block, titleWeight: 1, into: counts, titles: counts) }
        for index in 0..<count(of: block) {
          let count = field == .title ? titles[index] : counts[index] - min(counts[index], titles[index])
          guard count > 0 else { continue }
          found.positions.append(positions[index])
          found.counts.append(count)
        }
      }
    }
    return found
  }

  /// Occurrences in a field in the chunk at `position`; nil when it is not in the list.
  func count(at position: Int, limit: Int, in field: LexicalField) -> Int? {
    guard let all = count(at: position, limit: limit, titleWeight: 1),
      let withTitle = count(at: position, limit: limit, titleWeight: 2)
    else { return nil }
    return field == .title ? withTitle - all : max(0, 2 * all - withTitle)
  }

  /// Occurrences in the chunk at `position`, an occurrence in the title counting `titleWeight` times; nil when it is not
  /// in the list.
  func count(at position: Int, limit: Int, titleWeight: UInt32) -> Int? {
    let block = lasts.partitioningIndex { Int($0) >= position }
    guard block < blocks.count, limit > 0 else { return nil }
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * Postings.blockCount) { memory in
      guard let base = memory.baseAddress else { return nil }
      positions(of: block, limit: limit, into: base)
      guard let index = memory[0..<count(of: block)].firstIndex(of: UInt32(position)) else { return nil }
      counts(of: block, titleWeight: titleWeight, into: base, titles: base + Postings.blockCount)
      return Int(memory[index])
    }
  }
}
