// Owns sets of chunks: those that a principal may read, and those of one access-list entry.

/// A set of chunks of one ``IndexSnapshot``, which alone can make it.
///
/// It is worth nothing to any other snapshot: a search handed a foreign bitmap finds nothing, since positions
/// may have changed hands since.
public struct ChunkBitmap: Sendable {
  let snapshot: UInt64
  /// One bit per chunk, one array of words per segment.
  let segments: [[UInt64]]

  /// How many chunks are in the set.
  public var count: Int { segments.reduce(0) { $0 + $1.reduce(0) { $0 + $1.nonzeroBitCount } } }
  public var isEmpty: Bool { segments.allSatisfy { $0.allSatisfy { $0 == 0 } } }
}

/// Positions within a segment: sorted numbers while they are few, a bit per chunk when they are many.
enum PositionSet: Sendable {
  case sparse([UInt32])
  case dense([UInt64])

  /// - Parameters:
  ///   - positions: rising.
  ///   - capacity: how many positions the segment has.
  init(_ positions: [UInt32], capacity: Int) {
    if positions.count > 32 + capacity / 32 {
      var words = [UInt64](repeating: 0, count: (capacity + 63) / 64)
      for position in positions { words.setBit(Int(position)) }
      self = .dense(words)
    } else {
      self = .sparse(positions)
    }
  }

  /// - Parameter capacity: how many positions the segment has.
  mutating func insert(_ position: Int, capacity: Int) {
    switch self {
    case .sparse(var positions):
      self = .sparse([])
      let index = positions.partitioningIndex { Int($0) >= position }
      if index == positions.count || positions[index] != UInt32(position) {
        positions.insert(UInt32(position), at: index)
      }
      if positions.count > 32 + capacity / 32 {
        var words = [UInt64](repeating: 0, count: (capacity + 63) / 64)
        for position in positions { words.setBit(Int(position)) }
        self = .dense(words)
      } else {
        self = .sparse(positions)
      }
    case .dense(var words):
      self = .dense([])
      words.setBit(position)
      self = .dense(words)
    }
  }

  mutating func remove(_ position: Int) {
    switch self {
    case .sparse(var positions):
      self = .sparse([])
      let index = positions.partitioningIndex { Int($0) >= position }
      if index < positions.count, positions[index] == UInt32(position) { positions.remove(at: index) }
      self = .sparse(positions)
    case .dense(var words):
      self = .dense([])
      words.clearBit(position)
      self = .dense(words)
    }
  }

  var isEmpty: Bool {
    switch self {
    case .sparse(let positions): positions.isEmpty
    case .dense(let words): words.allSatisfy { $0 == 0 }
    }
  }

  func formUnion(into words: inout [UInt64]) {
    switch self {
    case .sparse(let positions):
      for position in positions { words.setBit(Int(position)) }
    case .dense(let other):
      for index in words.indices { words[index] |= other[index] }
    }
  }
}

extension [UInt64] {
  func testBit(_ position: Int) -> Bool { self[position >> 6] >> UInt64(position & 63) & 1 == 1 }
  mutating func setBit(_ position: Int) { self[position >> 6] |= 1 << UInt64(position & 63) }
  mutating func clearBit(_ position: Int) { self[position >> 6] &= ~(1 << UInt64(position & 63)) }
}

extension RandomAccessCollection where Index == Int {
  /// The first index whose element satisfies `belongsInSecondPartition`, given that all that do come last.
  func partitioningIndex(where belongsInSecondPartition: (Element) -> Bool) -> Int {
    var low = startIndex
    var high = endIndex
    while low < high {
      let middle = low + (high - low) / 2
      if belongsInSecondPartition(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
