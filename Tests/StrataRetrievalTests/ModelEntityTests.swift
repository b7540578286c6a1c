// Tests that what a model finds becomes entities only where the text has it, and is asked for once.
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataStore
import StrataTesting
import Testing

@Suite("Entities by a model")
struct ModelEntityTests {
  private static let text = "The canteen is run by the Facilities team. Ana Ruiz leads the facilities team."

  private static func entities(_ answer: JSON, text: String = text, title: String = "Canteen") -> ChunkEntities {
    ChunkEntities(answer: answer, text: text, title: title)
  }

  @Test("names that do not stand in the text are left out, and so is what is said of them")
  func invented() {
    let found = Self.entities([
      "entities": ["Canteen", "the Facilities team", "Ana Ruiz", "Paris", "Ana Facilities", "facil", 7, ""],
      "relations": [
        ["subject": "Ana Ruiz", "predicate": "leads", "object": "Facilities team"],
        ["subject": "Ana Ruiz", "predicate": "lives in", "object": "Paris"],
        ["subject": "Ana Ruiz", "predicate": "is", "object": "Ana Ruiz"],
        ["subject": "canteen", "predicate": "—", "object": "Ana Ruiz"], ["subject": "canteen"], 3,
      ],
    ])
    #expect(
      found.mentions == [
        ChunkEntities.Mention("ana ruiz"), ChunkEntities.Mention("canteen", [.named, .subject]),
        ChunkEntities.Mention("facilities team", count: 2),
      ])
    #expect(found.relations == [ChunkEntities.Relation("ana ruiz", "leads", "facilities team")])
  }

  @Test("an answer of any shape is no trap")
  func shapes() {
    for answer: JSON in [nil, [], ["entities": 3, "relations": "x"], ["entities": [[], nil]], "text"] {
      #expect(Self.entities(answer).mentions == [ChunkEntities.Mention("canteen", .subject)])
      #expect(Self.entities(answer, text: "", title: "") == .none)
    }
  }

  @Test("a document's subject may be an end of a relation though the passage does not name it")
  func subject() {
    let found = Self.entities(
      ["entities": [], "relations": [["subject": "canteen", "predicate": "opens at", "object": "Ana Ruiz"]]],
      text: "It is led by Ana Ruiz.")
    #expect(found.relations.map(\.subject) == ["canteen"])
    #expect(found.mentions == [ChunkEntities.Mention("ana ruiz"), ChunkEntities.Mention("canteen", .subject)])
  }

  private struct CancelledByTest: Error {}

  private struct Contract: PromptContract {
    let name = "entities"
    let version = "1.0.0"
    let contentHash = "0"
    let inputSchema: JSON = [:]
    let outputSchema: JSON? = ["type": "object"]
    let settings: JSON = [:]
    let sampling = SamplingParameters.greedy
    let maxTokens: Int? = 100
    func messages(for input: JSON) throws -> [Message] { [.user(input["text"]?.stringValue ?? "")] }
  }

  @Test("each text is read once, the index follows, and deleting a document forgets what was found in it")
  func reading() async throws {
    let folder = try TemporaryFolder()
    let database = try TemporaryFolder()
    let store = try SQLiteStore(path: database.path + "/strata.sqlite")
    try folder.write("a.md", "the wave tank is long")
    try folder.write("b.md", "a wave tank needs water")
    let index = CollectionIndex(store: store, dimension: nil)
    let ingestor = Ingestor(store: store, index: index, embedder: nil)
    _ = try await ingestor.ingest(folder.path)
    let answer = #"{"entities": ["wave tank", "Paris"], "relations": [{"subject": "wave"#
    let model = ScriptedModel { request, number in
      guard number < 2 else { throw CancelledByTest() }
      return answer
    }
    let extractor = ModelEntityExtractor(model, contract: Contract())
    try await GraphExtraction.model(extractor.id).choose(for: "default", in: store)
    let reading = EntityReading(store: store, extractor: extractor)
    let first = try await reading.run()
    #expect(first.read == 2 && first.known == 0 && first.failures.isEmpty)
    let again = try await reading.run()
    #expect(again.read == 0 && again.known == 2)
    let own = CollectionIndex(store: store, dimension: nil)
    try await own.load()
    let snapshot = own.index.snapshot()
    let readable = snapshot.readable(by: .anonymous)
    #expect(snapshot.entity("wave tank", within: readable)?.passages.count == 2)
    #expect(snapshot.entity("paris", within: readable) == nil)
    #expect(try await own.verify().problems.isEmpty)
    let hashes = try await store.chunks(in: "default").compactMap(\.inputHash)
    #expect(try await store.cachedExtractions(hashes, extractor: extractor.id).count == 2)
    try folder.remove("a.md")
    _ = try await ingestor.ingest(folder.path)
    #expect(try await store.cachedExtractions(hashes, extractor: extractor.id).count == 1)
    // A text that the model fails at keeps what patterns find, and is read the next time.
    try folder.write("c.md", "Orla Vance swims")
    _ = try await ingestor.ingest(folder.path)
    let failed = try await reading.run()
    #expect(failed.failures.map(\.document) == ["c.md"])
    try await own.refresh()
    let later = own.index.snapshot()
    #expect(later.entity("orla vance", within: later.readable(by: .anonymous)) != nil)
    try await store.deleteCollection("default")
    #expect(try await store.cachedExtractions(hashes, extractor: extractor.id).isEmpty)
  }
}
