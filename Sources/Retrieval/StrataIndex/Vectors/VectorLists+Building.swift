// Owns learning lists from vectors and putting vectors into them.
import CStrataKernels

extension VectorLists {
  private static let seed: UInt64 = 0x5354_5241_5441
  /// Rows that centroids are learned from, for each; the most floats of a sample; and rows that books are learned from.
  private static let sampledPerList = 64
  private static let sampledFloats = 1 << 26
  private static let sampledForBooks = 32_768
  private static let rounds: Int32 = 10

  /// Learns centroids and books from rows spread over all, then lists every row whose bit is set in `present`. Depends
  /// on the vectors and options alone, not on threads.
  ///
  /// - Parameter vectors: row-major [rows, dimension], read twice from front to back beside the sample.
  /// - Returns: nil when memory could not be had or there are no rows.
  convenience init?(
    _ vectors: Column<Float>, space: VectorSpace, present: Column<UInt64>, options: VectorListOptions, breadth: Int,
    threads: VectorThreads
  ) {
    let rows = PresentRows(vectors, space, present)
    guard rows.count > 0 else { return nil }
    let partWidth = max(options.partWidth, (space.width + Self.mostParts - 1) / Self.mostParts)
    var shape = Shape(count: options.lists(of: rows.count), dimension: space.width, partWidth: partWidth)
    guard let (centroids, books) = Self.learn(rows, &shape, threads),
      let listed = Self.list(rows, shape, centroids, books, threads)
    else { return nil }
    self.init(
      space: space, rowCount: space.dimension > 0 ? vectors.count / space.dimension : 0, shape: shape,
      probes: options.probes, breadth: breadth, centroids: centroids, books: books, starts: Column(listed.starts),
      codes: Column(listed.codes),
      ids: Column(listed.ids), squares: Column(listed.squares))
  }

  private static func learn(
    _ rows: PresentRows, _ shape: inout Shape, _ threads: VectorThreads
  ) -> (centroids: Column<Float>, books: Column<Float>)? {
    let width = rows.space.width
    let wanted = max(shape.count, min(sampledPerList * shape.count, sampledFloats / width))
    var sample = rows.sample(max(wanted, min(sampledForBooks, rows.count)))
    let count = sample.count / width
    if rows.space.metric != .euclidean {
      let squares = sample.withUnsafeBufferPointer { sample in
        sample.baseAddress.map { Double(strata_dot_f32($0, $0, Int64(sample.count))) } ?? 0
      }
      let length = Float((squares / Double(count)).squareRoot())
      shape.length = length.isFinite ? length : 0
    }
    var means = [Float](repeating: 0, count: shape.count * width)
    guard
      strata_kmeans(threads.pool, sample, Int64(count), Int64(width), Int64(shape.count), rounds, seed, &means) == 0
    else { return nil }
    let centroids = Column<Float>(count: Int(strata_centroids_floats(Int64(shape.count), Int64(width)))) { target in
      guard let start = target.baseAddress else { return }
      strata_centroids_pack(means, Int64(shape.count), Int64(width), start)
    }
    // What remains of rows spread over the sample.
    let some = min(count, sampledForBooks)
    if some < count {
      for index in 0..<some {
        let from = index * count / some
        for column in 0..<width { sample[index * width + column] = sample[from * width + column] }
      }
    }
    var homes = [UInt32](repeating: 0, count: some)
    centroids.withUnsafeBufferPointer { packed in
      guard let packed = packed.baseAddress else { return }
      strata_centroids_nearest(
        threads.pool, sample, Int64(some), Int64(width), packed, Int64(shape.count), &homes)
    }
    for index in 0..<some {
      for column in 0..<width { sample[index * width + column] -= means[Int(homes[index]) * width + column] }
    }
    var lists = inC(rows.space, shape)
    var books = [Float](repeating: 0, count: shape.parts * shape.partWidth * Int(STRATA_PART_CODES))
    guard strata_books_train(threads.pool, &lists, sample, Int64(some), rounds, seed, &books) == 0 else { return nil }
    return (centroids, Column(books))
  }

  private struct Listed {
    var starts: [UInt64]
    var codes: [UInt8]
    var ids: [UInt32]
    var squares: [Float]
  }

