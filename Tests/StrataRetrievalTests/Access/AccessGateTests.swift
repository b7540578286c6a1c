import Foundation
import StrataCore
import StrataRetrieval
import StrataStore
import StrataTesting
import Synchronization
import Testing

@Suite("Access gate")
struct AccessGateTests {
  static let model = """
    model
      schema 1.1
    type user
    type group
      relations
        define member: [user, group#member]
    type folder
      relations
        define parent: [folder]
        define viewer: [user, user:*, group#member] or viewer from parent
    type document
      relations
        define parent: [folder]
        define owner: [user]
        define viewer: [user, user with office_hours, user with network] or owner or viewer from parent
    condition office_hours(current_time: timestamp, until: timestamp) { current_time < until }
    condition network(ip: ipaddress, allowed: string) { ip.in_cidr(allowed) }
    """

  /// A durable store with documents that everybody could find if it were up to the documents.
  private func store(_ paths: [String], in folder: TemporaryFolder) async throws -> SQLiteStore {
    let store = try SQLiteStore(path: folder.path + "/strata.sqlite")
    for path in paths { try await save(path, store) }
    return store
  }

  private func save(_ path: String, _ store: some DocumentStore) async throws {
    let record = DocumentRecord(
      collection: "default", path: path, version: 1, contentHash: "", byteCount: 6, mediaType: "text/plain",
      title: path, readers: [.everyone], modifiedAt: .now, ingestedAt: .now, chunkCount: 1)
    let chunk = ChunkRecord(
      collection: "default", document: path, version: 1, ordinal: 0, range: 0..<6, text: "walrus")
    _ = try await store.save(record, text: "walrus", chunks: [chunk], embedder: nil)
  }

  private func found(_ retriever: HybridRetriever, _ principal: Principal) async throws -> Set<String> {
    Set(try await retriever.search(QuerySpec("walrus", limit: 50), as: principal).map(\.document))
  }

  private func tuple(_ text: String) throws -> RelationTuple { try RelationText.tuple(text) }

  @Test("a model hides everything; a grant on a folder shows what is below it; a revoked one hides it again")
  func folders() async throws {
    let folder = try TemporaryFolder()
    let paths = ["top.md", "a/one.md", "a/deep/two.md", "b/three.md", "a b/c#d: 100%.md"]
    let store = try await store(paths, in: folder)
    let retriever = HybridRetriever(store: store, embedder: nil)
    let (amy, bob) = (Principal(user: "amy"), Principal(user: "bob", groups: ["eng"]))
    #expect(try await found(retriever, amy) == Set(paths))
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    #expect(try await found(retriever, amy) == [])

    try await store.writeRelations([tuple("folder:a#viewer@user:amy")], in: "default")
    #expect(try await found(retriever, amy) == ["a/one.md", "a/deep/two.md"])
    #expect(try await found(retriever, bob) == [])
    try await save("a/deep/new.md", store)
    #expect(try await found(retriever, amy) == ["a/one.md", "a/deep/two.md", "a/deep/new.md"])
    // Groups that came with the principal, and groups within groups.
    try await store.writeRelations([tuple("folder:b#viewer@group:all#member")], in: "default")
    #expect(try await found(retriever, bob) == [])
    try await store.writeRelations([tuple("group:all#member@group:eng#member")], in: "default")
    #expect(try await found(retriever, bob) == ["b/three.md"])
    try await store.writeRelations([tuple("folder:/#viewer@user:*")], in: "default")
    #expect(try await found(retriever, .anonymous).count == paths.count + 1)
    try await store.deleteRelations([tuple("folder:/#viewer@user:*")], in: "default")
    #expect(try await found(retriever, .anonymous) == [])

    // Odd names are reachable, and a document is not taken for another.
    let odd = DocumentObject.document("a b/c#d: 100%.md")
    #expect(RelationObject(odd.description) == odd)
    try await store.writeRelations([RelationTuple(odd, "viewer", .object(DocumentObject.user("amy")))], in: "default")
    try await store.deleteRelations([tuple("folder:a#viewer@user:amy")], in: "default")
    #expect(try await found(retriever, amy) == ["a b/c#d: 100%.md"])
    _ = try await store.setAuthorizationModel(nil, in: "default")
    #expect(try await found(retriever, bob).count == paths.count + 1)
  }

