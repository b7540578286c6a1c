import Foundation
import StrataCore
import StrataIndex
import Testing

/// Vectors in clusters, as real ones are, all of length 1.
private struct Clusters {
  let dimension: Int
  let count: Int
  private(set) var values: [Float]
  /// Which cluster each belongs to.
  private(set) var cluster: [Int]

  init(count: Int, dimension: Int, clusters: Int = 40, seed: UInt64) {
    self.count = count
    self.dimension = dimension
    var state = seed
    func normal() -> Float {
      var sum: Float = 0
      for _ in 0..<6 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        sum += Float(state >> 40) / Float(1 << 24)
      }
      return sum - 3
    }
    let centres = (0..<clusters).map { _ in (0..<dimension).map { _ in normal() } }
    values = []
    cluster = []
    for row in 0..<count {
      let home = row % clusters
      let vector = (0..<dimension).map { centres[home][$0] + 0.6 * normal() }
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      values += vector.map { $0 / length }
      cluster.append(home)
    }
  }

  func vector(_ row: Int) -> [Float] { Array(values[(row * dimension)..<((row + 1) * dimension)]) }

  /// The plainest search there is.
  func nearest(_ query: [Float], _ limit: Int, where isAllowed: (Int) -> Bool) -> [Int] {
    let scored = (0..<count).filter(isAllowed).map { row in
      (row, zip(query, values[(row * dimension)..<((row + 1) * dimension)]).reduce(Float(0)) { $0 + $1.0 * $1.1 })
    }
    return scored.sorted { $0.1 != $1.1 ? $0.1 > $1.1 : $0.0 < $1.0 }.prefix(limit).map(\.0)
  }
}

@Suite("Vector index")
struct VectorIndexTests {
  private static let data = Clusters(count: 12_000, dimension: 48, seed: 3)
  private static let queries = Clusters(count: 40, dimension: 48, seed: 3)

  private func recall(
    _ index: VectorIndex, words: [UInt64]?, isWalk: Bool = false, where isAllowed: (Int) -> Bool
  ) throws -> Double {
    var found = 0
    var wanted = 0
    for row in 0..<Self.queries.count {
      let query = Self.queries.vector(row)
      let truth = Set(Self.data.nearest(query, 10, where: isAllowed))
      let walked = isWalk ? index.look(query, limit: 10, breadth: 200, allowed: words, isWalk: true)?.rows : nil
      let rows = try walked ?? index.search(query, limit: 10, allowed: words)
      #expect(rows.count == truth.count)
      #expect(rows.allSatisfy { isAllowed($0.row) })
      wanted += truth.count
      found += rows.filter { truth.contains($0.row) }.count
    }
    return Double(found) / Double(wanted)
  }

  @Test("every code finds nearly all of the ten nearest", arguments: VectorCode.allCases)
  func codes(code: VectorCode) throws {
    let index = try VectorIndex(
      Column(Self.data.values), dimension: 48, options: VectorOptions(code: code, searchBreadth: 200))
    #expect(try recall(index, words: nil) { _ in true } >= 0.95)
    #expect(try recall(index, words: nil, isWalk: true) { _ in true } >= 0.95)
  }

