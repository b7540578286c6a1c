// Owns vectors as a search looks at them: coded, one row after another. Knows nothing about graphs or which rows match.
import CStrataKernels

/// Rows of coded vectors, and how a query becomes comparable with them.
struct CodedVectors: Sendable {
  let code: VectorCode
  let space: VectorSpace
  let count: Int
  /// Bytes of a row; see `strata_code_stride`.
  let stride: Int
  private let bytes: Column<UInt8>
  /// The vectors themselves, for ``VectorCode/float32`` of vectors that need no change; then `bytes` is empty.
  private let floats: Column<Float>
  /// Mean of the vectors, for ``VectorCode/bit``; otherwise empty.
  private let mean: Column<Float>

  private static let rotationSeed: UInt64 = 0x5742_6151

  /// Codes `vectors`, row-major [count, dimension], all finite.
  init(_ vectors: Column<Float>, space: VectorSpace, code: VectorCode, threads: VectorThreads) {
    self.code = code
    self.space = space
    count = space.dimension > 0 ? vectors.count / space.dimension : 0
    stride = Int(strata_code_stride(code.inC, Int32(Self.width(space, code))))
    if code == .float32, space.keepsVectors {
      (floats, bytes, mean) = (vectors, [], [])
      return
    }
    floats = []
    let mean = code == .bit ? Column(Self.mean(vectors, space)) : []
    self.mean = mean
    let (stride, rows) = (stride, count)
    bytes = Column(count: rows * stride) { target in
      guard let start = target.baseAddress else { return }
      strata_memory_prefer_huge(start, target.count)
      var shape = Self.shape(space, code)
      let chunk = 1024
      let width = Self.width(space, code)
      var changed = [Float](repeating: 0, count: min(chunk, rows) * width)
      for first in Swift.stride(from: 0, to: rows, by: chunk) {
        let some = min(chunk, rows - first)
        changed.withUnsafeMutableBufferPointer { changed in
          for row in 0..<some {
            let out = UnsafeMutableBufferPointer(rebasing: changed[(row * width)..<((row + 1) * width)])
            let from = (first + row) * space.dimension
            out.update(repeating: 0)
            space.change(UnsafeBufferPointer(rebasing: vectors.buffer[from..<(from + space.dimension)]), into: out)
            if code == .bit { Self.turn(out, mean, isCentred: true) }
          }
          guard let source = changed.baseAddress else { return }
          strata_code_encode(threads.pool, &shape, source, Int64(some), start + first * stride)
        }
      }
    }
  }

  /// The query as scoring takes it.
  func prepare(_ query: [Float]) -> [Float] {
    var out = [Float](repeating: 0, count: width)
    out.withUnsafeMutableBufferPointer { out in
      query.withUnsafeBufferPointer { space.changeQuery($0, into: out) }
      // Of dot products the mean's part is the same for all rows.
      if code == .bit { Self.turn(out, mean, isCentred: space.metric == .euclidean) }
    }
    return out
  }

  /// The nearest rows among those whose bits are set in `allowed` (all when nil) as the codes see them, best first.
  func scan(_ prepared: [Float], allowed: UnsafePointer<UInt64>?, limit: Int) -> [UInt32] {
    let query = UnsafeMutableRawPointer.allocate(
      byteCount: strata_code_query_bytes(code.inC, Int32(width)), alignment: 64)
    defer { query.deallocate() }
    let limit = min(limit, count)
    var scores = [Float](repeating: 0, count: limit)
    return [UInt32](unsafeUninitializedCapacity: limit) { ids, filled in
      guard limit > 0, let start = ids.baseAddress else { return }
      withRows { rows in
        var rows = rows
        strata_code_query_prepare(&rows, prepared, query)
        filled = Int(strata_code_scan(&rows, query, allowed, Int64(limit), start, &scores))
      }
    }
  }

