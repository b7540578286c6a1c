import StrataServing
import Testing

@Suite("RadixCache")
struct RadixCacheTests {
  private let space = RadixCache.Namespace(tenant: "a")

  private static func page(_ allocator: inout PageAllocator) throws -> PageAllocator.Page {
    let page = allocator.allocate()
    return try #require(page)
  }

  /// Publishes `tokens` as a sequence would, and lets its pages go.
  private func keep(
    _ tokens: [Int32], in space: RadixCache.Namespace, _ cache: inout RadixCache, _ allocator: inout PageAllocator
  ) throws {
    let match = cache.match(tokens, limit: tokens.count, in: space)
    for page in match.pages { allocator.retain(page) }
    var pages = match.pages
    var node = match.node
    while pages.count * 16 < tokens.count {
      if allocator.freeCount == 0 { cache.evict(1, allocator: &allocator) }
      let page = try Self.page(&allocator)
      let range = (pages.count * 16)..<min(tokens.count, pages.count * 16 + 16)
      if range.count == 16 {
        let published = cache.publish(tokens[range], page: page, after: node, in: space, allocator: &allocator)
        node = published.node
        pages.append(published.page)
      } else {
        cache.publishPartial(tokens[range], page: page, after: node, in: space, allocator: &allocator)
        pages.append(page)
      }
    }
    for page in pages { allocator.release(page) }
  }

  @Test("a prefix is found to the token: full pages are shared, the rest is copied")
  func match() throws {
    var allocator = PageAllocator(pageCount: 20)
    var cache = RadixCache(quota: 20)
    try keep(Array(0..<40), in: space, &cache, &allocator)
    let same = cache.match(Array(0..<40), limit: 39, in: space)
    #expect(same.pages.count == 2 && same.partial?.count == 7 && same.count == 39)
    let fork = cache.match(Array(0..<20) + [99, 98], limit: 22, in: space)
    #expect(fork.pages.count == 1 && fork.partial?.count == 4)
    let none = cache.match([5], limit: 1, in: space)
    #expect(none.count == 0)
    #expect(cache._checkInvariants(allocator) == nil)
  }

  @Test("tenants and adapters share nothing")
  func namespaces() throws {
    var allocator = PageAllocator(pageCount: 20)
    var cache = RadixCache(quota: 20)
    try keep(Array(0..<40), in: space, &cache, &allocator)
    for other in [
      RadixCache.Namespace(tenant: "b"), RadixCache.Namespace(tenant: "a", adapter: "x"),
    ] {
      let found = cache.match(Array(0..<40), limit: 40, in: other)
      #expect(found.count == 0)
    }
    try keep(Array(0..<40), in: RadixCache.Namespace(tenant: "a", adapter: "x"), &cache, &allocator)
    #expect(cache.pageCount == 6)
    cache.forget(adapter: "x", allocator: &allocator)
    #expect(cache.pageCount == 3 && allocator.freeCount == 17)
    #expect(cache._checkInvariants(allocator) == nil)
  }

  @Test("what is computed twice at the same time is kept once")
  func duplicates() throws {
    var allocator = PageAllocator(pageCount: 4)
    var cache = RadixCache(quota: 4)
    let tokens = ArraySlice<Int32>(0..<16)
    let first = try Self.page(&allocator)
    let second = try Self.page(&allocator)
    let kept = cache.publish(tokens, page: first, after: nil, in: space, allocator: &allocator)
    let other = cache.publish(tokens, page: second, after: nil, in: space, allocator: &allocator)
    #expect(kept.page == first && other.page == first && other.node == kept.node)
    #expect(allocator.freeCount == 3 && allocator.referenceCount(of: first) == 3)
  }

