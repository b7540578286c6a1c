// Owns finding the best chunks of one segment for weighted lists of postings. Knows nothing about words or principals,
// only numbers.
import CStrataKernels

/// Finds the best chunks by MaxScore (Turtle and Flood 1995) over windows of chunks, with bounds that hold per window.
///
/// Lists whose bounds together cannot lift a chunk of the window into the results are not walked; they are looked up
/// only for chunks that another list has brought up, and a window that no chunk of can enter is passed over without
/// being unpacked. Within a window, scores add up in a small array, list by list.
struct LexicalScorer {
  /// A list of postings with what its word weighs.
  struct Source {
    let list: PostingList
    let weights: strata_bm25
    let lengths: Column<UInt32>
    let titleWeight: UInt32
  }

  private static let windowSize = 2048

  private let ids: Column<Int64>
  private let sources: [Source]

  /// - Parameter sources: their weights add up to less than 2^30.
  init(ids: Column<Int64>, sources: [Source]) {
    self.ids = ids
    self.sources = sources
  }

  /// - Parameter allowed: chunks that may be scored, one bit each.
  func run(_ allowed: [UInt64], _ top: inout TopChunks<Int32>) {
    guard !sources.isEmpty, !ids.isEmpty else { return }
    let scratchCount = sources.reduce(Self.windowSize) { $0 + PostingCursor.scratchCount(of: $1.list) }
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: scratchCount) { scratch in
      guard let base = scratch.baseAddress else { return }
      let window = UnsafeMutableRawPointer(base).bindMemory(to: Int32.self, capacity: Self.windowSize)
      window.initialize(repeating: 0, count: Self.windowSize)
      var next = base + Self.windowSize
      var cursors: [PostingCursor] = []
      cursors.reserveCapacity(sources.count)
      for source in sources where source.list.count > 0 {
        guard let lengths = source.lengths.buffer.baseAddress else { continue }
        cursors.append(
          PostingCursor(
            list: source.list, weights: source.weights, lengths: lengths, chunkCount: ids.count,
            titleWeight: source.titleWeight, scratch: next))
        next += PostingCursor.scratchCount(of: source.list)
      }
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * cursors.count + 1) { order in
        cursors.withUnsafeMutableBufferPointer { cursors in
          allowed.withUnsafeBufferPointer { allowed in
            guard let allowed = allowed.baseAddress, let order = order.baseAddress else { return }
            walk(cursors, order: order, boundsUpTo: order + cursors.count, window, allowed, &top)
          }
        }
      }
    }
    withExtendedLifetime((sources, ids)) {}
  }

  private func walk(
    _ cursors: UnsafeMutableBufferPointer<PostingCursor>, order: UnsafeMutablePointer<Int32>,
    boundsUpTo: UnsafeMutablePointer<Int32>, _ window: UnsafeMutablePointer<Int32>, _ allowed: UnsafePointer<UInt64>,
    _ top: inout TopChunks<Int32>
  ) {
    let count = ids.count
    for index in cursors.indices { order[index] = Int32(index) }
    var start = 0
    while start < count {
      let end = min(start + Self.windowSize, count)
      for index in cursors.indices {
        cursors[index].skip(to: start)
        cursors[index].boundWindow(end: end)
      }
      sort(cursors, order)
      // boundsUpTo[i]: the most that the first i lists add together.
      boundsUpTo[0] = 0
      for index in cursors.indices {
        boundsUpTo[index + 1] = boundsUpTo[index] &+ cursors[Int(order[index])].windowBound
      }
      let threshold = top.threshold ?? 1
      var firstWalked = 0
      while firstWalked < cursors.count, boundsUpTo[firstWalked + 1] < threshold { firstWalked += 1 }
      if firstWalked < cursors.count, Self.isAnyAllowed(allowed, start, end) {
        for index in firstWalked..<cursors.count {
          cursors[Int(order[index])].add(to: window, start: start, size: end - start, allowed: allowed)
        }
        collect(cursors, order, boundsUpTo, firstWalked, window, start, end, &top)
      }
      start = end
    }
  }

  /// By bound, smallest first. The order hardly changes from window to window.
  @inline(__always)
  private func sort(_ cursors: UnsafeMutableBufferPointer<PostingCursor>, _ order: UnsafeMutablePointer<Int32>) {
    for index in cursors.indices.dropFirst() {
      let moved = order[index]
      let bound = cursors[Int(moved)].windowBound
      var place = index
      while place > 0, cursors[Int(order[place - 1])].windowBound > bound {
        order[place] = order[place - 1]
        place -= 1
      }
      order[place] = moved
    }
  }

  /// Looks up the lists that were not walked for the chunks of the window that can still get in, and clears it.
  @inline(__always)
  private func collect(
    _ cursors: UnsafeMutableBufferPointer<PostingCursor>, _ order: UnsafeMutablePointer<Int32>,
    _ boundsUpTo: UnsafeMutablePointer<Int32>, _ firstWalked: Int, _ window: UnsafeMutablePointer<Int32>, _ start: Int,
    _ end: Int, _ top: inout TopChunks<Int32>
  ) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.windowSize / 64) { found in
      guard let bits = found.baseAddress else { return }
      let words = (end - start + 63) / 64
      strata_bm25_at_least(
        bits, window, UInt32(64 * words), max(1, (top.threshold ?? 1) &- boundsUpTo[firstWalked]))
      for word in 0..<words {
        var rest = found[word]
        while rest != 0 {
          let slot = word << 6 + rest.trailingZeroBitCount
          rest &= rest - 1
          var score = window[slot]
          let threshold = top.threshold ?? 1
          var index = firstWalked
          while index > 0, score &+ boundsUpTo[index] >= threshold {
            index -= 1
            guard
              let more = cursors[Int(order[index])].score(
                at: start + slot, above: score, others: boundsUpTo[index], least: threshold)
            else {
              index = -1
              break
            }
            score &+= more
          }
          if index == 0, score >= threshold { top.insert(score, id: ids.buffer[start + slot]) }
        }
      }
      window.update(repeating: 0, count: end - start)
    }
  }

  @inline(__always)
  private static func isAnyAllowed(_ allowed: UnsafePointer<UInt64>, _ start: Int, _ end: Int) -> Bool {
    for word in (start >> 6)..<((end + 63) >> 6) where allowed[word] != 0 { return true }
    return false
  }
}