  @Test("ten come back at every selectivity, random and clustered", arguments: [0.5, 0.1, 0.02, 0.005, 0.001])
  func filters(share: Double) throws {
    let index = try VectorIndex(Column(Self.data.values), dimension: 48)
    // From a tenth on by walking the graph, too.
    let ways = share < 0.1 ? [false] : [false, true]
    let clusters = max(1, Int((40 * share).rounded()))
    let rules: [(Int) -> Bool] = [
      { Double(($0 &* 2_654_435_761) % 100_003) < share * 100_003 },
      { Self.data.cluster[$0] < clusters && ($0 / 40) % 4 < (share < 0.02 ? 1 : 4) },
    ]
    for isAllowed in rules {
      var words = [UInt64](repeating: 0, count: (Self.data.count + 63) / 64)
      for row in 0..<Self.data.count where isAllowed(row) { words[row / 64] |= 1 << UInt64(row % 64) }
      for isWalk in ways { #expect(try recall(index, words: words, isWalk: isWalk, where: isAllowed) >= 0.95) }
    }
  }

  @Test("threads change nothing, and several queries at once find what each finds alone")
  func deterministic() throws {
    let one = try VectorIndex(Column(Self.data.values), dimension: 48, threads: 1)
    let two = try VectorIndex(Column(Self.data.values), dimension: 48, threads: 2)
    let queries = (0..<Self.queries.count).map(Self.queries.vector)
    let together = try two.search(queries, limit: 10).map(\.rows)
    #expect(try queries.map { try one.search($0, limit: 10) } == together)
    for query in queries {
      let walks = [one, two].map { $0.look(query, limit: 10, breadth: 60, allowed: nil, isWalk: true)?.rows }
      #expect(walks[0] == walks[1])
    }
    let walked = try two.search(queries, limit: 10, breadth: 60)
    #expect(walked.allSatisfy { $0.way == .graph })
    #expect(try queries.map { try one.search($0, limit: 10, breadth: 60) } == walked.map(\.rows))
  }

  @Test("dot products and distances rank as the plain formulas do", arguments: [VectorMetric.dot, .euclidean, .cosine])
  func metrics(metric: VectorMetric) throws {
    // Of different lengths, so that the three disagree.
    let scaled = (0..<6000).flatMap { row in Self.data.vector(row).map { $0 * Float(1 + row % 7) / 4 } }
    let index = try VectorIndex(Column(scaled), dimension: 48, metric: metric)
    var found = 0
    for row in 0..<Self.queries.count {
      let query = Self.queries.vector(row)
      let exact = try index.search(query, limit: 10, isExact: true)
      let rows = Set(try index.search(query, limit: 10).map(\.row))
      found += exact.filter { rows.contains($0.row) }.count
    }
    #expect(found >= 380)
  }

  @Test("wrong shapes are refused")
  func refused() throws {
    #expect(throws: IndexError.self) { try VectorIndex(Column([1, 2, 3]), dimension: 2) }
    #expect(throws: IndexError.self) { try VectorIndex(Column([1, .nan]), dimension: 2) }
    let index = try VectorIndex(Column([1, 0, 0, 1]), dimension: 2)
    #expect(throws: IndexError.self) { try index.search([1], limit: 1) }
    #expect(throws: IndexError.self) { try index.search([1, .infinity], limit: 1) }
    #expect(try index.search([0, 1], limit: 5).map(\.row) == [1, 0])
    #expect(try index.search([0, 1], limit: 0).isEmpty)
  }

  @Test(
    "an index on disk links large segments when it merges, finds the same after opening, and forgets what is deleted")
  func inSegments() async throws {
    let folder = NSTemporaryDirectory() + "strata-vectors-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let data = Self.data
    func entries(_ rows: Range<Int>) -> [IndexEntry] {
      rows.map { row in
        IndexEntry(
          id: Int64(row + 1), document: "d\(row % 100)", body: "passage \(row)", vector: data.vector(row),
          readers: [row % 3 == 0 ? .everyone : .group("staff")])
      }
    }
    let staff = Principal(user: "ada", groups: ["staff"])
    func check(_ index: HybridIndex, deleted: Set<Int>) throws {
      let snapshot = index.snapshot()
      for principal in [staff, .anonymous] {
        let readable = snapshot.readable(by: principal)
        var found = 0
        for row in 0..<Self.queries.count {
          let query = Self.queries.vector(row)
          let exact = try snapshot.dense(query, limit: 10, within: readable, isExact: true)
          let hits = try snapshot.dense(query, limit: 10, within: readable)
          #expect(hits.count == 10)
          #expect(hits.allSatisfy { principal == staff || ($0.id - 1) % 3 == 0 })
          #expect(hits.allSatisfy { !deleted.contains(Int($0.id - 1)) })
          let wanted = Set(exact.map(\.id))
          found += hits.filter { wanted.contains($0.id) }.count
        }
        #expect(found >= 380)
      }
    }
    let deleted = Set((0..<data.count).filter { $0 % 5 == 1 })
    do {
      let index = try HybridIndex.open(folder: folder, dimension: 48)
      try index.apply(adding: entries(0..<data.count))
      try index.flush()
      await index.waitForMerges()
      try check(index, deleted: [])
      try index.apply(adding: [], removing: deleted.map { Int64($0 + 1) })
      try check(index, deleted: deleted)
      try index.flush()
    }
    try check(try HybridIndex.open(folder: folder, dimension: 48), deleted: deleted)
  }
}
