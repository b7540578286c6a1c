// Tests lists of product-quantized vectors against exact search, and their kernels against plain sums in every family
// of instructions. One after another, since families are switched.
import CStrataKernels
import Foundation
import StrataIndex
import Testing

@Suite("Vector lists", .serialized)
struct VectorListsTests {
  private static let dimension = 24
  private static let options = VectorOptions(
    structure: .lists(VectorListOptions(count: 100, partWidth: 2, probes: 12)), searchBreadth: 60)
  private static let vectors = clusters(6000, seed: 5)
  private static let queries = (0..<40).map { Array(vectors[($0 * dimension)..<(($0 + 1) * dimension)]) }

  /// Vectors around 30 centres, of length 1.
  private static func clusters(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededGenerator(state: seed)
    func normal() -> Float { (0..<6).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &random) } }
    let centres = (0..<30).map { _ in (0..<dimension).map { _ in normal() } }
    return (0..<count).flatMap { row in
      let vector = centres[row % 30].map { $0 + 0.7 * normal() }
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return vector.map { $0 / length }
    }
  }

  private static func words(_ count: Int, where isAllowed: (Int) -> Bool) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (count + 63) / 64)
    for row in 0..<count where isAllowed(row) { words[row / 64] |= 1 << UInt64(row % 64) }
    return words
  }

  private static func recall(_ index: VectorIndex, allowed: [UInt64]? = nil) throws -> Double {
    var (found, wanted) = (0, 0)
    for query in queries {
      let exact = Set(try index.search(query, limit: 10, allowed: allowed, isExact: true).map(\.row))
      let rows = try index.search(query, limit: 10, allowed: allowed)
      #expect(rows.count == exact.count)
      if let allowed { #expect(rows.allSatisfy { allowed[$0.row / 64] >> UInt64($0.row % 64) & 1 == 1 }) }
      wanted += exact.count
      found += exact.intersection(rows.map(\.row)).count
    }
    return Double(found) / Double(wanted)
  }

  @Test("nearly all of the ten nearest are found by any metric", arguments: VectorMetric.allCases)
  func metrics(metric: VectorMetric) throws {
    // Of different lengths, so that metrics disagree.
    let values = Self.vectors.enumerated().map { $1 * Float(4 + $0 / Self.dimension % 5) / 4 }
    let index = try VectorIndex(Column(values), dimension: Self.dimension, metric: metric, options: Self.options)
    #expect(try Self.recall(index) >= 0.95)
    #expect(try index.search(Self.queries, limit: 10).allSatisfy { $0.way == .lists })
    #expect(index.bytesPerVector < 40)
    #expect(index.residentBytesPerVector < index.bytesPerVector)
  }

  @Test("ten come back at every selectivity, random and clustered", arguments: [0.5, 0.1, 0.03, 0.01, 0.002])
  func filters(share: Double) throws {
    let index = try VectorIndex(Column(Self.vectors), dimension: Self.dimension, options: Self.options)
    let random = Self.words(6000) { Double(($0 &* 2_654_435_761) % 100_003) < share * 100_003 }
    let clustered = Self.words(6000) { $0 % 30 < max(1, Int(30 * share)) && Double($0 / 30) < max(0.1, share) * 200 }
    for allowed in [random, clustered] { #expect(try Self.recall(index, allowed: allowed) >= 0.95) }
    #expect(try Self.recall(index, allowed: Self.words(6000) { $0 == 77 }) == 1)
  }

  @Test("rows without a vector are in no list")
  func absent() throws {
    let present = Self.words(6000) { $0 % 3 != 1 }
    let index = try VectorIndex(
      Column(Self.vectors), dimension: Self.dimension, present: Column(present), options: Self.options)
    let rows = try index.search(Self.queries, limit: 20).flatMap(\.rows)
    #expect(rows.count == 800)
    #expect(rows.allSatisfy { $0.row % 3 != 1 })
  }

  @Test("threads change nothing, and several queries at once find what each finds alone")
  func deterministic() throws {
    let one = try VectorIndex(Column(Self.vectors), dimension: Self.dimension, options: Self.options, threads: 1)
    let two = try VectorIndex(Column(Self.vectors), dimension: Self.dimension, options: Self.options, threads: 2)
    let together = try two.search(Self.queries, limit: 10).map(\.rows)
    #expect(try Self.queries.map { try one.search($0, limit: 10) } == together)
  }

  @Test("equal, zero and far vectors, and more lists than vectors, are no trouble")
  func odd() throws {
    let many = VectorOptions(structure: .lists(VectorListOptions(count: 500, partWidth: 3)), graphFrom: 2)
    var values = [Float](repeating: 0.5, count: 300 * 5)
    for index in 0..<500 { values[index] = 0 }
    for index in 500..<505 { values[index] = 1e18 }
    for metric in VectorMetric.allCases {
      let index = try VectorIndex(Column(values), dimension: 5, metric: metric, options: many)
      let rows = try index.search([1, 0, 0, 0, 0], limit: 250, breadth: 250, probes: 500)
      #expect(rows.count == 250)
      #expect(rows.allSatisfy { !$0.score.isNaN })
    }
  }

  @Test("every family of instructions finds the same rows with the same scores, those of plain sums")
  func families() throws {
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    var random = SeededGenerator(state: 8)
    // Small whole numbers, so that no order of summing rounds and the tables of 8 bits are exact.
    let (dimension, parts, width, count, rows) = (21, 12, 2, 5, 300)
    let centroids = (0..<(count * dimension)).map { _ in Float(Int.random(in: -3...3, using: &random)) }
    let words = (0..<(parts * width * 16)).map { _ in Float(Int.random(in: -4...4, using: &random)) }
    var table = [Float](repeating: 0, count: Int(strata_centroids_floats(Int64(count), Int64(dimension))))
    strata_centroids_pack(centroids, Int64(count), Int64(dimension), &table)
    let blocks = (rows + 31) / 32 + count
    let starts = (0...count).map { UInt64($0 * blocks / count) }
    let codes = (0..<(blocks * parts * 16)).map { _ in UInt8.random(in: 0...255, using: &random) }
    let ids = (0..<(blocks * 32)).map { $0 < rows ? UInt32($0) : UInt32.max }
    let squares = (0..<(blocks * 32)).map { _ in Float(Int.random(in: 0...99, using: &random)) }
    // Some word gives 255, so that a step of the table is 1.
    let query = (0..<dimension).map { $0 == 0 ? Float(64) : Float(Int.random(in: -2...2, using: &random)) }
    for metric in [STRATA_METRIC_DOT, STRATA_METRIC_L2] {
      let expected = (0..<rows).map { row -> Float in
        let list = starts.lastIndex { $0 <= UInt64(row / 32) }.map { min($0, count - 1) } ?? 0
        var sum: Float = 0
        for at in 0..<dimension {
          let byte = codes[(row / 32 * parts + at / width) * 16 + row % 16]
          let code = Int(row % 32 < 16 ? byte & 15 : byte >> 4)
          sum += query[at] * (centroids[list * dimension + at] + words[at * 16 + code])
        }
        return metric == STRATA_METRIC_L2 ? 2 * sum - squares[row] : sum
      }
      var seen: [UInt32: Float]?
      for isa in [STRATA_ISA_PORTABLE, STRATA_ISA_AVX2, STRATA_ISA_AVX512, STRATA_ISA_NEON] where strata_isa_use(isa) {
        var found = [UInt32](repeating: 0, count: rows)
        var scores = [Float](repeating: 0, count: rows)
        var number: Int64 = 0
        let status = table.withUnsafeBufferPointer { table in
          words.withUnsafeBufferPointer { words in
            starts.withUnsafeBufferPointer { starts in
              codes.withUnsafeBufferPointer { codes in
                ids.withUnsafeBufferPointer { ids in
                  squares.withUnsafeBufferPointer { squares in
                    var lists = strata_lists(
                      dimension: Int32(dimension), parts: Int32(parts), part_width: Int32(width), metric: metric,
                      length: 0, rows: Int64(rows), count: Int64(count), centroids: table.baseAddress,
                      books: words.baseAddress, starts: starts.baseAddress, codes: codes.baseAddress,
                      ids: ids.baseAddress, squares: metric == STRATA_METRIC_L2 ? squares.baseAddress : nil)
                    return strata_lists_search(
                      &lists, query, 1, Int64(count), 0, Int64(rows), nil, &found, &scores, &number, nil)
                  }
                }
              }
            }
          }
        }
        #expect(status == 0 && number == Int64(rows))
        // A step of the table is the widest part's range over 255.
        for (row, score) in zip(found, scores) {
          #expect(abs(score - expected[Int(row)]) <= Float(parts) * 512 / 255 * (metric == STRATA_METRIC_L2 ? 2 : 1))
        }
        let byRow = Dictionary(uniqueKeysWithValues: zip(found, scores))
        if let seen { #expect(byRow == seen) }
        seen = byRow
      }
    }
  }
}
