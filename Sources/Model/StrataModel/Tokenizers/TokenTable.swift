// Owns the vocabulary: bytes of each token, its kind, and the way from bytes to id.

/// What a token is for; the raw values are those of GGUF's `tokenizer.ggml.token_type`.
public enum TokenKind: UInt8, Sendable, Hashable {
  case normal = 1
  case unknown, control, userDefined, unused, byte
}

/// Tokens in one block of bytes with a hash index, so that a lookup allocates nothing.
struct TokenTable: Sendable {
  private(set) var kinds: [TokenKind] = []
  private var storage: [UInt8] = []
  private var starts: [Int] = [0]
  /// Open addressing over ids, -1 for free; a power of two long.
  private var slots: [Int32] = []
  /// Bytes of the longest token.
  private(set) var longest = 0

  var count: Int { kinds.count }

  /// `bytes` are what lookups see; of equal tokens the first is found.
  mutating func append(_ bytes: some Sequence<UInt8>, kind: TokenKind) {
    storage.append(contentsOf: bytes)
    longest = max(longest, storage.count - (starts.last ?? 0))
    starts.append(storage.count)
    kinds.append(kind)
  }

  /// Builds the index; lookups find nothing before.
  mutating func finish() {
    var capacity = 16
    while capacity < 2 * count { capacity *= 2 }
    var slots = [Int32](repeating: -1, count: capacity)
    storage.withUnsafeBufferPointer { storage in
      for id in 0..<count {
        let bytes = UnsafeBufferPointer(rebasing: storage[starts[id]..<starts[id + 1]])
        var slot = Int(truncatingIfNeeded: Self.hash(bytes)) & (capacity - 1)
        var isKnown = false
        while slots[slot] >= 0 {
          let other = Int(slots[slot])
          if Self.equal(UnsafeBufferPointer(rebasing: storage[starts[other]..<starts[other + 1]]), bytes) {
            isKnown = true
            break
          }
          slot = (slot + 1) & (capacity - 1)
        }
        if !isKnown { slots[slot] = Int32(truncatingIfNeeded: id) }
      }
    }
    self.slots = slots
  }

  func id(of bytes: UnsafeBufferPointer<UInt8>) -> Int32? {
    guard !slots.isEmpty, bytes.count <= longest else { return nil }
    let mask = slots.count - 1
    return storage.withUnsafeBufferPointer { storage in
      var slot = Int(truncatingIfNeeded: Self.hash(bytes)) & mask
      while slots[slot] >= 0 {
        let id = Int(slots[slot])
        if Self.equal(UnsafeBufferPointer(rebasing: storage[starts[id]..<starts[id + 1]]), bytes) {
          return Int32(truncatingIfNeeded: id)
        }
        slot = (slot + 1) & mask
      }
      return nil
    }
  }

  func id(of bytes: [UInt8]) -> Int32? { bytes.withUnsafeBufferPointer { id(of: $0) } }

  func bytes(of id: Int32) -> ArraySlice<UInt8> {
    guard id >= 0, Int(id) < count else { return [] }
    return storage[starts[Int(id)]..<starts[Int(id) + 1]]
  }

  func kind(of id: Int32) -> TokenKind? {
    id >= 0 && Int(id) < count ? kinds[Int(id)] : nil
  }

  private static func equal(_ lhs: UnsafeBufferPointer<UInt8>, _ rhs: UnsafeBufferPointer<UInt8>) -> Bool {
    guard lhs.count == rhs.count else { return false }
    for index in 0..<lhs.count where lhs[index] != rhs[index] { return false }
    return true
  }

  /// FNV-1a with a final mix, so that the low bits are good.
  static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var value: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    value ^= value >> 32
    return value &* 0x9e37_79b9_7f4a_7c15 >> 16
  }
}
