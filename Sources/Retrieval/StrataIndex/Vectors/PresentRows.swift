// Owns reading the rows that have a vector, from front to back. Holds a batch of them, wherever the others are.

/// The rows that have a vector, as their space changes them.
struct PresentRows {
  let space: VectorSpace
  /// Of present rows.
  let count: Int
  private let vectors: Column<Float>
  private let present: Column<UInt64>

  /// Values of a batch at most.
  private static let batchValues = 1 << 21
  private static let batchRows = 8192

  /// - Parameter vectors: row-major [rows, dimension].
  init(_ vectors: Column<Float>, _ space: VectorSpace, _ present: Column<UInt64>) {
    self.vectors = vectors
    self.space = space
    self.present = present
    count = present.reduce(0) { $0 + $1.nonzeroBitCount }
  }

  /// Calls `body` with rows and their changed values, some thousands at a time, in order.
  func forEachBatch(
    _ body: (_ rows: [UInt32], _ values: UnsafeMutableBufferPointer<Float>) throws(IndexError) -> Void
  ) throws(IndexError) {
    try forEachBatch(of: count, body)
  }

  /// The same for `limit` rows, spread evenly.
  ///
  /// - Precondition: no more than there are.
  func forEachBatch(
    of limit: Int, _ body: (_ rows: [UInt32], _ values: UnsafeMutableBufferPointer<Float>) throws(IndexError) -> Void
  ) throws(IndexError) {
    let size = min(limit, max(64, min(Self.batchRows, Self.batchValues / max(1, space.width))))
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: size * space.width)
    defer { values.deallocate() }
    values.initialize(repeating: 0)
    var rows: [UInt32] = []
    rows.reserveCapacity(size)
    // How many have been chosen, and how many were there before the word at hand.
    var (chosen, seen) = (0, 0)
    for (word, bits) in present.enumerated() {
      let inWord = bits.nonzeroBitCount
      var (rest, rank) = (bits, seen)
      seen += inWord
      while chosen < limit {
        let wanted = chosen * count / limit
        guard wanted < seen else { break }
        while rank < wanted {
          rest &= rest - 1
          rank += 1
        }
        let row = word << 6 + rest.trailingZeroBitCount
        change(row, into: values, at: rows.count)
        rows.append(UInt32(row))
        chosen += 1
        if rows.count == size || chosen == limit {
          try body(rows, UnsafeMutableBufferPointer(rebasing: values[0..<(rows.count * space.width)]))
          rows.removeAll(keepingCapacity: true)
        }
      }
    }
  }

  private func change(_ row: Int, into target: UnsafeMutableBufferPointer<Float>, at index: Int) {
    let from = row * space.dimension
    space.change(
      UnsafeBufferPointer(rebasing: vectors.buffer[from..<(from + space.dimension)]),
      into: UnsafeMutableBufferPointer(rebasing: target[(index * space.width)..<((index + 1) * space.width)]))
  }
}
