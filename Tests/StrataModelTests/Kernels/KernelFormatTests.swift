// Storage formats against the Python package `gguf` 0.17 (`gguf.quants.dequantize`), and encoding round trips.
import CStrataKernels
import Testing

@Suite("Kernel formats")
struct KernelFormatTests {
  /// Decoded values at positions 0, 1, n/4+3, n/2-1, n/2, 3n/4+5, n-2 and n-1, and the sum of all, of one block whose
  /// bytes are (7i² + 37i + 11) mod 256 with the halves 0x2c66 and 0x2a3d put in place.
  struct Golden: Sendable {
    let type: UInt32
    let sum: Double
    let values: [Double]
  }

  static let golden: [Golden] = [
    Golden(
      type: STRATA_TYPE_Q4_0.rawValue, sum: -0.068726,
      values: [-0.4810791, 0.06872559, 0.2061768, -0.06872559, -0.06872559, -0.2061768, -0.2061768, -0.1374512]),
    Golden(
      type: STRATA_TYPE_Q4_1.rawValue, sum: 19.084595,
      values: [1.07962, 0.2549133, 0.9421692, 0.6672668, 0.04873657, 0.4610901, 0.5985413, 0.7359924]),
    Golden(
      type: STRATA_TYPE_Q5_0.rawValue, sum: 2.680298,
      values: [0.3436279, -0.7559814, 0.4810791, 0.2061768, 0.9621582, 0.6872559, 0.8934326, -0.9621582]),
    Golden(
      type: STRATA_TYPE_Q5_1.rawValue, sum: 39.427368,
      values: [1.354523, 2.17923, 0.6672668, 0.3923645, 2.17923, 1.285797, 1.629425, 0.9421692]),
    Golden(
      type: STRATA_TYPE_Q8_0.rawValue, sum: -2.199219,
      values: [7.765991, -4.879517, -8.040894, 7.078735, -8.728149, -3.505005, -5.841675, -7.216187]),
    Golden(
      type: STRATA_TYPE_Q4_K.rawValue, sum: 4185.072266,
      values: [8.854156, 4.730621, 20.10764, 0.1547546, 2.416412, 12.28436, 25.31955, 23.32651]),
    Golden(
      type: STRATA_TYPE_Q5_K.rawValue, sum: 9054.142578,
      values: [25.3483, 21.22476, 20.10764, 76.44016, 10.11368, 12.28436, 29.30563, 19.34042]),
    Golden(
      type: STRATA_TYPE_Q6_K.rawValue, sum: -1283.793945,
      values: [-98.34631, -83.77649, -90.92395, 37.52417, -142.8805, -106.3185, -34.01917, 176.8997]),
  ]

  @Test("Blocks decode to the values of the gguf package", arguments: golden)
  func decode(_ golden: Golden) throws {
    let type = strata_type(golden.type)
    var bytes = (0..<strata_block_bytes(type)).map { UInt8(truncatingIfNeeded: $0 * $0 * 7 + $0 * 37 + 11) }
    switch type {
    case STRATA_TYPE_Q6_K: bytes.replaceSubrange(208..<210, with: [0x66, 0x2C])
    case STRATA_TYPE_Q4_0, STRATA_TYPE_Q5_0, STRATA_TYPE_Q8_0: bytes.replaceSubrange(0..<2, with: [0x66, 0x2C])
    default: bytes.replaceSubrange(0..<4, with: [0x66, 0x2C, 0x3D, 0x2A])
    }
    let n = strata_block_values(type)
    var values = [Float](repeating: 0, count: n)
    try #require(strata_dequantize(type, bytes, &values, n) == 0)
    let places = [0, 1, n / 4 + 3, n / 2 - 1, n / 2, 3 * n / 4 + 5, n - 2, n - 1]
    for (place, expected) in zip(places, golden.values) {
      #expect(abs(Double(values[place]) - expected) <= 1e-6 * max(1, abs(expected)))
    }
    #expect(abs(values.reduce(0) { $0 + Double($1) } - golden.sum) < 1e-3)
  }

  /// Formats and the largest error for values in -2...2.
  static let steps: [(UInt32, Float)] = [
    (STRATA_TYPE_Q4_0.rawValue, 0.26), (STRATA_TYPE_Q4_1.rawValue, 0.14), (STRATA_TYPE_Q5_0.rawValue, 0.13),
    (STRATA_TYPE_Q5_1.rawValue, 0.07), (STRATA_TYPE_Q8_0.rawValue, 0.012), (STRATA_TYPE_F16.rawValue, 1e-3),
    (STRATA_TYPE_BF16.rawValue, 8e-3), (STRATA_TYPE_F32.rawValue, 0),
  ]

  @Test("Encoded values come back within half a step", arguments: steps)
  func roundTrip(_ number: UInt32, _ bound: Float) throws {
    let type = strata_type(number)
    var random = TestRandom(state: 1)
    let values = random.values(1024).map { min(max($0, -2), 2) }
    let count = values.count / strata_block_values(type) * strata_block_bytes(type)
    var bytes = [UInt8](repeating: 0, count: count)
    var back = [Float](repeating: 0, count: values.count)
    try #require(strata_quantize(type, values, &bytes, values.count) == 0)
    try #require(strata_dequantize(type, bytes, &back, values.count) == 0)
    for (a, b) in zip(values, back) { #expect(abs(a - b) <= bound) }
  }

  @Test("Unknown formats and ragged sizes are refused")
  func refused() {
    var one: Float = 0
    #expect(strata_block_bytes(strata_type(99)) == 0)
    #expect(strata_dequantize(strata_type(99), [0], &one, 0) == -1)
    #expect(strata_dequantize(STRATA_TYPE_Q4_0, [0], &one, 31) == -1)
    #expect(strata_matrix_source_bytes(STRATA_TYPE_Q4_K, 2, 128) == 0)
    #expect(strata_matrix_source_bytes(STRATA_TYPE_F32, .max, .max) == 0)
    #expect(strata_matrix_source_bytes(STRATA_TYPE_Q8_0, 3, 64) == 204)
    #expect(strata_matrix_create(STRATA_TYPE_Q4_K, [0], 1, 128, nil) == nil)
  }
}
