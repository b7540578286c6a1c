// Owns learning the centroids and books of lists from rows spread over all. The rows are copied to scratch, so that they
// are read from where they lie only once.
import CStrataKernels

/// What lists are made by.
struct LearnedLists {
  var shape: VectorLists.Shape
  /// Packed for the kernels.
  var centroids: Column<Float>
  var books: Column<Float>

  private static let seed: UInt64 = 0x5354_5241_5441
  /// Rows that centroids are learned from, for each; the most floats and rows of a sample; and rows that books are
  /// learned from.
  private static let sampledPerList = 64
  private static let sampledFloats = 1 << 26
  private static let sampledRows = 1 << 22
  private static let sampledForBooks = 32_768
  private static let rounds: Int32 = 10

  /// Depends on the vectors and options alone, not on threads.
  ///
  /// - Returns: nil when memory could not be had. There has to be a row.
  init?(
    _ rows: PresentRows, options: VectorListOptions, scratch: ScratchPlace, threads: VectorThreads
  ) throws(IndexError) {
    let width = rows.space.width
    let partWidth = max(options.partWidth, (width + VectorLists.mostParts - 1) / VectorLists.mostParts)
    shape = VectorLists.Shape(count: options.lists(of: rows.count), dimension: width, partWidth: partWidth)
    let wanted = max(shape.count, min(Self.sampledPerList * shape.count, Self.sampledFloats / width, Self.sampledRows))
    let count = min(rows.count, max(wanted, Self.sampledForBooks))
    let sample = try Self.sample(rows, count, scratch)
    guard let start = sample.buffer.baseAddress else { return nil }
    if rows.space.metric != .euclidean {
      let length = Float((Double(strata_dot_f32(start, start, Int64(sample.count))) / Double(count)).squareRoot())
      shape.length = length.isFinite ? length : 0
    }
    let shape = shape
    var means = [Float](repeating: 0, count: shape.count * width)
    guard
      strata_kmeans(
        threads.pool, start, Int64(count), Int64(width), Int64(shape.count), Self.rounds, Self.seed, &means) == 0
    else { return nil }
    centroids = Column<Float>(count: Int(strata_centroids_floats(Int64(shape.count), Int64(width)))) { target in
      guard let packed = target.baseAddress else { return }
      strata_centroids_pack(means, Int64(shape.count), Int64(width), packed)
    }
    let some = min(count, Self.sampledForBooks)
    let rest = try Self.differences(sample, some, width, centroids, means, scratch, threads)
    var lists = VectorLists.inC(rows.space, shape)
    var books = [Float](repeating: 0, count: shape.parts * shape.partWidth * Int(STRATA_PART_CODES))
    guard let rest = rest.buffer.baseAddress.map({ (rest, $0) }),
      strata_books_train(threads.pool, &lists, rest.1, Int64(some), Self.rounds, Self.seed, &books) == 0
    else { return nil }
    self.books = Column(books)
    withExtendedLifetime((sample, rest.0)) {}
  }

  private static func sample(
    _ rows: PresentRows, _ count: Int, _ scratch: ScratchPlace
  ) throws(IndexError) -> Column<Float> {
    let writer = try ScratchWriter<Float>(count * rows.space.width, in: scratch)
    try rows.forEachBatch(of: count) { (_, values) throws(IndexError) in
      try writer.append(UnsafeBufferPointer(values))
    }
    return try writer.finish()
  }

  /// What remains of `some` rows, spread over the sample, when their nearest centroids are taken off.
  private static func differences(
    _ sample: Column<Float>, _ some: Int, _ width: Int, _ centroids: Column<Float>, _ means: [Float],
    _ scratch: ScratchPlace, _ threads: VectorThreads
  ) throws(IndexError) -> Column<Float> {
    let count = sample.count / width
    let writer = try ScratchWriter<Float>(some * width, in: scratch)
    let batch = max(1, min(some, 1 << 20 / width))
    var values = [Float](repeating: 0, count: batch * width)
    var homes = [UInt32](repeating: 0, count: batch)
    for first in stride(from: 0, to: some, by: batch) {
      let size = min(batch, some - first)
      for index in 0..<size {
        let from = (first + index) * count / some * width
        for column in 0..<width { values[index * width + column] = sample.buffer[from + column] }
      }
      if let packed = centroids.buffer.baseAddress {
        strata_centroids_nearest(
          threads.pool, values, Int64(size), Int64(width), packed, Int64(means.count / width), &homes)
      }
      for index in 0..<size {
        for column in 0..<width { values[index * width + column] -= means[Int(homes[index]) * width + column] }
      }
      let result = values.withUnsafeBufferPointer { values in
        Result { () throws(IndexError) in
          try writer.append(UnsafeBufferPointer(rebasing: values[0..<(size * width)]))
        }
      }
      try result.get()
    }
    return try writer.finish()
  }
}
