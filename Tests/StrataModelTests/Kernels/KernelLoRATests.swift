import CStrataKernels
import Testing

@Suite("Low-rank updates", .serialized)
struct KernelLoRATests {
  struct Shape {
    var rank: Int
    var inputs: Int
    var outputs: Int
    var rows: [Int32]
  }

  static let shapes = [
    Shape(rank: 1, inputs: 16, outputs: 16, rows: [0]),
    Shape(rank: 8, inputs: 64, outputs: 192, rows: [0, 1, 2, 3, 4]),
    Shape(rank: 16, inputs: 96, outputs: 64, rows: [5, 2, 9]),
    Shape(rank: 7, inputs: 45, outputs: 70, rows: [1, 3, 4, 6, 7, 8, 9]),
    Shape(rank: 65, inputs: 33, outputs: 130, rows: Array(0..<40)),
    Shape(rank: 1024, inputs: 8, outputs: 5, rows: [0, 2]),
  ]

  @Test("an update equals the reference in every family, and leaves other rows alone", arguments: shapes)
  func reference(shape: Shape) throws {
    var random = TestRandom(state: 5)
    let a = random.values(shape.rank * shape.inputs)
    let b = random.values(shape.outputs * shape.rank).map { $0 * 1e-4 }
    let count = 41
    let x = random.values(count * shape.inputs)
    let before = random.values(count * shape.outputs)
    var expected = before.map(Double.init)
    for row in shape.rows.map(Int.init) {
      for output in 0..<shape.outputs {
        var sum = 0.0
        for rank in 0..<shape.rank {
          var low = 0.0
          for input in 0..<shape.inputs {
            low += Double(a[rank * shape.inputs + input]) * Double(x[row * shape.inputs + input])
          }
          sum += low * Double(b[output * shape.rank + rank])
        }
        expected[row * shape.outputs + output] += 300 * sum
      }
    }
    let pair = try #require(
      strata_lora_create(a, b, Int64(shape.rank), Int64(shape.inputs), Int64(shape.outputs), 300))
    defer { strata_lora_destroy(pair) }
    let pool = strata_pool_create(3)
    defer { strata_pool_destroy(pool) }
    KernelReference.forEachFamily { family in
      var y = before
      Self.add(pool, [(pair, shape.rows)], x, shape.inputs, &y, shape.outputs)
      #expect(KernelReference.relativeError(y, expected) < 2e-3, "\(family)")
      for row in 0..<count where !shape.rows.contains(Int32(row)) {
        let range = row * shape.outputs..<(row + 1) * shape.outputs
        #expect(Array(y[range]) == Array(before[range]), "\(family) row \(row)")
      }
    }
  }

  @Test("a row's result is the same to the bit alone and among other rows and pairs")
  func independence() throws {
    var random = TestRandom(state: 6)
    let (inputs, outputs, count) = (80, 100, 23)
    let pairs = try [3, 8, 16].map { rank in
      try #require(
        strata_lora_create(
          random.values(rank * inputs), random.values(outputs * rank), Int64(rank), Int64(inputs), Int64(outputs), 0.5))
    }
    defer { for pair in pairs { strata_lora_destroy(pair) } }
    let x = random.values(count * inputs)
    let before = random.values(count * outputs)
    let groups = (0..<3).map { group in (0..<Int32(count)).filter { Int($0) % 4 == group } }
    let pool = strata_pool_create(2)
    defer { strata_pool_destroy(pool) }
    KernelReference.forEachFamily { family in
      var together = before
      Self.add(pool, Array(zip(pairs, groups)), x, inputs, &together, outputs)
      var alone = before
      for (pair, rows) in zip(pairs, groups) {
        for row in rows { Self.add(nil, [(pair, [row])], x, inputs, &alone, outputs) }
      }
      #expect(together == alone, "\(family)")
    }
  }

  @Test("values far apart in size keep their precision")
  func range() throws {
    for size: Float in [1e-30, 1e-6, 1, 1e6, 1e30] {
      let a: [Float] = [size, -size / 3, size / 700, 0]
      let b: [Float] = [1 / size]
      let pair = try #require(strata_lora_create(a, b, 1, 4, 1, 2))
      defer { strata_lora_destroy(pair) }
      var y: [Float] = [0]
      Self.add(nil, [(pair, [0])], [0, 3, 700, 5], 4, &y, 1)
      #expect(abs(y[0]) < 2e-3, "\(size): \(y[0])")
      y = [0]
      Self.add(nil, [(pair, [0])], [1, 0, 700, 5], 4, &y, 1)
      #expect(abs(y[0] - 4) < 4e-3, "\(size): \(y[0])")
    }
  }

  @Test("shapes that cannot be are refused")
  func refusals() {
    #expect(strata_lora_create([1], [1], 0, 1, 1, 1) == nil)
    #expect(strata_lora_create([1], [1], 1025, 1, 1, 1) == nil)
    #expect(strata_lora_create([1], [1], 1, -1, 1, 1) == nil)
    #expect(strata_lora_create([1], [1], 1, 1, 1 << 25, 1) == nil)
  }

  private static func add(
    _ pool: OpaquePointer?, _ groups: [(OpaquePointer, [Int32])], _ x: [Float], _ inputs: Int, _ y: inout [Float],
    _ outputs: Int
  ) {
    let rows = groups.flatMap(\.1)
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        rows.withUnsafeBufferPointer { rows in
          guard let x = x.baseAddress, let y = y.baseAddress, let first = rows.baseAddress else { return }
          var start = 0
          var jobs: [strata_lora_job] = []
          for (pair, own) in groups {
            jobs.append(
              strata_lora_job(
                pair: pair, x: x, x_stride: Int64(inputs), y: y, y_stride: Int64(outputs), rows: first + start,
                row_count: Int64(own.count)))
            start += own.count
          }
          strata_lora_add(pool, jobs, Int64(jobs.count))
        }
      }
    }
  }
}
