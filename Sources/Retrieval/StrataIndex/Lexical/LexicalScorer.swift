// Owns finding the best chunks of one segment for weighted lists of postings. Knows nothing about words or principals,
// only numbers.
import CStrataKernels

/// Finds the best chunks by MaxScore (Turtle and Flood 1995) over windows of chunks, with bounds that hold per window.
///
/// Lists whose bounds together cannot lift a chunk of the window into the results are not walked; they are looked up
/// only for chunks that another list has brought up, and a window that no chunk of can enter is passed over. Within a
/// window, scores add up in an array that fits a processor's nearest caches, list by list.
struct LexicalScorer {
  /// A packed list of postings with what its word weighs.
  struct Packed {
    let list: PostingList
    let term: Int
    let weights: strata_bm25
  }

  let ids: Column<Int64>
  /// What the lists are of.
  let segment: LexicalSegment
  /// The weights of these and of ``packed`` add up to less than 2^30.
  var unpacked: [UnpackedCursor] = []
  var packed: [Packed] = []

  init(ids: Column<Int64>, segment: LexicalSegment) {
    self.ids = ids
    self.segment = segment
  }

  /// - Parameter allowed: chunks that may be scored, one bit each.
  mutating func run(_ allowed: [UInt64], _ top: inout TopChunks<Int32>) {
    let listCount = unpacked.count + packed.count
    guard listCount > 0, !ids.isEmpty, let lengths = segment.lengths.buffer.baseAddress else { return }
    if listCount == 1, let only = unpacked.first, only.isSparse {
      only.forEachScore { position, score in
        guard score >= top.threshold ?? 1, allowed.testBit(position) else { return }
        top.insert(score, id: ids.buffer[position])
      }
      return
    }
    let size = (min(ids.count, UnpackedList.windowSize) + 63) & ~63
    let count = Walk.scratchCount(size: size, listCount: listCount) + packed.count * PostingCursor.scratchCount
    withUnsafeTemporaryAllocation(byteCount: 4 * count, alignment: 64) { memory in
      guard let base = memory.baseAddress else { return }
      let words = base.bindMemory(to: Int32.self, capacity: count)
      var scratch = words + Walk.scratchCount(size: size, listCount: listCount)
      var cursors: [PostingCursor] = []
      cursors.reserveCapacity(packed.count)
      for source in packed {
        cursors.append(
          PostingCursor(
            list: source.list, weights: source.weights, lengths: lengths, chunkCount: ids.count,
            titleWeight: segment.titleWeight, scratch: scratch))
        scratch += PostingCursor.scratchCount
      }
      unpacked.withUnsafeMutableBufferPointer { unpacked in
        cursors.withUnsafeMutableBufferPointer { packed in
          allowed.withUnsafeBufferPointer { allowed in
            guard let allowed = allowed.baseAddress else { return }
            var walk = Walk(
              ids: ids.buffer, allowed: allowed, unpacked: unpacked, packed: packed, scratch: words, size: size)
            walk.run(&top)
          }
        }
      }
      if !packed.isEmpty { segment.unpacked.note(zip(packed, cursors).map { ($0.term, $1.walkedCount) }) }
    }
  }
}

/// One search of one segment.
private struct Walk {
  let ids: UnsafeBufferPointer<Int64>
  let allowed: UnsafePointer<UInt64>
  /// The lists: those that are unpacked first, then the others.
  let unpacked: UnsafeMutableBufferPointer<UnpackedCursor>
  let packed: UnsafeMutableBufferPointer<PostingCursor>
  let listCount: Int
  /// Scores of the window at hand, zeros before it is walked; how many there are at most.
  let window: UnsafeMutablePointer<Int32>
  let size: Int
  /// Chunks that may get in, with their scores.
  let candidates: UnsafeMutablePointer<UInt32>
  let scores: UnsafeMutablePointer<Int32>
  /// Of each 64 chunks of the window, the best score and those that may get in.
  let maxima: UnsafeMutablePointer<Int32>
  let bits: UnsafeMutablePointer<UInt64>
  /// By list, the most that it adds in the window.
  let bounds: UnsafeMutablePointer<Int32>
  /// The lists by `bounds`, least first, and the most that the first of them add together.
  let order: UnsafeMutablePointer<Int32>
  let boundsUpTo: UnsafeMutablePointer<Int32>
  /// The first of `order` that is walked; those before are looked up.
  var firstWalked = 0

  /// 4-byte values that a walk needs.
  static func scratchCount(size: Int, listCount: Int) -> Int { 3 * size + 3 * (size / 64) + 3 * listCount + 1 }

  /// - Parameter scratch: memory at a multiple of 8 bytes.
  init(
    ids: UnsafeBufferPointer<Int64>, allowed: UnsafePointer<UInt64>,
    unpacked: UnsafeMutableBufferPointer<UnpackedCursor>, packed: UnsafeMutableBufferPointer<PostingCursor>,
    scratch: UnsafeMutablePointer<Int32>, size: Int
  ) {
    self.ids = ids
    self.allowed = allowed
    self.unpacked = unpacked
    self.packed = packed
    self.size = size
    listCount = unpacked.count + packed.count
    window = scratch
    window.initialize(repeating: 0, count: size)
    scores = scratch + size
    candidates = UnsafeMutableRawPointer(scratch + 2 * size).bindMemory(to: UInt32.self, capacity: size)
    bits = UnsafeMutableRawPointer(scratch + 3 * size).bindMemory(to: UInt64.self, capacity: size / 64)
    maxima = scratch + 3 * size + 2 * (size / 64)
    order = maxima + size / 64
    for index in 0..<listCount { order[index] = Int32(index) }
    bounds = order + listCount
    boundsUpTo = bounds + listCount
  }

