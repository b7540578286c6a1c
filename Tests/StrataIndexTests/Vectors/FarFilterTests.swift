// Tests searches with filters whose rows lie far from the query: where links between the allowed need not lead to the
// nearest of them.
import Foundation
import StrataIndex
import Testing

@Suite("Far filters")
struct FarFilterTests {
  private static let (dimension, count, clusters) = (16, 24_000, 120)
  private static let shares = [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001]

  private struct Data {
    let index: VectorIndex
    let queries: [[Float]]
    /// Clusters from the nearest of a query to the farthest.
    let order: [[Int]]
  }

  /// Tight clusters far from each other; queries are near the centres of some.
  private static let data: Data? = {
    var random = SeededGenerator(state: 77)
    func normal() -> Float { (0..<6).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &random) } }
    func unit(_ vector: [Float]) -> [Float] {
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return vector.map { $0 / length }
    }
    let centres = (0..<clusters).map { _ in unit((0..<dimension).map { _ in normal() }) }
    func near(_ cluster: Int) -> [Float] { unit(centres[cluster].map { $0 + 0.06 * normal() }) }
    let values = (0..<count).flatMap { near($0 % clusters) }
    let queries = (0..<24).map { near($0 * 5) }
    let order = queries.map { query in
      (0..<clusters).sorted { dot(query, centres[$0]) > dot(query, centres[$1]) }
    }
    return (try? VectorIndex(Column(values), dimension: dimension, options: VectorOptions(searchBreadth: 40)))
      .map { Data(index: $0, queries: queries, order: order) }
  }()

  private static func dot(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  /// Which rows are allowed, for the query whose clusters are in `order`.
  enum Shape: String, CaseIterable {
    /// The clusters farthest from the query, whole.
    case farthest
    /// All clusters but those around the query, a part of each.
    case elsewhere
    /// A few clusters anywhere, never the query's own.
    case patches
    /// A few rows of the query's cluster, all else from the farthest.
    case lure
  }

  private static func words(_ shape: Shape, _ share: Double, _ order: [Int]) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (count + 63) / 64)
    let wanted = Int(share * Double(count))
    let members = count / clusters
    let chosen: [Int] =
      switch shape {
      case .farthest, .lure: order.reversed()
      case .elsewhere: Array(order.dropFirst(20))
      case .patches: order.dropFirst().sorted { ($0 &* 2_654_435_761) % 1009 < ($1 &* 2_654_435_761) % 1009 }
      }
    let perCluster =
      shape == .elsewhere ? max(1, Int((Double(wanted) / Double(chosen.count)).rounded(.up))) : members
    var left = wanted
    if shape == .lure, wanted > 12 {
      for member in 0..<6 {
        let row = member * clusters + order[0]
        words[row / 64] |= 1 << UInt64(row % 64)
      }
      left -= 6
    }
    for cluster in chosen {
      for member in 0..<min(perCluster, members, left) {
        let row = member * clusters + cluster
        words[row / 64] |= 1 << UInt64(row % 64)
        left -= 1
      }
    }
    return words
  }

  @Test("ten come back, nearly all of them the nearest, however far the allowed lie", arguments: Shape.allCases, shares)
  func far(shape: Shape, share: Double) throws {
    let data = try #require(Self.data)
    var hits = 0
    var (walks, walkHits) = (0, 0)
    for (query, order) in zip(data.queries, data.order) {
      let allowed = Self.words(shape, share, order)
      let exact = Set(try data.index.search(query, limit: 10, allowed: allowed, isExact: true).map(\.row))
      let found = try data.index.search(query, limit: 10, allowed: allowed)
      #expect(exact.count == 10 && found.count == 10)
      #expect(found.allSatisfy { allowed[$0.row / 64] >> UInt64($0.row % 64) & 1 == 1 })
      hits += exact.intersection(found.map(\.row)).count
      // Where the plan would have walked, in a larger collection: a walk that is not ended on the way finds them.
      let walk = try #require(
        data.index.look(query, limit: 10, breadth: 40, allowed: allowed, isWalk: true, isGuarded: true))
      if walk.isComplete, walk.rows.count == 10 {
        walks += 1
        walkHits += exact.intersection(walk.rows.map(\.row)).count
      }
    }
    #expect(Double(hits) >= 0.95 * 240)
    // Of few rows in each of many clusters that are nearly as far as each other, walks find two thirds: such filters are
    // scanned here, and in collections of up to half a million.
    if shape == .elsewhere { return }
    #expect(Double(walkHits) >= 0.9 * Double(10 * walks), "\(walks) walks found \(walkHits)")
  }
}
