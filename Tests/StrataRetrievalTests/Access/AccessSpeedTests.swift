// Owns saying what a decision costs; nothing here depends on time.
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Access speed")
struct AccessSpeedTests {
  @Test("a decision about many documents, and its bitmap, are made once per revision and state of the index")
  func decision() async throws {
    let count = Int(ProcessInfo.processInfo.environment["STRATA_ACCESS_DOCUMENTS"] ?? "") ?? 5000
    let store = InMemoryDocumentStore()
    let versions = (0..<count).map { number in
      let path = "f\(number % 100)/g\(number % 10)/d\(number).md"
      let record = DocumentRecord(
        collection: "default", path: path, version: 1, contentHash: "", byteCount: 1, mediaType: "text/plain",
        title: "", readers: [], modifiedAt: .now, ingestedAt: .now, chunkCount: 1)
      let chunk = ChunkRecord(
        collection: "default", document: path, version: 1, ordinal: 0, range: 0..<1, text: "walrus \(number)")
      return NewVersion(record, text: "x", chunks: [chunk])
    }
    _ = try await store.save(versions, embedder: nil)
    _ = await store.setAuthorizationModel(LeakWorld.model, in: "default")
    try await store.writeRelations([RelationText.tuple("folder:/#viewer@user:all")], in: "default")
    let few = (0..<50).map {
      RelationTuple(DocumentObject.folder("f\($0)"), "viewer", .object(DocumentObject.user("some")))
    }
    try await store.writeRelations(few, in: "default")
    let index = CollectionIndex(store: store, dimension: nil)
    try await index.load()
    let gate = AccessGate(store: store)
    let snapshot = index.index.snapshot()
    for (user, expected) in [("nobody", 0), ("some", count / 2), ("all", count)] {
      let clock = ContinuousClock()
      var found = 0
      let principal = Principal(user: user)
      let first = try await clock.measure {
        found = try await gate.decision(for: principal).readable(in: snapshot).count
      }
      let second = try await clock.measure { _ = try await gate.decision(for: principal).readable(in: snapshot) }
      print("access: \(count) documents, \(user) reads \(found): \(first) at first, \(second) again")
      #expect(found == expected)
    }
  }
}
