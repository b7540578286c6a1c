// Owns a segment as of one moment: which of its chunks are still there and who may read them. Knows nothing about other
// segments.
import StrataCore

/// A segment with what happened to its chunks since it was made, and exact statistics.
struct SegmentView: Sendable {
  let serial: UInt64
  let segment: Segment
  /// Chunks that were not removed.
  private(set) var live: [UInt64]
  private(set) var liveCount: Int
  /// Of the live chunks.
  private(set) var lexical: LexicalStatistics
  /// Chunks by reader, removed ones included: `live` has to be applied.
  private(set) var readers: [Reader: PositionSet]
  /// Chunks whose readers are not those of the segment.
  private(set) var changedReaders: [UInt32: [Reader]] = [:]
  /// When chunks were removed that are kept for searches as of a time, in milliseconds since 1970.
  private(set) var died: [UInt32: Int64] = [:]

  init(serial: UInt64, segment: Segment) {
    self.serial = serial
    self.segment = segment
    live = [UInt64](repeating: 0, count: (segment.count + 63) / 64)
    for position in 0..<segment.count { live.setBit(position) }
    liveCount = segment.count
    lexical = LexicalStatistics(segment.lexical)
    readers = segment.readers.positionSets()
  }

  /// The position of `id`, if it is live here.
  func position(of id: Int64) -> Int? {
    var found: Int?
    segment.chunks.forEachPosition(of: id) { if live.testBit($0) { found = $0 } }
    return found
  }

  func readers(of position: Int) -> [Reader] { changedReaders[UInt32(position)] ?? segment.readers[position] }

  func fingerprint(_ position: Int) -> ChunkFingerprint {
    ChunkFingerprint(
      id: segment.chunks.ids[position], contentHash: segment.chunks.contentHashes[position],
      vectorHash: segment.chunks.vectorHashes[position], entityHash: segment.chunks.entityHashes[position],
      readers: Set(readers(of: position)))
  }

  // MARK: Changes

  /// - Parameter time: of the removal, to keep the chunk for searches as of an earlier time; nil forgets it.
  mutating func remove(_ position: Int, keptAt time: Int64?) {
    guard live.testBit(position) else { return }
    live.clearBit(position)
    liveCount -= 1
    lexical.remove(position, from: segment.lexical)
    if let time { died[UInt32(position)] = time }
  }

  mutating func setReaders(_ keys: [Reader], at position: Int) {
    for key in readers(of: position) {
      readers[key]?.remove(position)
      if readers[key]?.isEmpty == true { readers[key] = nil }
    }
    for key in keys { readers[key, default: .sparse([])].insert(position, capacity: segment.count) }
    changedReaders[UInt32(position)] = keys
  }

  /// Forgets removed chunks that are kept no longer.
  mutating func forget(diedBefore cutoff: Int64) {
    if !died.isEmpty { died = died.filter { $0.value > cutoff } }
  }

  // MARK: As of a time

  /// The chunks that were there at `time`: came before and went after.
  func asOf(_ time: Int64) -> SegmentView {
    var view = self
    view.live = [UInt64](repeating: 0, count: live.count)
    view.liveCount = 0
    view.lexical = LexicalStatistics(segment.lexical)
    for position in 0..<segment.count {
      let isThere =
        segment.chunks.born[position] <= time
        && (live.testBit(position) || died[UInt32(position)].map { $0 > time } ?? false)
      if isThere {
        view.live.setBit(position)
        view.liveCount += 1
      } else {
        view.lexical.remove(position, from: segment.lexical)
      }
    }
    return view
  }

  /// Live chunks and those kept for searches as of a time: what a merge takes over.
  var kept: [UInt64] {
    var kept = live
    for position in died.keys { kept.setBit(Int(position)) }
    return kept
  }

  var keptCount: Int { liveCount + died.count }
}
