import Foundation
import StrataCore
import StrataRetrieval
import StrataTesting
import Synchronization
import Testing

@Suite("Ingestor")
struct IngestorTests {
  let store = InMemoryDocumentStore()
  let embedder = CountingEmbedder()

  func ingestor(_ index: CollectionIndex? = nil, _ change: (inout Ingestor.Options) -> Void = { _ in }) -> Ingestor {
    var options = Ingestor.Options()
    change(&options)
    return Ingestor(store: store, index: index, embedder: embedder, collection: "test", options: options)
  }

  /// An embedder that counts what it is asked, and refuses texts with the word `poison`.
  final class CountingEmbedder: Embedder {
    struct Refused: Error {}
    let inner = HashEmbedder()
    let count = Mutex(0)
    var id: String { inner.id }
    var dimension: Int { inner.dimension }
    var maxTokens: Int { inner.maxTokens }
    func embed(_ texts: [String]) async throws -> [[Float]] {
      if texts.contains(where: { $0.contains("poison") }) { throw Refused() }
      count.withLock { $0 += texts.count }
      return try await inner.embed(texts)
    }
    func countTokens(_ text: String) -> Int { inner.countTokens(text) }
  }

  @Test("new, changed, unchanged and deleted files are told apart, and an unchanged folder costs nothing")
  func lifecycle() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.md", "# A\n\nalpha text")
    try folder.write("sub/b.txt", "bravo text")
    try folder.write("sub/.hidden.md", "hidden")
    try folder.write("image.png", [1, 2, 3])
    let first = try await ingestor().ingest(folder.path)
    #expect(first.added == ["a.md", "sub/b.txt"] && first.unchanged == 0 && first.failed.isEmpty)
    #expect(first.skipped.map(\.path) == ["image.png"])
    #expect(first.warnings.contains { $0.contains(".strata-acl.yaml") })
    let embedded = embedder.count.withLock { $0 }

    let second = try await ingestor().ingest(folder.path)
    #expect(second.unchanged == 2 && second.added.isEmpty && second.updated.isEmpty && second.chunks == 0)

