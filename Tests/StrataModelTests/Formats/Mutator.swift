// Owns random damage to files, the same for the same seed.

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded, good enough for tests.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

struct Mutator {
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// One to four of: cut the end, flip a bit, write a huge or negative count, insert or remove bytes.
  mutating func mutate(_ original: [UInt8]) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &generator)
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
      case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 2: splice(hugeCount(), into: &bytes, at: at)
      case 3: bytes.insert(contentsOf: [UInt8](repeating: .random(in: 0...255, using: &generator), count: 5), at: at)
      case 4: bytes.removeSubrange(at..<min(bytes.count, at + 3))
      default: bytes[at] = .random(in: 0...255, using: &generator)
      }
    }
    return bytes
  }

  private mutating func hugeCount() -> UInt64 {
    [UInt64.max, 1 << 63, 1 << 62, (1 << 63) - 1, 1 << 40, 0xFFFF_FFFF, 1 << 31, 0, 1].randomElement(using: &generator)
      ?? 0
  }

  private func splice(_ value: UInt64, into bytes: inout [UInt8], at start: Int) {
    for offset in 0..<8 where start + offset < bytes.count {
      bytes[start + offset] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(offset)))
    }
  }
}
