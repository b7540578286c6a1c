// Products of every format in every family, against sums in double precision of decoded weights.
import CStrataKernels
import Foundation
import Testing

/// All suites that choose a family: one after another, because the choice is the process's.
@Suite("Kernels by family", .serialized)
struct KernelFamilyTests {
  static let types: [UInt32] = [
    STRATA_TYPE_F32, STRATA_TYPE_F16, STRATA_TYPE_BF16, STRATA_TYPE_Q4_0, STRATA_TYPE_Q4_1, STRATA_TYPE_Q5_0,
    STRATA_TYPE_Q5_1, STRATA_TYPE_Q8_0, STRATA_TYPE_Q4_K, STRATA_TYPE_Q5_K, STRATA_TYPE_Q6_K,
  ].map(\.rawValue)

  /// Each block of 32 rounded to 8 bits, as the kernels do to activations.
  static func rounded(_ x: [Float]) -> [Double] {
    var result = x.map(Double.init)
    for start in stride(from: 0, to: x.count, by: 32) {
      let largest = x[start..<start + 32].map(abs).max() ?? 0
      guard largest > 0 else { continue }
      for i in start..<start + 32 {
        result[i] = Double((x[i] * (127 / largest)).rounded(.toNearestOrEven)) * Double(largest / 127)
      }
    }
    return result
  }

