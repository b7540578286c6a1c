// Tests that numbers in a segment file that contradict each other, under right checksums, never trap.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Lexical damage")
struct LexicalDamageTests {
  @Test("Searching, removing and merging a segment with false numbers ends in an error or in results")
  func falseNumbers() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "damage-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var content = RandomContent(seed: 77)
    let entries = (0..<300).map { number in
      IndexEntry(
        id: Int64(number), document: "d", title: content.words(0...3), body: content.words(1...40), readers: [.everyone]
      )
    }
    do {
      let index = try HybridIndex.open(folder: folder, dimension: nil)
      try index.apply(adding: entries)
      try index.flush()
    }
    let forgery = try SegmentForgery(folder: folder)
    var refused = 0
    for _ in 0..<100 {
      try forgery.damage("lexical.", &content.random)
      guard let index = try? HybridIndex.open(folder: folder, dimension: nil) else {
        refused += 1
        continue
      }
      let snapshot = index.snapshot()
      let readable = snapshot.readable(by: .anonymous)
      for _ in 0..<4 {
        let found = snapshot.lexical(content.words(1...5), limit: 10, within: readable)
        #expect(found.allSatisfy { (0..<300).contains($0.id) })
        let query = LexicalQuery(clauses: [content.clause(), content.clause()])
        for chunk in snapshot.lexical(query, limit: 10, within: readable) {
          _ = snapshot.explain(query, chunk: chunk.id, within: readable)
        }
      }
    }
    // Some damage is found when the index is opened; some only changes results.
    #expect(refused > 5 && refused < 98)
  }
}
