// Owns the distinct words of one segment, numbered in order of first appearance: a hash table that grows while the
// segment is being built, and a smaller one for searching.

/// An immutable set of terms, looked up by hash.
struct TermDictionary: Sendable {
  /// All terms one after the other.
  let bytes: Column<UInt8>
  /// Where term i starts; one more than there are terms.
  let starts: Column<UInt32>
  /// Open addressing: term + 1, or 0 where nothing is. A power of two, at least twice the number of terms.
  let slots: Column<UInt32>

  var count: Int { starts.count - 1 }

  subscript(index: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: bytes.buffer[Int(starts[index])..<Int(starts[index + 1])])
  }

  /// - Complexity: O(1) on average.
  func index(of term: UnsafeBufferPointer<UInt8>) -> Int? { index(of: term, hash: TermTable.hash(term)) }

  /// - Parameter hash: ``TermTable/hash(_:)`` of the term.
  func index(of term: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int? {
    let slots = slots.buffer
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    // A table from a hostile file may be full: never go round twice.
    for _ in 0..<slots.count {
      let found = Int(slots[slot])
      if found == 0 { return nil }
      let (start, end) = (Int(starts[found - 1]), Int(starts[found]))
      if end - start == term.count, TermTable.isEqual(bytes.buffer.baseAddress, start, term) { return found - 1 }
      slot = (slot + 1) & mask
    }
    return nil
  }
}

/// Numbers distinct byte strings in order of first appearance.
struct TermTable {
  private(set) var bytes: [UInt8] = []
  private(set) var starts: [UInt32] = [0]
  /// Open addressing: upper half of the hash, and number + 1 below it; 0 where nothing is.
  private var slots: [UInt64]

  /// - Parameter slotCount: a power of two, twice as many as terms are expected; it grows.
  init(slotCount: Int = 256) {
    slots = [UInt64](repeating: 0, count: slotCount)
    bytes.reserveCapacity(4 * slotCount)
    starts.reserveCapacity(slotCount / 2 + 1)
  }

  var count: Int { starts.count - 1 }

  /// The number of `key`, and whether it is new.
  @inline(__always)
  mutating func insert(_ key: UnsafeBufferPointer<UInt8>) -> (index: Int, isNew: Bool) {
    insert(key, hash: Self.hash(key))
  }

  /// - Parameter hash: ``hash(_:)`` of the key.
  @inline(__always)
  mutating func insert(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> (index: Int, isNew: Bool) {
    let found: Int? = slots.withUnsafeBufferPointer { slots in
      bytes.withUnsafeBufferPointer { bytes in
        starts.withUnsafeBufferPointer { starts in
          let mask = slots.count - 1
          var slot = Int(truncatingIfNeeded: hash) & mask
          while slots[slot] != 0 {
            if slots[slot] >> 32 == hash >> 32 {
              let index = Int(slots[slot] & 0xFFFF_FFFF) - 1
              let (start, end) = (Int(starts[index]), Int(starts[index + 1]))
              if end - start == key.count, Self.isEqual(bytes.baseAddress, start, key) { return index }
            }
            slot = (slot + 1) & mask
          }
          return nil
        }
      }
    }
    if let found { return (found, false) }
    return (add(key, hash), true)
  }

  @inline(never)
  private mutating func add(_ key: UnsafeBufferPointer<UInt8>, _ hash: UInt64) -> Int {
    let index = count
    if 2 * (index + 1) > slots.count {
      let old = slots
      slots = [UInt64](repeating: 0, count: 2 * old.count)
      for entry in old where entry != 0 {
        let number = Int(entry & 0xFFFF_FFFF) - 1
        place(entry, Self.hash(self[number]))
      }
    }
    place(hash & ~0xFFFF_FFFF | UInt64(index + 1), hash)
    bytes.append(contentsOf: key)
    starts.append(UInt32(bytes.count))
    return index
  }

  private mutating func place(_ entry: UInt64, _ hash: UInt64) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = entry
  }

  /// Valid until the next change.
  private subscript(index: Int) -> UnsafeBufferPointer<UInt8> {
    bytes.withUnsafeBufferPointer { UnsafeBufferPointer(rebasing: $0[Int(starts[index])..<Int(starts[index + 1])]) }
  }

  /// Calls `body` with the bytes of a term.
  func withTerm<R>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    bytes.withUnsafeBufferPointer {
      body(UnsafeBufferPointer(rebasing: $0[Int(starts[index])..<Int(starts[index + 1])]))
    }
  }

  /// What has been numbered so far, for searching.
  func dictionary() -> TermDictionary {
    let slots = Column<UInt32>(slots.map { UInt32(truncatingIfNeeded: $0) })
    return TermDictionary(bytes: Column(bytes), starts: Column(starts), slots: slots)
  }

  @inline(__always)
  fileprivate static func isEqual(
    _ bytes: UnsafePointer<UInt8>?, _ start: Int, _ key: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    guard let bytes, let other = key.baseAddress else { return key.isEmpty }
    let (first, second) = (UnsafeRawPointer(bytes + start), UnsafeRawPointer(other))
    var offset = 0
    while offset + 8 <= key.count {
      if first.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        != second.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      {
        return false
      }
      offset += 8
    }
    while offset < key.count {
      if bytes[start + offset] != other[offset] { return false }
      offset += 1
    }
    return true
  }

  /// Eight bytes at a time by folded multiplication (as in Wang Yi's wyhash, 2019). The same on every machine, since
  /// files keep tables that it made.
  @inline(__always)
  static func hash(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
    guard let base = key.baseAddress else { return 0 }
    let raw = UnsafeRawPointer(base)
    var hash = UInt64(key.count) &* 0x9e37_79b9_7f4a_7c15
    var offset = 0
    while offset + 8 <= key.count {
      hash = fold(hash ^ UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset += 8
    }
    var rest: UInt64 = 0
    while offset < key.count {
      rest = rest << 8 | UInt64(base[offset])
      offset += 1
    }
    return fold(fold(hash ^ rest))
  }

  @inline(__always)
  private static func fold(_ value: UInt64) -> UInt64 {
    let product = (value ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
    return product.high ^ product.low
  }
}
