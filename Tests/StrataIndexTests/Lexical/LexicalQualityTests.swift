// Measures BM25 on public test collections.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Lexical quality", .tags(.slow), .serialized)
struct LexicalQualityTests {
  private func measure(_ name: String, _ collection: TestCollection) throws -> Double {
    let index = HybridIndex(dimension: nil)
    let entries = collection.documents.enumerated().map { number, document in
      IndexEntry(
        id: Int64(number), document: document.id, title: document.title, body: document.text, readers: [.everyone])
    }
    let clock = ContinuousClock()
    let building = try clock.measure { try index.apply(adding: entries) }
    let snapshot = index.snapshot()
    let readable = snapshot.readable(by: .anonymous)
    var quality = 0.0
    let searching = clock.measure {
      quality = collection.nDCG10 { query in
        snapshot.lexical(query, limit: 10, within: readable).map { collection.documents[Int($0.id)].id }
      }
    }
    let documentRate = Double(entries.count) / (building / .seconds(1))
    let queryRate = Double(collection.queries.count) / (searching / .seconds(1))
    print("\(name): nDCG@10 \(quality), \(Int(documentRate)) documents/s, \(Int(queryRate)) queries/s")
    return quality
  }

  @Test("SciFact reaches 0.685", .enabled(if: TestCollection.has("retrieval/scifact"), "no STRATA_DATA"))
  func sciFact() throws {
    #expect(try measure("SciFact", .sciFact()) >= 0.685)
  }

  @Test("Cranfield reaches 0.37", .enabled(if: TestCollection.has("retrieval/cranfield"), "no STRATA_DATA"))
  func cranfield() throws {
    #expect(try measure("Cranfield", .cranfield()) >= 0.37)
  }
}
