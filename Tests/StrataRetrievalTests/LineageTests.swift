import Foundation
import StrataCore
import StrataRetrieval
import StrataStore
import StrataTesting
import Synchronization
import Testing

/// Tests walking from sources to answers and back, and what other tools are told.
@Suite("Lineage")
struct LineageTests {
  let folder: TemporaryFolder
  let store: SQLiteStore

  init() throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.path + "/strata.sqlite")
  }

  private func ingest(_ change: (inout Ingestor.Options) -> Void = { _ in }) async throws -> IngestReport {
    var options = Ingestor.Options()
    change(&options)
    return try await Ingestor(store: store, embedder: HashEmbedder(), collection: "main", options: options)
      .ingest(folder.path + "/docs")
  }

  private func answer(
    _ run: String, _ user: String, _ document: String, version: Int, _ range: Range<Int>, _ quote: String
  )
    async throws
  {
    try await store.open(run: run, principal: Principal(user: user), title: "What?")
    let citation: JSON = [
      "document": .string(document), "version": .int(version), "start": .int(range.lowerBound),
      "end": .int(range.upperBound), "quote": .string(quote),
    ]
    try await store.append(
      JournalEvent(
        run: run, sequence: 0, kind: "answer.completed", payload: ["result": ["citations": [citation]]],
        timestamp: Date()))
  }

  @Test("A document leads to its answers and an answer to its source, as far as one may know")
  func bothWays() async throws {
    try folder.write("docs/a.md", "# A\n\nalpha bravo")
    try folder.write("docs/secret.md", "# S\n\nhidden words")
    try folder.write(
      "docs/.strata-acl.yaml",
      "rules: [{path: 'secret.md', readers: ['user:amy']}, {path: 'a.md', readers: ['everyone']}]")
    _ = try await ingest()
    try await answer("run-1", "amy", "a.md", version: 1, 5..<10, "alpha")
    try await answer("run-2", "bob", "a.md", version: 1, 11..<16, "bravo")
    try await answer("run-3", "amy", "secret.md", version: 1, 5..<11, "hidden")
    try folder.write("docs/a.md", "# A\n\nalpha changed")
    _ = try await ingest()

    let amy = LineageWalk(store, collection: "main", as: Principal(user: "amy"))
    let document = try #require(try await amy.tree(of: "a.md"))
    #expect(document.kind == "document" && document.children.map(\.kind) == ["source", "version", "version"])
    #expect(document.children[0].name.hasPrefix("file://"))
    #expect(document.children[1].name == "2" && document.children[1].facts["current"] == true)
    #expect(document.children[1].children.first?.children.map(\.kind) == ["vector"])
    let history = document.children[2]
    #expect(history.facts["current"] == false && history.facts["origin"]?.stringValue?.hasSuffix("/a.md") == true)
    #expect(history.children[0].children.map(\.name) == ["run-1", "of other users"])

    let run = try #require(try await amy.tree(of: "run-1"))
    let citation = try #require(run.children.first)
    #expect(run.kind == "answer" && citation.kind == "citation" && citation.facts["collection"] == "main")
    #expect(citation.children.map(\.kind) == ["chunk", "version"])
    #expect(citation.children[1].children.map(\.kind) == ["source"])
    let chunk = try #require(try await amy.tree(of: citation.children[0].name))
    #expect(chunk.kind == "chunk" && chunk.children.last?.kind == "document")
    #expect(document.json["leads_to"]?.arrayValue?.count == 3)

    // Others: neither documents that they may not read, nor runs that are not theirs.
    let bob = LineageWalk(store, collection: "main", as: Principal(user: "bob"))
    let secret = try #require(try await amy.tree(of: "secret.md")?.children[1].children[0].name)
    for name in ["secret.md", "run-1", "run-3", secret, "nothing", "99999"] {
      #expect(try await bob.tree(of: name) == nil, "\(name)")
    }
    // What was deleted, or taken away from the asker, is said to be so and not shown.
    try folder.write(
      "docs/.strata-acl.yaml", "rules: [{path: '**', readers: ['user:bob']}]")
    _ = try await ingest()
    let taken = try #require(try await amy.tree(of: "run-3")?.children.first)
    #expect(taken.children.isEmpty && taken.facts["state"] != nil)
    _ = try await store.delete("a.md", in: "main")
    #expect(try await amy.tree(of: "run-1")?.children.first?.facts["state"] != nil)
  }

  @Test("An ingest tells OpenLineage how it began and how it ended, and a deaf listener stops nothing")
  func openLineage() async throws {
    try folder.write("docs/a.md", "alpha")
    try folder.write("docs/b.pdf", "no pdf")
    let told = Mutex<[JSON]>([])
    _ = try await ingest { options in
      options.lineage = LineageReporting(producer: "https://p.test/1", version: "1", namespace: "strata://test") {
        event in
        told.withLock { $0.append(event) }
      }
    }
    let events = told.withLock { $0 }
    #expect(events.map { $0["eventType"] } == ["START", "COMPLETE"])
    #expect(events[0]["run"]?["runId"] == events[1]["run"]?["runId"])
    for event in events {
      #expect(UUID(uuidString: event["run"]?["runId"]?.stringValue ?? "") != nil)
      #expect(event["schemaURL"] == .string(OpenLineageEvents.schemaURL))
      #expect(event["job"]?["name"] == "ingest.main.folder" && event["producer"] == "https://p.test/1")
      #expect(event["inputs"]?[0]?["namespace"] == "file" && event["outputs"]?[0]?["name"] == "collections/main")
    }
    #expect(events[1]["outputs"]?[0]?["outputFacets"]?["outputStatistics"]?["fileCount"] == 1)
    #expect(events[1]["run"]?["facets"]?["extractionError"]?["failedTasks"] == 1)
    if let path = ProcessInfo.processInfo.environment["STRATA_OPENLINEAGE_OUT"] {
      try events.map { $0.text() }.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }

    struct Deaf: Error {}
    let report = try await ingest { options in
      options.lineage = LineageReporting(producer: "p", version: "1", namespace: "n") { _ in throw Deaf() }
    }
    #expect(report.warnings.filter { $0.contains("lineage event") }.count == 2)
    try folder.write("docs/.strata-acl.yaml", "rules: 7")
    let failed = Mutex<[JSON]>([])
    await #expect(throws: RetrievalError.self) {
      try await ingest { options in
        options.lineage = LineageReporting(producer: "p", version: "1", namespace: "n") { event in
          failed.withLock { $0.append(event) }
        }
      }
    }
    #expect(failed.withLock { $0 }.map { $0["eventType"] } == ["START", "FAIL"])
  }
}
