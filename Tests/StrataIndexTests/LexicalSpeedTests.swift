// Measures indexing and searching for Benchmarks/scripts/lexical.py; proves nothing.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Lexical speed", .tags(.slow), .serialized)
struct LexicalSpeedTests {
  private static let corpus = ProcessInfo.processInfo.environment["STRATA_BENCH_CORPUS"]

  @Test("Documents and queries per second", .enabled(if: corpus != nil, "no STRATA_BENCH_CORPUS"))
  func speed() throws {
    let sciFact = try TestCollection.sciFact()
    let queries = sciFact.queries.map(\.text)
    let own = sciFact.documents.enumerated().map { number, document in
      IndexEntry(
        id: Int64(number), document: "", title: document.title, body: document.text,
        readers: [number % 10 == 0 ? .user("ann") : .everyone])
    }
    try measure("        SciFact", own, queries)
    var mixed: [IndexEntry] = []
    for line in try String(contentsOfFile: Self.corpus ?? "", encoding: .utf8).split(separator: "\n") {
      let text = try JSON(parsing: String(line))["text"]?.stringValue ?? ""
      mixed.append(
        IndexEntry(
          id: Int64(mixed.count), document: "", body: text,
          readers: [mixed.count % 10 == 0 ? .user("ann") : .everyone]))
    }
    let name = "\(mixed.count) chunks"
    try measure(String(repeating: " ", count: max(0, 15 - name.count)) + name, mixed, queries)
  }

  private func measure(_ name: String, _ entries: [IndexEntry], _ queries: [String]) throws {
    let clock = ContinuousClock()
    let index = HybridIndex(dimension: nil)
    let building = try clock.measure {
      for start in stride(from: 0, to: entries.count, by: 10_000) {
        try index.apply(adding: Array(entries[start..<min(start + 10_000, entries.count)]))
      }
    }
    let snapshot = index.snapshot()
    for (who, principal) in [
      ("reading all", Principal(user: "ann")), ("reading 90%", .anonymous), ("reading 10%", Principal(user: "ann")),
    ] {
      var readable = snapshot.readable(by: principal)
      if who == "reading 10%" {
        let copy = HybridIndex(dimension: nil)
        try copy.apply(adding: entries)
        copy.setReaders([], of: entries.map(\.id).filter { $0 % 10 != 0 })
        let restricted = copy.snapshot()
        readable = restricted.readable(by: principal)
        report(name, who, entries.count, building, queries, restricted, readable)
      } else {
        report(name, who, entries.count, building, queries, snapshot, readable)
      }
    }
  }

  private func report(
    _ name: String, _ who: String, _ count: Int, _ building: Duration, _ queries: [String], _ snapshot: IndexSnapshot,
    _ readable: ChunkBitmap
  ) {
    var found = 0
    let searching = ContinuousClock().measure {
      for query in queries { found += snapshot.lexical(query, limit: 10, within: readable).count }
    }
    let documentRate = String(format: "%9.0f", Double(count) / (building / .seconds(1)))
    let queryRate = String(format: "%9.0f", Double(queries.count) / (searching / .seconds(1)))
    print("strata  \(name): \(documentRate) documents/s \(queryRate) queries/s, \(who)")
    #expect(found > 0)
  }
}
