// Owns remembering the ids of words that were merged before.

import Synchronization

/// Ids of short words, found by their bytes. Of fixed size: a word that collides with another takes its place.
struct WordCache {
  /// Longer words are rare and are merged each time.
  static let longestWord = 16
  private static let slotCount = 1 << 15
  private static let idLimit = 1 << 18

  private struct Slot {
    var low: UInt64 = 0
    var high: UInt64 = 0
    /// Bytes of the word; 0 when free.
    var length: Int32 = 0
    var start: Int32 = 0
    var count: Int32 = 0
  }

  struct Key {
    let low: UInt64
    let high: UInt64
    let length: Int32

    @inline(__always)
    init(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
      var low: UInt64 = 0
      var high: UInt64 = 0
      let count = range.count
      for offset in 0..<min(count, 8) { low |= UInt64(bytes[range.lowerBound + offset]) << (8 * UInt64(offset)) }
      if count > 8 {
        for offset in 8..<min(count, 16) {
          high |= UInt64(bytes[range.lowerBound + offset]) << (8 * UInt64(offset - 8))
        }
      }
      self.low = low
      self.high = high
      length = Int32(truncatingIfNeeded: count)
    }

    @inline(__always)
    fileprivate var slot: Int {
      var value = (low ^ (high &* 0x9e37_79b9_7f4a_7c15)) &* 0xbf58_476d_1ce4_e5b9
      value ^= value >> 31
      return Int(truncatingIfNeeded: value &* 0x94d0_49bb_1331_11eb >> 40) & (WordCache.slotCount - 1)
    }
  }

  private var slots = [Slot](repeating: Slot(), count: slotCount)
  private var ids: [Int32] = []

  /// Appends the ids of the word to `output`; false when the word is not known.
  @inline(__always)
  func append(_ key: Key, to output: inout [Int32]) -> Bool {
    let slot = slots[key.slot]
    guard slot.length == key.length, slot.low == key.low, slot.high == key.high else { return false }
    if slot.count == 1 {
      output.append(ids[Int(slot.start)])
    } else {
      output.append(contentsOf: ids[Int(slot.start)..<Int(slot.start + slot.count)])
    }
    return true
  }

  mutating func insert(_ key: Key, _ word: [Int32]) {
    if ids.count + word.count > Self.idLimit {
      ids.removeAll(keepingCapacity: true)
      for index in slots.indices { slots[index].length = 0 }
    }
    slots[key.slot] = Slot(
      low: key.low, high: key.high, length: key.length, start: Int32(truncatingIfNeeded: ids.count),
      count: Int32(truncatingIfNeeded: word.count))
    ids.append(contentsOf: word)
  }
}

/// Caches lent to one call at a time, so that concurrent calls never wait for each other.
final class WordCachePool: Sendable {
  private let idle = Mutex<[WordCache]>([])

  func withCache<Result>(_ body: (inout WordCache) -> Result) -> Result {
    var cache = idle.withLock { $0.popLast() } ?? WordCache()
    let result = body(&cache)
    let returned = cache
    idle.withLock { if $0.count < 8 { $0.append(returned) } }
    return result
  }
}
