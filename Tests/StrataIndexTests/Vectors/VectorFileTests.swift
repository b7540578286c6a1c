// Tests that graphs and lists come back from segment files as they were, and that hostile ones are refused or harmless.
import Foundation
import StrataIndex
import Testing

// Inside of the lists' suite, which switches families of instructions: floats are not the same bits in each.
extension VectorListsTests {
  @Suite("Vector files")
  struct VectorFileTests {
    private static let dimension = 16
    private static let graph = VectorOptions(links: 8, buildBreadth: 40, graphFrom: 1000)
    private static let lists = VectorOptions(
      structure: .lists(VectorListOptions(count: 40, probes: 10)), searchBreadth: 50, graphFrom: 1000)

    private static let vectors: Column<Float> = {
      var random = SeededGenerator(state: 21)
      return Column((0..<(2000 * dimension)).map { _ in Float.random(in: -1...1, using: &random) })
    }()
    private static let present = Column([UInt64](repeating: .max, count: 31) + [0xffff])
    private static let queries = (0..<20).map { Array(vectors[($0 * dimension)..<(($0 + 1) * dimension)]) }

    private static func path() -> String { NSTemporaryDirectory() + "vectors-\(UUID().uuidString).seg" }

    private static func open(_ path: String) throws -> VectorIndex {
      try VectorIndex(
        SegmentFile(path: path), prefix: "dense", vectors: vectors, dimension: dimension, present: present)
    }

    @Test("what is written finds the same when it is opened", arguments: VectorMetric.allCases)
    func roundTrip(metric: VectorMetric) throws {
      let graphs = VectorCode.allCases.map { VectorOptions(code: $0, links: 8, buildBreadth: 40, graphFrom: 1000) }
      for options in graphs + [Self.lists] {
        let index = try VectorIndex(Self.vectors, dimension: Self.dimension, metric: metric, options: options)
        let path = Self.path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var writer = try SegmentWriter(path: path)
        index.encode(into: &writer, prefix: "dense")
        try writer.finish()
        let opened = try Self.open(path)
        #expect(
          try opened.search(Self.queries, limit: 10, breadth: 30).map(\.rows)
            == index.search(Self.queries, limit: 10, breadth: 30).map(\.rows))
        #expect(opened.options.structure == index.options.structure)
        for query in Self.queries {
          let walks = [index, opened].map { $0.look(query, limit: 10, breadth: 30, allowed: nil, isWalk: true)?.rows }
          #expect(walks[0] == walks[1] && (walks[0] != nil) == (options.structure == .graph))
        }
      }
    }

