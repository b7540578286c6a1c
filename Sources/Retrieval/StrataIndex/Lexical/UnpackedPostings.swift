// Owns a segment's postings laid out for adding, as long as searches make that worth it. Knows nothing about words, readers
// or weights.
import CStrataKernels
import Synchronization

/// All postings of a segment as positions and shares, `f / (f + offset + factor · length)`: what remains of BM25 when only
/// a word's weight is to be multiplied in.
final class UnpackedPostings: Sendable {
  /// Where the postings of term i start; one more than there are terms.
  let starts: Column<UInt32>
  /// Rising within a term.
  let positions: Column<UInt32>
  let shares: Column<Float>
  /// The largest share of each term.
  let bounds: Column<Float>
  fileprivate let offset: Float
  fileprivate let factor: Float

  /// Nil when positions do not rise, as those of a damaged file may not.
  init?(_ segment: LexicalSegment, _ constants: strata_bm25) {
    offset = constants.offset
    factor = constants.factor
    let postings = segment.postings
    var starts = [UInt32](repeating: 0, count: postings.frequencies.count + 1)
    for term in postings.frequencies.indices { starts[term + 1] = starts[term] + postings.frequencies[term] }
    let total = Int(starts[starts.count - 1])
    var isRising = true
    let positions = Column<UInt32>(count: total) { target in
      guard var next = target.baseAddress else { return }
      for term in postings.frequencies.indices {
        let list = postings.list(term)
        var before: UInt32?
        for block in list.blocks.indices {
          list.positions(of: block, limit: segment.count, into: next)
          for index in 0..<list.count(of: block) {
            if let before, next[index] <= before { isRising = false }
            before = next[index]
          }
          next += list.count(of: block)
        }
      }
    }
    guard isRising else { return nil }
    var bounds = [Float](repeating: 0, count: postings.frequencies.count)
    shares = Column(count: total) { target in
      guard var next = target.baseAddress, var at = positions.buffer.baseAddress,
        let lengths = segment.lengths.buffer.baseAddress
      else { return }
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * Postings.blockCount) { memory in
        guard let counts = memory.baseAddress else { return }
        for term in postings.frequencies.indices {
          let list = postings.list(term)
          for block in list.blocks.indices {
            let count = list.count(of: block)
            list.counts(
              of: block, titleWeight: segment.titleWeight, into: counts, titles: counts + Postings.blockCount)
            strata_bm25_shares(next, at, counts, Int32(count), lengths, constants)
            for index in 0..<count { bounds[term] = max(bounds[term], next[index]) }
            next += count
            at += count
          }
        }
      }
    }
    self.starts = Column(starts)
    self.positions = positions
    self.bounds = Column(bounds)
  }
}

/// Unpacks a segment's postings once walking the packed ones has cost as much: whatever is searched and however often the
/// average length changes, unpacking at most doubles the work.
final class UnpackedCache: Sendable {
  private struct State {
    var postings: UnpackedPostings?
    /// Postings walked that were not unpacked for the constants at hand.
    var walkedCount = 0
    var isUnpacking = false
    var isRefused = false
  }

  /// Postings of a segment that are unpacked at most, 8 bytes each.
  private static let mostPostings = 1 << 23
  private let state = Mutex(State())

  /// - Parameter count: how many postings are about to be walked.
  func postings(of segment: LexicalSegment, _ constants: strata_bm25, toWalk count: Int) -> UnpackedPostings? {
    let total = segment.postingCount
    guard total <= Self.mostPostings else { return nil }
    let (known, isDue) = state.withLock { state -> (UnpackedPostings?, Bool) in
      if let known = state.postings, known.offset == constants.offset, known.factor == constants.factor {
        return (known, false)
      }
      state.walkedCount += count
      guard state.walkedCount > total, !state.isUnpacking, !state.isRefused else { return (nil, false) }
      state.isUnpacking = true
      return (nil, true)
    }
    guard isDue else { return known }
    let made = UnpackedPostings(segment, constants)
    state.withLock { state in
      state.postings = made
      state.walkedCount = 0
      state.isUnpacking = false
      state.isRefused = made == nil
    }
    return made
  }
}

extension LexicalSegment {
  /// The postings unpacked, if that is worth it.
  func unpacked(for terms: [UnpackedScorer.Source], _ constants: strata_bm25) -> UnpackedPostings? {
    cache.postings(
      of: self, constants, toWalk: terms.reduce(0) { $0 + Int(postings.frequencies[$1.term]) })
  }
}
