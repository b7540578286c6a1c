// Owns the postings of one word laid out for adding. Knows nothing about words, readers or weights.
import CStrataKernels

/// The postings of a word as chunks and shares, `f / (f + offset + factor · length)`: what remains of BM25 when only the
/// word's weight is to be multiplied in.
///
/// The chunks of a word that many have are a bit each, with how many come before each 64; those of others are positions.
/// A list that reaches into most windows of its segment knows its largest share in each.
final class UnpackedList: @unchecked Sendable {
  // Unchecked: the memory is written only before `init` returns.

  /// Chunks of a window, the part of a segment that is scored at a time.
  static let windowSize = 8_192

  enum Chunks {
    /// Bits by chunk, up to the end of the last window; how many chunks come before each 64, and before the end.
    case bits(UnsafeMutablePointer<UInt64>, ranks: UnsafeMutablePointer<UInt32>)
    /// Rising; and where those of each window start, and the last ends, unless the list is short.
    case positions(UnsafeMutablePointer<UInt32>, starts: UnsafeMutablePointer<UInt32>?)
  }

  let count: Int
  let chunks: Chunks
  let shares: UnsafeMutablePointer<Float>
  /// The largest share.
  let bound: Float
  /// The largest share of each window; nil for a short list.
  let bounds: UnsafeMutablePointer<Float>?
  private let memory: UnsafeMutableRawPointer

  /// Where what a list has is in its memory.
  private struct Layout {
    let windowCount: Int
    let isDense: Bool
    /// Of windows, 0 for a short list.
    let boundCount: Int
    let chunksStart: Int
    let startsStart: Int
    let boundsStart: Int
    let byteCount: Int

    init(count: Int, chunkCount: Int) {
      windowCount = (chunkCount + windowSize - 1) / windowSize
      isDense = 8 * count >= chunkCount
      boundCount = isDense || windowCount > 1 && count >= 8 * windowCount ? windowCount : 0
      // Kernels read whole vectors of shares.
      chunksStart = (4 * count + 64 + 63) & ~63
      startsStart = chunksStart + (isDense ? windowCount * windowSize / 8 : 4 * count)
      boundsStart =
        startsStart + (isDense ? windowCount * windowSize / 16 + 4 : boundCount > 0 ? 4 * boundCount + 4 : 0)
      byteCount = boundsStart + 4 * boundCount
    }
  }

  /// Bytes that a list of `count` postings takes at most.
  static func byteCount(_ count: Int, chunkCount: Int) -> Int {
    let objects = 128
    return Layout(count: count, chunkCount: chunkCount).byteCount + objects
  }