  private static func list(
    _ rows: PresentRows, _ shape: Shape, _ centroids: Column<Float>, _ books: Column<Float>, _ threads: VectorThreads
  ) -> Listed? {
    let (width, block) = (Int64(rows.space.width), Int(STRATA_LIST_BLOCK))
    var lists = inC(rows.space, shape)
    lists.centroids = centroids.buffer.baseAddress
    lists.books = books.buffer.baseAddress
    return withExtendedLifetime((centroids, books)) {
      var homes: [UInt32] = []
      homes.reserveCapacity(rows.count)
      rows.forEachBatch { ids, values in
        guard let start = values.baseAddress, let packed = lists.centroids else { return }
        var some = [UInt32](repeating: 0, count: ids.count)
        strata_centroids_nearest(threads.pool, start, Int64(ids.count), width, packed, Int64(shape.count), &some)
        homes += some
      }
      var sizes = [Int](repeating: 0, count: shape.count)
      for home in homes { sizes[Int(home)] += 1 }
      var listed = Listed(starts: [0], codes: [], ids: [], squares: [])
      var blocks = 0
      for size in sizes {
        blocks += (size + block - 1) / block
        listed.starts.append(UInt64(blocks))
      }
      listed.codes = [UInt8](repeating: 0, count: blocks * shape.parts * block / 2)
      listed.ids = [UInt32](repeating: UInt32.max, count: blocks * block)
      if rows.space.metric == .euclidean { listed.squares = [Float](repeating: 0, count: blocks * block) }
      var next = listed.starts.map { $0 * UInt64(block) }
      var first = 0
      var status: Int32 = 0
      rows.forEachBatch { ids, values in
        guard let start = values.baseAddress else { return }
        let some = Array(homes[first..<(first + ids.count)])
        let slots = some.map { home in
          defer { next[Int(home)] += 1 }
          return next[Int(home)]
        }
        first += ids.count
        status |= listed.squares.withUnsafeMutableBufferPointer { squares in
          strata_lists_fill(
            threads.pool, &lists, start, Int64(ids.count), some, slots, ids, &listed.codes, &listed.ids,
            squares.isEmpty ? nil : squares.baseAddress)
        }
      }
      return status == 0 ? listed : nil
    }
  }
}

/// The rows that have a vector, as their space changes them.
private struct PresentRows {
  let space: VectorSpace
  /// Of present rows.
  let count: Int
  private let vectors: Column<Float>
  private let rows: [UInt32]

  init(_ vectors: Column<Float>, _ space: VectorSpace, _ present: Column<UInt64>) {
    self.vectors = vectors
    self.space = space
    var rows: [UInt32] = []
    for (word, bits) in present.enumerated() {
      var rest = bits
      while rest != 0 {
        rows.append(UInt32(word << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    self.rows = rows
    count = rows.count
  }

  /// Changed values of up to `limit` rows, spread evenly.
  func sample(_ limit: Int) -> [Float] {
    let some = min(limit, count)
    var values = [Float](repeating: 0, count: some * space.width)
    values.withUnsafeMutableBufferPointer { target in
      for index in 0..<some { change(rows[index * count / some], into: target, at: index) }
    }
    return values
  }

  /// Calls `body` with rows and their changed values, some thousands at a time, in order.
  func forEachBatch(_ body: (_ rows: [UInt32], _ values: UnsafeMutableBufferPointer<Float>) -> Void) {
    let size = max(64, min(8192, (1 << 22) / max(1, space.width)))
    var values = [Float](repeating: 0, count: min(size, count) * space.width)
    values.withUnsafeMutableBufferPointer { values in
      for first in stride(from: 0, to: count, by: size) {
        let some = Array(rows[first..<min(first + size, count)])
        for (index, row) in some.enumerated() { change(row, into: values, at: index) }
        body(some, values)
      }
    }
  }

  private func change(_ row: UInt32, into target: UnsafeMutableBufferPointer<Float>, at index: Int) {
    let from = Int(row) * space.dimension
    space.change(
      UnsafeBufferPointer(rebasing: vectors.buffer[from..<(from + space.dimension)]),
      into: UnsafeMutableBufferPointer(rebasing: target[(index * space.width)..<((index + 1) * space.width)]))
  }
}
