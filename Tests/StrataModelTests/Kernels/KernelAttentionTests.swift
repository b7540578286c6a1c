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
        withSpan(at: start, count: length) { span in
          var span = span
          strata_kv_store(
            nil, &span, 1, 1, Array(sequence.keys[(start * width)..<((start + length) * width)]), Int64(width),
            Array(sequence.values[(start * width)..<((start + length) * width)]), Int64(width))
        }
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

  @Test("A store refuses what it has not, and copies and gives back whole pages")
  func store() throws {
    #expect(strata_kv_create(0, 1, 64, 1, STRATA_KV_F16) == nil)
    #expect(strata_kv_create(1, 1, 513, 1, STRATA_KV_F16) == nil)
    #expect(strata_kv_create(1, 1, 64, 0, STRATA_KV_F16) == nil)
    #expect(strata_kv_create(.max, .max, 512, .max, STRATA_KV_F16) == nil)
    var random = TestRandom(state: 21)
    let shape = Shape(heads: 4, kvHeads: 2, dim: 32)
    let paged = try Paged(shape, STRATA_KV_F16, count: 41, &random)
    let wider = try #require(strata_kv_create(2, 4, 32, 2, STRATA_KV_F16))
    let smaller = try #require(strata_kv_create(2, 2, 32, 2, STRATA_KV_Q8))
    defer { for kv in [paged.kv, wider, smaller] { strata_kv_destroy(kv) } }
    #expect(strata_kv_page_count(paged.kv) == 6)
    #expect(strata_kv_page_bytes(smaller) <= strata_kv_page_bytes(paged.kv))
    #expect(!strata_kv_copy_page(wider, 0, paged.kv, 0))
    #expect(!strata_kv_copy_page(smaller, 0, paged.kv, 0))
    #expect(!strata_kv_copy_page(paged.kv, 6, paged.kv, 0))
    #expect(!strata_kv_copy_page(paged.kv, 0, paged.kv, -1))
    // Copy on write: a second sequence shares the first two pages and has a copy of the third.
    let free = try #require((0..<Int32(6)).first { !paged.pages.contains($0) })
    #expect(strata_kv_copy_page(paged.kv, free, paged.kv, paged.pages[2]))
    let branch = Paged(kv: paged.kv, pages: paged.pages.prefix(2) + [free])
    let q = random.values(4 * 32)
    let before = paged.attend(nil, shape, q, at: 40, count: 1)
    #expect(branch.attend(nil, shape, q, at: 40, count: 1) == before)
    branch.withSpan(at: 35, count: 6) { span in
      var span = span
      strata_kv_store(nil, &span, 1, 1, random.values(6 * 64), 64, random.values(6 * 64), 64)
    }
    #expect(branch.attend(nil, shape, q, at: 40, count: 1) != before)
    #expect(branch.attend(nil, shape, q, at: 34, count: 1) == paged.attend(nil, shape, q, at: 34, count: 1))
    strata_kv_release_pages(paged.kv, free, 1)
    strata_kv_release_pages(paged.kv, 5, 2)
    #expect(paged.attend(nil, shape, q, at: 40, count: 1) == before)
  }

  @Test(
    "Encoders attend inside each sequence only",
    arguments: [([5, 40, 1, 0, 17], 32), ([31, 512, 12], 64), ([600], 32), ([3], 48)] as [([Int32], Int)])
  func bidirectional(lengths: [Int32], dim: Int) {
    let rows = lengths.reduce(0) { $0 + Int($1) }
    let width = 3 * dim
    var random = TestRandom(state: 31)
    let q = random.values(rows * width)
    let k = random.values(rows * width)
    let v = random.values(rows * width)
    var expected: [Double] = []
    var row = 0
    for length in lengths.map(Int.init) {
      let range = row * width..<(row + length) * width
      let shape = Shape(heads: 3, kvHeads: 3, dim: dim)
      expected += Self.attention(
        q: Array(q[range]), Sequence(keys: Array(k[range]), values: Array(v[range])), shape,
        seen: Array(repeating: 0..<length, count: length))
      row += length
    }
    KernelReference.forEachFamily { family in
      var out = [Float](repeating: .nan, count: rows * width)
      strata_attention_bidirectional(
        nil, &out, Int64(width), q, k, v, Int64(width), 3, Int32(dim), 1 / Float(dim).squareRoot(), lengths,
        Int64(lengths.count))
      #expect(KernelReference.relativeError(out, expected) < 2e-3, "\(family)")
      strata_attention_bidirectional_bf16(
        nil, &out, Int64(width), q, k, v, Int64(width), 3, Int32(dim), 1 / Float(dim).squareRoot(), lengths,
        Int64(lengths.count))
      #expect(KernelReference.relativeError(out, expected) < 1e-2, "\(family), in bfloat16")
    }
  }

  @Test("A pool covers every index once, also when callers share it and there are more threads than processors")
  func pool() async {
    let counts = await withTaskGroup(of: [Int].self) { group in
      let pool = strata_pool_create(16)
      defer { strata_pool_destroy(pool) }
      nonisolated(unsafe) let shared = pool  // the C pool takes calls from any thread
      for _ in 0..<4 {
        group.addTask {
          var seen = [Int](repeating: 0, count: 1000)
          for _ in 0..<50 {
            seen.withUnsafeMutableBytes { bytes in
              strata_parallel_for(
                shared, 1000, 7,
                { context, first, last in
                  let counts = context?.assumingMemoryBound(to: Int.self)
                  for index in Int(first)..<Int(last) { counts?[index] += 1 }
                }, bytes.baseAddress)
            }
          }
          return seen
        }
      }
      var all: [[Int]] = []
      for await seen in group { all.append(seen) }
      return all
    }
    #expect(counts.count == 4 && counts.allSatisfy { $0.allSatisfy { $0 == 50 } })
  }
}