  /// Calls `body` with the rows as C sees them.
  func withRows<R>(_ body: (strata_code_rows) -> R) -> R {
    withExtendedLifetime(self) {
      var rows = Self.shape(space, code)
      rows.count = Int64(count)
      if let start = bytes.buffer.baseAddress {
        rows.bytes = start
      } else if let start = floats.buffer.baseAddress {
        rows.bytes = UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self)
      }
      return body(rows)
    }
  }

  /// Bytes of one row, and of what all share.
  var byteCount: Int { count * stride + mean.count * 4 }

  // MARK: Shapes

  /// Values of a coded vector.
  var width: Int { Self.width(space, code) }

  private static func width(_ space: VectorSpace, _ code: VectorCode) -> Int {
    code == .bit ? (space.width + 63) / 64 * 64 : space.width
  }

  private static func shape(_ space: VectorSpace, _ code: VectorCode) -> strata_code_rows {
    let width = Int32(Self.width(space, code))
    return strata_code_rows(
      bytes: nil, count: 0, stride: strata_code_stride(code.inC, width), dimension: width,
      code: code.inC, metric: space.metric == .euclidean ? STRATA_METRIC_L2 : STRATA_METRIC_DOT)
  }

  private static func turn(_ vector: UnsafeMutableBufferPointer<Float>, _ mean: Column<Float>, isCentred: Bool) {
    if isCentred { for index in mean.indices { vector[index] -= mean.buffer[index] } }
    guard let start = vector.baseAddress else { return }
    strata_code_rotate(start, Int32(vector.count), rotationSeed)
  }

  private static func mean(_ vectors: Column<Float>, _ space: VectorSpace) -> [Float] {
    let rows = vectors.count / max(1, space.dimension)
    var sums = [Double](repeating: 0, count: space.width)
    var changed = [Float](repeating: 0, count: space.width)
    changed.withUnsafeMutableBufferPointer { changed in
      for row in 0..<rows {
        let from = row * space.dimension
        space.change(UnsafeBufferPointer(rebasing: vectors.buffer[from..<(from + space.dimension)]), into: changed)
        for index in sums.indices { sums[index] += Double(changed[index]) }
      }
    }
    return sums.map { rows > 0 ? Float($0 / Double(rows)) : 0 }
  }
}

// MARK: - Files

extension CodedVectors {
  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).space", [UInt32(code.rawValue), UInt32(space.metric.rawValue), space.lift.bitPattern])
    writer.add("\(prefix).bytes", bytes)
    writer.add("\(prefix).mean", mean)
  }

  /// Codes that ``encode(into:prefix:)`` wrote of these vectors.
  init(_ file: SegmentFile, prefix: String, vectors: Column<Float>, dimension: Int) throws(IndexError) {
    let words = try file.column("\(prefix).space", of: UInt32.self)
    bytes = try file.column("\(prefix).bytes", of: UInt8.self, isVerified: false)
    mean = try file.column("\(prefix).mean", of: Float.self)
    guard dimension > 0, vectors.count.isMultiple(of: dimension), words.count == 3,
      let code = UInt8(exactly: words[0]).flatMap(VectorCode.init(rawValue:)),
      let metric = UInt8(exactly: words[1]).flatMap(VectorMetric.init(rawValue:)),
      Float(bitPattern: words[2]).isFinite
    else { throw .corrupted("\(prefix) describes no codes", path: file.path) }
    self.code = code
    space = VectorSpace(dimension: dimension, metric: metric, lift: max(0, Float(bitPattern: words[2])))
    count = vectors.count / dimension
    stride = Int(strata_code_stride(code.inC, Int32(Self.width(space, code))))
    let areVectors = code == .float32 && space.keepsVectors
    floats = areVectors ? vectors : []
    guard bytes.count == (areVectors ? 0 : count * stride), mean.count == (code == .bit ? space.width : 0) else {
      throw .corrupted("\(prefix) has \(bytes.count) bytes of codes for \(count) vectors", path: file.path)
    }
  }
}

extension VectorCode {
  var inC: strata_code { strata_code(UInt32(rawValue)) }
}