  @Test("Products agree with double precision to 0.1 %, whatever the shape", arguments: types)
  func product(_ number: UInt32) throws {
    let type = strata_type(number)
    let isFloat = [STRATA_TYPE_F32, STRATA_TYPE_F16, STRATA_TYPE_BF16].contains(type)
    let bound = type == STRATA_TYPE_BF16 ? 3e-3 : 1e-3  // some families round x to bfloat16 too
    var random = TestRandom(state: UInt64(number) + 7)
    let pool = strata_pool_create(3)
    defer { strata_pool_destroy(pool) }
    for (rows, columns) in [(1, 256), (33, 512), (80, 1024)] {
      let bytes = KernelReference.weights(type, count: rows * columns, &random)
      var weights = [Float](repeating: 0, count: rows * columns)
      try #require(strata_dequantize(type, bytes, &weights, weights.count) == 0)
      let matrix = try #require(strata_matrix_create(type, bytes, Int64(rows), Int64(columns), pool))
      defer { strata_matrix_destroy(matrix) }
      #expect(strata_matrix_rows(matrix) == rows && strata_matrix_cols(matrix) == columns)
      let bias = random.values(rows)
      for m in [1, 2, 5, 6, 7, 19, 50] {
        let x = random.values(m * columns)
        let exact = isFloat ? x.map(Double.init) : Self.rounded(x)
        var expected: [Double] = []
        for i in 0..<m {
          for row in 0..<rows {
            var sum = Double(bias[row])
            for k in 0..<columns { sum += exact[i * columns + k] * Double(weights[row * columns + k]) }
            expected.append(sum)
          }
        }
        KernelReference.forEachFamily { family in
          var y = [Float](repeating: .nan, count: m * rows)
          strata_matmul(pool, &y, Int64(rows), x, Int64(columns), Int64(m), matrix, bias)
          #expect(
            KernelReference.relativeError(y, expected) < bound, "\(family), \(rows) × \(columns), \(m) rows of x")
        }
      }
    }
  }

  @Test("Several products of one x are those of each alone, added to y where asked")
  func many() throws {
    var random = TestRandom(state: 3)
    let columns = 512
    let matrices = try [STRATA_TYPE_Q5_0, STRATA_TYPE_Q8_0, STRATA_TYPE_F32].map { type in
      try #require(
        strata_matrix_create(type, KernelReference.weights(type, count: 48 * columns, &random), 48, 512, nil))
    }
    defer { for matrix in matrices { strata_matrix_destroy(matrix) } }
    for m in [1, 4, 30] {
      let x = random.values(m * columns)
      KernelReference.forEachFamily { family in
        for matrix in matrices {
          var alone = [Float](repeating: 0, count: m * 48)
          strata_matmul(nil, &alone, 48, x, 512, Int64(m), matrix, nil)
          let start = random.values(m * 48)
          var first = [Float](repeating: 0, count: m * 48)
          var second = start
          first.withUnsafeMutableBufferPointer { first in
            second.withUnsafeMutableBufferPointer { second in
              guard let a = first.baseAddress, let b = second.baseAddress else { return }
              let jobs = [
                strata_matmul_job(weights: matrix, y: a, y_stride: 48, bias: nil, accumulate: false),
                strata_matmul_job(weights: matrix, y: b, y_stride: 48, bias: nil, accumulate: true),
              ]
              strata_matmul_many(nil, x, 512, Int64(m), jobs, 2)
            }
          }
          #expect(first == alone, "\(family)")
          let sums = zip(start, alone).map { Double($0) + Double($1) }
          #expect(KernelReference.relativeError(second, sums) < 1e-5, "\(family)")
        }
      }
    }
  }

  @Test("Infinities and NaN in activations or scales never trap")
  func specials() throws {
    var random = TestRandom(state: 5)
    for number in Self.types {
      let type = strata_type(number)
      let bytes = [UInt8](repeating: 0xFF, count: strata_matrix_source_bytes(type, 20, 256))
      let matrix = try #require(strata_matrix_create(type, bytes, 20, 256, nil))
      defer { strata_matrix_destroy(matrix) }
      var x = random.values(9 * 256)
      x[3] = .nan
      x[40] = .infinity
      x[300] = -.greatestFiniteMagnitude
      for m in [1, 9] {
        KernelReference.forEachFamily { _ in
          var y = [Float](repeating: 0, count: m * 20)
          strata_matmul(nil, &y, 20, x, 256, Int64(m), matrix, nil)
          #expect(y.count == m * 20)
        }
      }
    }
  }

  // MARK: Rows

  @Test("Norms, activations and reductions agree with double precision", arguments: [1, 15, 16, 33, 576])
  func rows(_ n: Int) {
    var random = TestRandom(state: UInt64(n))
    let x = random.values(n).map { $0 * 3 }
    let w = random.values(n)
    let b = random.values(n)
    let exact = x.map(Double.init)
    let mean = exact.reduce(0, +) / Double(n)
    let variance = exact.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
    let square = exact.reduce(0) { $0 + $1 * $1 } / Double(n)
    let largest = exact.max() ?? 0
    let weights = exact.map { exp(($0 - largest) * 0.7) }
    let total = weights.reduce(0, +)
    KernelReference.forEachFamily { family in
      var y = [Float](repeating: 0, count: n)
      strata_rms_norm(nil, &y, Int64(n), x, Int64(n), 1, Int64(n), w, 1e-5)
      let rms = zip(exact, w).map { $0 / (square + 1e-5).squareRoot() * Double($1) }
      #expect(KernelReference.relativeError(y, rms) < 1e-5, "\(family)")
      strata_layer_norm(nil, &y, Int64(n), x, Int64(n), 1, Int64(n), w, b, 1e-2)
      let layer = (0..<n).map { (exact[$0] - mean) / (variance + 1e-2).squareRoot() * Double(w[$0]) + Double(b[$0]) }
      #expect(KernelReference.relativeError(y, layer) < 1e-5, "\(family)")
      strata_silu_mul(nil, &y, Int64(n), x, Int64(n), w, Int64(n), 1, Int64(n))
      let silu = zip(exact, w).map { $0 / (1 + exp(-$0)) * Double($1) }
      #expect(KernelReference.relativeError(y, silu) < 1e-5, "\(family)")
      y = x
      strata_gelu(nil, &y, Int64(n))
      for (value, input) in zip(y, exact) {
        #expect(abs(Double(value) - input * 0.5 * (1 + erf(input / 2.0.squareRoot()))) < 2e-6, "\(family)")
      }
      y = x
      strata_softmax(&y, Int64(n), 0.7)
      #expect(KernelReference.relativeError(y, weights.map { $0 / total }) < 1e-5, "\(family)")
      #expect(abs(Double(strata_softmax_sum(x, Int64(n), 0.7).sum) - total) < 1e-5 * total, "\(family)")
      #expect(strata_argmax(x, Int64(n)) == Int64(x.firstIndex(of: x.max() ?? 0) ?? -1), "\(family)")
      let dot = zip(exact, w).reduce(0) { $0 + $1.0 * Double($1.1) }
      let size = zip(exact, w).reduce(0) { $0 + abs($1.0 * Double($1.1)) }
      #expect(abs(Double(strata_dot_f32(x, w, Int64(n))) - dot) < 1e-5 * size, "\(family)")
      let distance = zip(exact, w).reduce(0) { $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1)) }
      #expect(abs(Double(strata_l2_f32(x, w, Int64(n))) - distance) < 1e-5 * max(distance, 1e-3), "\(family)")
    }
  }

  @Test("A NaN is never the largest value")
  func argmaxNaN() {
    KernelReference.forEachFamily { family in
      #expect(strata_argmax([.nan, 1, .nan, 3, 3, -1], 6) == 3, "\(family)")
      #expect(strata_argmax([.nan, .nan], 2) == -1, "\(family)")
      #expect(strata_argmax([-.infinity, -.infinity], 2) == 0, "\(family)")
      #expect(strata_argmax([], 0) == -1, "\(family)")
    }
  }

  @Test("Rotary embedding turns pairs, in both styles, and leaves the rest alone")
  func rope() {
    var random = TestRandom(state: 11)
    let rotary = 40
    let x = random.values(2 * 2 * 64)
    let angles = random.values(4 * rotary / 2)
    let cosines = angles.map { Float(cos(Double($0))) }
    let sines = angles.map { Float(sin(Double($0))) }
    for style in [STRATA_ROPE_INTERLEAVED, STRATA_ROPE_HALVES] {
      var expected = x.map(Double.init)
      for (row, position) in [3, 1].enumerated() {
        for head in 0..<2 {
          let start = row * 128 + head * 64
          for i in 0..<rotary / 2 {
            let a = start + (style == STRATA_ROPE_HALVES ? i : 2 * i)
            let b = start + (style == STRATA_ROPE_HALVES ? i + rotary / 2 : 2 * i + 1)
            let cosine = Double(cosines[position * rotary / 2 + i])
            let sine = Double(sines[position * rotary / 2 + i])
            (expected[a], expected[b]) = (
              Double(x[a]) * cosine - Double(x[b]) * sine, Double(x[a]) * sine + Double(x[b]) * cosine
            )
          }
        }
      }
      KernelReference.forEachFamily { family in
        var y = x
        strata_rope(nil, &y, 128, 2, 2, 64, Int64(rotary), cosines, sines, [3, 1], style)
        #expect(KernelReference.relativeError(y, expected) < 1e-6, "\(family)")
      }
    }
  }
}
