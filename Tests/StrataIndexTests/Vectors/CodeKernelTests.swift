// Tests the kernels of coded vectors, in every family of instructions that the machine has, against plain Swift.
import CStrataKernels
import StrataIndex
import Testing

/// Rows as their code keeps them, and a query as it is prepared, computed without a kernel.
private struct PlainCodes {
  let code: strata_code
  let metric: strata_metric
  let dimension: Int
  let stride: Int
  private(set) var bytes: [UInt8] = []
  /// Values that integer rows are scaled from, with their scale and addend; floats as they are kept.
  private(set) var rows: [(values: [Float], scale: Float, addend: Float)] = []

  init(_ vectors: [[Float]], _ code: strata_code, _ metric: strata_metric) {
    self.code = code
    self.metric = metric
    dimension = vectors[0].count
    stride = Int(strata_code_stride(code, Int32(dimension)))
    for vector in vectors { add(vector) }
  }

  private mutating func add(_ vector: [Float]) {
    let isDistance = metric == STRATA_METRIC_L2
    var row = [UInt8](repeating: 0, count: stride)
    func put<T>(_ value: T, at place: Int) {
      withUnsafeBytes(of: value) { for (index, byte) in $0.enumerated() { row[place + index] = byte } }
    }
    switch code {
    case STRATA_CODE_F32:
      for (index, value) in vector.enumerated() { put(value, at: 4 * index) }
      rows.append((vector, 1, 0))
    case STRATA_CODE_F16:
      for (index, value) in vector.enumerated() { put(Float16(value).bitPattern, at: 2 * index) }
      rows.append((vector.map { Float(Float16($0)) }, 1, 0))
    case STRATA_CODE_I8:
      var (values, scale) = Self.rounded(vector)
      for (index, value) in values.enumerated() { row[index] = UInt8(Int(value) + 128) }
      let addend = isDistance ? -values.reduce(0) { $0 + $1 * $1 } * scale * scale : 0
      if isDistance { scale *= 2 }
      put(scale, at: stride - 8)
      put(addend, at: stride - 4)
      rows.append((values, scale, addend))
    default:
      for (index, value) in vector.enumerated() where value > 0 { row[index / 8] |= 1 << UInt8(index % 8) }
      let squares = vector.reduce(Float(0)) { $0 + $1 * $1 }
      let magnitude = vector.reduce(Float(0)) { $0 + abs($1) }
      let scale = (magnitude > 0 ? squares / magnitude : 0) * (isDistance ? 2 : 1)
      put(scale, at: stride - 8)
      put(isDistance ? -squares : Float(0), at: stride - 4)
      rows.append((vector.map { $0 > 0 ? 1 : -1 }, scale, isDistance ? -squares : 0))
    }
    bytes += row
  }

  /// Whole numbers up to 127 and their scale.
  private static func rounded(_ vector: [Float]) -> (values: [Float], scale: Float) {
    let scale = (vector.map { abs($0) }.max() ?? 0) / 127
    guard scale > 0 else { return (vector.map { _ in 0 }, 0) }
    return (vector.map { max(-127, min(127, ($0 / scale).rounded(.toNearestOrEven))) }, scale)
  }

  /// The score of a row and how far a kernel may be off: not at all for whole numbers; for floats as much as sums in
  /// sixteen lanes round, each term, a difference and a product, twice more.
  func score(_ query: [Float], _ row: Int) -> (value: Float, tolerance: Double) {
    let (values, scale, addend) = rows[row]
    guard code == STRATA_CODE_F32 || code == STRATA_CODE_F16 else {
      let (whole, factor) = Self.rounded(query)
      let sum = zip(whole, values).reduce(0) { $0 + Int($1.0) * Int($1.1) }
      return (Float(sum) * (scale * factor) + addend, 0)
    }
    let isDistance = metric == STRATA_METRIC_L2
    let terms = zip(query, values).map { query, value in
      let (query, value) = (Double(query), Double(value))
      return isDistance ? -(query - value) * (query - value) : query * value
    }
    let steps = Double(dimension / 16 + 10)
    return (Float(terms.reduce(0, +)), steps * 0x1p-24 * terms.reduce(0) { $0 + abs($1) } + 1e-30)
  }
}

