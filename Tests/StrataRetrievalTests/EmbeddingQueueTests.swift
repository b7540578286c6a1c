import Foundation
import StrataCore
import StrataRetrieval
import StrataStore
import StrataTesting
import Synchronization
import Testing

/// Tests the way from chunks to vectors: queued, resumed, shared, and made again by another embedder.
@Suite("Embedding queue")
struct EmbeddingQueueTests {
  let folder: TemporaryFolder
  let store: SQLiteStore

  init() throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.path + "/strata.sqlite")
    for index in 0..<40 { try folder.write("docs/\(index).md", "# Title \(index % 4)\n\nword\(index % 20) and more") }
  }

  /// Counts texts, and fails from some call on.
  final class NamedEmbedder: Embedder {
    struct Broken: Error {}
    let id: String
    let inner: HashEmbedder
    let counts = Mutex((texts: 0, calls: 0))
    let callLimit: Int
    var dimension: Int { inner.dimension }
    var maxTokens: Int { inner.maxTokens }

    init(_ id: String, dimension: Int, callLimit: Int = .max) {
      self.id = id
      inner = HashEmbedder(dimension: dimension)
      self.callLimit = callLimit
    }

    func embed(_ texts: [String]) async throws -> [[Float]] {
      let isOver = counts.withLock { counts in
        counts.calls += 1
        if counts.calls <= callLimit { counts.texts += texts.count }
        return counts.calls > callLimit
      }
      if isOver { throw CancellationError() }
      return try await inner.embed(texts)
    }
    func countTokens(_ text: String) -> Int { inner.countTokens(text) }
    var texts: Int { counts.withLock { $0.texts } }
  }

  private func ingestor(_ embedder: any Embedder) -> Ingestor {
    var options = Ingestor.Options()
    options.batchChunkCount = 8
    return Ingestor(store: store, embedder: embedder, collection: "main", options: options)
  }

  @Test("An interrupted ingest goes on where it was, and no text is embedded twice")
  func resuming() async throws {
    let broken = NamedEmbedder("e", dimension: 32, callLimit: 2)
    await #expect(throws: CancellationError.self) { try await ingestor(broken).ingest(folder.path + "/docs") }
    let whole = NamedEmbedder("e", dimension: 32)
    let report = try await ingestor(whole).ingest(folder.path + "/docs")
    #expect(report.failed.isEmpty)
    // 40 documents, of which pairs have the same title and text.
    #expect(broken.texts + whole.texts == 20 && report.embedded == whole.texts)
    #expect(try await store.chunks(in: "main").count == 40)
    #expect(try await store.chunks(in: "main").allSatisfy { $0.embedding?.count == 32 })
    #expect(try await store.pendingEmbeddingCount(for: "e", in: "main") == 0)
    let again = NamedEmbedder("e", dimension: 32)
    #expect(try await ingestor(again).ingest(folder.path + "/docs").embedded == 0)
    #expect(again.texts == 0)
    #expect(try await store.verify().isEmpty)
  }

  @Test("What is stored is found by its words before it has vectors")
  func wordsFirst() async throws {
    let broken = NamedEmbedder("e", dimension: 32, callLimit: 0)
    await #expect(throws: CancellationError.self) { try await ingestor(broken).ingest(folder.path + "/docs") }
    guard try await store.chunks(in: "main").count > 0 else { return }
    let retriever = HybridRetriever(store: store, embedder: NamedEmbedder("e", dimension: 32), collection: "main")
    let word = try #require(try await store.chunks(in: "main").first?.text.split(separator: " ").first)
    #expect(!(try await retriever.search(QuerySpec(String(word), legs: .lexical), as: .anonymous)).isEmpty)
  }

  @Test("Another embedder, of another dimension, takes over at once when all its vectors are there, and not before")
  func switching() async throws {
    let old = NamedEmbedder("old", dimension: 32)
    _ = try await ingestor(old).ingest(folder.path + "/docs")
    let new = NamedEmbedder("new", dimension: 48)
    let opened = Mutex<[String]>([])
    @Sendable func generation(_ embedder: any Embedder) -> SwitchingRetriever.Generation {
      opened.withLock { $0.append(embedder.id) }
      return .init(
        embedder: embedder, retriever: HybridRetriever(store: store, embedder: embedder, collection: "main"))
    }
    let retriever = SwitchingRetriever(generation(old), store: store, collection: "main") { id in
      #expect(id == "new")
      return generation(new)
    }
    let query = QuerySpec("word7 and more", limit: 3, legs: .dense)
    let before = try await retriever.search(query, as: .anonymous).map(\.document)
    #expect(!before.isEmpty)

    // Interrupted in the middle: searches are as they were.
    let interrupted = NamedEmbedder("new", dimension: 48, callLimit: 1)
    try await store.prepare(embedder: "new", in: "main")
    await #expect(throws: CancellationError.self) { try await ingestor(interrupted).embed() }
    #expect(try await store.embedders(of: "main") == CollectionEmbedders(current: "old", next: "new"))
    #expect(try await store.switchEmbedder(in: "main") == false)
    #expect(try await retriever.search(query, as: .anonymous).map(\.document) == before)
    // A document that comes meanwhile is embedded by both.
    try folder.write("docs/new.md", "word7 comes late")
    _ = try await ingestor(old).ingest(folder.path + "/docs")
    #expect(try await store.embedders(of: "main").next == "new")

    let report = try await ingestor(new).embed()
    #expect(interrupted.texts + report.embedded == 21)
    #expect(try await store.embedders(of: "main") == CollectionEmbedders(current: "new"))
    #expect(try await store.chunks(in: "main").allSatisfy { $0.embedding?.count == 48 })
    let hash = try #require(try await store.chunks(in: "main").first?.inputHash)
    #expect(try await store.cachedEmbeddings([hash], embedder: "old").isEmpty)
    // The first search that sees it answers with the old index; some later one with the new.
    repeat {
      #expect(!(try await retriever.search(query, as: .anonymous)).isEmpty)
    } while retriever.current.embedder?.id != "new"
    #expect(opened.withLock { $0 } == ["old", "new"])
    #expect(!(try await retriever.search(query, as: .anonymous)).isEmpty)
    #expect(try await store.verify().isEmpty)
  }

  @Test("While an index on disk is searched by one embedder, another one's is in memory; later it takes the folder")
  func indexOfAnotherEmbedder() async throws {
    let (old, new) = (NamedEmbedder("old", dimension: 32), NamedEmbedder("new", dimension: 48))
    _ = try await ingestor(old).ingest(folder.path + "/docs")
    func open(_ embedder: NamedEmbedder) async throws -> CollectionIndex {
      let index = try await CollectionIndex.open(
        store: store, dimension: embedder.dimension, embedder: embedder.id, collection: "main",
        folder: folder.path + "/index")
      try await index.load()
      return index
    }
    let query = QuerySpec("word7 and more", limit: 3, legs: .dense)
    do {
      let first = try await open(old)
      #expect(first.index.isDurable)
      try await first.flush()
      _ = try await ingestor(new).embed()
      let second = try await open(new)
      #expect(!second.index.isDurable)
      for (index, embedder) in [(first, old), (second, new)] {
        let retriever = HybridRetriever(store: store, index: index, embedder: embedder, collection: "main")
        #expect(!(try await retriever.search(query, as: .anonymous)).isEmpty, "\(embedder.id)")
      }
    }
    let third = try await open(new)
    #expect(third.index.isDurable)
    let retriever = HybridRetriever(store: store, index: third, embedder: new, collection: "main")
    #expect(!(try await retriever.search(query, as: .anonymous)).isEmpty)
  }
}
