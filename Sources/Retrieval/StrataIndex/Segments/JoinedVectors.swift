// Owns the vectors of what several segments keep, one after another, without joining them in memory.
import CStrataKernels

/// Vectors of a merged segment, where they lie in those that it is merged from.
struct JoinedVectors {
  /// Components; 0 where no chunk has a vector.
  let dimension: Int
  /// Rows, with a vector or not.
  let count: Int
  /// A bit per row.
  let hasVector: Column<UInt64>
  private let parts: [(segment: Segment, kept: [UInt64])]

  /// Floats of a batch.
  private static let batchValues = 1 << 20

  init(_ parts: [(segment: Segment, kept: [UInt64])], dimension: Int?) {
    self.parts = parts
    let count = parts.reduce(0) { $0 + $1.kept.reduce(0) { $0 + $1.nonzeroBitCount } }
    self.count = count
    let isEmpty = parts.allSatisfy { $0.segment.vectors.isEmpty }
    self.dimension = isEmpty ? 0 : dimension ?? 0
    hasVector = Column(count: (count + 63) / 64) { words in
      words.initialize(repeating: 0)
      var row = 0
      for part in parts {
        part.kept.forEachBit { position in
          if part.segment.holdsVector(position) { words[row >> 6] |= 1 << UInt64(row & 63) }
          row += 1
        }
      }
    }
  }

  /// Row-major [count, dimension], in memory.
  func column() -> Column<Float> {
    Column(count: count * dimension) { target in
      var filled = 0
      forEachBatch { values in
        _ = UnsafeMutableBufferPointer(rebasing: target[filled..<(filled + values.count)]).initialize(
          fromContentsOf: values)
        filled += values.count
      }
    }
  }

  /// The same as a section of a file.
  func encode(into writer: inout SegmentWriter, name: String) {
    writer.begin(name, of: Float.self)
    forEachBatch { writer.append($0) }
    writer.end()
  }

  private func forEachBatch(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    guard dimension > 0, count > 0 else { return }
    let size = min(count, max(1, Self.batchValues / dimension))
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: size * dimension)
    defer { values.deallocate() }
    values.initialize(repeating: 0)
    var filled = 0
    func give() {
      if filled > 0 { body(UnsafeBufferPointer(rebasing: values[0..<(filled * dimension)])) }
      filled = 0
    }
    for part in parts {
      part.segment.vectors.withUnsafeBufferPointer { source in
        // Searches of lists have the system read single pages of a file; here come all.
        var asked = 0
        part.kept.forEachBit { position in
          let row = UnsafeMutableBufferPointer(rebasing: values[(filled * dimension)..<((filled + 1) * dimension)])
          if part.segment.holdsVector(position) {
            if position >= asked, let start = source.baseAddress {
              asked = min(source.count / dimension, position + size)
              strata_memory_read_ahead(start + position * dimension, 4 * (asked - position) * dimension)
            }
            let from = position * dimension
            _ = row.update(fromContentsOf: source[from..<(from + dimension)])
          } else {
            row.update(repeating: 0)
          }
          filled += 1
          if filled == size { give() }
        }
      }
    }
    give()
  }
}

extension Segment {
  fileprivate func holdsVector(_ position: Int) -> Bool {
    !vectors.isEmpty && hasVector[position >> 6] >> UInt64(position & 63) & 1 == 1
  }
}
