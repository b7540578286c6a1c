import Foundation
import StrataCore
import StrataRetrieval
import StrataTesting
import Testing

/// Tests typed facts about documents: where they come from, what a schema makes of them, what can be filtered by.
@Suite("Metadata")
struct MetadataTests {
  @Test("Front matter is read with its types, and costs no more than it says")
  func frontMatter() async throws {
    let text = """
      ---
      Title: "Leave"
      year: 2024
      score: 1.5
      draft: no
      public: true
      tags: [hr, "2024"]
      owner: {team: people}
      date: 2024-05-31
      empty:
      ---
      # Heading

      text
      """
    let metadata = try await Fixtures.parse(text, "a.md").metadata
    #expect(
      metadata == [
        "title": "Leave", "year": 2024, "score": 1.5, "draft": "no", "public": true, "tags": ["hr", "2024"],
        "owner": ["team": "people"], "date": "2024-05-31", "empty": nil,
      ])
    for bad in ["---\n- a\n---\ntext", "---\na: &x [1]\nb: *x\n---\ntext", "---\na: [\n---\ntext", "no front matter"] {
      #expect(try await Fixtures.parse(bad, "a.md").metadata.isEmpty)
    }
    let deep = "---\na: " + String(repeating: "[", count: 5000) + "\n---\ntext"
    #expect(try await Fixtures.parse(deep, "a.md").metadata.isEmpty)
  }

  @Test("The head of a page is metadata")
  func html() async throws {
    let page = """
      <html><head><meta name="Author" content="Ann"><meta property="article:tag" content="x">
      <meta property="article:tag" content="y"><meta name="viewport" content="w"></head>
      <body><p>Some words of text that make a paragraph.</p></body></html>
      """
    let metadata = try await Fixtures.parse(page, "a.html").metadata
    #expect(metadata == ["author": "Ann", "article:tag": ["x", "y"]])
  }

  @Test("A schema types text, refuses what does not fit with the reason, and lets others through")
  func schema() async throws {
    let store = InMemoryDocumentStore()
    let schema: JSON = [
      "type": "object", "required": ["year"],
      "properties": [
        "year": ["type": "integer", "minimum": 2000], "tags": ["type": "array", "items": ["type": "string"]],
        "date": ["type": "string", "format": "date"],
      ],
    ]
    await store.setSetting("schema", to: schema.text(), in: "test")
    let folder = try TemporaryFolder()
    try folder.write("good.md", "---\nyear: 2024\n---\ntext")
    try folder.write(
      "typed.html", "<meta name=year content=2025><meta name=tags content='a, b'><p>Some words of text.</p>")
    try folder.write("old.md", "---\nyear: 1999\n---\ntext")
    try folder.write("none.md", "text")
    try folder.write("date.md", "---\nyear: 2024\ndate: yesterday\n---\ntext")
    let ingestor = Ingestor(store: store, embedder: HashEmbedder(), collection: "test")
    let report = try await ingestor.ingest(folder.path)
    #expect(report.added == ["good.md", "typed.html"])
    #expect(report.failed.map(\.document).sorted() == ["date.md", "none.md", "old.md"])
    #expect(report.failed.allSatisfy { ($0.error as? RetrievalError)?.code.name == "metadata_invalid" })
    #expect(report.failed.first { $0.document == "old.md" }?.reason.contains("/year") == true)
    let typed = await store.document("typed.html", version: nil, in: "test")
    #expect(typed?.metadata["year"] == 2025 && typed?.metadata["tags"] == ["a", "b"])
    // Another schema looks at everything again.
    await store.setSetting("schema", to: nil, in: "test")
    #expect(try await ingestor.ingest(folder.path).failed.isEmpty)
    #expect(await store.documents(in: "test").count == 5)
    #expect(throws: (any Error).self) { try MetadataSchema(["type": 7]) }
  }

  @Test("Metadata and the facts of every document are typed fields")
  func fields() {
    let record = DocumentRecord(
      collection: "c", path: "a.md", version: 3, contentHash: "", byteCount: 7, mediaType: "text/markdown", title: "A",
      readers: [], modifiedAt: Date(timeIntervalSince1970: 0), ingestedAt: Date(timeIntervalSince1970: 9),
      metadata: [
        "year": 2024, "draft": true, "date": "1970-01-02", "at": "1970-01-01T00:00:01.5Z", "name": "2024-13-99",
        "tags": ["x", 2], "owner": ["team": "people"], "path": "lies", "nothing": nil, "empty": [],
      ])
    let fields = record.fields
    #expect(fields["year"] == .number(2024) && fields["draft"] == .boolean(true))
    #expect(fields["date"] == .date(Date(timeIntervalSince1970: 86400)))
    #expect(fields["at"] == .date(Date(timeIntervalSince1970: 1.5)) && fields["name"] == .string("2024-13-99"))
    #expect(fields["tags"] == .strings(["x", "2"]) && fields["owner.team"] == .string("people"))
    #expect(fields["path"] == .string("a.md") && fields["version"] == .number(3) && fields["bytes"] == .number(7))
    #expect(fields["modified"] == .date(Date(timeIntervalSince1970: 0)) && fields["nothing"] == nil)
  }
}
