// Tests that the store tells what changed in a memory, also in databases of before it did.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore memory changes")
struct MemoryStoreTests {
  let folder: TemporaryFolder
  let scope = MemoryScope(tenant: "north", user: "amy")

  init() throws { folder = try TemporaryFolder() }

  func fact(_ text: String) -> MemoryFact {
    MemoryFact(
      scope: scope, subject: "user", predicate: "said", object: text, text: text, validFrom: .distantPast,
      recordedAt: .distantPast, readers: [.user("amy")])
  }

  func apply(_ store: SQLiteStore, _ change: (inout MemoryChange) -> Void) async throws -> [Int64] {
    var wanted = MemoryChange()
    change(&wanted)
    let revision = try await store.memoryRevision(tenant: "north")
    return try #require(try await store.apply(wanted, tenant: "north", ifRevisionIs: revision))
  }

  @Test("Each change of facts or episodes is told once, with the rows that it touched, to its tenant alone")
  func changes() async throws {
    let store = try SQLiteStore(path: folder.file("strata.sqlite"))
    #expect(try await store.memoryToken(tenant: "north") == 0)
    #expect(try await store.memoryIdentity(tenant: "north") == nil)
    let episode = try await store.add(
      MemoryEpisode(
        scope: scope, text: "a", occurredAt: .distantPast, recordedAt: .distantPast, readers: [], embedding: [1, 0]))
    #expect(try await store.episodes(ids: [episode], tenant: "north").first?.embedding == [1, 0])
    #expect(try await store.episodes(ids: [episode], tenant: "south").isEmpty)
    let first = try await store.memoryToken(tenant: "north")
    let ids = try await apply(store) { $0.added = [fact("a"), fact("b"), fact("c")] }
    let second = try await store.memoryToken(tenant: "north")
    _ = try await apply(store) { $0.confirmed = [ids[0]] }
    #expect(try await store.memoryToken(tenant: "north") == second)
    _ = try await apply(store) { change in
      change.retracted = [ids[1]]
      change.retractedAt = .now
      change.erased = [ids[2]]
      change.erasedEpisodes = [episode]
    }
    let all = try #require(try await store.memoryChanges(since: first, tenant: "north"))
    #expect(all.rows == MemoryRows(facts: ids, episodes: [episode]))
    let last = try #require(try await store.memoryChanges(since: second, tenant: "north"))
    #expect(last.rows == MemoryRows(facts: [ids[1], ids[2]], episodes: [episode]))
    #expect(try await store.memoryChanges(since: all.token, tenant: "north")?.rows == MemoryRows())
    #expect(try await store.memoryChanges(since: 0, tenant: "north") == nil)
    #expect(try await store.memoryChanges(since: first, tenant: "south") == nil)
    #expect(try await store.memoryRows(tenant: "north") == MemoryRows(facts: [ids[0], ids[1]]))
    #expect(try await store.memoryTenants() == ["north"])
  }

  @Test("A memory of before changes were told is read as a whole", .enabled(if: OpeningTests.hasPython, "no python3"))
  func migration() async throws {
    let path = folder.file("strata.sqlite")
    do {
      let store = try SQLiteStore(path: path)
      _ = try await apply(store) { $0.added = [fact("a")] }
      try store.close()
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = [
      "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])", path,
      """
      DROP TABLE memory_changes;
      ALTER TABLE memory_revisions DROP COLUMN identity;
      ALTER TABLE memory_episodes DROP COLUMN embedding;
      INSERT INTO memory_episodes VALUES (1, 'south', 'ben', 'assistant', x'61', 0, 0, NULL, '[]', 1);
      DELETE FROM grdb_migrations WHERE identifier = '6 memory changes';
      """,
    ]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let store = try SQLiteStore(path: path)
    #expect(try await store.memoryTenants() == ["north", "south"])
    for tenant in ["north", "south"] {
      #expect(try await store.memoryToken(tenant: tenant) > 0)
      #expect(try await store.memoryIdentity(tenant: tenant)?.count == 32)
    }
    #expect(try await store.facts(tenant: "north", scope: nil, history: true).map(\.object) == ["a"])
    #expect(try await store.memoryRows(tenant: "south").episodes == [1])
    #expect(try await store.verify().isEmpty)
  }
}