  @Test("a document that a tuple puts into an empty folder is reached from above, after a restart too")
  func emptyFolders() async throws {
    let folder = try TemporaryFolder()
    let store = try await store(["b/one.md"], in: folder)
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    let retriever = HybridRetriever(store: store, embedder: nil)
    let amy = Principal(user: "amy")
    try await store.writeRelations([tuple("folder:a/x#viewer@user:amy")], in: "default")
    #expect(try await found(retriever, amy) == [])
    try await store.writeRelations([tuple("document:b/one.md#parent@folder:a/x/deep")], in: "default")
    #expect(try await found(retriever, amy) == ["b/one.md"])
    #expect(try await found(HybridRetriever(store: store, embedder: nil), amy) == ["b/one.md"])
    try await store.deleteRelations([tuple("document:b/one.md#parent@folder:a/x/deep")], in: "default")
    #expect(try await found(retriever, amy) == [])
  }

  @Test("conditions see the gate's clock and the principal's attributes, and hide what they cannot decide")
  func conditions() async throws {
    let folder = try TemporaryFolder()
    let store = try await store(["a.md", "b.md"], in: folder)
    let clock = Shared(Date(timeIntervalSince1970: 1_700_000_000))
    let gate = AccessGate(store: store, now: { clock.value.withLock { $0 } })
    let retriever = HybridRetriever(store: store, embedder: nil, gate: gate)
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    var timed = try tuple("document:a.md#viewer@user:amy")
    timed.condition = RelationCondition("office_hours", context: ["until": "2023-11-14T22:13:30Z"])
    var networked = try tuple("document:b.md#viewer@user:amy")
    networked.condition = RelationCondition("network", context: ["allowed": "10.1.0.0/16"])
    try await store.writeRelations([timed, networked], in: "default")
    #expect(try await found(retriever, Principal(user: "amy")) == ["a.md"])
    #expect(try await found(retriever, Principal(user: "amy", attributes: ["ip": "10.1.2.3"])) == ["a.md", "b.md"])
    #expect(try await found(retriever, Principal(user: "amy", attributes: ["ip": "10.2.2.3"])) == ["a.md"])
    clock.value.withLock { $0 += 20 }
    #expect(try await found(retriever, Principal(user: "amy", attributes: ["ip": "10.1.2.3"])) == ["b.md"])
    // Nobody can bring a time along.
    let forged = Principal(user: "amy", attributes: ["current_time": "2020-01-01T00:00:00Z"])
    #expect(try await found(retriever, forged) == [])
  }

  @Test("a model that cannot be read lets nobody in, and one that does not speak of documents is refused")
  func brokenModel() async throws {
    let folder = try TemporaryFolder()
    let store = try await store(["a.md"], in: folder)
    let retriever = HybridRetriever(store: store, embedder: nil)
    #expect(try await found(retriever, .anonymous) == ["a.md"])
    for text in ["model schema 9", "model\n  schema 1.1\ntype user\n"] {
      _ = try await store.setAuthorizationModel(text, in: "default")
      await #expect(throws: RetrievalError.self) { try await found(retriever, .anonymous) }
      await #expect(throws: RetrievalError.self) { try await found(retriever, .anonymous) }
    }
    _ = try await store.setAuthorizationModel(nil, in: "default")
    #expect(try await found(retriever, .anonymous) == ["a.md"])
  }