    @Test(
      "lists made in a file, whatever a builder may hold, are those made in memory", arguments: VectorMetric.allCases)
    func streamed(metric: VectorMetric) throws {
      let some = Column<UInt64>((0..<32).map { $0 == 7 ? 0 : 0xffff_fffb_ffff_ffff & ($0 == 31 ? 0xffff : .max) })
      for (run, piece) in [(1 << 20, 1 << 20), (4000, 3000), (100, 1)] {
        let path = Self.path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var writer = try SegmentWriter(path: path)
        writer.add("vectors", Self.vectors)
        try VectorIndex.write(
          writer.column("vectors", of: Float.self), dimension: Self.dimension, metric: metric, present: some,
          options: Self.lists, scratch: ScratchPlace(folder: NSTemporaryDirectory()),
          budget: VectorListBudget(run: run, piece: piece), into: &writer, prefix: "dense")
        try writer.finish()
        let index = try VectorIndex(
          Self.vectors, dimension: Self.dimension, metric: metric, present: some, options: Self.lists)
        let other = Self.path()
        defer { try? FileManager.default.removeItem(atPath: other) }
        var whole = try SegmentWriter(path: other)
        whole.add("vectors", Self.vectors)
        index.encode(into: &whole, prefix: "dense")
        try whole.finish()
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(contentsOf: URL(fileURLWithPath: other)))
      }
    }

    @Test("a builder that cannot write says so and leaves nothing")
    func failing() throws {
      let path = Self.path()
      #expect(throws: IndexError.self) {
        var writer = try SegmentWriter(path: path)
        try VectorIndex.write(
          Self.vectors, dimension: Self.dimension, present: Self.present, options: Self.lists,
          scratch: ScratchPlace(folder: "/nowhere/at/all"), into: &writer, prefix: "dense")
        try writer.finish()
      }
      #expect(!FileManager.default.fileExists(atPath: path))
      #expect(!FileManager.default.fileExists(atPath: path + ".tmp"))
    }

    private static func written(_ options: VectorOptions, metric: VectorMetric = .dot) throws -> SegmentFile {
      let index = try VectorIndex(vectors, dimension: dimension, metric: metric, options: options)
      let path = path()
      defer { try? FileManager.default.removeItem(atPath: path) }
      var writer = try SegmentWriter(path: path)
      index.encode(into: &writer, prefix: "dense")
      try writer.finish()
      return try SegmentFile(path: path)
    }

    /// A file with the bytes of one section changed, opened.
    private static func rewritten(
      _ file: SegmentFile, _ name: String, _ change: ([UInt8]) -> [UInt8]
    ) throws -> VectorIndex {
      let path = path()
      defer { try? FileManager.default.removeItem(atPath: path) }
      var hostile = try SegmentWriter(path: path)
      for section in file.names {
        func copy<E: BitwiseCopyable & Sendable>(_: E.Type) throws {
          let column = try file.column(section, of: E.self)
          guard section == name else { return hostile.add(section, column) }
          let bytes = change(column.withUnsafeBufferPointer { Array(UnsafeRawBufferPointer($0)) })
          let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: E.self)) }
          hostile.add(section, values)
        }
        switch section.split(separator: ".").last {
        case "bytes", "listed": try copy(UInt8.self)
        case "shape", "lists", "starts": try copy(UInt64.self)
        case "centroids", "books", "squares", "mean": try copy(Float.self)
        default: try copy(UInt32.self)
        }
      }
      try hostile.finish()
      return try open(path)
    }

    @Test("links that lead nowhere are refused", arguments: ["dense.links", "dense.uppers", "dense.upperLinks"])
    func links(section: String) throws {
      let file = try Self.written(Self.graph)
      #expect(throws: IndexError.self) {
        try Self.rewritten(file, section) { bytes in
          var bytes = bytes
          bytes[bytes.count / 8 * 4 + 2] = 0x77
          return bytes
        }
      }
      #expect(throws: IndexError.self) { try Self.rewritten(file, section) { Array($0.dropLast(4)) } }
      #expect(throws: Never.self) { try Self.rewritten(file, section) { $0 } }
    }

    @Test("codes of another kind are refused")
    func codes() throws {
      let file = try Self.written(Self.graph)
      #expect(throws: IndexError.self) { try Self.rewritten(file, "dense.codes.space") { [9] + $0.dropFirst() } }
      #expect(throws: IndexError.self) { try Self.rewritten(file, "dense.codes.space") { [0] + $0.dropFirst() } }
      #expect(throws: IndexError.self) { try Self.rewritten(file, "dense.codes.space") { _ in [] } }
    }

    @Test("lists of another shape are refused", arguments: ["lists", "centroids", "books", "starts", "listed", "ids"])
    func shapes(section: String) throws {
      let file = try Self.written(Self.lists)
      #expect(throws: IndexError.self) { try Self.rewritten(file, "dense." + section) { Array($0.dropLast(8)) } }
      #expect(throws: IndexError.self) { try Self.rewritten(file, "dense." + section) { _ in [] } }
      #expect(throws: Never.self) { try Self.rewritten(file, "dense." + section) { $0 } }
    }

    @Test("lists that begin elsewhere are refused")
    func starts() throws {
      let file = try Self.written(Self.lists)
      for place in [0, 80, 320] {
        #expect(throws: IndexError.self) {
          try Self.rewritten(file, "dense.starts") { bytes in
            var bytes = bytes
            bytes[place + 5] = 1
            return bytes
          }
        }
      }
    }

    @Test("whatever is in lists, ten real rows come back and no score is NaN", arguments: VectorMetric.allCases)
    func noise(metric: VectorMetric) throws {
      let file = try Self.written(Self.lists, metric: metric)
      for section in ["listed", "ids", "squares", "centroids", "books", "lists"] {
        for seed in 0..<6 {
          let index: VectorIndex
          do {
            index = try Self.rewritten(file, "dense." + section) { bytes in
              var random = SeededGenerator(state: UInt64(seed))
              var bytes = bytes
              let places = seed == 0 ? bytes.count : min(bytes.count, 1 << (2 * seed))
              for _ in 0..<places {
                if let place = bytes.indices.randomElement(using: &random) {
                  bytes[place] = seed % 2 == 0 ? .random(in: 0...255, using: &random) : 0xff
                }
              }
              return bytes
            }
          } catch is IndexError {
            continue
          }
          var allowed = [UInt64](repeating: 0x5555_5555_5555_5555, count: 32)
          allowed[31] = 0x5555
          for filter in [nil, allowed] {
            for rows in try index.search(Self.queries, limit: 10, allowed: filter).map(\.rows) {
              #expect(rows.count == 10)
              #expect(Set(rows.map(\.row)).count == 10)
              #expect(rows.allSatisfy { !$0.score.isNaN && $0.row < 2000 && (filter == nil || $0.row % 2 == 0) })
            }
          }
        }
      }
    }
  }
}
