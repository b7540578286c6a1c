// Attention over caches and over whole sequences against softmax in double precision. The cache holds half floats,
// hence a tolerance of 0.2 % of the largest value.
import CStrataKernels
import Foundation
import Testing

extension KernelFamilyTests {
  /// Rows of heads: values [position][head][dimension].
  struct Sequence {
    var keys: [Float] = []
    var values: [Float] = []
  }

  static func attention(
    q: [Float], _ sequence: Sequence, heads: Int, kvHeads: Int, dim: Int, limits: [Int]
  ) -> [Double] {
    var out: [Double] = []
    for (row, limit) in limits.enumerated() {
      for head in 0..<heads {
        let kvHead = head / (heads / kvHeads)
        var scores: [Double] = []
        for position in 0..<limit {
          var sum = 0.0
          for d in 0..<dim {
            sum +=
              Double(q[(row * heads + head) * dim + d])
              * Double(sequence.keys[(position * kvHeads + kvHead) * dim + d])
          }
          scores.append(sum / Double(dim).squareRoot())
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        for d in 0..<dim {
          var sum = 0.0
          for position in 0..<limit {
            sum += weights[position] * Double(sequence.values[(position * kvHeads + kvHead) * dim + d])
          }
          out.append(sum / total)
        }
      }
    }
    return out
  }

  struct Shape: Sendable {
    let heads, kvHeads, dim: Int
    let chunks: [Int]
  }

  @Test(
    "Causal attention in chunks and token by token",
    arguments: [
      Shape(heads: 9, kvHeads: 3, dim: 64, chunks: [5, 1, 40, 1]),
      Shape(heads: 14, kvHeads: 2, dim: 64, chunks: [300, 1]),
      Shape(heads: 2, kvHeads: 2, dim: 20, chunks: [17, 1, 1]),
      Shape(heads: 26, kvHeads: 2, dim: 96, chunks: [19, 2]),
    ])
  func causal(_ shape: Shape) throws {
    let pool = strata_pool_create(2)
    defer { strata_pool_destroy(pool) }
    try KernelReference.forEachFamily { family in
      var random = TestRandom(state: UInt64(shape.heads))
      let total = shape.chunks.reduce(0, +)
      var sequences = [Sequence(), Sequence()]
      let caches = try sequences.map { _ in
        try #require(strata_kv_create(2, Int32(shape.kvHeads), Int32(shape.dim), Int32(total)))
      }
      defer { for cache in caches { strata_kv_destroy(cache) } }
      var start = 0
      for count in shape.chunks {
        let width = shape.heads * shape.dim
        let kvWidth = shape.kvHeads * shape.dim
        let q = random.values(2 * count * width)
        let k = random.values(2 * count * kvWidth)
        let v = random.values(2 * count * kvWidth)
        let spans = caches.map { strata_span(kv: $0, position: Int32(start), count: Int32(count)) }
        strata_kv_store_spans(pool, spans, 2, 1, k, Int64(kvWidth), v, Int64(kvWidth))
        var out = [Float](repeating: .nan, count: 2 * count * width)
        strata_attention(
          pool, &out, Int64(width), q, Int64(width), Int32(shape.heads), 1 / Float(shape.dim).squareRoot(), 1, spans, 2)
        for i in 0..<2 {
          sequences[i].keys += k[i * count * kvWidth..<(i + 1) * count * kvWidth]
          sequences[i].values += v[i * count * kvWidth..<(i + 1) * count * kvWidth]
          let rows = i * count * width..<(i + 1) * count * width
          let expected = Self.attention(
            q: Array(q[rows]), sequences[i], heads: shape.heads, kvHeads: shape.kvHeads, dim: shape.dim,
            limits: (0..<count).map { start + $0 + 1 })
          #expect(KernelReference.relativeError(Array(out[rows]), expected) < 2e-3, "\(family), chunk of \(count)")
        }
        start += count
      }
    }
  }

  @Test("A copied prefix attends like the original")
  func prefix() throws {
    var random = TestRandom(state: 21)
    let source = try #require(strata_kv_create(3, 2, 32, 100))
    let copy = try #require(strata_kv_create(3, 2, 32, 64))
    defer {
      strata_kv_destroy(source)
      strata_kv_destroy(copy)
    }
    for layer in 0..<3 {
      strata_kv_store(source, Int32(layer), 0, 41, random.values(41 * 64), 64, random.values(41 * 64), 64)
    }
    #expect(!strata_kv_copy_prefix(copy, source, 101))
    #expect(strata_kv_copy_prefix(copy, source, 37))
    let q = random.values(4 * 32)
    for layer in 0..<3 {
      let outputs = [source, copy].map { cache in
        var out = [Float](repeating: 0, count: 4 * 32)
        strata_attention(
          nil, &out, 128, q, 128, 4, 0.2, Int32(layer), [strata_span(kv: cache, position: 36, count: 1)], 1)
        return out
      }
      #expect(outputs[0] == outputs[1])
    }
  }

  @Test("Encoders attend inside each sequence only")
  func bidirectional() {
    let lengths: [Int32] = [5, 40, 1, 0, 17]
    let rows = lengths.reduce(0) { $0 + Int($1) }
    let width = 3 * 32
    var random = TestRandom(state: 31)
    let q = random.values(rows * width)
    let k = random.values(rows * width)
    let v = random.values(rows * width)
    var expected: [Double] = []
    var row = 0
    for length in lengths.map(Int.init) {
      let range = row * width..<(row + length) * width
      expected += Self.attention(
        q: Array(q[range]), Sequence(keys: Array(k[range]), values: Array(v[range])), heads: 3, kvHeads: 3, dim: 32,
        limits: Array(repeating: length, count: length))
      row += length
    }
    KernelReference.forEachFamily { family in
      var out = [Float](repeating: .nan, count: rows * width)
      strata_attention_bidirectional(
        nil, &out, Int64(width), q, k, v, Int64(width), 3, 32, 1 / Float(32).squareRoot(), lengths, 5)
      #expect(KernelReference.relativeError(out, expected) < 2e-3, "\(family)")
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
