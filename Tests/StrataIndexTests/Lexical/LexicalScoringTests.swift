// Tests that a score does not depend on how it is computed: from packed or unpacked postings, in which family of
// instructions.
import CStrataKernels
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Lexical scoring", .serialized)
struct LexicalScoringTests {
  /// Every family that this processor has.
  private static let families = {
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    return [STRATA_ISA_PORTABLE, STRATA_ISA_AVX2, STRATA_ISA_AVX512, STRATA_ISA_NEON].filter(strata_isa_use)
  }()

  /// Calls `body` under each family.
  private func forEachFamily(_ body: (String) throws -> Void) rethrows {
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    for family in Self.families where strata_isa_use(family) {
      try body(String(cString: strata_isa_name(family)))
    }
  }

  private func index(_ content: inout RandomContent, chunks: Int) throws -> HybridIndex {
    let index = HybridIndex(
      dimension: nil, bm25: BM25Parameters(titleWeight: Int.random(in: 0...3, using: &content.random)))
    try index.apply(
      adding: (0..<chunks).map {
        var entry = content.entry(Int64($0))
        entry.vector = nil
        return entry
      })
    return index
  }

  private func lexical(_ snapshot: IndexSnapshot, _ query: String, _ limit: Int, _ who: Principal) -> [ScoredChunk] {
    snapshot.lexical(query, limit: limit, within: snapshot.readable(by: who))
  }

  @Test("A search finds the same however often the index was searched", arguments: 0..<4)
  func unpacking(seed: Int) throws {
    var content = RandomContent(seed: UInt64(seed))
    // The second needs several windows.
    let index = try index(&content, chunks: seed == 1 ? 40_000 : 300)
    for round in 0..<2 {
      let snapshot = index.snapshot()
      let asked = (0..<40).map { number in
        (content.words(1...4), [400, 70, number % 12 + 1][number % 3], content.principal())
      }
      // Queries of a word or two come to all postings after a while, and from then on these are unpacked.
      let first = asked.map { lexical(snapshot, $0.0, $0.1, $0.2) }
      for _ in 0..<3 {
        for (query, expected) in zip(asked, first) {
          #expect(lexical(snapshot, query.0, query.1, query.2) == expected, "round \(round), \(query)")
        }
      }
      // Another average length, and holes.
      try index.apply(adding: [], removing: (0..<50).map { _ in Int64.random(in: 0..<300, using: &content.random) })
    }
  }

  @Test("Every family of instructions finds the same, to the last bit")
  func families() throws {
    var content = RandomContent(seed: 77)
    let asked = (0..<30).map { _ in (content.words(1...6), content.principal()) }
    var expected: [[ScoredChunk]]?
    try forEachFamily { family in
      var content = RandomContent(seed: 78)
      let snapshot = try index(&content, chunks: 3000).snapshot()
      for _ in 0..<4 {
        let found = asked.map { lexical(snapshot, $0.0, 20, $0.1) }
        #expect(found == expected ?? found, "\(family)")
        expected = found
      }
    }
  }

  @Test("Every family of instructions computes the same bits at odd sizes")
  func kernels() {
    var random = SeededGenerator(state: 5)
    let chunkCount = 3000
    let lengths = (0..<chunkCount).map { _ in UInt32.random(in: 0...2000, using: &random) }
    let allowed = (0...(chunkCount / 64)).map { _ in random.next() }
    for count in [1, 7, 16, 63, 64, 65, 127, 128, 500] {
      let positions = (0..<chunkCount).shuffled(using: &random).prefix(count).sorted().map(UInt32.init)
      let counts = (0..<count).map { _ in UInt32.random(in: 1...30, using: &random) }
      let weights = strata_bm25(weight: Float.random(in: 1...0x1p29, using: &random), offset: 0.31, factor: 0.0071)
      var expected: Result?
      forEachFamily { family in
        var shares = [Float](repeating: 0, count: count)
        var window = [Int32](repeating: 3, count: 3072)
        strata_bm25_shares(&shares, positions, counts, Int32(count), lengths, weights)
        strata_bm25_add_shares(&window, 0, allowed, positions, shares, Int64(count), weights.weight)
        dense(chunkCount, positions, shares, allowed, weights.weight, window)
        var scores = [Int32](repeating: 0, count: count)
        if count <= Int(STRATA_POSTINGS_BLOCK) {
          strata_bm25_scores(&scores, positions, counts, Int32(count), lengths, weights)
          for (position, score) in zip(positions, scores) {
            let isAllowed = allowed[Int(position) >> 6] >> UInt64(position & 63) & 1 == 1
            #expect(window[Int(position)] == 3 + (isAllowed ? score : 0))
          }
        }
        var maxima = [Int32](repeating: 0, count: 48)
        strata_bm25_maxima(&maxima, window, 3072)
        #expect(maxima == (0..<48).map { window[($0 * 64)..<($0 * 64 + 64)].max() ?? 0 })
        let kth = (1...48).map { strata_bm25_nearly_kth(maxima, 48, $0) }
        for (near, exact) in zip(kth, maxima.sorted(by: >)) {
          #expect(near <= exact && exact - near <= (maxima.max() ?? 0) / 1000)
        }
        var bits = [UInt64](repeating: 0, count: 48)
        strata_bm25_at_least(&bits, window, 3072, kth[9])
        let found = Result(shares: shares.map(\.bitPattern), scores: scores, window: window, bits: bits)
        #expect(found == expected ?? found, "\(family), \(count) postings")
        expected = found
      }
    }
  }

