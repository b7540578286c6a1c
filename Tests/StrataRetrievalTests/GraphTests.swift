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
  /// The names that `text` has in a role.
  private func names(_ text: String, _ role: ChunkEntities.Role, title: String? = nil) -> Set<String> {
    Set(EntityExtractor().entities(in: text, title: title).mentions.filter { $0.role.contains(role) }.map(\.name))
  }

  @Test("names are runs of capitalized words, without function words around them")
  func names() {
    let text = """
      In 1990 J. K. Rowling met the University of Kent's Émile Zola. The Beatles, however, went to São Paulo-Guarulhos; \
      NASA did not.
      """
    let (named, parts) = (names(text, .named), names(text, .part))
    #expect(named.isSuperset(of: ["beatles", "nasa", "sao paulo guarulhos"]))
    #expect(named.contains("university of kent emile zola"))
    #expect(parts.isSuperset(of: ["university of kent", "emile zola", "rowling", "sao paulo"]))
    #expect(!named.contains("in") && !named.contains("the beatles") && named.isDisjoint(with: parts))
    #expect(EntityExtractor().entities(in: "") == .none)
    #expect(EntityExtractor().entities(in: "nothing has a capital here, 42 times") == .none)
  }

  @Test("a name counts as often as it stands there, and the title says whom the document is about")
  func counts() {
    let found = EntityExtractor().entities(
      in: "Mercury is small. People call Mercury a planet, and so do we.", title: "Mercury (planet)")
    #expect(found.subject == "mercury")
    #expect(found.mentions.first { $0.name == "mercury" }?.count == 2)
    #expect(names("no names", .subject, title: "Venus") == ["venus"])
  }

  @Test("the few words between two names are what the text says of them")
  func relations() {
    let found = EntityExtractor().entities(
      in: """
        Ada Lovelace wrote to Charles Babbage. Orla Vance, Drumkeel. The Silver Harbour is a film directed by Orla Vance. \
        Rome and Paris. London is far away from everything that lies in the middle of Wales.
        """)
    #expect(
      found.relations == [
        ChunkEntities.Relation("ada lovelace", "wrote to", "charles babbage"),
        ChunkEntities.Relation("silver harbour", "is a film directed by", "orla vance"),
      ])
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

@Suite("Walk")
struct GraphWalkGoldenTests {
  @Test("a walk is the personalized PageRank that networkx computes, whatever segment has which chunk")
  func networkx() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/walks.json")
    let cases = try #require(JSON(parsing: Array(Data(contentsOf: url))).arrayValue)
    #expect(cases.count >= 4)
    for (number, entry) in cases.enumerated() {
      let index = HybridIndex(dimension: nil)
      let entries = (entry["chunks"]?.arrayValue ?? []).map(Self.entry)
      if number.isMultiple(of: 2) {
        try index.apply(adding: entries)
      } else {
        for entry in entries { try index.apply(adding: [entry]) }
      }
      var options = GraphWalk.Options()
      options.tolerance = 1e-12
      options.relationWeight = entry["relationWeight"]?.doubleValue ?? .nan
      let seeds = (entry["seeds"]?.arrayValue ?? []).map {
        (id: Int64($0["id"]?.intValue ?? 0), score: $0["score"]?.doubleValue ?? 0)
      }
      let snapshot = index.snapshot()
      let walk = GraphWalk(snapshot, within: snapshot.readable(by: .anonymous), options: options)
      let found = walk.rank(seeds: seeds, limit: 100)
      #expect(!found.chunks.isEmpty)
      for chunk in found.chunks {
        let expected = entry["ranks"]?[String(chunk.id)]?.doubleValue ?? .nan
        #expect(abs(Double(chunk.score) - expected) < 1e-6)
        // Who came over no entity started here.
        let shares = found.reasons(ofChunk: chunk.id, limit: 100).map(\.share)
        let isSeed = seeds.contains { $0.id == chunk.id }
        #expect(shares.reduce(0, +) < 1 + 1e-6 && (isSeed || shares.reduce(0, +) > 1 - 1e-4))
      }
    }
  }

  private static func entry(_ chunk: JSON) -> IndexEntry {
    func names(_ key: String) -> [String] { (chunk[key]?.arrayValue ?? []).compactMap(\.stringValue) }
    var mentions = names("names").map { ChunkEntities.Mention($0) }
    mentions += names("parts").map { ChunkEntities.Mention($0, .part) }
    if let subject = chunk["subject"]?.stringValue { mentions.append(ChunkEntities.Mention(subject, .subject)) }
    let relations = (chunk["relations"]?.arrayValue ?? []).compactMap { relation in
      relation[0]?.stringValue.flatMap { subject in
        relation[1]?.stringValue.map {
          ChunkEntities.Relation(subject, "says", $0, count: relation[2]?.intValue ?? 1)
        }
      }
    }
    return IndexEntry(
      id: Int64(chunk["id"]?.intValue ?? 0), document: "d", body: "", readers: [.everyone],
      entities: ChunkEntities(mentions, relations: relations))
  }
}