  @Test("a promise is seen by others, and is kept or withdrawn")
  func promises() throws {
    var allocator = PageAllocator(pageCount: 8)
    var cache = RadixCache(quota: 8)
    let tokens = [Int32](0..<40)
    let promised = cache.promise(tokens[...], after: nil, in: space, owner: 7)
    #expect(promised.count == 2)
    let seen = cache.match(tokens + [1], limit: 40, in: space)
    #expect(seen.count == 0 && seen.promised?.owner == 7 && seen.promised?.count == 32)
    let page = try Self.page(&allocator)
    let node = cache.publish(tokens[..<16], page: page, after: nil, in: space, allocator: &allocator).node
    let half = cache.match(tokens, limit: 40, in: space)
    #expect(half.pages == [page] && half.node == node && half.promised?.count == 16)
    cache.withdraw(promised, owner: 7)
    let after = cache.match(tokens, limit: 40, in: space)
    #expect(after.promised == nil)
    #expect(cache._checkInvariants(allocator) == nil)
  }

  @Test("the least recently used leaf goes first, and one in use never")
  func eviction() throws {
    var allocator = PageAllocator(pageCount: 8)
    var cache = RadixCache(quota: 8)
    try keep(Array(0..<32), in: space, &cache, &allocator)
    try keep(Array(100..<132), in: space, &cache, &allocator)
    let used = cache.match(Array(0..<32), limit: 32, in: space)
    for page in used.pages { allocator.retain(page) }
    cache.evict(1, allocator: &allocator)
    let older = cache.match(Array(100..<132), limit: 32, in: space)
    #expect(older.count == 16)
    cache.evict(100, allocator: &allocator)
    let kept = cache.match(Array(0..<32), limit: 32, in: space)
    #expect(kept.count == 32)
    #expect(cache.pageCount == 2 && allocator.idleCount == 0)
    #expect(cache._checkInvariants(allocator) == nil)
  }

  @Test("a tenant beyond its quota loses its own pages first, even when they are newer")
  func quota() throws {
    var allocator = PageAllocator(pageCount: 10)
    var cache = RadixCache(quota: 4)
    try keep(Array(0..<32), in: space, &cache, &allocator)
    let flood = RadixCache.Namespace(tenant: "flood")
    for start in stride(from: Int32(1000), to: 1128, by: 32) {
      try keep(Array(start..<(start + 32)), in: flood, &cache, &allocator)
    }
    #expect(cache.pageCounts == ["a": 2, "flood": 8])
    cache.evict(3, allocator: &allocator)
    #expect(cache.pageCounts == ["a": 2, "flood": 5])
    cache.evict(2, allocator: &allocator)
    #expect(cache.pageCounts["flood"] == 4)
    #expect(cache._checkInvariants(allocator) == nil)
  }

  @Test("whatever is kept, evicted and matched, a match is a true prefix and no page is lost")
  func randomized() throws {
    var random = RandomSource(seed: 9)
    var allocator = PageAllocator(pageCount: 24)
    var cache = RadixCache(quota: 10)
    // What page holds which tokens, told by the pages that were handed out: a naive model of the memory.
    var kept: [(space: RadixCache.Namespace, tokens: [Int32])] = []
    let spaces = [
      RadixCache.Namespace(tenant: "a"), RadixCache.Namespace(tenant: "b"),
      RadixCache.Namespace(tenant: "b", adapter: "x"),
    ]
    for _ in 0..<3_000 {
      let space = try #require(spaces.randomElement(using: &random))
      // Few different tokens, so that prefixes agree often.
      let length = Int.random(in: 1...70, using: &random)
      let tokens = (0..<length).map { Int32($0 % 16 == 3 ? Int.random(in: 0..<3, using: &random) : $0) }
      switch Int.random(in: 0..<6, using: &random) {
      case 0: cache.evict(Int.random(in: 1...6, using: &random), allocator: &allocator)
      case 1...3:
        try keep(tokens, in: space, &cache, &allocator)
        kept.append((space, tokens))
        let found = cache.match(tokens, limit: length, in: space)
        #expect(found.pages.count == length / 16)
      default:
        let known =
          kept.filter { $0.space == space }
          .map { zip($0.tokens, tokens).prefix { $0 == $1 }.count }.max() ?? 0
        let found = cache.match(tokens, limit: length, in: space)
        #expect(found.count <= known)
      }
      if let problem = allocator._checkInvariants() ?? cache._checkInvariants(allocator) {
        Issue.record("\(problem)")
        return
      }
      #expect(allocator.inUseCount == 0)
    }
  }
}
