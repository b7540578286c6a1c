// Owns finding the best chunks of one segment in unpacked postings. Knows nothing about words or principals, only numbers.
import CStrataKernels

/// Adds the scores of all postings up, list by list, in windows that fit a processor's nearest caches, and looks for the
/// best in each (term at a time; Turtle and Flood 1995).
struct UnpackedScorer {
  struct Source {
    let term: Int
    let weight: Float
    /// The postings that are left.
    fileprivate(set) var next = 0
    fileprivate(set) var end = 0

    init(term: Int, weight: Float) {
      self.term = term
      self.weight = weight
    }
  }

  /// 64 KiB of scores.
  private static let windowSize = 16_384

  let ids: Column<Int64>
  let postings: UnpackedPostings

  /// - Parameters:
  ///   - sources: their weights add up to less than 2^30.
  ///   - allowed: chunks that may be scored, one bit each.
  func run(_ sources: inout [Source], _ allowed: [UInt64], _ top: inout TopChunks<Int32>) {
    for index in sources.indices {
      sources[index].next = Int(postings.starts[sources[index].term])
      sources[index].end = Int(postings.starts[sources[index].term + 1])
    }
    let count = ids.count
    let size = (min(count, Self.windowSize) + 63) & ~63
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: size + size / 64) { memory in
      allowed.withUnsafeBufferPointer { allowed in
        guard let window = memory.baseAddress, let allowed = allowed.baseAddress else { return }
        var start = 0
        while start < count {
          let end = min(start + size, count)
          window.initialize(repeating: 0, count: size)
          if add(to: window, &sources, start, end, allowed) { collect(window, size, start, &top) }
          start = end
        }
      }
    }
  }

  /// - Returns: whether there was anything to add.
  @inline(__always)
  private func add(
    to window: UnsafeMutablePointer<Int32>, _ sources: inout [Source], _ start: Int, _ end: Int,
    _ allowed: UnsafePointer<UInt64>
  ) -> Bool {
    guard let positions = postings.positions.buffer.baseAddress, let shares = postings.shares.buffer.baseAddress else {
      return false
    }
    var isAny = false
    for index in sources.indices {
      let first = sources[index].next
      var last = sources[index].end
      if last > first, Int(positions[last - 1]) >= end {
        last =
          first
          + UnsafeBufferPointer(start: positions + first, count: last - first)
          .partitioningIndex { Int($0) >= end }
      }
      guard last > first else { continue }
      isAny = true
      sources[index].next = last
      strata_bm25_add_shares(
        window, UInt32(start), allowed, positions + first, shares + first, Int64(last - first), sources[index].weight)
    }
    return isAny
  }

  /// Offers `top` what can get in.
  @inline(__always)
  private func collect(
    _ window: UnsafeMutablePointer<Int32>, _ size: Int, _ start: Int, _ top: inout TopChunks<Int32>
  ) {
    let maxima = window + size
    let blockCount = size / 64
    strata_bm25_maxima(maxima, window, UInt32(size))
    // As many chunks as are wanted are not below the best of so many blocks, or of so many slots.
    let enough =
      top.limit <= blockCount
      ? strata_bm25_nearly_kth(maxima, Int32(blockCount), Int32(top.limit))
      : top.limit <= size ? strata_bm25_nearly_kth(window, Int32(size), Int32(top.limit)) : 0
    let least = max(1, enough, top.threshold ?? 1)
    for block in 0..<blockCount where maxima[block] >= least {
      var bits: UInt64 = 0
      strata_bm25_at_least(&bits, window + 64 * block, 64, least)
      while bits != 0 {
        let slot = block << 6 + bits.trailingZeroBitCount
        bits &= bits - 1
        top.insert(window[slot], id: ids.buffer[start + slot])
      }
    }
  }
}
