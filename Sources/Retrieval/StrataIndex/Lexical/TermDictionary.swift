// Owns the words of one segment: sorted bytes for searching, and a hash table while the segment is being built.

/// An immutable sorted list of terms, looked up by binary search.
struct TermDictionary: Sendable {
  /// All terms one after the other, in byte order.
  private(set) var bytes: [UInt8] = []
  /// Where term i starts; one more than there are terms.
  private(set) var starts: [UInt32] = [0]

  var count: Int { starts.count - 1 }

  /// - Precondition: `term` sorts after all terms so far.
  mutating func append(_ term: some Collection<UInt8>) {
    bytes.append(contentsOf: term)
    starts.append(UInt32(bytes.count))
  }

  subscript(index: Int) -> ArraySlice<UInt8> { bytes[Int(starts[index])..<Int(starts[index + 1])] }

  /// - Complexity: O(log terms) comparisons.
  func index(of term: [UInt8]) -> Int? {
    let found = (0..<count).partitioningIndex { !self[$0].lexicographicallyPrecedes(term) }
    return found < count && self[found].elementsEqual(term) ? found : nil
  }
}

/// Numbers distinct byte strings in order of first appearance: open addressing over FNV-1a hashes.
struct ByteStringTable {
  private var bytes: [UInt8] = []
  private var starts: [UInt32] = [0]
  private var slots = [Int32](repeating: -1, count: 1024)

  var count: Int { starts.count - 1 }
  subscript(index: Int) -> ArraySlice<UInt8> { bytes[Int(starts[index])..<Int(starts[index + 1])] }

  /// The number of `key`, and whether it is new.
  mutating func insert(_ key: UnsafeBufferPointer<UInt8>) -> (index: Int, isNew: Bool) {
    let mask = slots.count - 1
    var slot = Self.hash(key) & mask
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      let (start, end) = (Int(starts[index]), Int(starts[index + 1]))
      if end - start == key.count {
        var position = 0
        while position < key.count, bytes[start + position] == key[position] { position += 1 }
        if position == key.count { return (index, false) }
      }
      slot = (slot + 1) & mask
    }
    let index = count
    slots[slot] = Int32(index)
    bytes.append(contentsOf: key)
    starts.append(UInt32(bytes.count))
    if 2 * count > slots.count { grow() }
    return (index, true)
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: 2 * slots.count)
    let mask = slots.count - 1
    bytes.withUnsafeBufferPointer { all in
      for index in 0..<count {
        let key = UnsafeBufferPointer(rebasing: all[Int(starts[index])..<Int(starts[index + 1])])
        var slot = Self.hash(key) & mask
        while slots[slot] >= 0 { slot = (slot + 1) & mask }
        slots[slot] = Int32(index)
      }
    }
  }

  private static func hash(_ key: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in key { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return Int(truncatingIfNeeded: (hash ^ (hash >> 29)) & 0x7FFF_FFFF)
  }
}