@Suite("Graph of a collection")
struct CollectionGraphTests {
  @Test("the graph follows the store, deletes included, and the past stays as it was")
  func follows() async throws {
    let store = InMemoryDocumentStore()
    try await CollectionIndex.setHistory(HistoryPolicy(age: .seconds(3600)), store: store)
    let (folder, indexes) = (try TemporaryFolder(), try TemporaryFolder())
    try folder.write("a.md", "# Ada Lovelace\n\nAda Lovelace wrote to Charles Babbage.")
    try folder.write("b.md", "# Charles Babbage\n\nCharles Babbage built engines in London.")
    let ingestor = Ingestor(store: store, embedder: nil)
    _ = try await ingestor.ingest(folder.path)
    let index = try await CollectionIndex.open(
      store: store, dimension: nil, folder: indexes.path, createsCollection: true)
    func names() async throws -> [String] {
      try await index.refresh()
      let snapshot = index.index.snapshot()
      return snapshot.entityNames(within: snapshot.readable(by: .anonymous))
    }
    let before = try await names()
    #expect(before.contains("ada lovelace") && before.contains("london"))
    try folder.write("c.md", "# Drumkeel\n\nA town where Orla Vance lived.")
    _ = try await ingestor.ingest(folder.path)
    #expect(try await names().contains("orla vance"))
    try await Task.sleep(for: .milliseconds(5))
    let then = Date()
    try await Task.sleep(for: .milliseconds(5))
    try folder.remove("c.md")
    _ = try await ingestor.ingest(folder.path)
    #expect(try await names() == before)
    let past = try index.index.snapshot(asOf: then)
    #expect(past.entity("orla vance", within: past.readable(by: .anonymous))?.passages.count == 1)
    #expect(try await index.verify().problems.isEmpty)
  }

  @Test("another way of finding entities makes the index anew")
  func choice() async throws {
    let store = InMemoryDocumentStore()
    let (folder, indexes) = (try TemporaryFolder(), try TemporaryFolder())
    try folder.write("a.md", "# Ada Lovelace\n\nAda Lovelace wrote to Charles Babbage.")
    _ = try await Ingestor(store: store, embedder: nil).ingest(folder.path)
    func open() async throws -> CollectionIndex {
      let index = try await CollectionIndex.open(store: store, dimension: nil, folder: indexes.path)
      try await index.load()
      return index
    }
    func names(_ index: CollectionIndex) -> [String] {
      let snapshot = index.index.snapshot()
      return snapshot.entityNames(within: snapshot.readable(by: .anonymous))
    }
    do {
      let index = try await open()
      #expect(!names(index).isEmpty)
      try await index.flush()
    }
    try await GraphExtraction.off.choose(for: "default", in: store)
    do {
      let index = try await open()
      #expect(names(index).isEmpty)
      try await index.flush()
    }
    try await GraphExtraction.patterns.choose(for: "default", in: store)
    let index = try await open()
    #expect(names(index).contains("charles babbage"))
    #expect(throws: RetrievalError.self) { try GraphExtraction("magic") }
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
    #expect(
      found.first { $0.document == "person.md" }?.explanation?.entities.contains { $0.name == "orla vance" } == true)
    let hidden = try await retriever.search(query, as: .anonymous)
    #expect(!hidden.contains { $0.document == "person.md" })
    #expect(!hidden.contains { $0.explanation?.stages.contains { $0.note?.contains("Orla") == true } == true })
    // A name that only the hidden document is about links nothing for who may not read that.
    #expect(!hidden.contains { $0.explanation?.entities.contains { $0.name == "orla vance" } == true })
  }
}
