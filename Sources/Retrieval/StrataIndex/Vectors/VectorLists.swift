// Owns lists of product-quantized vectors: searching them, and their files. Making them is VectorListBuilder's. Knows
// nothing about exact vectors or when lists are worth it.
import CStrataKernels

/// Vectors in lists by their nearest centroids, 4 bits for each part of what remains (IVF-PQ: Jégou et al. 2011).
///
/// A search reads the centroids and a few lists, wherever they are: of a mapped file the rest stays on disk.
final class VectorLists: Sendable {
  let space: VectorSpace
  /// Rows that vectors were taken from, present or not.
  let rowCount: Int
  let shape: Shape
  /// Lists that a search looks into and candidates that it scores exactly, unless it says otherwise.
  let probes: Int?
  let breadth: Int
  let centroids: Column<Float>
  let books: Column<Float>
  let starts: Column<UInt64>
  let codes: Column<UInt8>
  let ids: Column<UInt32>
  /// For ``VectorMetric/euclidean``; else empty.
  let squares: Column<Float>

  struct Shape: Sendable, Hashable {
    /// Lists.
    var count: Int
    /// Parts of a vector, and values of each.
    var parts: Int
    var partWidth: Int
    /// Of the vectors, where all are equally long; else 0.
    var length: Float = 0

    /// As many parts as it takes, rounded up to an even number.
    init(count: Int, dimension: Int, partWidth: Int) {
      self.count = count
      self.partWidth = partWidth
      parts = (dimension + 2 * partWidth - 1) / (2 * partWidth) * 2
    }
  }

  init(
    space: VectorSpace, rowCount: Int, shape: Shape, probes: Int?, breadth: Int, centroids: Column<Float>,
    books: Column<Float>, starts: Column<UInt64>, codes: Column<UInt8>, ids: Column<UInt32>, squares: Column<Float>
  ) {
    self.space = space
    self.rowCount = rowCount
    self.shape = shape
    self.probes = probes
    self.breadth = breadth
    self.centroids = centroids
    self.books = books
    self.starts = starts
    self.codes = codes
    self.ids = ids
    self.squares = squares
  }

  /// What these lists are made by.
  var options: VectorOptions {
    VectorOptions(
      structure: .lists(VectorListOptions(count: shape.count, partWidth: shape.partWidth, probes: probes)),
      searchBreadth: breadth)
  }

  /// Bytes of all, most of which a search does not touch.
  var byteCount: Int {
    4 * (centroids.count + books.count + ids.count + squares.count) + 8 * starts.count + codes.count
  }

  /// Bytes that every search reads.
  var headByteCount: Int { 4 * (centroids.count + books.count) + 8 * starts.count }

  /// Calls `body` with the lists as C sees them.
  func withLists<R>(_ body: (UnsafePointer<strata_lists>) -> R) -> R {
    withExtendedLifetime(self) {
      var lists = Self.inC(space, shape)
      lists.rows = Int64(rowCount)
      lists.centroids = centroids.buffer.baseAddress
      lists.books = books.buffer.baseAddress
      lists.starts = starts.buffer.baseAddress
      lists.codes = codes.buffer.baseAddress
      lists.ids = ids.buffer.baseAddress
      lists.squares = squares.buffer.baseAddress
      return body(&lists)
    }
  }

  static func inC(_ space: VectorSpace, _ shape: Shape) -> strata_lists {
    var lists = strata_lists()
    lists.dimension = Int32(space.width)
    lists.parts = Int32(shape.parts)
    lists.part_width = Int32(shape.partWidth)
    lists.metric = space.metric == .euclidean ? STRATA_METRIC_L2 : STRATA_METRIC_DOT
    lists.length = shape.length
    lists.count = Int64(shape.count)
    return lists
  }

  // MARK: Searching

  /// What a search is to look at.
  struct Reach: Sendable, Hashable {
    /// Lists at least.
    var probes: Int
    /// Allowed rows at least, where not all are.
    var enough: Int
    /// How many of the best are found.
    var limit: Int
  }

  /// The best rows of each query as the codes see them, in no order; none where memory could not be had.
  func search(
    _ queries: [[Float]], reach: Reach, allowed: UnsafePointer<UInt64>?
  ) -> (rows: [ArraySlice<UInt32>], effort: strata_lists_effort) {
    let (width, limit) = (space.width, min(reach.limit, max(1, rowCount)))
    var flat = [Float](repeating: 0, count: queries.count * width)
    flat.withUnsafeMutableBufferPointer { flat in
      for (index, query) in queries.enumerated() {
        let out = UnsafeMutableBufferPointer(rebasing: flat[(index * width)..<((index + 1) * width)])
        query.withUnsafeBufferPointer { space.changeQuery($0, into: out) }
      }
    }
    var scores = [Float](repeating: 0, count: queries.count * limit)
    var counts = [Int64](repeating: 0, count: queries.count)
    var effort = strata_lists_effort()
    let ids = [UInt32](unsafeUninitializedCapacity: queries.count * limit) { ids, filled in
      guard let start = ids.baseAddress else { return }
      start.initialize(repeating: 0, count: queries.count * limit)
      filled = queries.count * limit
      let status = withLists { lists in
        strata_lists_search(
          lists, flat, Int64(queries.count), Int64(reach.probes), Int64(reach.enough), Int64(limit), allowed, start,
          &scores, &counts, &effort)
      }
      if status != 0 { counts = counts.map { _ in 0 } }
    }
    return (queries.indices.map { ids[($0 * limit)..<($0 * limit + Int(counts[$0]))] }, effort)
  }

