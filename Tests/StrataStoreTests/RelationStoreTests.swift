import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("Relation store")
struct RelationStoreTests {
  private static let grant = RelationTuple("document:a#viewer@user:amy")
  private static let other = RelationTuple("document:b#viewer@group:eng#member")

  private func store() throws -> (SQLiteStore, TemporaryFolder) {
    let folder = try TemporaryFolder()
    return (try SQLiteStore(path: folder.file("strata.sqlite")), folder)
  }

  @Test("a write is there at the revision that it returns, and each write makes a later one")
  func revisions() async throws {
    let (store, _folder) = try store()
    defer { _ = _folder }
    let grant = try #require(Self.grant)
    let other = try #require(Self.other)
    #expect(try await store.relationRevision(in: "c") == 0)
    #expect(try await store.deleteRelations([grant], in: "c") == 0)
    let first = try await store.writeRelations([grant], in: "c")
    let second = try await store.writeRelations([other], in: "c")
    let nothing = try await store.writeRelations([grant, other], in: "c")
    #expect(0 < first && first < second && second == nothing)
    let state = try await store.relations(in: "c")
    #expect(state.revision == second && Set(state.tuples) == [grant, other] && state.model == nil)
    #expect(try await store.relations(in: "elsewhere") == RelationState())
    let third = try await store.setAuthorizationModel("model\n", in: "c")
    #expect(third > second)
    #expect(try await store.relations(in: "c").model == "model\n")
  }

  @Test("changes since a revision lead from the old state to the new one")
  func changes() async throws {
    let (store, _folder) = try store()
    defer { _ = _folder }
    let grant = try #require(Self.grant)
    let other = try #require(Self.other)
    let first = try await store.writeRelations([grant], in: "c")
    var conditional = grant
    conditional.condition = RelationCondition("cleared", context: ["level": 3, "where": ["a", "b"]])
    try await store.writeRelations([conditional, other], in: "c")
    try await store.deleteRelations([other], in: "c")
    _ = try await store.setAuthorizationModel("m", in: "c")
    let changes = try #require(try await store.relationChanges(since: first, in: "c"))
    #expect(changes.changes == [.written(conditional), .written(other), .deleted(other)])
    #expect(changes.model == RelationChanges.Model(text: "m"))
    #expect(try await store.relations(in: "c").tuples == [conditional])
    #expect(try await store.relationChanges(since: changes.revision, in: "c")?.changes == [])
    // A revision of another collection, or of none, says nothing about this one.
    let foreign = try await store.writeRelations([grant], in: "d")
    #expect(try await store.relationChanges(since: foreign, in: "c") == nil)
  }

  @Test("preconditions hold for the whole write or nothing of it happens")
  func preconditions() async throws {
    let (store, _folder) = try store()
    defer { _ = _folder }
    let grant = try #require(Self.grant)
    let other = try #require(Self.other)
    let revision = try await store.writeRelations([grant], in: "c")
    for (present, absent, seen) in [([other], [], nil), ([], [grant], nil), ([], [], revision - 1)]
      as [([RelationTuple], [RelationTuple], Int64?)]
    {
      await #expect(throws: StoreError.self) {
        try await store.changeRelations(
          writing: [other], deleting: [grant], ifPresent: present, ifAbsent: absent, ifRevision: seen, in: "c")
      }
    }
    #expect(try await store.relations(in: "c") == RelationState(revision: revision, tuples: [grant]))
    let next = try await store.changeRelations(
      writing: [other], deleting: [grant], ifPresent: [grant], ifAbsent: [other], ifRevision: revision, in: "c")
    #expect(try await store.relations(in: "c") == RelationState(revision: next, tuples: [other]))
  }

  @Test("another process sees what was written")
  func twoConnections() async throws {
    let (store, _folder) = try store()
    defer { _ = _folder }
    let reader = try SQLiteStore(path: store.path)
    let revision = try await store.writeRelations([try #require(Self.grant)], in: "c")
    #expect(try await reader.relationRevision(in: "c") == revision)
    #expect(try await reader.relations(in: "c").tuples.count == 1)
    #expect(try await store.verify().isEmpty)
  }
}
