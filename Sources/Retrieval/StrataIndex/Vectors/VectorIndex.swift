// Owns searching one immutable set of vectors: by its graph, or by looking at every allowed row, whichever is cheaper
// and sure. Knows nothing about chunks or readers.
import CStrataKernels

/// Vectors with a graph over them, or in lists, once they are many.
///
/// A search is confined to a set of rows. It walks the graph, or looks into lists, when many rows are allowed and looks
/// at every allowed row when they are few; what it finds is scored again by the exact vectors. Whenever `limit` rows
/// are allowed, `limit` come back.
public final class VectorIndex: Sendable {
  public let dimension: Int
  public let metric: VectorMetric
  public let options: VectorOptions
  /// Row-major [count, dimension].
  let vectors: Column<Float>
  /// A bit per row: which have a vector. The others are rows of zeros that no search finds.
  package let present: Column<UInt64>
  let presentCount: Int
  let graph: VectorGraph?
  let lists: VectorLists?
  private let space: VectorSpace

  public var count: Int { vectors.count / dimension }

  /// Bytes of codes and links, or of lists, per vector, beside the exact vectors; 0 where there is neither.
  public var bytesPerVector: Double {
    guard presentCount > 0 else { return 0 }
    let bytes = lists?.byteCount ?? graph.map { $0.byteCount + $0.codes.byteCount } ?? 0
    return Double(bytes) / Double(presentCount)
  }

  /// Bytes per vector that every search reads: all of a graph, of lists the centroids and books only.
  public var residentBytesPerVector: Double {
    guard let lists, presentCount > 0 else { return bytesPerVector }
    return Double(lists.headByteCount) / Double(presentCount)
  }

  /// Builds a graph, or lists, when there are at least ``VectorOptions/graphFrom`` vectors. The result depends on the vectors and
  /// options alone, not on `threads`.
  ///
  /// - Parameters:
  ///   - vectors: row-major [rows, dimension].
  ///   - present: a bit per row; nil: all.
  /// - Throws: ``IndexError`` when lengths do not fit or a value is not finite.
  public init(
    _ vectors: Column<Float>, dimension: Int, metric: VectorMetric = .dot, present: Column<UInt64>? = nil,
    options: VectorOptions = .default, threads: Int = 1
  ) throws(IndexError) {
    let present = present ?? Column([UInt64].filled(vectors.count / max(1, dimension)))
    try Self.check(vectors, dimension, present)
    self.vectors = vectors
    self.dimension = dimension
    self.metric = metric
    self.options = options
    self.present = present
    presentCount = Self.count(present)
    space = VectorSpace(of: vectors, dimension: dimension, metric: metric)
    guard presentCount >= options.graphFrom else {
      (graph, lists) = (nil, nil)
      return
    }
    switch options.structure {
    case .graph:
      graph = Self.graph(vectors, space, present, options, VectorThreads(threads))
      lists = nil
    case .lists(let list):
      graph = nil
      lists = try VectorListBuilder(
        vectors, space: space, present: present, options: list, breadth: options.searchBreadth, scratch: .memory,
        budget: .standard, threads: VectorThreads(threads))?.lists()
    }
  }

  private static func check(
    _ vectors: Column<Float>, _ dimension: Int, _ present: Column<UInt64>
  ) throws(IndexError) {
    guard dimension > 0, dimension <= 1 << 16, vectors.count.isMultiple(of: dimension) else {
      throw .dimension(expected: dimension, found: vectors.count)
    }
    let rows = vectors.count / dimension
    guard present.count == (rows + 63) / 64 else { throw .dimension(expected: rows, found: present.count * 64) }
    guard vectors.allSatisfy(\.isFinite) else { throw .notFinite() }
  }

  // MARK: Files

  /// Writes the graph and its codes, or the lists; the vectors themselves are the caller's to keep.
  package func encode(into writer: inout SegmentWriter, prefix: String) {
    graph?.encode(into: &writer, prefix: prefix)
    lists?.encode(into: &writer, prefix: prefix)
  }

