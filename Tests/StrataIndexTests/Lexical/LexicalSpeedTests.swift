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
    for line in try lines(Self.corpus) {
      mixed.append(
        IndexEntry(
          id: Int64(mixed.count), document: "", body: line,
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

  /// A folder with an index of the lines of a text file, made here if `STRATA_BENCH_TEXT` names one; the next run, a fresh
  /// process, opens it and asks each line of `STRATA_BENCH_QUERIES`.
  private static let folder = ProcessInfo.processInfo.environment["STRATA_BENCH_INDEX"]
  private static let text = ProcessInfo.processInfo.environment["STRATA_BENCH_TEXT"]
  private static let queries = ProcessInfo.processInfo.environment["STRATA_BENCH_QUERIES"]

  @Test("An index in a folder", .enabled(if: folder != nil && text != nil, "no STRATA_BENCH_INDEX, STRATA_BENCH_TEXT"))
  func build() throws {
    var entries: [IndexEntry] = []
    for line in try lines(Self.text) {
      entries.append(
        IndexEntry(
          id: Int64(entries.count), document: "", body: line,
          readers: [entries.count % 10 == 0 ? .user("ann") : .everyone]))
    }
    let index = try HybridIndex.open(folder: Self.folder ?? "", dimension: nil)
    var building = Best()
    try building.measure {
      try index.apply(adding: entries)
      try index.flush()
    }
    report("index", Double(entries.count), building)
  }

  @Test(
    "First and later searches of a folder", .enabled(if: folder != nil && text == nil, "no STRATA_BENCH_INDEX"))
  func open() throws {
    let queries = try lines(Self.queries)
    var opening = Best()
    var index = HybridIndex(dimension: nil)
    try opening.measure { index = try HybridIndex.open(folder: Self.folder ?? "", dimension: nil) }
    report("open", 1, opening)
    let snapshot = index.snapshot()
    let readable = snapshot.readable(by: Principal(user: "ann"))
    var found: [[ScoredChunk]] = []
    for (name, rounds) in [("cold", 1), ("warm", Self.rounds)] {
      var searching = Best()
      for _ in 0..<rounds {
        searching.measure { found = queries.map { snapshot.lexical($0, limit: 10, within: readable) } }
      }
      report(name, Double(queries.count), searching)
    }
    // Nothing is pruned where everything is wanted.
    var hits = 0
    for (query, best) in zip(queries, found).prefix(queries.first?.first == "\"" ? queries.count : 20) {
      let all = snapshot.lexical(query, limit: snapshot.count, within: readable)
      #expect(Array(all.prefix(10)) == best)
      hits += all.count
    }
    print("strata hits \(hits)")
  }

  private func lines(_ path: String?) throws -> [String] {
    try String(contentsOfFile: path ?? "", encoding: .utf8).utf8.split(separator: UInt8(ascii: "\n")).map {
      String(Substring($0))
    }
  }

  private func report(_ name: String, _ count: Double, _ best: Best) {
    print("strata \(name) \(count / best.wall) \(count / best.cpu)")
  }
}