  @Test("a decision is as new as the token that is asked for, or refused")
  func tokens() async throws {
    let folder = try TemporaryFolder()
    let store = try await store(["a.md"], in: folder)
    let gate = AccessGate(store: store)
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    let token = try await store.writeRelations([tuple("document:a.md#viewer@user:amy")], in: "default")
    let decision = try await gate.decision(for: Principal(user: "amy"), atLeast: token)
    #expect(decision.revision >= token)
    let error = await #expect(throws: RetrievalError.self) {
      try await gate.decision(for: Principal(user: "amy"), atLeast: token + 1)
    }
    #expect(error?.code == RetrievalError.unknownRevision)
  }

  @Test("what somebody hands in is theirs, and their name does not outlive the document")
  func claims() async throws {
    let folder = try TemporaryFolder()
    let path = "@uploads/mine.md"
    let store = try await store([path], in: folder)
    let gate = AccessGate(store: store)
    let record = try #require(try await store.document(path, version: nil, in: "default"))
    #expect(try await gate.claim(path, for: .user("amy")) == [.user("amy")])
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    #expect(try await gate.claim(path, for: .user("amy")) == [])
    #expect(try await gate.decision(for: Principal(user: "amy")).mayRead(record))
    #expect(try await !gate.decision(for: Principal(user: "bob")).mayRead(record))
    #expect(try await gate.isClaimed(record, by: .user("amy")))
    #expect(try await !gate.isClaimed(record, by: .user("bob")))
    await #expect(throws: RetrievalError.self) { try await gate.claim(path, for: .everyone) }
    try await gate.disclaim(path)
    #expect(try await !gate.decision(for: Principal(user: "amy")).mayRead(record))
  }

  @Test("a recorded run withholds what rests on documents that its owner has lost")
  func journal() async throws {
    let folder = try TemporaryFolder()
    let store = try await store(["a.md", "b.md"], in: folder)
    let gate = AccessGate(store: store)
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    let grants = [try tuple("document:a.md#viewer@user:amy"), try tuple("document:b.md#viewer@user:amy")]
    try await store.writeRelations(grants, in: "default")
    func event(_ sequence: Int, _ payload: JSON) -> JournalEvent {
      JournalEvent(run: "r", sequence: sequence, kind: "k", payload: payload, timestamp: .now)
    }
    let events = [
      event(0, ["question": "?"]), event(1, ["content": ["passages": [["document": "a.md", "text": "first"]]]]),
      event(2, ["step": 3, "content": ["passages": [["document": "b.md", "text": "second"]]]]),
      event(3, ["result": ["answer": "first and second"]]),
    ]
    let amy = Principal(user: "amy")
    #expect(try await gate.visible(events, to: amy) == events)
    try await store.deleteRelations([grants[1]], in: "default")
    let left = try await gate.visible(events, to: amy)
    #expect(left.prefix(2) == events.prefix(2))
    #expect(left[2].payload == ["step": 3, "withheld": true])
    #expect(!left.contains { $0.payload.text().contains("second") })
    _ = try await store.delete("a.md", in: "default")
    #expect(try await gate.visible(events, to: amy)[0] == events[0])
    #expect(try await !gate.visible(events, to: amy).contains { $0.payload.text().contains("first") })
  }

  @Test("once a revocation has returned, no search that begins later shows the document")
  func race() async throws {
    let folder = try TemporaryFolder()
    let paths = (0..<40).map { "f\($0 % 4)/d\($0).md" }
    let store = try await store(paths, in: folder)
    _ = try await store.setAuthorizationModel(Self.model, in: "default")
    let grants = paths.map { RelationTuple(DocumentObject.document($0), "viewer", .object(DocumentObject.user("amy"))) }
    try await store.writeRelations(grants, in: "default")
    // Two searchers share a retriever, one has its own, as another process would.
    let shared = HybridRetriever(store: store, embedder: nil)
    let own = HybridRetriever(store: try SQLiteStore(path: store.path), embedder: nil)
    #expect(try await found(shared, Principal(user: "amy")).count == paths.count)
    let revoked = Shared<Set<String>>([])
    try await withThrowingTaskGroup(of: Int.self) { group in
      for retriever in [shared, shared, own] {
        group.addTask {
          var searches = 0
          var rest = paths.count
          while rest > 0 {
            let before = revoked.value.withLock { $0 }
            let seen = try await found(retriever, Principal(user: "amy"))
            #expect(seen.isDisjoint(with: before))
            rest = paths.count - before.count
            searches += 1
          }
          return searches
        }
      }
      for (path, grant) in zip(paths, grants) {
        try await store.deleteRelations([grant], in: "default")
        revoked.value.withLock { _ = $0.insert(path) }
      }
      for try await searches in group { #expect(searches > 0) }
    }
    #expect(try await found(shared, Principal(user: "amy")) == [])
  }
}

/// A value that tasks share.
private final class Shared<Value: Sendable>: Sendable {
  let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
}
