// Owns a graph over coded vectors: its links, and the memory that searches of it need. Knows nothing about exact
// vectors or when a graph is worth it.
import CStrataKernels
import Synchronization

/// A hierarchical navigable small world (Malkov and Yashunin 2018) over rows of ``CodedVectors``.
final class VectorGraph: Sendable {
  let codes: CodedVectors
  /// Links of a row above level 0; twice as many at level 0.
  let width: Int
  /// Rows in each level, from level 0 up.
  let sizes: [Int]
  private let entry: UInt32
  private let links: Column<UInt32>
  private let uppers: Column<UInt32>
  private let upperLinks: Column<UInt32>
  /// Copies of the codes of `uppers`, so that the way down stays in a few cache lines.
  private let upperBytes: Column<UInt8>
  private let scratches = Scratches()

  /// Links the rows whose bits are set in `included`.
  ///
  /// - Returns: nil when memory could not be had.
  init?(
    _ codes: CodedVectors, linkedBy builders: CodedVectors, included: Column<UInt64>, width: Int, breadth: Int,
    threads: VectorThreads
  ) {
    let count = included.withUnsafeBufferPointer { words in
      words.baseAddress.map { Int(strata_bits_count($0, nil, Int64(words.count))) } ?? 0
    }
    self.codes = codes
    self.width = width
    var graph = strata_graph()
    graph.width = Int32(width)
    graph.levels = withUnsafeMutablePointer(to: &graph.sizes) { sizes in
      sizes.withMemoryRebound(to: Int64.self, capacity: Int(STRATA_GRAPH_LEVELS)) {
        strata_graph_shape(Int64(count), Int32(width), $0)
      }
    }
    sizes = Self.sizes(graph)
    let upper = sizes.count > 1 ? sizes[1] : 0
    let above = sizes.dropFirst().reduce(0, +) * width
    var built = false
    var (newUppers, newUpperLinks): (Column<UInt32>, Column<UInt32>) = ([], [])
    let linkCount = codes.count * 2 * width
    let newLinks = Column<UInt32>(count: linkCount) { links in
      guard let links = links.baseAddress else { return }
      strata_memory_prefer_huge(links, linkCount * 4)
      newUppers = Column(count: upper) { uppers in
        newUpperLinks = Column(count: above) { upperLinks in
          _ = Column<UInt8>(count: upper * builders.stride) { upperBytes in
            built = builders.withRows { rows in
              graph.rows = rows
              graph.links = UnsafePointer(links)
              graph.uppers = UnsafePointer(uppers.baseAddress)
              graph.upper_links = UnsafePointer(upperLinks.baseAddress)
              graph.upper_bytes = UnsafePointer(upperBytes.baseAddress)
              return included.withUnsafeBufferPointer {
                strata_graph_build(threads.pool, &graph, $0.baseAddress, Int32(breadth), 0x5374_7261_7461) == 0
              }
            }
          }
        }
      }
    }
    (links, uppers, upperLinks, entry) = (newLinks, newUppers, newUpperLinks, graph.entry)
    upperBytes = Self.upperBytes(codes, uppers)
    guard built else { return nil }
  }

  /// What one search found, best first.
  struct Found: Sendable {
    var rows: [UInt32] = []
    var effort = strata_graph_effort()
  }

  /// Searches for several queries at once, each prepared by ``CodedVectors/prepare(_:)``: faster together than one by
  /// one, with the same results.
  ///
  /// - Parameters:
  ///   - allowed: when given, only rows whose bits are set.
  ///   - budget: rows that a search with `allowed` may look at.
  ///   - least: share of the allowed around a query below which none is made.
  func search(
    _ queries: [[Float]], breadth: Int, allowed: UnsafePointer<UInt64>?, budget: Int, least: Float
  ) -> [Found] {
    let breadth = min(breadth, max(1, sizes[0]))
    var ids = [UInt32](repeating: 0, count: queries.count * breadth)
    var scores = [Float](repeating: 0, count: ids.count)
    var counts = [Int64](repeating: 0, count: queries.count)
    var efforts = [strata_graph_effort](repeating: strata_graph_effort(), count: queries.count)
    guard let scratch = scratches.take(codes.count) else { return queries.map { _ in Found() } }
    defer { scratches.give(scratch) }
    let flat = Array(queries.joined())
    let isDone = withGraph { graph in
      strata_graph_search(
        graph, flat, Int64(queries.count), scratch, Int32(breadth), allowed, Int64(budget), least, &ids, &scores,
        &counts, &efforts)
    }
    guard isDone else { return queries.map { _ in Found() } }
    return counts.enumerated().map { index, count in
      Found(rows: Array(ids[(index * breadth)..<(index * breadth + Int(count))]), effort: efforts[index])
    }
  }

