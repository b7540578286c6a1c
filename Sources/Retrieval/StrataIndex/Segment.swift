// Owns one immutable batch of indexed chunks: words, vectors. Knows nothing about deletes or readers.
import StrataCore

/// Chunks indexed together and never changed. Positions count from 0 in the order they were added.
final class Segment: Sendable {
  let ids: [Int64]
  let documents: [String]
  let lexical: LexicalSegment
  /// Row-major [chunks, dimension]; empty when no chunk has a vector. A chunk without one has a row of zeros.
  let vectors: [Float]
  let hasVector: [UInt64]

  var count: Int { ids.count }

  init(ids: [Int64], documents: [String], lexical: LexicalSegment, vectors: [Float], hasVector: [UInt64]) {
    self.ids = ids
    self.documents = documents
    self.lexical = lexical
    self.vectors = vectors
    self.hasVector = hasVector
  }
}

/// A segment as of one moment: which of its chunks are still there, who may read them, and exact statistics.
struct SegmentView: Sendable {
  let serial: UInt64
  let segment: Segment
  /// Chunks that were not removed.
  var live: [UInt64]
  var liveCount: Int
  /// Of the live chunks.
  var lexical: LexicalStatistics
  var readers: [Reader: PositionSet] = [:]

  init(serial: UInt64, segment: Segment) {
    self.serial = serial
    self.segment = segment
    live = [UInt64](repeating: 0, count: (segment.count + 63) / 64)
    for position in 0..<segment.count { live.setBit(position) }
    liveCount = segment.count
    lexical = LexicalStatistics(segment.lexical)
  }

  mutating func remove(_ position: Int, readers keys: [Reader]) {
    guard live.testBit(position) else { return }
    live.clearBit(position)
    liveCount -= 1
    lexical.remove(position, from: segment.lexical)
    removeReaders(keys, at: position)
  }

  mutating func addReaders(_ keys: [Reader], at position: Int) {
    for key in keys { readers[key, default: .sparse([])].insert(position, capacity: segment.count) }
  }

  mutating func removeReaders(_ keys: [Reader], at position: Int) {
    for key in keys {
      readers[key]?.remove(position)
      if readers[key]?.isEmpty == true { readers[key] = nil }
    }
  }
}
