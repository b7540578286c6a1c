// Stores of keys and values: pages that are copied, given back and no longer seen, and long contexts. Then attention of
// encoders, and the pool.
import CStrataKernels
import Foundation
import Testing

extension KernelFamilyTests {
  @Test("A store refuses what it has not, and copies and gives back whole pages")
  func store() throws {
    #expect(strata_kv_create(0, 1, 64, 1, STRATA_KV_F16) == nil)
    #expect(strata_kv_create(1, 1, 513, 1, STRATA_KV_F16) == nil)
    #expect(strata_kv_create(1, 1, 63, 1, STRATA_KV_F16) == nil)
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
    branch.store(random.values(6 * 64), random.values(6 * 64), at: 35, count: 6)
    #expect(branch.attend(nil, shape, q, at: 40, count: 1) != before)
    #expect(branch.attend(nil, shape, q, at: 34, count: 1) == paged.attend(nil, shape, q, at: 34, count: 1))
    strata_kv_release_pages(paged.kv, free, 1)
    strata_kv_release_pages(paged.kv, 5, 2)
    #expect(paged.attend(nil, shape, q, at: 40, count: 1) == before)
  }

  @Test("Pages that a window has left behind are not looked at, and what reused pages held does not show")
  func forgotten() throws {
    let shape = Shape(heads: 6, kvHeads: 3, dim: 64, window: 40)
    for type in Self.kvTypes {
      try KernelReference.forEachFamily { family in
        var random = TestRandom(state: 5)
        let paged = try Paged(shape, type, count: 400, &random)
        defer { strata_kv_destroy(paged.kv) }
        let q = random.values(10 * 6 * 64)
        let expected = paged.attend(nil, shape, q, at: 390, count: 10)
        // Rows 390 to 399 see positions from 351 on: page 21 is the first.
        let left = Paged(kv: paged.kv, pages: Array(repeating: -1, count: 21) + paged.pages[21...])
        #expect(left.attend(nil, shape, q, at: 390, count: 10) == expected, "\(family), type \(type.rawValue)")
        // A page full of infinities is taken by a sequence of one, two and three positions.
        let infinite = [Float](repeating: .infinity, count: 16 * 3 * 64)
        let reused = Paged(kv: paged.kv, pages: [paged.pages[0]])
        for count in 1...3 {
          reused.store(infinite, infinite, at: 0, count: 16)
          reused.store(random.values(count * 192), random.values(count * 192), at: 0, count: count)
          let row = reused.attend(nil, shape, Array(q.prefix(6 * 64)), at: count - 1, count: 1)
          let isFinite = row.allSatisfy { $0.isFinite }
          #expect(isFinite, "\(family), type \(type.rawValue), \(count) positions")
        }
      }
    }
  }

  @Test("8,192 positions, in chunks of 512 and one by one, equal a plain softmax")
  func long() throws {
    let shape = Shape(heads: 4, kvHeads: 2, dim: 64)
    let pool = strata_pool_create(2)
    defer { strata_pool_destroy(pool) }
    var random = TestRandom(state: 8192)
    for type in Self.kvTypes {
      let paged = try Paged(shape, type, count: 8192, &random)
      defer { strata_kv_destroy(paged.kv) }
      let q = random.values(512 * 256)
      let chunk = paged.attend(pool, shape, q, at: 7680, count: 512)
      let checked = 509...511
      let rows = (checked.lowerBound * 256)..<(512 * 256)
      let expected = Self.attention(
        q: Array(q[rows]), paged.sequence, shape, seen: checked.map { shape.seen(7680 + $0) })
      // The sums of many values are small: their mean is zero.
      #expect(KernelReference.relativeError(Array(chunk[rows]), expected) < 2 * Self.tolerance(type))
      let one = paged.attend(pool, shape, Array(q.suffix(256)), at: 8191, count: 1)
      #expect(one.map(\.bitPattern) == chunk.suffix(256).map(\.bitPattern), "type \(type.rawValue)")
    }
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
