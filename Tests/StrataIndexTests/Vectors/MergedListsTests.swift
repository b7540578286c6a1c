// Tests that merging segment files makes lists, in a folder that is opened again and when the process ends on the way.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Merged lists")
struct MergedListsTests {
  private static func options(_ structure: VectorStructure, _ steps: FileSteps = .real) -> HybridIndex.Options {
    var options = DurableModel.options(steps, buffer: 100)
    options.vectors = VectorOptions(structure: structure, links: 8, buildBreadth: 30, searchBreadth: 40, graphFrom: 150)
    return options
  }

  /// May read what anybody may.
  private static let all = Principal(user: "ann", groups: ["eng", "people", "ann"])

  private static let lists = VectorStructure.lists(VectorListOptions(count: 12, partWidth: 1, probes: 12))

  private static func sections(_ folder: IndexFolder) throws -> Set<String> {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(!names.contains { $0.hasSuffix(".tmp") })
    return try names.filter { $0.hasPrefix("segment-") }.reduce(into: []) {
      $0.formUnion(try SegmentFile(path: "\(folder.path)/\($1)").names)
    }
  }

  @Test("lists come with merges, stay when the index is opened again, and give way to graphs")
  func merging() async throws {
    let folder = try IndexFolder()
    var content = RandomContent(seed: 4)
    let entries = (0..<1400).map { content.readable(Int64($0)) }
    let gone = (0..<200).map { Int64($0 * 5) }
    let left = entries.filter { !gone.contains($0.id) && $0.vector != nil }
    let queries = (0..<30).map { _ in content.vector() }
    func found(_ index: HybridIndex) throws -> [[ScoredChunk]] {
      let snapshot = index.snapshot()
      return try queries.map { try snapshot.dense($0, limit: 10, within: snapshot.readable(by: Self.all)) }
    }
    func expectNear(_ index: HybridIndex) throws {
      let snapshot = index.snapshot()
      var hits = 0
      for (query, chunks) in zip(queries, try found(index)) {
        let exact = try snapshot.dense(query, limit: 10, within: snapshot.readable(by: Self.all), isExact: true)
        #expect(chunks.count == 10)
        #expect(chunks.allSatisfy { chunk in left.contains { $0.id == chunk.id } })
        hits += Set(chunks.map(\.id)).intersection(exact.map(\.id)).count
      }
      #expect(hits >= 285)
    }
    do {
      let index = try HybridIndex.open(
        folder: folder.path, dimension: content.dimension, options: Self.options(Self.lists))
      for first in stride(from: 0, to: 1400, by: 70) { try index.apply(adding: Array(entries[first..<(first + 70)])) }
      try index.apply(adding: [], removing: gone)
      try index.flush()
      await index.waitForMerges()
      try index.compact()
      try expectNear(index)
    }
    #expect(try Self.sections(folder).contains("dense.graph.listed"))
    do {
      let index = try HybridIndex.open(
        folder: folder.path, dimension: content.dimension, options: Self.options(Self.lists))
      try expectNear(index)
    }
    let index = try HybridIndex.open(
      folder: folder.path, dimension: content.dimension, options: Self.options(.graph))
    await index.waitForMerges()
    try expectNear(index)
    #expect(try Self.sections(folder).contains("dense.graph.links"))
    #expect(try !Self.sections(folder).contains("dense.graph.listed"))
  }

  @Test("a merge that ends at any step leaves the index as it was")
  func dying() async throws {
    var content = RandomContent(seed: 6)
    let entries = (0..<400).map { content.readable(Int64($0)) }
    let (dimension, query) = (content.dimension, content.vector())
    var (steps, isOver) = (0, false)
    while !isOver {
      let folder = try IndexFolder()
      let expected: [ScoredChunk]
      do {
        let index = try HybridIndex.open(folder: folder.path, dimension: dimension, options: Self.options(.graph))
        try index.apply(adding: entries)
        try index.flush()
        let snapshot = index.snapshot()
        expected = try snapshot.dense(query, limit: 10, within: snapshot.readable(by: Self.all), isExact: true)
      }
      do {
        let (dying, isDead) = DurableIndexTests.dying(after: steps)
        if let index = try? HybridIndex.open(
          folder: folder.path, dimension: dimension, options: Self.options(Self.lists, dying))
        {
          await index.waitForMerges()
          isOver = !isDead()
        }
      }
      let index = try HybridIndex.open(folder: folder.path, dimension: dimension, options: Self.options(Self.lists))
      let snapshot = index.snapshot()
      #expect(try snapshot.dense(query, limit: 10, within: snapshot.readable(by: Self.all), isExact: true) == expected)
      #expect(try !Self.sections(folder).isEmpty)
      steps += steps < 12 ? 1 : 3
    }
    #expect(steps > 10)
  }
}

extension RandomContent {
  fileprivate mutating func readable(_ id: Int64) -> IndexEntry {
    var entry = entry(id)
    entry.readers = [.everyone]
    return entry
  }
}
