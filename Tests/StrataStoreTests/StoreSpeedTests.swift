// Measures saving, loading and deleting; proves nothing.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore speed", .serialized)
struct StoreSpeedTests {
  private static let count = ProcessInfo.processInfo.environment["STRATA_BENCH_DOCUMENTS"].flatMap(Int.init)

  @Test("Documents and chunks per second", .enabled(if: count != nil, "no STRATA_BENCH_DOCUMENTS"))
  func speed() async throws {
    let count = Self.count ?? 0
    let folder = try TemporaryFolder()
    let store = try SQLiteStore(path: folder.file("strata.sqlite"))
    let text = String(repeating: "Some sentence of a document that says little. ", count: 20)
    let clock = ContinuousClock()
    func report(_ what: String, _ number: Int, _ time: Duration) {
      print("strata  \(what): \(String(format: "%.0f", Double(number) / (time / .seconds(1))))/s")
    }
    let saving = try await clock.measure {
      for number in 0..<count {
        let record = Sample.record("folder/document\(number)")
        let chunks = (0..<5).map { ordinal in
          ChunkRecord(
            collection: "main", document: record.path, version: 1, ordinal: ordinal, range: 0..<text.utf8.count,
            text: text, headingPath: ["A", "B"],
            embedding: (0..<384).map { Float($0 * ordinal + number) / 1000 })
        }
        _ = try await store.save(record, text: text, chunks: chunks, embedder: "e")
      }
    }
    report("documents of 5 chunks saved", count, saving)
    var loaded = 0
    let loading = try await clock.measure { loaded = try await store.chunks(in: "main").count }
    report("chunks loaded", 5 * count, loading)
    #expect(loaded == 5 * count)
    var listed = 0
    let listing = try await clock.measure { listed = try await store.documents(in: "main").count }
    report("documents listed", count, listing)
    #expect(listed == count)
    let asking = try await clock.measure { for _ in 0..<1000 { _ = try await store.changeToken(in: "main") } }
    report("change tokens", 1000, asking)
    try await store.open(run: "r", principal: .anonymous, title: "")
    let appending = try await clock.measure {
      for sequence in 0..<500 {
        try await store.append(
          JournalEvent(run: "r", sequence: sequence, kind: "step", payload: ["text": .string(text)], timestamp: .now))
      }
    }
    report("events appended", 500, appending)
    let deleting = try await clock.measure {
      for number in 0..<min(count, 200) { _ = try await store.delete("folder/document\(number)", in: "main") }
    }
    report("documents deleted", min(count, 200), deleting)
    #expect(try await store.verify().isEmpty)
  }
}
