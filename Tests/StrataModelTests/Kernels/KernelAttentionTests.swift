// Attention over paged stores and over whole sequences against softmax in double precision, which knows nothing of
// pages, blocks or running maxima.
import CStrataKernels
import Foundation
import Testing

extension KernelFamilyTests {
  /// Rows of heads: values [position][head][dimension].
  struct Sequence {
    var keys: [Float] = []
    var values: [Float] = []
  }

  struct Shape: Sendable {
    var heads, kvHeads, dim: Int
    var window = 0
    var softcap: Float = 0
    var scale: Float { 1 / Float(dim).squareRoot() }

    var options: strata_attention_options {
      strata_attention_options(scale: scale, window: Int32(window), softcap: softcap)
    }

    /// Positions that the row at `position` sees.
    func seen(_ position: Int) -> Range<Int> { (window > 0 ? max(0, position + 1 - window) : 0)..<(position + 1) }
  }

  static func attention(q: [Float], _ sequence: Sequence, _ shape: Shape, seen: [Range<Int>]) -> [Double] {
    var out: [Double] = []
    let dim = shape.dim
    for (row, positions) in seen.enumerated() {
      for head in 0..<shape.heads {
        let kvHead = head / (shape.heads / shape.kvHeads)
        let scores = positions.map { position in
          var sum = 0.0
          for d in 0..<dim {
            sum +=
              Double(q[(row * shape.heads + head) * dim + d])
              * Double(sequence.keys[(position * shape.kvHeads + kvHead) * dim + d])
          }
          sum *= Double(shape.scale)
          return shape.softcap > 0 ? Double(shape.softcap) * tanh(sum / Double(shape.softcap)) : sum
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        for d in 0..<dim {
          var sum = 0.0
          for (weight, position) in zip(weights, positions) {
            sum += weight * Double(sequence.values[(position * shape.kvHeads + kvHead) * dim + d])
          }
          out.append(sum / total)
        }
      }
    }
    return out
  }

  static let kvTypes: [strata_kv_type] = [STRATA_KV_F16, STRATA_KV_BF16, STRATA_KV_Q8]

  /// The largest difference to the reference that rounding keys and values explains, relative to the largest value.
  static func tolerance(_ type: strata_kv_type) -> Double {
    switch type {
    case STRATA_KV_BF16: 1.5e-2
    case STRATA_KV_Q8: 2e-2
    default: 2e-3
    }
  }

  /// Random keys and values of `count` positions, written to pages in random order in chunks.
  struct Paged {
    let kv: OpaquePointer
    let pages: [Int32]
    var sequence = Sequence()

    init(kv: OpaquePointer, pages: [Int32]) {
      self.kv = kv
      self.pages = pages
    }

    init(_ shape: Shape, _ type: strata_kv_type, count: Int, _ random: inout TestRandom) throws {
      let pageCount = (count + 15) / 16
      kv = try #require(strata_kv_create(2, Int32(shape.kvHeads), Int32(shape.dim), Int32(pageCount) + 3, type))
      var order = Array(0..<Int32(pageCount) + 3)
      for index in order.indices.dropLast() {
        order.swapAt(index, index + Int(random.next() % UInt64(order.count - index)))
      }
      pages = Array(order.prefix(pageCount))
      let width = shape.kvHeads * shape.dim
      sequence = Sequence(keys: random.values(count * width), values: random.values(count * width))
      var start = 0
      while start < count {
        let length = min(count - start, 1 + Int(random.next() % 40))
        let rows = (start * width)..<((start + length) * width)
        store(Array(sequence.keys[rows]), Array(sequence.values[rows]), at: start, count: length)
        start += length
      }
    }

    func withSpan<T>(at position: Int, count: Int, _ body: (strata_span) -> T) -> T {
      pages.withUnsafeBufferPointer { pages in
        var first: Int32 = 0
        return withUnsafePointer(to: &first) { none in
          body(
            strata_span(kv: kv, pages: pages.baseAddress ?? none, position: Int32(position), count: Int32(count)))
        }
      }
    }

    func store(_ keys: [Float], _ values: [Float], at position: Int, count: Int) {
      let stride = Int64(keys.count / count)
      withSpan(at: position, count: count) { span in
        var span = span
        strata_kv_store(nil, &span, 1, 1, keys, stride, values, stride)
      }
    }

    func attend(_ pool: OpaquePointer?, _ shape: Shape, _ q: [Float], at position: Int, count: Int) -> [Float] {
      var out = [Float](repeating: .nan, count: count * shape.heads * shape.dim)
      let width = Int64(shape.heads * shape.dim)
      withSpan(at: position, count: count) { span in
        var span = span
        var options = shape.options
        strata_attention(pool, &out, width, q, width, Int32(shape.heads), 1, &span, 1, &options)
      }
      return out
    }
  }

  @Test(
    "Causal attention over pages in random order equals a plain softmax, for chunks and single rows",
    arguments: [
      Shape(heads: 9, kvHeads: 3, dim: 64), Shape(heads: 14, kvHeads: 2, dim: 64, window: 100),
      Shape(heads: 2, kvHeads: 2, dim: 20), Shape(heads: 26, kvHeads: 2, dim: 96, window: 1),
      Shape(heads: 4, kvHeads: 1, dim: 256, window: 17, softcap: 50), Shape(heads: 8, kvHeads: 8, dim: 80),
      Shape(heads: 8, kvHeads: 2, dim: 128, softcap: 2), Shape(heads: 3, kvHeads: 1, dim: 512),
    ])
  func causal(_ shape: Shape) throws {
    let pool = strata_pool_create(2)
    defer { strata_pool_destroy(pool) }
    let count = 333
    for type in Self.kvTypes {
      try KernelReference.forEachFamily { family in
        var random = TestRandom(state: UInt64(shape.heads * shape.dim))
        let paged = try Paged(shape, type, count: count, &random)
        defer { strata_kv_destroy(paged.kv) }
        for (position, rows) in [(0, 5), (5, 1), (127, 1), (128, 1), (250, 83), (332, 1)] {
          let q = random.values(rows * shape.heads * shape.dim)
          let expected = Self.attention(
            q: q, paged.sequence, shape, seen: (position..<(position + rows)).map(shape.seen))
          let error = KernelReference.relativeError(
            paged.attend(pool, shape, q, at: position, count: rows), expected)
          #expect(error < Self.tolerance(type), "\(family), type \(type.rawValue), \(rows) rows at \(position)")
        }
      }
    }
  }

  @Test(
    "A row is the same to the bit alone, in chunks, in a batch, with other pages and with other numbers of threads",
    arguments: [
      Shape(heads: 9, kvHeads: 3, dim: 64), Shape(heads: 14, kvHeads: 2, dim: 64, window: 200),
      Shape(heads: 4, kvHeads: 1, dim: 80, softcap: 30),
    ])
  func invariance(_ shape: Shape) throws {
    let pools = [nil, strata_pool_create(2), strata_pool_create(5)]
    defer { for pool in pools { strata_pool_destroy(pool) } }
    let count = 700
    let width = shape.heads * shape.dim
    for type in Self.kvTypes {
      try KernelReference.forEachFamily { family in
        var random = TestRandom(state: 77)
        let paged = try Paged(shape, type, count: count, &random)
        let other = try Self.moved(paged, shape, type)
        defer {
          strata_kv_destroy(paged.kv)
          strata_kv_destroy(other.kv)
        }
        let q = random.values(count * width)
        let whole = paged.attend(pools[1], shape, q, at: 0, count: count)
        for (position, rows) in [(0, 1), (13, 7), (127, 2), (500, 200), (511, 1), (699, 1)] {
          let expected = whole[(position * width)..<((position + rows) * width)].map(\.bitPattern)
          let own = Array(q[(position * width)..<((position + rows) * width)])
          for pool in pools {
            for pages in [paged, other] {
              let got = pages.attend(pool, shape, own, at: position, count: rows).map(\.bitPattern)
              #expect(got == expected, "\(family), type \(type.rawValue), \(rows) rows at \(position)")
            }
          }
        }
        #expect(
          Self.batched(paged, other, shape, q, pools[2]).map(\.bitPattern)
            == (whole[(690 * width)...] + whole[(17 * width)..<(20 * width)]).map(\.bitPattern), "\(family)")
      }
    }
  }

