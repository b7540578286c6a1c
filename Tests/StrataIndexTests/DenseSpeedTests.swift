// Measures vector search and small updates for Benchmarks/scripts/dense.py; proves nothing.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Dense speed", .tags(.slow), .serialized)
struct DenseSpeedTests {
  private static let count = ProcessInfo.processInfo.environment["STRATA_BENCH_VECTORS"].flatMap(Int.init)

  @Test("Vector queries and single updates per second", .enabled(if: count != nil, "no STRATA_BENCH_VECTORS"))
  func speed() throws {
    let count = Self.count ?? 0
    let dimension = 384
    var random = SeededGenerator(state: 1)
    func vector() -> [Float] { (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) } }
    let index = HybridIndex(dimension: dimension)
    let entries = (0..<count).map { number in
      let readers: [Reader] = number % 2 == 0 ? [.everyone] : [.user("odd")]
      return IndexEntry(id: Int64(number), document: "d", body: "", vector: vector(), readers: readers)
    }
    try index.apply(adding: entries)
    let queries = (0..<200).map { _ in vector() }
    let snapshot = index.snapshot()
    let clock = ContinuousClock()
    for (who, principal) in [("reading all", Principal(user: "odd")), ("reading half", .anonymous)] {
      let readable = snapshot.readable(by: principal)
      var found = 0
      let time = try clock.measure {
        for query in queries { found += try snapshot.dense(query, limit: 10, within: readable).count }
      }
      #expect(found == 2000)
      print("strata  \(count) x \(dimension): \(Int(200 / (time / .seconds(1)))) queries/s, \(who)")
    }
    let updates = try clock.measure {
      for number in 0..<1000 {
        try index.apply(
          adding: [
            IndexEntry(
              id: Int64(count + number), document: "e", body: "a few words \(number)", vector: queries[number % 200],
              readers: [.everyone])
          ], removing: [Int64(number)])
      }
    }
    print("strata  \(Int(1000 / (updates / .seconds(1)))) single updates/s")
  }
}
