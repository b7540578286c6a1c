// Measures indexing and searching for Benchmarks/scripts/lexical.py; proves nothing.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Lexical speed", .tags(.slow), .serialized)
struct LexicalSpeedTests {
  private static let corpus = ProcessInfo.processInfo.environment["STRATA_BENCH_CORPUS"]
  private static let rounds = 5

  /// Best of several rounds, in wall-clock and in processor seconds.
  private struct Best {
    var wall = Double.infinity
    var cpu = Double.infinity

    mutating func measure(_ body: () throws -> Void) rethrows {
      let (clock, start) = (ContinuousClock(), Self.cpuSeconds())
      wall = min(wall, try clock.measure(body) / .seconds(1))
      cpu = min(cpu, Self.cpuSeconds() - start)
    }

    private static func cpuSeconds() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
  }

  @Test("Documents and queries per second", .enabled(if: corpus != nil, "no STRATA_BENCH_CORPUS"))
  func speed() throws {
    let sciFact = try TestCollection.sciFact()
    let queries = sciFact.queries.map(\.text)
    // Title and text as one field, as the others get them. One reader in ten is somebody else, so that access lists are
    // at work.
    let own = sciFact.documents.enumerated().map { number, document in
      IndexEntry(
        id: Int64(number), document: "", body: document.title + " " + document.text,
        readers: [number % 10 == 0 ? .user("ann") : .everyone])
    }
    let index = try measure("scifact", own, queries)
    let readable = index.readable(by: Principal(user: "ann"))
    let quality = sciFact.nDCG10 { query in
      index.lexical(query, limit: 10, within: readable).map { sciFact.documents[Int($0.id)].id }
    }
    print("strata scifact ndcg10 \(quality)")
    var mixed: [IndexEntry] = []
    for line in try String(contentsOfFile: Self.corpus ?? "", encoding: .utf8).split(separator: "\n") {
      let text = try JSON(parsing: String(line))["text"]?.stringValue ?? ""
      mixed.append(
        IndexEntry(
          id: Int64(mixed.count), document: "", body: text,
          readers: [mixed.count % 10 == 0 ? .user("ann") : .everyone]))
    }
    if !mixed.isEmpty { _ = try measure("mixed", mixed, queries) }
  }

  private func measure(_ name: String, _ entries: [IndexEntry], _ queries: [String]) throws -> IndexSnapshot {
    var building = Best()
    var index = HybridIndex(dimension: nil)
    for _ in 0..<2 {
      index = HybridIndex(dimension: nil)
      try building.measure { try index.apply(adding: entries) }
    }
    report("\(name) index", Double(entries.count), building)
    let snapshot = index.snapshot()
    for (who, principal) in [("all", Principal(user: "ann")), ("90%", .anonymous)] {
      let readable = snapshot.readable(by: principal)
      var searching = Best()
      var found = 0
      for _ in 0..<Self.rounds {
        searching.measure {
          for query in queries { found += snapshot.lexical(query, limit: 10, within: readable).count }
        }
      }
      report("\(name) search \(who)", Double(queries.count), searching)
      #expect(found > 0)
    }
    return snapshot
  }

  private func report(_ name: String, _ count: Double, _ best: Best) {
    print("strata \(name) \(count / best.wall) \(count / best.cpu)")
  }
}
