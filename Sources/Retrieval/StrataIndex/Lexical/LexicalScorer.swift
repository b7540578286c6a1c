// Owns walking the postings of one segment for one query. Knows nothing about words or principals, only numbers.

/// Finds the best chunks of a segment by MaxScore (Turtle and Flood 1995) over windows of chunks.
///
/// Words whose bounds together cannot lift a chunk into the results are not walked; they are looked up only for chunks
/// that another word has brought up. Within a window, scores add up in a small array, word by word.
struct LexicalScorer {
  private struct Cursor {
    var next: Int
    let end: Int
    let weight: Float
    /// The most that the word adds to a score.
    let bound: Int32
  }

  private static let windowSize = 2048

  private let lengthFactor: Float
  private let lengthOffset: Float
  /// Sorted by bound, smallest first, before the walk.
  private var cursors: [Cursor] = []

  init(lengthFactor: Float, lengthOffset: Float) {
    self.lengthFactor = lengthFactor
    self.lengthOffset = lengthOffset
  }

  /// - Parameter weight: scaled so that all weights add up to less than 2^30.
  mutating func add(_ term: Int, weight: Float, of segment: LexicalSegment) {
    let best = contribution(weight, segment.mostOccurrences[term], segment.shortestLengths[term])
    cursors.append(
      Cursor(
        next: segment.postingStarts[term], end: segment.postingStarts[term + 1], weight: weight, bound: best + 1))
  }

  @inline(__always)
  private func contribution(_ weight: Float, _ count: UInt16, _ length: UInt32) -> Int32 {
    let frequency = Float(count)
    return Int32(weight * (frequency / (frequency + (lengthOffset + lengthFactor * Float(length)))) + 0.5)
  }

  mutating func run(
    _ segment: LexicalSegment, ids: Column<Int64>, _ allowed: [UInt64], _ top: inout TopChunks<Int32>
  ) {
    guard !cursors.isEmpty else { return }
    cursors.sort { $0.bound < $1.bound }
    var cursors = cursors
    // boundsUpTo[i]: the most that words 0..<i add together.
    var boundsUpTo: [Int32] = [0]
    for cursor in cursors { boundsUpTo.append((boundsUpTo.last ?? 0) + cursor.bound) }
    var scores = [Int32](repeating: 0, count: Self.windowSize)
    var touched = [UInt64](repeating: 0, count: Self.windowSize / 64)

    segment.postingPositions.withUnsafeBufferPointer { positions in
      segment.postingCounts.withUnsafeBufferPointer { counts in
        segment.lengths.withUnsafeBufferPointer { lengths in
          allowed.withUnsafeBufferPointer { allowed in
            cursors.withUnsafeMutableBufferPointer { cursors in
              scores.withUnsafeMutableBufferPointer { scores in
                touched.withUnsafeMutableBufferPointer { touched in
                  walk(ids, positions, counts, lengths, allowed, cursors, boundsUpTo, scores, touched, &top)
                }
              }
            }
          }
        }
      }
    }
  }

  private func walk(
    _ ids: Column<Int64>, _ positions: UnsafeBufferPointer<UInt32>, _ counts: UnsafeBufferPointer<UInt16>,
    _ lengths: UnsafeBufferPointer<UInt32>, _ allowed: UnsafeBufferPointer<UInt64>,
    _ cursors: UnsafeMutableBufferPointer<Cursor>, _ boundsUpTo: [Int32], _ scores: UnsafeMutableBufferPointer<Int32>,
    _ touched: UnsafeMutableBufferPointer<UInt64>, _ top: inout TopChunks<Int32>
  ) {
    // Words before this one are only looked up.
    var firstWalked = 0
    var start = 0
    while start < ids.count {
      if let threshold = top.threshold {
        while firstWalked < cursors.count, boundsUpTo[firstWalked + 1] < threshold { firstWalked += 1 }
        if firstWalked == cursors.count { return }
      }
      // On to the window of the next posting that can matter.
      var nearest = Int.max
      for index in firstWalked..<cursors.count {
        Self.advance(&cursors[index], to: start, positions)
        if cursors[index].next < cursors[index].end { nearest = min(nearest, Int(positions[cursors[index].next])) }
      }
      guard nearest < ids.count else { return }
      start = max(start, nearest & ~63)
      let end = min(start + Self.windowSize, ids.count)

      for index in firstWalked..<cursors.count {
        let weight = cursors[index].weight
        var next = cursors[index].next
        while next < cursors[index].end {
          let position = Int(positions[next])
          if position >= end { break }
          if allowed[position >> 6] >> UInt64(position & 63) & 1 == 1 {
            let slot = position - start
            scores[slot] += contribution(weight, counts[next], lengths[position])
            touched[slot >> 6] |= 1 << UInt64(slot & 63)
          }
          next += 1
        }
        cursors[index].next = next
      }

      for word in 0..<((end - start + 63) / 64) where touched[word] != 0 {
        var rest = touched[word]
        touched[word] = 0
        while rest != 0 {
          let slot = word << 6 + rest.trailingZeroBitCount
          rest &= rest - 1
          var score = scores[slot]
          scores[slot] = 0
          let position = start + slot
          let threshold = top.threshold ?? 0
          var index = firstWalked
          while index > 0, score + boundsUpTo[index] >= threshold {
            index -= 1
            Self.advance(&cursors[index], to: position, positions)
            let next = cursors[index].next
            if next < cursors[index].end, Int(positions[next]) == position {
              score += contribution(cursors[index].weight, counts[next], lengths[position])
            }
          }
          if index == 0, score >= threshold { top.insert(score, id: ids[position]) }
        }
      }
      start = end
    }
  }

  /// Moves to the first posting at `position` or later: doubling steps, then halving them.
  @inline(__always)
  private static func advance(_ cursor: inout Cursor, to position: Int, _ positions: UnsafeBufferPointer<UInt32>) {
    var low = cursor.next
    guard low < cursor.end, Int(positions[low]) < position else { return }
    var step = 1
    while low + step < cursor.end, Int(positions[low + step]) < position {
      low += step
      step *= 2
    }
    var high = min(low + step, cursor.end)
    low += 1
    while low < high {
      let middle = low + (high - low) / 2
      if Int(positions[middle]) < position { low = middle + 1 } else { high = middle }
    }
    cursor.next = low
  }
}
