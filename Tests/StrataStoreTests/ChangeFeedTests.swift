// Tests following the changes of another process.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore change feed")
struct ChangeFeedTests {
  let folder: TemporaryFolder
  let store: SQLiteStore

  init() throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.file("strata.sqlite"))
  }

  @Test("Following the feed gives the same chunks and readers as reading everything")
  func following() async throws {
    let follower = try SQLiteStore(path: store.path)
    var chunks: [Int64: ChunkRecord] = [:]
    var readers: [String: [Reader]] = [:]
    var token: Int64 = 0
    var random = SystemRandomNumberGenerator()
    for step in 0..<150 {
      let path = "doc\(Int.random(in: 0..<6, using: &random))"
      let before = try await follower.changeToken(in: "main")
      switch Int.random(in: 0..<4, using: &random) {
      case 0: _ = try await store.delete(path, in: "main")
      case 1: try? await store.setReaders([.user("u\(step)")], of: path, in: "main")
      case 2: try await store.setGroups(["g\(step)": []], in: "main")
      default: try await store.put(path, "some words \(step)", readers: [.group("g\(step)")])
      }
      #expect(try await follower.changeToken(in: "main") >= before)
      guard step % 3 == 0 else { continue }
      let changes = try #require(try await follower.changes(since: token, in: "main"))
      for id in changes.removed { chunks.removeValue(forKey: id) }
      for chunk in changes.added { chunks[chunk.id] = chunk }
      for (path, new) in changes.readers { readers[path] = new }
      token = changes.token
      #expect(chunks.values.sorted { $0.id < $1.id } == (try await store.chunks(in: "main")))
      for document in try await store.documents(in: "main") { #expect(readers[document.path] == document.readers) }
    }
    token = try await store.changeToken(in: "main")
    #expect(try await store.changes(since: token, in: "main") == StoreChanges(token: token))
  }

  @Test("The token stays when nothing changes, and an impossible token asks for a fresh start")
  func tokens() async throws {
    #expect(try await store.changeToken(in: "main") == 0)
    #expect(try await store.changes(since: 0, in: "main") == StoreChanges(token: 0))
    try await store.put("a", "one")
    let token = try await store.changeToken(in: "main")
    #expect(token > 0)
    try await store.setReaders([.everyone], of: "a", in: "main")
    _ = try await store.delete("absent", in: "main")
    #expect(try await store.changeToken(in: "main") == token)
    #expect(try await store.changes(since: token + 100, in: "main") == nil)
    #expect(try await store.changes(since: -5, in: "main") == nil)
    try await store.setGroups(["g": ["u"]], in: "main")
    #expect(try await store.changes(since: token, in: "main")?.groupsChanged == true)
  }
}
