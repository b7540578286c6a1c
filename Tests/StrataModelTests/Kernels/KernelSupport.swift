// Owns what kernel tests share: random inputs, references in double precision, and the families of this processor.
import CStrataKernels

/// A small generator (SplitMix64), so that failures repeat.
struct TestRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Roughly normal, by the sum of four uniform values.
  mutating func value() -> Float {
    let bits = next()
    var sum: Float = 0
    for part in 0..<4 { sum += Float((bits >> (16 * UInt64(part))) & 0xFFFF) / 65536 - 0.5 }
    return sum * 1.7
  }

  mutating func values(_ count: Int) -> [Float] { (0..<count).map { _ in value() } }
}

enum KernelReference {
  /// Families that this processor can run; AMX in software where it has no tiles.
  static let families: [strata_isa] = {
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    if !strata_isa_use(STRATA_ISA_AMX) { strata_amx_allow_software(true) }
    return [STRATA_ISA_PORTABLE, STRATA_ISA_AVX2, STRATA_ISA_AVX512, STRATA_ISA_AMX].filter(strata_isa_use)
  }()

  /// Runs `body` under each family and restores the one before.
  static func forEachFamily(_ body: (String) throws -> Void) rethrows {
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    for family in families {
      _ = strata_isa_use(family)
      try body(String(cString: strata_isa_name(family)))
    }
  }

  /// The largest difference, relative to the largest reference value.
  static func relativeError(_ got: [Float], _ expected: [Double]) -> Double {
    guard got.count == expected.count else { return .infinity }
    var error = 0.0
    var largest = 1e-12
    for (a, b) in zip(got, expected) {
      if a.isNaN { return .infinity }
      error = max(error, abs(Double(a) - b))
      largest = max(largest, abs(b))
    }
    return error / largest
  }

  /// Random bytes of a format whose halves are small numbers.
  static func weights(_ type: strata_type, count: Int, _ random: inout TestRandom) -> [UInt8] {
    let blockBytes = strata_block_bytes(type)
    let blocks = count / strata_block_values(type)
    var bytes = (0..<blocks * blockBytes).map { _ in UInt8(truncatingIfNeeded: random.next() >> 11) }
    let halves: [Int]
    switch type {
    case STRATA_TYPE_F32:
      return random.values(count).flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    case STRATA_TYPE_F16, STRATA_TYPE_BF16:
      var encoded = [UInt8](repeating: 0, count: count * 2)
      _ = strata_quantize(type, random.values(count), &encoded, count)
      return encoded
    case STRATA_TYPE_Q6_K: halves = [208]
    case STRATA_TYPE_Q4_0, STRATA_TYPE_Q5_0, STRATA_TYPE_Q8_0: halves = [0]
    default: halves = [0, 2]
    }
    for block in 0..<blocks {
      for offset in halves {
        let half = 0x1C00 | UInt16(random.next() & 0x83FF)  // ± 2^-8...2^-7
        bytes[block * blockBytes + offset] = UInt8(half & 0xFF)
        bytes[block * blockBytes + offset + 1] = UInt8(half >> 8)
      }
    }
    return bytes
  }
}
