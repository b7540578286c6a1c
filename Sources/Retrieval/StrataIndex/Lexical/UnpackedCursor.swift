// Owns walking one unpacked list for one query. Knows nothing about words or readers.
import CStrataKernels

/// A place in an ``UnpackedList``, moving forward window by window. Valid while the list is.
struct UnpackedCursor {
  private let chunks: UnpackedList.Chunks
  private let shares: UnsafePointer<Float>
  private let bounds: UnsafePointer<Float>?
  private let count: Int
  private let weight: Float
  private let bound: Int32

  /// Which postings are in the window.
  private var first = 0
  private var end = 0

  init(_ list: UnpackedList, weight: Float) {
    chunks = list.chunks
    shares = UnsafePointer(list.shares)
    bounds = UnsafePointer(list.bounds)
    count = list.count
    self.weight = weight
    bound = strata_bm25_score(list.bound, weight)
  }

  /// Whether ``forEachScore(_:)`` is the fastest way through the list.
  var isSparse: Bool { if case .positions = chunks { true } else { false } }

  /// Calls `body` with each chunk of a sparse list, and what the word gives it.
  @inline(__always)
  func forEachScore(_ body: (_ position: Int, Int32) -> Void) {
    guard case .positions(let positions, _) = chunks else { return }
    for index in 0..<count { body(Int(positions[index]), strata_bm25_score(shares[index], weight)) }
  }

  /// Moves to a window that ends before the chunk `end`, and says the most that the word adds there.
  ///
  /// Windows are entered in turn, each.
  @inline(__always)
  mutating func enter(_ window: Int, end: Int) -> Int32 {
    first = self.end
    switch chunks {
    case .bits(_, let ranks):
      self.end = Int(ranks[(window + 1) * UnpackedList.windowSize / 64])
    case .positions(let positions, let starts):
      if let starts {
        self.end = Int(starts[window + 1])
      } else if first < count, Int(positions[first]) < end {
        self.end =
          Int(positions[count - 1]) < end
          ? count : Int(strata_postings_find(positions, Int64(first), Int64(count), UInt32(end)))
      }
    }
    guard first < self.end else { return 0 }
    return bounds.map { strata_bm25_score($0[window], weight) } ?? bound
  }

  /// Adds the scores of all allowed chunks of the window, which starts at the chunk `start`.
  @inline(__always)
  func add(to window: UnsafeMutablePointer<Int32>, start: Int, size: Int, allowed: UnsafePointer<UInt64>) {
    switch chunks {
    case .bits(let bits, _):
      strata_bm25_add_dense(
        window, bits + start / 64, allowed + start / 64, shares + first, Int32((size + 63) / 64), weight)
    case .positions(let positions, _):
      strata_bm25_add_shares(
        window, UInt32(start), allowed, positions + first, shares + first, Int64(end - first), weight)
    }
  }

  /// Whether looking up so many chunks of the window is cheaper than adding all.
  @inline(__always)
  func isLookedUp(_ candidateCount: Int) -> Bool {
    switch chunks {
    case .bits: candidateCount * 64 < UnpackedList.windowSize
    case .positions: candidateCount * 16 < end - first
    }
  }

  /// Adds what the word gives to `scores` of chunks of the window and keeps those of at least `least`.
  ///
  /// - Returns: how many.
  @inline(__always)
  func lookUp(
    _ positions: UnsafeMutablePointer<UInt32>, _ scores: UnsafeMutablePointer<Int32>, _ candidateCount: Int,
    least: Int32
  ) -> Int {
    switch chunks {
    case .bits(let bits, let ranks):
      Int(strata_bm25_look_up_dense(positions, scores, Int32(candidateCount), bits, ranks, shares, weight, least))
    case .positions(let own, _):
      Int(
        strata_bm25_look_up(
          positions, scores, Int32(candidateCount), own + first, shares + first, Int64(end - first), weight, least))
    }
  }
}