    try folder.write("a.md", "# A\n\nalpha changed")
    try folder.remove("sub/b.txt")
    try folder.write("c.csv", "x,y\n1,2\n")
    let third = try await ingestor().ingest(folder.path)
    #expect(third.updated == ["a.md"] && third.deleted == ["sub/b.txt"] && third.added == ["c.csv"])
    #expect(await store.document("a.md", version: nil, in: "test")?.version == 2)
    #expect(await store.text(of: "a.md", version: 1, in: "test") == "# A\n\nalpha text")
    #expect(await store.document("sub/b.txt", version: nil, in: "test") == nil)
    #expect(await store.chunks(in: "test").count == 2)
    #expect(embedder.count.withLock { $0 } == embedded + 2)
    #expect(third.json["updated"]?[0] == "a.md")
  }

  @Test("a touched file with the same bytes is no new version")
  func touched() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.md", "same")
    _ = try await ingestor().ingest(folder.path)
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -5000)], ofItemAtPath: folder.path + "/a.md")
    let report = try await ingestor().ingest(folder.path)
    #expect(report.unchanged == 1 && report.updated.isEmpty)
  }

  @Test("one bad file is reported, with its reason, and stops no other")
  func badFiles() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.md", "good")
    try folder.write("b.pdf", "no pdf at all")
    try folder.write("c.txt", String(repeating: "big ", count: 1000))
    try folder.write("d.md", "")
    try folder.write("e.md", "poison")
    try folder.write("f.txt", [0, 1, 2, 3, 0, 0, 0, 200])
    try folder.write("z.md", "also good")
    #expect(mkfifo(folder.path + "/pipe.md", 0o600) == 0)
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/link.md", withDestinationPath: "/etc/passwd")
    let report = try await ingestor(nil) { $0.fileByteLimit = 2000 }.ingest(folder.path)
    // A text that the embedder refuses is found by its words all the same.
    #expect(report.added == ["a.md", "e.md", "z.md"])
    #expect(report.failed.map(\.document).sorted() == ["b.pdf", "c.txt", "d.md", "e.md", "f.txt"])
    #expect(report.failed.first { $0.document == "c.txt" }?.reason.contains("4000 bytes") == true)
    #expect(Set(report.skipped.map(\.path)) == ["link.md", "pipe.md"])
  }

  @Test("an emptied file is no longer found; one that became unreadable keeps its last version")
  func lostContent() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.md", "old text")
    try folder.write("b.txt", "old text")
    _ = try await ingestor().ingest(folder.path)
    try folder.write("a.md", "")
    try folder.write("b.txt", [0, 1, 2, 3, 0, 0, 0, 200])
    let report = try await ingestor().ingest(folder.path)
    #expect(report.deleted == ["a.md"])
    #expect(report.failed.map(\.keepsPreviousVersion) == [false, true])
    #expect(await store.documents(in: "test").map(\.path) == ["b.txt"])
  }

  @Test("an access file that cannot be understood stops the ingest before it begins")
  func brokenAccessFile() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.md", "text")
    try folder.write(".strata-acl.yaml", "rules:\n  - path: a\n    readers: everyone")
    await #expect(throws: RetrievalError.self) { try await ingestor().ingest(folder.path) }
    #expect(await store.documents(in: "test").isEmpty)
  }

  @Test("a change of the access file changes readers without embedding again")
  func accessChange() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.md", "secret plans")
    let retriever = HybridRetriever(store: store, embedder: embedder, collection: "test")
    let ingestor = ingestor(retriever.index)
    _ = try await ingestor.ingest(folder.path)
    #expect(try await retriever.search(QuerySpec("secret"), as: .anonymous).count == 1)
    let embedded = embedder.count.withLock { $0 }
    try folder.write(
      ".strata-acl.yaml", "groups: {g: [amy]}\nrules: [{path: 'a.md', readers: ['group:g']}]")
    let report = try await ingestor.ingest(folder.path)
    #expect(report.readersChanged == ["a.md"] && report.updated.isEmpty)
    #expect(embedder.count.withLock { $0 } == embedded)
    #expect(try await retriever.search(QuerySpec("secret"), as: .anonymous).isEmpty)
    #expect(try await retriever.search(QuerySpec("secret"), as: Principal(user: "amy", groups: ["g"])).count == 1)
    #expect(await store.groups(in: "test") == ["g": ["amy"]])
  }

  @Test("a store that fails stops the ingest; what was saved stays and the next ingest goes on")
  func storeFails() async throws {
    struct DiskFull: Error {}
    let folder = try TemporaryFolder()
    for index in 0..<10 { try folder.write("\(index).md", "text number \(index)") }
    await store.fail(afterSaves: 4, with: DiskFull())
    let error = await #expect(throws: RetrievalError.self) { try await ingestor().ingest(folder.path) }
    #expect(error?.code.name == "ingest_store_failed" && error?.cause is DiskFull)
    #expect(await store.documents(in: "test").count == 4)
    await store.recover()
    let report = try await ingestor().ingest(folder.path)
    #expect(report.added.count == 6 && report.unchanged == 4)
  }

  @Test("cancelling stops it")
  func cancellation() async throws {
    let folder = try TemporaryFolder()
    for index in 0..<300 { try folder.write("\(index).md", "text number \(index)") }
    let ingestor = ingestor(nil) { $0.batchDocumentCount = 1 }
    let task = Task { try await ingestor.ingest(folder.path) }
    while await store.saveCount < 3 { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(await store.saveCount < 300)
    #expect(try await ingestor.ingest(folder.path).failed.isEmpty)
    #expect(await store.documents(in: "test").count == 300)
  }

  @Test("progress reaches the end, and another embedder means doing everything again")
  func progressAndPipeline() async throws {
    let folder = try TemporaryFolder()
    for index in 0..<5 { try folder.write("\(index).md", "text number \(index)") }
    let last = Mutex(IngestProgress())
    _ = try await ingestor().ingest(folder.path) { progress in last.withLock { $0 = progress } }
    let progress = last.withLock { $0 }
    #expect(progress.documentsDone == 5 && progress.documentsTotal == 5 && progress.bytesDone == progress.bytesTotal)
    #expect(progress.chunks == 5)
    let later = Date(timeIntervalSinceNow: 100)
    let report = try await ingestor(nil) {
      $0.chunking = ChunkingStrategy(tokenLimit: 50)
      $0.now = { later }
    }.ingest(folder.path)
    #expect(report.updated.count == 5)
    let again = try await ingestor(nil) {
      $0.chunking = ChunkingStrategy(tokenLimit: 50)
      $0.now = { later }
    }.ingest(folder.path)
    #expect(again.unchanged == 5)
  }

  @Test("a collection is cut as it was told, until it is told otherwise")
  func chunking() async throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", (0..<90).map { "word\($0)" }.joined(separator: " "))
    let later = Date(timeIntervalSinceNow: 100)
    let first = try await ingestor { $0.chunking = ChunkingStrategy(.fixed, tokenLimit: 30) }.ingest(folder.path)
    #expect(first.chunks == 3)
    #expect(try await ingestor { $0.now = { later } }.ingest(folder.path).unchanged == 1)
    let other = try await ingestor {
      $0.chunking = ChunkingStrategy(.fixed, tokenLimit: 45)
      $0.now = { later }
    }.ingest(folder.path)
    #expect(other.updated == ["a.txt"] && other.chunks == 2)
  }

  @Test("a file that changes while it is read is tried again, and given up when it never stops")
  func changingFile() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "text")
    let path = folder.path + "/a.txt"
    @Sendable func grow() {
      guard let file = fopen(path, "a") else { return }
      fputs(" more", file)
      fclose(file)
    }
    let reads = Atomic(0)
    var reader = FileReader(byteLimit: 1 << 20)
    reader.didRead = { _ in if reads.add(1, ordering: .relaxed).newValue == 1 { grow() } }
    #expect(try reader.read(path).bytes == Array("text more".utf8))
    reader.didRead = { _ in grow() }
    let error = #expect(throws: RetrievalError.self) { try reader.read(path) }
    #expect(error?.code.name == "file_changing")
  }

  @Test("an absent folder is an error, an empty one is said")
  func noFolder() async throws {
    await #expect(throws: RetrievalError.self) { try await ingestor().ingest("/nonexistent") }
    let folder = try TemporaryFolder()
    #expect(try await ingestor().ingest(folder.path).warnings.contains { $0.contains("no documents") })
  }
}