  /// Builds over vectors that may be more than memory holds and writes what ``encode(into:prefix:)`` would. Lists are
  /// made in `scratch`, with a bounded part of them in memory; a graph is built in memory.
  ///
  /// - Parameters:
  ///   - vectors: row-major [rows, dimension], in a mapped file if they are many.
  ///   - present: a bit per row.
  package static func write(
    _ vectors: Column<Float>, dimension: Int, metric: VectorMetric = .dot, present: Column<UInt64>,
    options: VectorOptions, threads: Int = 1, scratch: ScratchPlace, budget: VectorListBudget = .standard,
    into writer: inout SegmentWriter, prefix: String
  ) throws(IndexError) {
    guard count(present) >= options.graphFrom, case .lists(let list) = options.structure else {
      let index = try VectorIndex(
        vectors, dimension: dimension, metric: metric, present: present, options: options, threads: threads)
      return index.encode(into: &writer, prefix: prefix)
    }
    try check(vectors, dimension, present)
    let builder = try VectorListBuilder(
      vectors, space: VectorSpace(of: vectors, dimension: dimension, metric: metric), present: present, options: list,
      breadth: options.searchBreadth, scratch: scratch, budget: budget, threads: VectorThreads(threads))
    builder?.encode(into: &writer, prefix: prefix)
  }

  /// Whether a file has what ``encode(into:prefix:)`` writes.
  static func isIn(_ file: SegmentFile, prefix: String) -> Bool {
    file.contains("\(prefix).shape") || hasLists(file, prefix: prefix)
  }

  /// Whether that is lists, so that the vectors may be more than memory holds.
  static func hasLists(_ file: SegmentFile, prefix: String) -> Bool { VectorLists.isIn(file, prefix: prefix) }

  /// The graph or lists that ``encode(into:prefix:)`` wrote, over the same vectors.
  package init(
    _ file: SegmentFile, prefix: String, vectors: Column<Float>, dimension: Int, present: Column<UInt64>
  ) throws(IndexError) {
    self.vectors = vectors
    self.dimension = dimension
    self.present = present
    presentCount = Self.count(present)
    if Self.hasLists(file, prefix: prefix) {
      let lists = try VectorLists(
        file, prefix: prefix, rowCount: dimension > 0 ? vectors.count / dimension : 0, dimension: dimension)
      space = lists.space
      options = lists.options
      (graph, self.lists) = (nil, lists)
      if let start = vectors.buffer.baseAddress { strata_memory_read_randomly(start, 4 * vectors.count) }
    } else {
      let graph = try VectorGraph(file, prefix: prefix, vectors: vectors, dimension: dimension)
      space = graph.codes.space
      options = VectorOptions(code: graph.codes.code, links: graph.width)
      (self.graph, lists) = (graph, nil)
    }
    metric = space.metric
    try file.check(
      "\(prefix).shape",
      present.count == (count + 63) / 64 && (graph.map { $0.sizes[0] == presentCount } ?? true))
  }

  // MARK: Building

  private static func graph(
    _ vectors: Column<Float>, _ space: VectorSpace, _ present: Column<UInt64>, _ options: VectorOptions,
    _ threads: VectorThreads
  ) -> VectorGraph? {
    // Links are chosen by 8-bit codes whatever searches look at: finer ones cost time and coarser ones quality.
    let builders = CodedVectors(vectors, space: space, code: .int8, threads: threads)
    let codes =
      options.code == .int8 ? builders : CodedVectors(vectors, space: space, code: options.code, threads: threads)
    return VectorGraph(
      codes, linkedBy: builders, included: present, width: options.links, breadth: options.buildBreadth,
      threads: threads)
  }

  private static func count(_ words: Column<UInt64>) -> Int {
    words.withUnsafeBufferPointer { words in
      words.baseAddress.map { Int(strata_bits_count($0, nil, Int64(words.count))) } ?? 0
    }
  }
}

extension [UInt64] {
  /// Words with the first `count` bits set.
  static func filled(_ count: Int) -> [UInt64] {
    var words = [UInt64](repeating: .max, count: (count + 63) / 64)
    if count % 64 != 0 { words[words.count - 1] = 1 << UInt64(count % 64) - 1 }
    return words
  }
}