  /// - Parameters:
  ///   - count: at least 1.
  ///   - lengths: of all chunks.
  ///   - block: writes the positions, below `lengths.count`, and counts of the next 128 postings, or those that are left.
  /// - Returns: nil when positions do not rise, as those of a damaged file may not.
  init?(
    count: Int, lengths: Column<UInt32>, _ constants: strata_bm25,
    _ block: (_ number: Int, _ positions: UnsafeMutablePointer<UInt32>, _ counts: UnsafeMutablePointer<UInt32>) -> Void
  ) {
    let chunkCount = lengths.count
    let layout = Layout(count: count, chunkCount: chunkCount)
    memory = .allocate(byteCount: layout.byteCount, alignment: 64)
    self.count = count
    shares = memory.bindMemory(to: Float.self, capacity: count + 16)
    (shares + count).initialize(repeating: 0, count: 16)
    let (chunksStart, startsStart) = (memory + layout.chunksStart, memory + layout.startsStart)
    if layout.isDense {
      let wordCount = layout.windowCount * Self.windowSize / 64
      let bits = chunksStart.bindMemory(to: UInt64.self, capacity: wordCount)
      bits.initialize(repeating: 0, count: wordCount)
      chunks = .bits(bits, ranks: startsStart.bindMemory(to: UInt32.self, capacity: wordCount + 1))
    } else {
      let starts = startsStart.bindMemory(to: UInt32.self, capacity: layout.boundCount + 1)
      chunks = .positions(
        chunksStart.bindMemory(to: UInt32.self, capacity: count), starts: layout.boundCount > 0 ? starts : nil)
    }
    let isRising = Self.fill(chunks, shares, count, lengths, constants, block)
    guard isRising else {
      memory.deallocate()
      return nil
    }
    guard layout.boundCount > 0 else {
      bounds = nil
      bound = strata_bm25_largest_share(shares, Int64(count))
      return
    }
    let bounds = (memory + layout.boundsStart).bindMemory(to: Float.self, capacity: layout.boundCount)
    var (bound, next) = (Float(0), 0)
    for window in 0..<layout.boundCount {
      let first = next
      switch chunks {
      case .bits(let bits, let ranks):
        let word = window * Self.windowSize / 64
        strata_bm25_ranks(ranks + word, bits + word, Int32(Self.windowSize / 64), UInt32(first))
        next = Int(ranks[word + Self.windowSize / 64])
      case .positions(let positions, let starts):
        starts?[window] = UInt32(first)
        let end = UInt32(min((window + 1) * Self.windowSize, chunkCount))
        next = Int(strata_postings_find(positions, Int64(first), Int64(count), end))
        starts?[window + 1] = UInt32(next)
      }
      bounds[window] = strata_bm25_largest_share(shares + first, Int64(next - first))
      bound = max(bound, bounds[window])
    }
    (self.bounds, self.bound) = (bounds, bound)
  }

  /// - Returns: whether positions rise.
  private static func fill(
    _ chunks: Chunks, _ shares: UnsafeMutablePointer<Float>, _ count: Int, _ lengths: Column<UInt32>,
    _ constants: strata_bm25,
    _ block: (Int, UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<UInt32>) -> Void
  ) -> Bool {
    let size = Postings.blockCount
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * size) { memory in
      guard let scratch = memory.baseAddress, let lengths = lengths.buffer.baseAddress, count > 0 else { return false }
      let counts = scratch + size
      var previous: UInt32?
      for first in stride(from: 0, to: count, by: size) {
        let length = min(size, count - first)
        var positions = scratch
        if case .positions(let all, _) = chunks { positions = all + first }
        block(first / size, positions, counts)
        if let previous, positions[0] <= previous { return false }
        guard strata_postings_rise(positions, Int64(length)) else { return false }
        previous = positions[length - 1]
        strata_bm25_shares(shares + first, positions, counts, Int32(length), lengths, constants)
        if case .bits(let bits, _) = chunks {
          for index in 0..<length { bits[Int(positions[index] >> 6)] |= 1 << UInt64(positions[index] & 63) }
        }
      }
      return true
    }
  }

  /// Calls `body` with each chunk, rising.
  func forEachPosition(_ body: (Int) -> Void) {
    switch chunks {
    case .positions(let positions, _): for index in 0..<count { body(Int(positions[index])) }
    case .bits(let bits, _):
      var (word, left) = (0, count)
      while left > 0 {
        var rest = bits[word]
        while rest != 0 {
          body(word << 6 + rest.trailingZeroBitCount)
          rest &= rest - 1
          left -= 1
        }
        word += 1
      }
    }
  }

  /// How many of its chunks are in `chunks`.
  func count(in chunks: [UInt64]) -> Int {
    var count = 0
    forEachPosition { count += chunks.testBit($0) ? 1 : 0 }
    return count
  }

  deinit { memory.deallocate() }
}

extension UnpackedList {
  /// Nil for no postings.
  convenience init?(
    _ positions: [UInt32], _ counts: [UInt32], lengths: Column<UInt32>, _ constants: strata_bm25
  ) {
    guard !positions.isEmpty, positions.count == counts.count else { return nil }
    self.init(count: positions.count, lengths: lengths, constants) { block, toPositions, toCounts in
      let first = block * Postings.blockCount
      for index in first..<min(first + Postings.blockCount, positions.count) {
        toPositions[index - first] = positions[index]
        toCounts[index - first] = counts[index]
      }
    }
  }
}
