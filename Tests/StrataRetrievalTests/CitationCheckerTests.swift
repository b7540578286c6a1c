import Foundation
import StrataCore
import StrataRetrieval
import StrataTesting
import Testing

@Suite("CitationChecker")
struct CitationCheckerTests {
  let store = InMemoryDocumentStore()
  let sofia = Principal(user: "sofia")

  private func save(_ text: String, version: Int, readers: [Reader] = [.everyone]) async throws {
    let record = DocumentRecord(
      collection: "c", path: "a.md", version: version, contentHash: "", byteCount: text.utf8.count,
      mediaType: "text/markdown", title: "A", readers: readers, modifiedAt: Date(), ingestedAt: Date())
    _ = try await store.save(record, text: text, chunks: [], embedder: nil)
  }

  private func check(_ place: CitedPlace, as principal: Principal? = nil) async throws -> CitationCheck {
    try await CitationChecker(store: store, collection: "c").check([place], as: principal ?? sofia)[0]
  }

  @Test("a citation is verified, goes stale with a new version, and is gone with the document")
  func life() async throws {
    try await save("One. Two days of rest. Three.", version: 1)
    let place = CitedPlace(document: "a.md", version: 1, range: 5..<22, quote: "Two days of rest.")
    #expect(try await check(place).status == .verified)
    try await save("Zero. One. Two days of rest. Three.", version: 2)
    let moved = try await check(place)
    #expect(moved.status == .stale && moved.currentVersion == 2 && moved.currentRange == 11..<28)
    try await save("Three days of rest.", version: 3)
    let dropped = try await check(place)
    #expect(dropped.status == .stale && dropped.currentVersion == 3 && dropped.currentRange == nil)
    _ = await store.delete("a.md", in: "c")
    let gone = try await check(place)
    #expect(gone.status == .gone && gone.currentVersion == nil)
  }

  @Test("another text, another place or no place at all is altered, never a trap")
  func altered() async throws {
    try await save("Two days of rest.", version: 1)
    for (range, quote) in [(0..<17, "Six days of rest."), (1..<17, "Two days of rest."), (0..<900, "x"), (3..<3, "")] {
      let place = CitedPlace(document: "a.md", version: 1, range: range, quote: quote)
      #expect(try await check(place).status == .altered)
    }
    let other = CitedPlace(document: "a.md", version: 7, range: 0..<17, quote: "Two days of rest.")
    #expect(try await check(other).status == .gone)
  }

  @Test("who may not read the document learns nothing of it but that")
  func forbidden() async throws {
    try await save("Two days of rest.", version: 1, readers: [.user("priya")])
    let place = CitedPlace(document: "a.md", version: 1, range: 0..<17, quote: "Two days of rest.")
    let check = try await check(place)
    #expect(check.status == .forbidden && check.currentVersion == nil && check.currentRange == nil)
    #expect(try await self.check(place, as: Principal(user: "priya")).status == .verified)
  }
}
