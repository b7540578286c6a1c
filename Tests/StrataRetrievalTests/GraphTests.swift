import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataTesting
import Testing

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

@Suite("Entities")
struct EntityExtractorTests {
  @Test("names are runs of capitalized words, without function words around them")
  func names() {
    let text = """
      In 1990 J. K. Rowling met the University of Kent's Émile Zola. The Beatles, however, went to São Paulo-Guarulhos; \
      NASA did not.
      """
    let found = EntityExtractor().mentions(in: text)
    #expect(found.names.isSuperset(of: ["beatles", "nasa", "sao paulo guarulhos"]))
    #expect(found.names.contains("university of kent emile zola"))
    #expect(found.parts.isSuperset(of: ["university of kent", "emile zola", "rowling", "sao paulo"]))
    #expect(!found.names.contains("in") && !found.names.contains("the beatles"))
    #expect(EntityExtractor().mentions(in: "").names.isEmpty)
    #expect(EntityExtractor().mentions(in: "nothing has a capital here, 42 times").names.isEmpty)
  }

  @Test("a title stands for a name without what distinguishes it")
  func titles() {
    #expect(EntityExtractor.name(ofTitle: "Mercury (planet)") == "mercury")
    #expect(EntityExtractor.name(ofTitle: "The Who") == "the who")
    #expect(EntityExtractor.name(ofTitle: "The Beatles") == "beatles")
    #expect(EntityExtractor.name(ofTitle: "") == nil)
    #expect(EntityExtractor.name(ofTitle: "(x)") == nil)
  }
}

@Suite("Entity graph")
struct EntityGraphTests {
  static func contribution(_ random: inout SeededNumbers) -> EntityGraph.Contribution {
    let names = Set(
      (0..<Int.random(in: 0...4, using: &random)).map { _ in "name \(Int.random(in: 0..<12, using: &random))" })
    let parts = Set(
      (0..<Int.random(in: 0...3, using: &random)).map { _ in "name \(Int.random(in: 0..<12, using: &random))" })
    let subject = Bool.random(using: &random) ? "name \(Int.random(in: 0..<12, using: &random))" : nil
    return EntityGraph.Contribution(mentions: EntityMentions(names: names, parts: parts), subject: subject)
  }

  @Test("removing takes back exactly what adding gave, in any order", arguments: 0..<8)
  func inverse(seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    let all = (1...40).map { (Int64($0), Self.contribution(&random)) }
    let kept = Set(all.map(\.0).shuffled(using: &random).prefix(15))
    var graph = EntityGraph()
    for (id, contribution) in all.shuffled(using: &random) { graph.add(id, contribution) }
    for (id, _) in all.shuffled(using: &random) where !kept.contains(id) { graph.remove(id) }
    var fresh = EntityGraph()
    for (id, contribution) in all where kept.contains(id) { fresh.add(id, contribution) }
    #expect(graph == fresh)
    for (id, _) in all { graph.remove(id) }
    #expect(graph == EntityGraph() && graph.entityCount == 0)
  }

  @Test("replacing a chunk leaves nothing of what it was")
  func replacing() {
    var random = SeededNumbers(seed: 3)
    var graph = EntityGraph()
    graph.add(1, Self.contribution(&random))
    let last = Self.contribution(&random)
    graph.add(1, last)
    var fresh = EntityGraph()
    fresh.add(1, last)
    #expect(graph == fresh)
  }

