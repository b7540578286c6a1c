import StrataCore
import StrataServing
import Testing

@Suite("AdapterCache")
struct AdapterCacheTests {
  /// Acquires, reading the adapter (a string of `bytes`) where it is absent.
  private func use(
    _ name: String, in cache: inout AdapterCache<String>, bytes: Int = 10
  ) throws -> AdapterCache<String>.Ticket {
    switch try cache.acquire(name) {
    case .ready(let adapter, let ticket):
      #expect(adapter == name)
      return ticket
    case .absent(_, let ticket):
      try cache.insert(name, byteCount: bytes, ranks: [8], ticket: ticket)
      return ticket
    }
  }

  private func inMemory(_ cache: AdapterCache<String>) -> [String] { cache.infos.filter(\.isInMemory).map(\.name) }

  @Test("the least recently used adapter gives way, and comes back when it is named")
  func leastRecentlyUsed() throws {
    var cache = AdapterCache<String>(byteLimit: 30)
    for name in ["a", "b", "c", "d"] { _ = try cache.register(name, path: "/\(name)") }
    for name in ["a", "b", "c", "a"] { cache.release(try use(name, in: &cache)) }
    #expect(inMemory(cache) == ["a", "b", "c"] && cache.byteCount == 30)
    cache.release(try use("d", in: &cache))
    #expect(inMemory(cache) == ["a", "c", "d"])
    cache.release(try use("b", in: &cache))
    #expect(inMemory(cache) == ["a", "b", "d"] && cache.byteCount == 30)
    #expect(cache.infos.map(\.name) == ["a", "b", "c", "d"])
  }

  @Test("an adapter in use stays; when nothing else can go, the newcomer is refused and nothing changes")
  func pinned() throws {
    var cache = AdapterCache<String>(byteLimit: 25)
    for name in ["a", "b", "c"] { _ = try cache.register(name, path: name) }
    let a = try use("a", in: &cache)
    let b = try use("b", in: &cache)
    guard case .absent(_, let c) = try cache.acquire("c") else {
      Issue.record("c cannot be there")
      return
    }
    let error = #expect(throws: ServingError.self) {
      try cache.insert("c", byteCount: 10, ranks: [8], ticket: c)
    }
    #expect(error?.code == ServingError.adapterMemoryFull && inMemory(cache) == ["a", "b"])
    cache.release(a)
    try cache.insert("c", byteCount: 10, ranks: [8], ticket: c)
    #expect(inMemory(cache) == ["b", "c"] && cache.infos.map(\.useCount) == [0, 1, 1])
    cache.release(b)
    cache.release(c)
    #expect(cache.infos.allSatisfy { $0.useCount == 0 })
  }

  @Test("a forgotten adapter counts until its last sequence ends, and its name is free at once")
  func removal() throws {
    var cache = AdapterCache<String>(byteLimit: 20)
    _ = try cache.register("a", path: "old")
    let old = try use("a", in: &cache, bytes: 15)
    try cache.remove("a")
    #expect(cache.infos.isEmpty && cache.byteCount == 15)
    let unknown = #expect(throws: ServingError.self) { _ = try cache.acquire("a") }
    #expect(unknown?.code == ServingError.adapterNotFound)
    let ticket = try cache.register("a", path: "new")
    #expect(ticket != old)
    #expect(throws: ServingError.self) { try cache.insert("a", byteCount: 15, ranks: [], ticket: ticket) }
    cache.release(old)
    #expect(cache.byteCount == 0)
    try cache.insert("a", byteCount: 15, ranks: [], ticket: ticket)
    #expect(cache.byteCount == 15)
  }

  @Test("a name is taken until it may be replaced")
  func names() throws {
    var cache = AdapterCache<String>(byteLimit: 20)
    _ = try cache.register("a", path: "1")
    let error = #expect(throws: ServingError.self) { _ = try cache.register("a", path: "2") }
    #expect(error?.code == ServingError.adapterExists)
    _ = try cache.register("a", path: "2", replaces: true)
    #expect(cache.infos.map(\.path) == ["2"])
    #expect(throws: ServingError.self) { try cache.remove("b") }
  }

  @Test("whatever happens in whatever order, the budget holds and uses are counted")
  func random() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      var cache = AdapterCache<String>(byteLimit: 50)
      var leases: [AdapterCache<String>.Ticket] = []
      for _ in 0..<200 {
        let name = String(Int.random(in: 0..<6, using: &generator))
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: _ = try? cache.register(name, path: name, replaces: Bool.random(using: &generator))
        case 1: try? cache.remove(name)
        case 2, 3:
          guard let found = try? cache.acquire(name) else { continue }
          switch found {
          case .ready(_, let ticket): leases.append(ticket)
          case .absent(_, let ticket):
            let bytes = Int.random(in: 1...20, using: &generator)
            if (try? cache.insert(name, byteCount: bytes, ranks: [], ticket: ticket)) != nil {
              leases.append(ticket)
            } else {
              cache.release(ticket)
            }
          }
        default: if !leases.isEmpty { cache.release(leases.removeFirst()) }
        }
        #expect(cache.byteCount <= 50)
      }
      for ticket in leases { cache.release(ticket) }
      #expect(cache.infos.allSatisfy { $0.useCount == 0 })
      for info in cache.infos { try cache.remove(info.name) }
      #expect(cache.byteCount == 0)
    }
  }
}