  // MARK: Files

  func encode(into writer: inout SegmentWriter, prefix: String) {
    encode(into: &writer, prefix: prefix) { writer in
      writer.add("\(prefix).listed", codes)
      writer.add("\(prefix).ids", ids)
      writer.add("\(prefix).squares", squares)
    }
  }

  /// - Parameter addRows: adds the sections of the rows, which this need not have.
  func encode(into writer: inout SegmentWriter, prefix: String, _ addRows: (inout SegmentWriter) -> Void) {
    writer.add(
      "\(prefix).lists",
      [
        UInt64(space.metric.rawValue), UInt64(space.lift.bitPattern), UInt64(rowCount), UInt64(shape.count),
        UInt64(shape.partWidth), UInt64(shape.length.bitPattern), UInt64(probes ?? 0), UInt64(breadth),
      ])
    writer.add("\(prefix).centroids", centroids)
    writer.add("\(prefix).books", books)
    writer.add("\(prefix).starts", starts)
    addRows(&writer)
  }

  static func isIn(_ file: SegmentFile, prefix: String) -> Bool { file.contains("\(prefix).lists") }

  /// Lists that ``encode(into:prefix:)`` wrote. What lies in lists is not looked at, so that opening does not read it:
  /// no number there can lead anywhere, a row that does not exist is passed over.
  init(_ file: SegmentFile, prefix: String, rowCount: Int, dimension: Int) throws(IndexError) {
    let words = try file.column("\(prefix).lists", of: UInt64.self)
    centroids = try file.column("\(prefix).centroids", of: Float.self)
    books = try file.column("\(prefix).books", of: Float.self)
    starts = try file.column("\(prefix).starts", of: UInt64.self)
    codes = try file.column("\(prefix).listed", of: UInt8.self, isVerified: false)
    ids = try file.column("\(prefix).ids", of: UInt32.self, isVerified: false)
    squares = try file.column("\(prefix).squares", of: Float.self, isVerified: false)
    guard words.count == 8, let metric = UInt8(exactly: words[0]).flatMap(VectorMetric.init(rawValue:)),
      let lift = UInt32(exactly: words[1]).map(Float.init(bitPattern:)), lift.isFinite, lift >= 0,
      words[2] == UInt64(rowCount), dimension > 0, dimension <= 1 << 16, rowCount <= Int(Int32.max),
      let count = Int(exactly: words[3]), count > 0, count <= Self.most,
      let partWidth = Int(exactly: words[4]), (1...Self.widest).contains(partWidth),
      let length = UInt32(exactly: words[5]).map(Float.init(bitPattern:)), length.isFinite, length >= 0,
      let probes = Int(exactly: words[6]), let breadth = Int(exactly: words[7])
    else { throw .corrupted("\(prefix) describes no lists", path: file.path) }
    space = VectorSpace(dimension: dimension, metric: metric, lift: lift)
    var shape = Shape(count: count, dimension: space.width, partWidth: partWidth)
    shape.length = length
    self.shape = shape
    self.rowCount = rowCount
    self.probes = probes > 0 ? probes : nil
    self.breadth = breadth
    let rises = starts.count == count + 1 && starts[0] == 0 && zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 }
    let block = Int(STRATA_LIST_BLOCK)
    guard rises, starts[count] <= UInt64(ids.count), ids.count == Int(starts[count]) * block,
      codes.count == Int(starts[count]) * shape.parts * block / 2,
      squares.count == (metric == .euclidean ? ids.count : 0), shape.parts <= Self.mostParts,
      centroids.count == Int(strata_centroids_floats(Int64(count), Int64(space.width))),
      books.count == shape.parts * partWidth * Int(STRATA_PART_CODES), !centroids.contains(where: \.isNaN),
      books.allSatisfy(\.isFinite)
    else { throw .corrupted("\(prefix) has lists of other vectors", path: file.path) }
    readRandomly()
  }

  /// Lists, values of a part, and parts at most.
  static let most = 1 << 20
  static let widest = 64
  static let mostParts = 4096

  /// Keeps the system from reading more of a file than is asked for.
  private func readRandomly() {
    if let start = codes.buffer.baseAddress { strata_memory_read_randomly(start, codes.count) }
    if let start = ids.buffer.baseAddress { strata_memory_read_randomly(start, 4 * ids.count) }
    if let start = squares.buffer.baseAddress { strata_memory_read_randomly(start, 4 * squares.count) }
  }
}