  /// Bytes beside the codes.
  var byteCount: Int { 4 * (links.count + uppers.count + upperLinks.count) + upperBytes.count }

  private func withGraph<R>(_ body: (UnsafePointer<strata_graph>) -> R) -> R {
    withExtendedLifetime(self) {
      codes.withRows { rows in
        var graph = strata_graph()
        graph.rows = rows
        graph.width = Int32(width)
        graph.levels = Int32(sizes.count)
        graph.entry = entry
        withUnsafeMutableBytes(of: &graph.sizes) { bytes in
          for (level, size) in sizes.enumerated() {
            bytes.storeBytes(of: Int64(size), toByteOffset: 8 * level, as: Int64.self)
          }
        }
        graph.links = links.buffer.baseAddress
        graph.uppers = uppers.buffer.baseAddress
        graph.upper_links = upperLinks.buffer.baseAddress
        graph.upper_bytes = upperBytes.buffer.baseAddress
        return body(&graph)
      }
    }
  }

  private static func sizes(_ graph: strata_graph) -> [Int] {
    withUnsafeBytes(of: graph.sizes) { bytes in
      (0..<Int(graph.levels)).map { Int(bytes.load(fromByteOffset: 8 * $0, as: Int64.self)) }
    }
  }

  private static func upperBytes(_ codes: CodedVectors, _ uppers: Column<UInt32>) -> Column<UInt8> {
    codes.withRows { rows in
      Column(count: uppers.count * codes.stride) { target in
        for (place, row) in uppers.enumerated() {
          let source = UnsafeBufferPointer(start: rows.bytes.map { $0 + Int(row) * codes.stride }, count: codes.stride)
          let slice = UnsafeMutableBufferPointer(
            rebasing: target[(place * codes.stride)..<((place + 1) * codes.stride)])
          _ = slice.initialize(fromContentsOf: source)
        }
      }
    }
  }

  // MARK: Files

  func encode(into writer: inout SegmentWriter, prefix: String) {
    codes.encode(into: &writer, prefix: "\(prefix).codes")
    writer.add("\(prefix).shape", [UInt64(width), UInt64(entry)] + sizes.map(UInt64.init))
    writer.add("\(prefix).links", links)
    writer.add("\(prefix).uppers", uppers)
    writer.add("\(prefix).upperLinks", upperLinks)
  }

  /// A graph that ``encode(into:prefix:)`` wrote, over these vectors.
  ///
  /// - Throws: also when a link leads nowhere.
  init(_ file: SegmentFile, prefix: String, vectors: Column<Float>, dimension: Int) throws(IndexError) {
    codes = try CodedVectors(file, prefix: "\(prefix).codes", vectors: vectors, dimension: dimension)
    let shape = try file.column("\(prefix).shape", of: UInt64.self)
    links = try file.column("\(prefix).links", of: UInt32.self)
    uppers = try file.column("\(prefix).uppers", of: UInt32.self)
    upperLinks = try file.column("\(prefix).upperLinks", of: UInt32.self)
    let most = UInt64(codes.count)
    guard shape.count >= 3, shape.count <= 2 + Int(STRATA_GRAPH_LEVELS),
      (1...UInt64(STRATA_GRAPH_LINKS)).contains(shape[0]),
      shape.dropFirst(2).allSatisfy({ $0 <= most }), shape[1] <= UInt64(UInt32.max)
    else { throw .corrupted("\(prefix) has no shape", path: file.path) }
    width = Int(shape[0])
    entry = UInt32(shape[1])
    sizes = shape.dropFirst(2).map(Int.init)
    let isNested = zip(sizes, sizes.dropFirst()).allSatisfy { $0 >= $1 && $1 > 0 }
    guard isNested, links.count == codes.count * 2 * width, uppers.count == (sizes.count > 1 ? sizes[1] : 0),
      upperLinks.count == sizes.dropFirst().reduce(0, +) * width, uppers.allSatisfy({ UInt64($0) < most })
    else { throw .corrupted("\(prefix) has links for other vectors", path: file.path) }
    upperBytes = Self.upperBytes(codes, uppers)
    guard withGraph({ strata_graph_is_sound($0) }) else {
      throw .corrupted("a link of \(prefix) leads nowhere", path: file.path)
    }
  }
}

/// Memory that searches use one at a time, kept for the next.
private final class Scratches: Sendable {
  private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }  // owned by whoever took it
  private let free = Mutex<[Handle]>([])

  func take(_ rows: Int) -> OpaquePointer? {
    free.withLock { $0.popLast() }?.pointer ?? strata_graph_scratch_create(Int64(rows))
  }

  func give(_ scratch: OpaquePointer) {
    let handle = Handle(pointer: scratch)
    free.withLock { $0.append(handle) }
  }

  deinit { for handle in free.withLock({ $0 }) { strata_graph_scratch_destroy(handle.pointer) } }
}
