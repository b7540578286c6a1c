// Tests the durable journal.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore journal")
struct JournalTests {
  let folder: TemporaryFolder
  let store: SQLiteStore

  init() throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.file("strata.sqlite"))
  }

  private func event(_ run: String, _ sequence: Int, _ payload: JSON = ["a": 1.50, "b": [nil, true, "ü"]])
    -> JournalEvent
  {
    JournalEvent(run: run, sequence: sequence, kind: "step", payload: payload, timestamp: .now)
  }

  @Test("Events come back equal and in order, from a store opened later too")
  func roundTrip() async throws {
    try await store.open(run: "r", principal: Principal(tenant: "t", user: "u"), title: "Title")
    let events = (0..<20).map { event("r", $0) }
    for event in events { try await store.append(event) }
    try await store.setStatus(.completed, of: "r")
    try store.close()
    let later = try SQLiteStore(path: store.path)
    #expect(try await later.events(of: "r") == events)
    let summary = try await later.summary(of: "r")
    #expect(summary?.eventCount == 20 && summary?.status == .completed)
    #expect(summary?.tenant == "t" && summary?.user == "u" && summary?.title == "Title")
    #expect(try await later.events(of: "absent").isEmpty)
    #expect(try await later.summary(of: "absent") == nil)
  }

  @Test("Doubled runs, gaps, repeated events and unknown runs are refused")
  func conflicts() async throws {
    try await store.open(run: "r", principal: .anonymous, title: "")
    await #expect(throws: StoreError.self) { try await store.open(run: "r", principal: .anonymous, title: "") }
    await #expect(throws: StoreError.self) { try await store.append(event("r", 1)) }
    try await store.append(event("r", 0))
    await #expect(throws: StoreError.self) { try await store.append(event("r", 0)) }
    await #expect(throws: StoreError.self) { try await store.append(event("x", 0)) }
    await #expect(throws: StoreError.self) { try await store.setStatus(.failed, of: "x") }
    #expect(try await store.events(of: "r").count == 1)
  }

  @Test("Of two processes that append the same event, one wins")
  func race() async throws {
    try await store.open(run: "r", principal: .anonymous, title: "")
    let rival = try SQLiteStore(path: store.path)
    for sequence in 0..<50 {
      let wins = await withTaskGroup(of: Bool.self) { group in
        for one in [store, rival] {
          group.addTask { (try? await one.append(event("r", sequence))) != nil }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(wins == 1)
    }
    #expect(try await store.events(of: "r").map(\.sequence) == Array(0..<50))
  }

  @Test("Runs are listed newest first, by status")
  func listing() async throws {
    for name in ["a", "b", "c"] { try await store.open(run: name, principal: .anonymous, title: name) }
    try await store.setStatus(.cancelled, of: "b")
    #expect(try await store.runs(limit: 10, status: nil).map(\.run) == ["c", "b", "a"])
    #expect(try await store.runs(limit: 1, status: .running).map(\.run) == ["c"])
    #expect(try await store.runs(limit: 10, status: .cancelled).map(\.run) == ["b"])
  }

  @Test("A cancelled task can still write down that it was cancelled")
  func cancellation() async throws {
    try await store.open(run: "r", principal: .anonymous, title: "")
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      try await store.append(event("r", 0))
      try await store.setStatus(.cancelled, of: "r")
    }
    task.cancel()
    try await task.value
    #expect(try await store.summary(of: "r")?.status == .cancelled)
  }

  @Test("A payload that could not be read again is refused")
  func deepPayload() async throws {
    try await store.open(run: "r", principal: .anonymous, title: "")
    let deep = (0..<3000).reduce(JSON.null) { value, _ in .array([value]) }
    let error = await #expect(throws: StoreError.self) { try await store.append(event("r", 0, deep)) }
    #expect(error?.code == StoreError.invalidRecord)
    try await store.append(event("r", 0))
    #expect(try await store.events(of: "r").count == 1)
  }
}
