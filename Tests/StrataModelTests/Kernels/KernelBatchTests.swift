// Owns that a row's product does not depend on the rows beside it: prompts in chunks, batches and cached prefixes then
// give what one token at a time gives. Float weights are held to the same: no tolerance anywhere.
import CStrataKernels
import Testing

extension KernelFamilyTests {
  @Test("A row's product is the same to the bit however many rows share the call", arguments: types)
  func batch(_ number: UInt32) throws {
    let type = strata_type(number)
    var random = TestRandom(state: UInt64(number) + 41)
    let pool = strata_pool_create(2)
    defer { strata_pool_destroy(pool) }
    let most = 130
    // 56 blocks are summed in pieces of unequal length, and 33 rows leave a panel alone and nearly empty.
    for (rows, columns) in [(16, 256), (33, 1792)] {
      let bytes = KernelReference.weights(type, count: rows * columns, &random)
      let matrix = try #require(strata_matrix_create(type, bytes, Int64(rows), Int64(columns), pool))
      defer { strata_matrix_destroy(matrix) }
      let bias = random.values(rows)
      let start = random.values(most * rows)
      var x = random.values(most * columns)
      for i in 0..<32 {
        x[32 + i] = 0  // a block that counts as zero
        x[7 * columns + i] *= 1e-30
        x[64 + i] *= 1e30
      }
      KernelReference.forEachFamily { family in
        for sums in [false, true] {
          var expected: [Float] = []
          for row in 0..<most {
            let one = x[(row * columns)..<((row + 1) * columns)]
            let below = start[(row * rows)..<((row + 1) * rows)]
            expected += Self.added(pool, matrix, one, below, bias, sums)
          }
          for m in [1, 2, 5, 7, 17, 48, 60, most] {
            let got = Self.added(pool, matrix, x[..<(m * columns)], start[..<(m * rows)], bias, sums)
            let same = zip(got, expected).allSatisfy { $0.bitPattern == $1.bitPattern }
            #expect(
              same && got.count == m * rows,
              "\(family), type \(number), \(rows) × \(columns), \(m) rows of x, added to y: \(sums)")
          }
        }
      }
    }
  }

  /// x · Wᵀ + bias, instead of `start` or added to it.
  static func added(
    _ pool: OpaquePointer?, _ matrix: OpaquePointer, _ x: ArraySlice<Float>, _ start: ArraySlice<Float>,
    _ bias: [Float], _ sums: Bool
  ) -> [Float] {
    var y = Array(start)
    let x = Array(x)
    let m = Int64(y.count / bias.count)
    let columns = strata_matrix_cols(matrix)
    y.withUnsafeMutableBufferPointer { y in
      bias.withUnsafeBufferPointer { bias in
        guard let target = y.baseAddress else { return }
        var job = strata_matmul_job(
          weights: matrix, y: target, y_stride: Int64(bias.count), bias: bias.baseAddress, accumulate: sums)
        strata_matmul_many(pool, x, columns, m, &job, 1)
      }
    }
    return y
  }
}