// Inside of the suite that switches families of instructions, one test after another.
extension VectorListsTests {
  @Suite("Kernels of coded vectors")
  struct CodeKernelTests {
    private static let codes = [STRATA_CODE_F32, STRATA_CODE_F16, STRATA_CODE_I8, STRATA_CODE_BIT]

    private static func vector(_ dimension: Int, _ random: inout SeededGenerator) -> [Float] {
      // Sixty-fourths, so that the sums of squares of a coded row are exact in any order.
      (0..<dimension).map { _ in Float(Int.random(in: -256...256, using: &random)) / 64 }
    }

    @Test("every family scores and scans coded rows as plain sums do", arguments: [1, 7, 16, 31, 33, 50, 64, 130, 320])
    func kernels(dimension: Int) throws {
      let before = strata_isa_current()
      defer { _ = strata_isa_use(before) }
      var random = SeededGenerator(state: UInt64(dimension))
      for code in Self.codes where code != STRATA_CODE_BIT || dimension % 64 == 0 {
        for metric in [STRATA_METRIC_DOT, STRATA_METRIC_L2] {
          var vectors = (0..<70).map { _ in Self.vector(dimension, &random) }
          vectors[3] = vectors[3].map { _ in 0 }
          let plain = PlainCodes(vectors, code, metric)
          let query = Self.vector(dimension, &random)
          let allowed = (0..<2).map { _ in random.next() }
          let ids = (0..<53).map { _ in UInt32.random(in: 0..<70, using: &random) }
          var seen: [Float]?
          for isa in [STRATA_ISA_PORTABLE, STRATA_ISA_AVX2, STRATA_ISA_AVX512, STRATA_ISA_AMX, STRATA_ISA_NEON]
          where strata_isa_use(isa) {
            let found = Self.run(plain, vectors, query, ids, allowed)
            #expect(found.bytes == plain.bytes)
            for (id, score) in zip(ids, found.scores) {
              let expected = plain.score(query, Int(id))
              #expect(abs(Double(score) - Double(expected.value)) <= expected.tolerance, "\(isa) row \(id)")
            }
            if code == STRATA_CODE_I8 || code == STRATA_CODE_BIT {
              if let seen { #expect(found.scores == seen) }
              seen = found.scores
            }
            // The scan is those scores in order.
            let rows = (0..<70).filter { allowed[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }
            let scores = Self.run(plain, vectors, query, (0..<70).map(UInt32.init), allowed).scores
            let best = rows.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(9)
            #expect(found.scanned == best.map(UInt32.init))
          }
        }
      }
    }

    /// What the family in use makes of it: coded rows, scores of `ids`, and the best nine of the allowed.
    private static func run(
      _ plain: PlainCodes, _ vectors: [[Float]], _ query: [Float], _ ids: [UInt32], _ allowed: [UInt64]
    ) -> (bytes: [UInt8], scores: [Float], scanned: [UInt32]) {
      var shape = strata_code_rows(
        bytes: nil, count: Int64(vectors.count), stride: Int32(plain.stride), dimension: Int32(plain.dimension),
        code: plain.code, metric: plain.metric)
      // At cache lines, as everywhere, with nothing behind.
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: vectors.count * plain.stride, alignment: 64)
      let prepared = UnsafeMutableRawPointer.allocate(
        byteCount: strata_code_query_bytes(plain.code, Int32(plain.dimension)), alignment: 64)
      defer {
        bytes.deallocate()
        prepared.deallocate()
      }
      let start = bytes.bindMemory(to: UInt8.self)
      guard let first = start.baseAddress else { return ([], [], []) }
      strata_code_encode(nil, &shape, Array(vectors.joined()), shape.count, first)
      shape.bytes = UnsafePointer(first)
      strata_code_query_prepare(&shape, query, prepared)
      var scores = [Float](repeating: 0, count: ids.count)
      strata_code_scores(&shape, prepared, ids, Int64(ids.count), &scores)
      var rows = [UInt32](repeating: 0, count: 9)
      var best = [Float](repeating: 0, count: 9)
      let count = strata_code_scan(&shape, prepared, allowed, 9, &rows, &best)
      return (Array(start), scores, Array(rows.prefix(Int(count))))
    }
  }
}