  /// The same positions in other pages of another store, page by page.
  static func moved(_ paged: Paged, _ shape: Shape, _ type: strata_kv_type) throws -> Paged {
    let kv = try #require(
      strata_kv_create(2, Int32(shape.kvHeads), Int32(shape.dim), Int32(paged.pages.count), type))
    let pages = Array((0..<Int32(paged.pages.count)).reversed())
    for (from, to) in zip(paged.pages, pages) { #expect(strata_kv_copy_page(kv, to, paged.kv, from)) }
    return Paged(kv: kv, pages: pages)
  }

  /// One call with the last ten rows of one sequence and rows 17, 18 and 19 of another.
  static func batched(
    _ one: Paged, _ other: Paged, _ shape: Shape, _ q: [Float], _ pool: OpaquePointer?
  ) -> [Float] {
    let width = shape.heads * shape.dim
    let rows = Array(q[(690 * width)...] + q[(17 * width)..<(20 * width)])
    var out = [Float](repeating: .nan, count: rows.count)
    one.withSpan(at: 690, count: 10) { first in
      other.withSpan(at: 17, count: 3) { second in
        var options = shape.options
        strata_attention(
          pool, &out, Int64(width), rows, Int64(width), Int32(shape.heads), 1, [first, second], 2, &options)
      }
    }
    return out
  }
}