  @Test("a walk is the personalized PageRank that networkx computes")
  func networkx() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/walks.json")
    let cases = try #require(JSON(parsing: Array(Data(contentsOf: url))).arrayValue)
    #expect(cases.count >= 4)
    for entry in cases {
      var graph = EntityGraph()
      for chunk in entry["chunks"]?.arrayValue ?? [] {
        let names = Set((chunk["names"]?.arrayValue ?? []).compactMap(\.stringValue))
        graph.add(
          Int64(chunk["id"]?.intValue ?? 0),
          EntityGraph.Contribution(mentions: EntityMentions(names: names), subject: chunk["subject"]?.stringValue))
      }
      var options = GraphWalk.Options()
      options.tolerance = 1e-12
      let seeds = (entry["seeds"]?.arrayValue ?? []).map {
        (id: Int64($0["id"]?.intValue ?? 0), score: $0["score"]?.doubleValue ?? 0)
      }
      let ids = (entry["chunks"]?.arrayValue ?? []).compactMap { $0["id"]?.intValue.map(Int64.init) }
      let walk = GraphWalk(graph, within: Set(ids), options: options)
      let found = walk.rank(seeds: seeds, question: EntityMentions(), limit: 100)
      #expect(!found.isEmpty)
      for chunk in found {
        let expected = entry["ranks"]?[String(chunk.id)]?.doubleValue ?? .nan
        #expect(abs(Double(chunk.score) - expected) < 1e-6)
      }
    }
  }

  @Test("what may not be read changes nothing: the walk is that of a graph without it", arguments: 0..<8)
  func confinement(seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    let all = (1...60).map { (Int64($0), Self.contribution(&random)) }
    let readable = Set(all.map(\.0).shuffled(using: &random).prefix(30))
    var graph = EntityGraph()
    var confined = EntityGraph()
    for (id, contribution) in all {
      graph.add(id, contribution)
      if readable.contains(id) { confined.add(id, contribution) }
    }
    let seeds = all.prefix(20).map { (id: $0.0, score: Double.random(in: 0.1...1, using: &random)) }
    let question = EntityMentions(names: ["name 1"], parts: ["name 2", "name 3"])
    let within = GraphWalk(graph, within: readable)
    let without = GraphWalk(confined, within: readable)
    let found = within.rank(seeds: seeds, question: question, limit: 100)
    #expect(found == without.rank(seeds: seeds, question: question, limit: 100))
    #expect(found.allSatisfy { readable.contains($0.id) })
    for first in 1...60 {
      #expect(within.areLinked(Int64(first), 7) == without.areLinked(Int64(first), 7))
    }
  }
}

@Suite("Graph of a collection")
struct GraphIndexTests {
  @Test("the graph follows the store, deletes included")
  func follows() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("a.md", "# Ada Lovelace\n\nAda Lovelace wrote to Charles Babbage.")
    try folder.write("b.md", "# Charles Babbage\n\nCharles Babbage built engines in London.")
    let ingestor = Ingestor(store: store, embedder: nil)
    _ = try await ingestor.ingest(folder.path)
    let index = GraphIndex(store: store)
    let before = try await index.current()
    #expect(before.chunkCount == 2)
    try folder.write("c.md", "# London\n\nA city where Ada Lovelace lived.")
    _ = try await ingestor.ingest(folder.path)
    #expect(try await index.current().chunkCount == 3)
    try folder.remove("c.md")
    _ = try await ingestor.ingest(folder.path)
    #expect(try await index.current() == before)
  }

  @Test("two passages that answer only together are found, by those who may read both")
  func multiHop() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("film.md", "# The Silver Harbour\n\nThe Silver Harbour is a film directed by Orla Vance.")
    try folder.write("person.md", "# Orla Vance\n\nOrla Vance was born in the town of Drumkeel.")
    for number in 1...12 {
      try folder.write(
        "other\(number).md", "# Film \(number)\n\nA film directed by somebody who was born in town \(number).")
    }
    try folder.write(
      ".strata-acl.yaml",
      "rules: [{path: 'person.md', readers: ['user:amy']}, {path: '**', readers: [everyone]}]")
    _ = try await Ingestor(store: store, embedder: nil).ingest(folder.path)
    let retriever = HybridRetriever(store: store, embedder: nil)
    let query = QuerySpec(
      "Where was the director of The Silver Harbour born?", limit: 3, legs: .lexical, multiHop: .graph, explains: true)
    let found = try await retriever.search(query, as: Principal(user: "amy"))
    #expect(Set(found.prefix(2).map(\.document)) == ["film.md", "person.md"])
    #expect(found.first?.explanation?.stages.contains { $0.name == "pair" } == true)
    let hidden = try await retriever.search(query, as: .anonymous)
    #expect(!hidden.contains { $0.document == "person.md" })
    #expect(!hidden.contains { $0.explanation?.stages.contains { $0.note?.contains("Orla") == true } == true })
  }
}