  /// Positions as bits come to the same as positions.
  private func dense(
    _ chunkCount: Int, _ positions: [UInt32], _ shares: [Float], _ allowed: [UInt64], _ weight: Float,
    _ expected: [Int32]
  ) {
    var bits = [UInt64](repeating: 0, count: 48)
    for position in positions { bits[Int(position) >> 6] |= 1 << UInt64(position & 63) }
    var ranks = [UInt32](repeating: 0, count: 49)
    strata_bm25_ranks(&ranks, bits, 48, 0)
    #expect(ranks == (0...48).map { word in UInt32(positions.count { Int($0) < 64 * word }) })
    let padded = shares + [Float](repeating: 0, count: 16)
    var window = [Int32](repeating: 3, count: 3072)
    strata_bm25_add_dense(&window, bits, allowed, padded, Int32(allowed.count), weight)
    #expect(window == expected)
    #expect(strata_bm25_largest_share(shares, Int64(shares.count)) == shares.max())
    let all = (0..<UInt32(chunkCount)).filter { $0 % 3 == 0 }
    for least in [Int32(1), strata_bm25_score(shares[0], weight)] {
      let scores = all.map { position in
        positions.firstIndex(of: position).map { strata_bm25_score(shares[$0], weight) } ?? 0
      }
      let kept = zip(all, scores).filter { $0.1 >= least }
      for isDense in [false, true] {
        var (candidates, found) = (all, [Int32](repeating: 0, count: all.count))
        let count = Int(
          isDense
            ? strata_bm25_look_up_dense(&candidates, &found, Int32(all.count), bits, ranks, shares, weight, least)
            : strata_bm25_look_up(
              &candidates, &found, Int32(all.count), positions, shares, Int64(shares.count), weight, least))
        #expect(Array(candidates.prefix(count)) == kept.map(\.0) && Array(found.prefix(count)) == kept.map(\.1))
      }
    }
  }

  @Test("Positions and places are found as by looking at each")
  func places() {
    var random = SeededGenerator(state: 6)
    let positions = (0..<3000).map { _ in UInt32.random(in: 0..<9000, using: &random) }.sorted()
    for _ in 0..<500 {
      let (from, least) = (Int.random(in: 0...3000, using: &random), UInt32.random(in: 0...9100, using: &random))
      let expected = positions[from...].firstIndex { $0 >= least } ?? 3000
      #expect(Int(strata_postings_find(positions, Int64(from), 3000, least)) == expected)
    }
    #expect(strata_postings_rise([1, 2, 9], 3) && !strata_postings_rise([1, 2, 2], 3) && strata_postings_rise([5], 1))
    for _ in 0..<200 {
      let gaps = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        UInt32.random(in: 0...([1, 127, 128, 70_000, .max].randomElement(using: &random) ?? 1), using: &random)
      }
      var bytes: [UInt8] = []
      var ends = [0]
      for gap in gaps {
        var rest = gap
        while rest >= 0x80 {
          bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
          rest >>= 7
        }
        bytes.append(UInt8(rest))
        ends.append(bytes.count)
      }
      for (count, end) in ends.enumerated() {
        #expect(Int(strata_postings_skip(bytes, Int64(bytes.count), Int64(count))) == end)
      }
      #expect(Int(strata_postings_skip(bytes, Int64(bytes.count), Int64(gaps.count + 1))) == bytes.count)
      var places = [UInt32](repeating: 0, count: gaps.count + 2)
      #expect(
        Int(strata_postings_places(&places, bytes, Int64(bytes.count), Int64(gaps.count + 2))) == gaps.count)
      var sum: UInt32 = 0
      for (gap, place) in zip(gaps, places) {
        sum &+= gap
        #expect(place == sum)
      }
    }
  }

  @Test("What two lists have in common is found in every family of instructions")
  func meeting() {
    var random = SeededGenerator(state: 7)
    for round in 0..<200 {
      let size = round.isMultiple(of: 2) ? 128 : Int.random(in: 1...127, using: &random)
      let span = [200, 1000, 100_000][round % 3]
      let positions = (0..<span).shuffled(using: &random).prefix(size).sorted().map(UInt32.init)
      let all = (0..<128).map { _ in UInt32.random(in: 0...(positions.last ?? 0), using: &random) }.sorted()
      let allowed = (0..<1600).map { _ in random.next() }
      forEachFamily { family in
        var (candidates, own) = ([UInt32](repeating: 0, count: 128), [UInt32](repeating: 0, count: 128))
        let kept = Int(strata_postings_allowed(&candidates, &own, all, 128, allowed))
        let expected = all.indices.filter { allowed[Int(all[$0]) >> 6] >> UInt64(all[$0] & 63) & 1 == 1 }
        #expect(own.prefix(kept).map(Int.init) == expected)
        var others = [UInt32](repeating: 0, count: 128)
        let met = Int(
          strata_postings_meet(&candidates, &own, &others, Int32(kept), positions, Int32(positions.count)))
        let common = expected.filter { positions.contains(all[$0]) }
        #expect(own.prefix(met).map(Int.init) == common, "\(family)")
        #expect(others.prefix(met).map { positions[Int($0)] } == common.map { all[$0] }, "\(family)")
        #expect(Array(candidates.prefix(met)) == common.map { all[$0] })
      }
    }
    var starts: [UInt32] = [1, 4, 6, 9]
    #expect(strata_postings_follow(&starts, 4, [2, 6, 8, 12], 4, 2) == 2 && starts[0] == 4 && starts[1] == 6)
  }

  private struct Result: Equatable {
    var shares: [UInt32]
    var scores: [Int32]
    var window: [Int32]
    var bits: [UInt64]
  }
}
