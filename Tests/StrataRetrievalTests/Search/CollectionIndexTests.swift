// Tests that the index of a collection follows its store over restarts, and that verifying it tells every difference.
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Collection index")
struct CollectionIndexTests {
  let store = InMemoryDocumentStore()
  let folder: TemporaryFolder
  let embedder = HashEmbedder()

  init() throws { folder = try TemporaryFolder() }

  func open(repairsDamage: Bool = true) async throws -> CollectionIndex {
    try await CollectionIndex.open(
      store: store, dimension: embedder.dimension, folder: folder.path + "/index", createsCollection: true,
      repairsDamage: repairsDamage)
  }

  func save(_ path: String, _ texts: [String], readers: [Reader] = [.everyone]) async throws {
    let version = (await store.document(path, version: nil, in: "default")?.version ?? 0) + 1
    let text = texts.joined(separator: "\n")
    let record = DocumentRecord(
      collection: "default", path: path, version: version, contentHash: SHA256.hash(text),
      byteCount: text.utf8.count, mediaType: "text/plain", title: path, readers: readers, modifiedAt: .now,
      ingestedAt: .now)
    var chunks: [ChunkRecord] = []
    for (ordinal, vector) in try await embedder.embed(texts).enumerated() {
      chunks.append(
        ChunkRecord(
          collection: "default", document: path, version: version, ordinal: ordinal,
          range: 0..<texts[ordinal].utf8.count, text: texts[ordinal], embedding: vector))
    }
    _ = try await store.save(record, text: text, chunks: chunks, embedder: embedder.id)
  }

  @Test("A start goes on where the last one stopped, without reading what is there")
  func restart() async throws {
    for number in 0..<20 { try await save("\(number).md", ["walrus \(number)", "seal \(number)"]) }
    do {
      let index = try await open()
      try await index.refresh()
      #expect(await index.chunkCount == 40)
      try await index.flush()
      // What still merges would write a manifest of its own.
      try await index.index.close()
    }
    try await save("3.md", ["otter"])
    _ = await store.delete("4.md", in: "default")
    await store.setReaders([.user("amy")], of: "5.md", in: "default")
    let index = try await open()
    #expect(index.index.token > 0)
    #expect(await index.chunkCount == 40)
    try await index.refresh()
    #expect(await index.chunkCount == 37)
    let verification = try await index.verify()
    #expect(verification.problems.isEmpty && verification.chunkCount == 37)
  }

  @Test("Verifying tells what is missing, too much, and different")
  func verify() async throws {
    for number in 0..<6 { try await save("\(number).md", ["walrus \(number)"]) }
    let index = try await open()
    try await index.refresh()
    let chunks = await store.chunks(in: "default")
    func entry(_ number: Int, _ change: (inout IndexEntry) -> Void) async throws -> IndexEntry {
      let record = try #require(await store.document(chunks[number].document, version: nil, in: "default"))
      var entry = IndexEntry(chunks[number], of: record)
      entry.entities = index.index.entities(ofChunk: entry.id) ?? .none
      change(&entry)
      return entry
    }
    try index.index.apply(
      adding: [
        try await entry(0) { $0.body += "!" }, try await entry(1) { $0.vector = nil },
        try await entry(2) { $0.readers = [] }, try await entry(3) { $0.id = 4711 },
        try await entry(5) { $0.entities = .none },
      ], removing: [chunks[3].id])
    let problems = try await index.verify().problems
    #expect(Set(problems.map(\.kind)) == [.content, .vector, .readers, .missing, .extra, .entities])
    #expect(problems.count == 6)
    try await index.reload()
    #expect(try await index.verify().problems.isEmpty)
  }

  @Test("A damaged index is told, or made again from the store")
  func damage() async throws {
    for number in 0..<6 { try await save("\(number).md", ["walrus \(number)"]) }
    do {
      let index = try await open()
      try await index.refresh()
      try await index.flush()
      // What still merges would write a manifest of its own.
      try await index.index.close()
    }
    let path = CollectionIndex.indexFolder(folder.path + "/index", collection: "default") + "/MANIFEST"
    try Data("nonsense".utf8).write(to: URL(fileURLWithPath: path))
    await #expect(throws: IndexError.self) { try await open(repairsDamage: false) }
    let index = try await open()
    #expect(index.repair?.code.name == "index_corrupted")
    #expect(try await index.verify().problems.isEmpty)
    #expect(await index.chunkCount == 6)
  }

  @Test("An index of another store is given up")
  func otherStore() async throws {
    try await save("a.md", ["walrus"])
    do {
      let index = try await open()
      try await index.refresh()
      try await index.flush()
      // What still merges would write a manifest of its own.
      try await index.index.close()
    }
    let other = InMemoryDocumentStore()
    let index = try await CollectionIndex.open(
      store: other, dimension: embedder.dimension, folder: folder.path + "/index", createsCollection: true)
    try await index.refresh()
    #expect(await index.chunkCount == 0)
  }

  @Test("A collection that does not exist gets no folder")
  func absent() async throws {
    let index = try await CollectionIndex.open(store: store, dimension: nil, folder: folder.path + "/index")
    try await index.refresh()
    try await index.flush()
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/index"))
    #expect(CollectionIndex.indexFolder("/x", collection: "../a b") == "/x/%2e%2e%2fa%20b")
  }

  @Test("With history, an older version is found as of its time and not as of now")
  func history() async throws {
    try await CollectionIndex.setHistory(HistoryPolicy(age: .seconds(3600)), store: store)
    try await save("a.md", ["walrus"])
    let index = try await open()
    try await index.refresh()
    try await Task.sleep(for: .milliseconds(5))
    let between = Date.now
    try await Task.sleep(for: .milliseconds(5))
    try await save("a.md", ["seal"])
    try await index.refresh()
    func find(_ query: String, _ snapshot: IndexSnapshot) -> Int {
      snapshot.lexical(query, limit: 5, within: snapshot.readable(by: .anonymous)).count
    }
    let (now, then) = (index.index.snapshot(), try index.index.snapshot(asOf: between))
    #expect(find("walrus", now) == 0 && find("seal", now) == 1)
    #expect(find("walrus", then) == 1 && find("seal", then) == 0)
  }

  @Test("Updates of many at once leave what the store says")
  func concurrency() async throws {
    let index = try await open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for round in 0..<40 {
          try await save("\(round % 7).md", ["walrus \(round)", "seal \(round)"])
          if round % 5 == 4 { _ = await store.delete("\(round % 3).md", in: "default") }
        }
      }
      for _ in 0..<3 { group.addTask { for _ in 0..<60 { try await index.refresh() } } }
      try await group.waitForAll()
    }
    #expect(try await index.verify().problems.isEmpty)
  }
}