  mutating func run(_ top: inout TopChunks<Int32>) {
    var start = 0
    while start < ids.count {
      let end = min(start + UnpackedList.windowSize, ids.count)
      enter(start, end)
      let threshold = top.threshold ?? 1
      firstWalked = 0
      while firstWalked < listCount, boundsUpTo[firstWalked + 1] < threshold { firstWalked += 1 }
      if firstWalked < listCount, isAnyAllowed(start, end) {
        for place in firstWalked..<listCount { add(place, start, end) }
        collect(start, end, &top)
        if end < ids.count { window.update(repeating: 0, count: size) }
      }
      start = end
    }
  }

  /// Moves all lists to a window and orders them.
  @inline(__always)
  private func enter(_ start: Int, _ end: Int) {
    for index in unpacked.indices {
      bounds[index] = unpacked[index].enter(start / UnpackedList.windowSize, end: end)
    }
    for index in packed.indices { bounds[unpacked.count + index] = packed[index].enter(start: start, end: end) }
    // The order hardly changes from window to window.
    for index in 1..<max(1, listCount) {
      let moved = order[index]
      var place = index
      while place > 0, bounds[Int(order[place - 1])] > bounds[Int(moved)] {
        order[place] = order[place - 1]
        place -= 1
      }
      order[place] = moved
    }
    boundsUpTo[0] = 0
    for index in 0..<listCount { boundsUpTo[index + 1] = boundsUpTo[index] &+ bounds[Int(order[index])] }
  }

  @inline(__always)
  private func add(_ place: Int, _ start: Int, _ end: Int) {
    let index = Int(order[place])
    guard bounds[index] > 0 else { return }
    if index < unpacked.count {
      unpacked[index].add(to: window, start: start, size: end - start, allowed: allowed)
    } else {
      packed[index - unpacked.count].add(to: window, start: start, size: end - start, allowed: allowed)
    }
  }

  /// Offers `top` the chunks of the window that can get in.
  @inline(__always)
  private mutating func collect(_ start: Int, _ end: Int, _ top: inout TopChunks<Int32>) {
    let least = top.threshold ?? leastOfFirst(top.limit)
    var count = mark(least)
    // Where too many chunks would have to be looked up, walking the list is cheaper, and leaves fewer for the next.
    while firstWalked > 0, count > 0 {
      let index = Int(order[firstWalked - 1])
      guard bounds[index] > 0, index < unpacked.count, !unpacked[index].isLookedUp(count) else { break }
      firstWalked -= 1
      add(firstWalked, start, end)
      count = mark(least)
    }
    guard count > 0 else { return }
    count = 0
    for word in 0..<(size / 64) {
      var rest = bits[word]
      while rest != 0 {
        let slot = word << 6 + rest.trailingZeroBitCount
        rest &= rest - 1
        candidates[count] = UInt32(start + slot)
        scores[count] = window[slot]
        count += 1
      }
    }
    while firstWalked > 0, count > 0 {
      firstWalked -= 1
      // No list before adds anything either.
      guard bounds[Int(order[firstWalked])] > 0 else { break }
      count = lookUp(Int(order[firstWalked]), count, others: boundsUpTo[firstWalked], least)
    }
    for place in 0..<count where scores[place] >= top.threshold ?? 1 {
      top.insert(scores[place], id: ids[Int(candidates[place])])
    }
  }

  /// While fewer chunks than wanted are known: as many are not below the best of so many blocks, or of so many slots.
  private func leastOfFirst(_ limit: Int) -> Int32 {
    guard limit <= size else { return 1 }
    let blockCount = size / 64
    guard limit <= blockCount else { return max(1, strata_bm25_nearly_kth(window, Int32(size), Int32(limit))) }
    strata_bm25_maxima(maxima, window, UInt32(size))
    return max(1, strata_bm25_nearly_kth(maxima, Int32(blockCount), Int32(limit)))
  }

  /// Sets the bits of the chunks that can come to `least`, and says how many they are.
  @inline(__always)
  private func mark(_ least: Int32) -> Int {
    strata_bm25_at_least(bits, window, UInt32(size), max(1, least &- boundsUpTo[firstWalked]))
    var count = 0
    for word in 0..<(size / 64) { count += bits[word].nonzeroBitCount }
    return count
  }

  /// Adds what a list gives to the candidates' scores and keeps those that can come to `least` with the `others`.
  @inline(__always)
  private func lookUp(_ index: Int, _ count: Int, others: Int32, _ least: Int32) -> Int {
    if index < unpacked.count {
      return unpacked[index].lookUp(candidates, scores, count, least: least &- others)
    }
    var kept = 0
    for place in 0..<count {
      let position = candidates[place]
      let more = packed[index - unpacked.count].score(
        at: Int(position), above: scores[place], others: others, least: least)
      guard let more, scores[place] &+ more &+ others >= least else { continue }
      candidates[kept] = position
      scores[kept] = scores[place] &+ more
      kept += 1
    }
    return kept
  }

  @inline(__always)
  private func isAnyAllowed(_ start: Int, _ end: Int) -> Bool {
    for word in (start >> 6)..<((end + 63) >> 6) where allowed[word] != 0 { return true }
    return false
  }
}
