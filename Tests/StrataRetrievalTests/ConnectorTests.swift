import Foundation
import StrataCore
import StrataRetrieval
import StrataStore
import StrataTesting
import Synchronization
import Testing

/// Tests everything that documents come from, against real repositories, real databases and a site that is made up.
@Suite("Connectors")
struct ConnectorTests {
  let store = InMemoryDocumentStore()
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func ingest(_ connector: any Connector) async throws -> IngestReport {
    try await Ingestor(store: store, embedder: HashEmbedder(), collection: "test").ingest(connector)
  }

  private func paths() async -> [String] { await store.documents(in: "test").map(\.path) }

  private func search(_ text: String, as principal: Principal = .anonymous) async throws -> [String] {
    let retriever = HybridRetriever(store: store, embedder: HashEmbedder(), collection: "test")
    return try await retriever.search(QuerySpec(text, legs: .lexical), as: principal).map(\.document)
  }

  // MARK: Git

  @discardableResult
  private func git(_ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/git")
    process.arguments = ["-C", folder.path, "-c", "user.name=t", "-c", "user.email=t@example.org"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "git \(arguments)")
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  static let hasGit = FileManager.default.isExecutableFile(atPath: "/usr/bin/git")

  @Test("A repository is followed from commit to commit: added, changed, renamed, deleted", .enabled(if: hasGit))
  func repository() async throws {
    try git("init", "-q", "-b", "main")
    try folder.write("a.md", "# A\n\nalpha words")
    try folder.write("b/c.md", "# C\n\ncharlie words")
    try folder.write(".hidden/d.md", "hidden words")
    try folder.write("e.bin", [1, 2, 3])
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/link.md", withDestinationPath: "a.md")
    try git("add", ".")
    try git("commit", "-qm", "one")
    func connector(_ reference: String = "main", under path: String = "") async throws -> GitConnector {
      try await GitConnector(
        folder.path, reference: reference, folder: path, key: "", readers: [.everyone], mirrors: folder.path + "/m")
    }
    let first = try await ingest(try await connector())
    #expect(first.added == ["a.md", "b/c.md"] && first.failed.isEmpty)
    #expect(Set(first.skipped.map(\.path)) == ["e.bin", "link.md"])
    let commit = try git("rev-parse", "HEAD")
    let record = await store.document("a.md", version: nil, in: "test")
    #expect(record?.provenance.sourceVersion == commit && record?.metadata["commit"] == .string(commit))
    #expect(record?.provenance.origin.hasSuffix("@\(commit)#a.md") == true)

    // Nothing is committed: nothing is seen.
    try folder.write("a.md", "# A\n\nuncommitted")
    #expect(try await ingest(try await connector()).unchanged == 2)

    try folder.write("a.md", "# A\n\nalpha changed")
    try git("mv", "b/c.md", "b/moved.md")
    try git("commit", "-qam", "two")
    let second = try await ingest(try await connector())
    #expect(second.updated == ["a.md"] && second.added == ["b/moved.md"] && second.deleted == ["b/c.md"])
    #expect(try await search("charlie") == ["b/moved.md"])

    let older = try await connector(commit)
    #expect(older.commit == commit)
    let narrow = try await GitConnector(
      folder.path, reference: "main", folder: "b", key: "only/", readers: [.everyone], mirrors: folder.path + "/m")
    #expect(try await ingest(narrow).added == ["only/moved.md"])
    #expect(await paths() == ["a.md", "b/moved.md", "only/moved.md"])
  }

  @Test("A repository by URL is mirrored; its access file counts; bad names are refused", .enabled(if: hasGit))
  func remoteRepository() async throws {
    try git("init", "-q", "-b", "main")
    try folder.write("a.md", "secret plans")
    try folder.write(
      ".strata-acl.yaml", "groups: {g: [amy]}\nrules: [{path: 'a.md', readers: ['group:g']}]")
    try git("add", ".")
    try git("commit", "-qm", "one")
    let mirrors = try TemporaryFolder()
    let connector = try await GitConnector("file://" + folder.path, reference: "main", mirrors: mirrors.path)
    #expect(connector.key == "\((folder.path as NSString).lastPathComponent)/")
    _ = try await ingest(connector)
    #expect(try await search("secret").isEmpty)
    #expect(try await search("secret", as: Principal(user: "amy", groups: ["g"])).count == 1)
    for location in ["ext::sh -c id", "http://example.org/x.git", "/nonexistent"] {
      await #expect(throws: RetrievalError.self) {
        try await GitConnector(location, reference: "main", mirrors: mirrors.path)
      }
    }
    for reference in ["--upload-pack=id", "main:a.md", "no-such-branch", ""] {
      await #expect(throws: RetrievalError.self) {
        try await GitConnector(folder.path, reference: reference, mirrors: mirrors.path)
      }
    }
  }

  // MARK: SQL

  private func database(_ sql: String) throws -> String {
    let path = folder.path + "/shop.db"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = [
      "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.commit()", path,
      sql,
    ]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return path
  }

  static let hasPython = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

  @Test("Rows are documents: by key, followed by a column, with the other columns as metadata", .enabled(if: hasPython))
  func table() async throws {
    let path = try database(
      """
      CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, body TEXT, price REAL, at TEXT, who TEXT);
      INSERT INTO p VALUES (1, 'Lamp', 'bright light', 9.5, '2024-01-01 10:00:00', 'everyone'),
        (2, 'Chair', 'soft seat', 20, '2024-01-02', 'user:amy'), (3, 'Broken', 'text', 1, '2024-01-03', 'amy');
      """)
    let columns = SQLConnector.Columns(
      key: "id", updated: "at", title: "name", text: ["body"], readers: "who")
    func connector() throws -> SQLConnector {
      SQLConnector(
        try SQLiteSource(path: path), uri: "sqlite:\(path)", query: "SELECT * FROM p", columns: columns, key: "p/",
        readers: [])
    }
    let first = try await ingest(try connector())
    #expect(first.added == ["p/1", "p/2", "p/3"] && first.failed.isEmpty)
    let lamp = await store.document("p/1", version: nil, in: "test")
    #expect(lamp?.title == "Lamp" && lamp?.metadata["price"]?.doubleValue == 9.5)
    #expect(lamp?.metadata["body"] == nil && lamp?.provenance.sourceVersion == "2024-01-01 10:00:00")
    #expect(lamp?.fields["price"] == .number(9.5))
    #expect(try await search("light") == ["p/1"])
    #expect(try await search("seat").isEmpty)
    #expect(try await search("seat", as: Principal(user: "amy")) == ["p/2"])
    // What is no reader lets nobody in.
    #expect(try await search("text", as: Principal(user: "amy")).isEmpty)

    #expect(try await ingest(try connector()).unchanged == 3)
    _ = try database(
      """
      UPDATE p SET body = 'dark light', at = '2024-02-01' WHERE id = 1; DELETE FROM p WHERE id = 3;
      UPDATE p SET who = 'everyone' WHERE id = 2; INSERT INTO p VALUES (4, 'New', 'fresh', 1, 'x', 'everyone');
      """)
    let second = try await ingest(try connector())
    #expect(second.updated == ["p/1"] && second.deleted == ["p/3"] && second.added == ["p/4"])
    #expect(second.readersChanged == ["p/2"])
    #expect(try await search("seat") == ["p/2"])
  }

  @Test("Only reading statements run, and what SQLite says of wrong ones is told", .enabled(if: hasPython))
  func readingOnly() async throws {
    let path = try database("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, x'00ff'), ('two', NULL);")
    let reader = try SQLiteSource(path: path)
    #expect(
      try await reader.rows("SELECT a, b FROM t", [], limit: 9) == [["a": 1, "b": nil], ["a": "two", "b": nil]])
    #expect(try await reader.rows("SELECT a FROM t WHERE a = ?", ["two"], limit: 9) == [["a": "two"]])
    for statement in ["DELETE FROM t", "SELEC", "SELECT * FROM nothing", "ATTACH 'x' AS y"] {
      await #expect(throws: StoreError.self) { try await reader.rows(statement, [], limit: 9) }
    }
    await #expect(throws: StoreError.self) { try await reader.rows("SELECT * FROM t", [], limit: 1) }
    #expect(try await reader.rows("SELECT count(*) AS n FROM t", [], limit: 1) == [["n": 2]])
    #expect(throws: StoreError.self) { try SQLiteSource(path: folder.path + "/none.db") }
  }

  // MARK: Sites

  /// A site in memory that counts what it is asked.
  final class FakeSite: HTTPFetcher {
    struct State {
      var pages: [String: HTTPReply] = [:]
      var asked: [String] = []
    }
    let state = Mutex(State())

    func get(_ url: String, headers: [(String, String)], byteLimit: Int) async throws -> HTTPReply {
      state.withLock { state in
        state.asked.append(url)
        guard let page = state.pages[url] else { return HTTPReply(status: 404) }
        let tag = headers.first { $0.0 == "If-None-Match" }?.1
        return tag != nil && tag == page.headers["etag"] ? HTTPReply(status: 304) : page
      }
    }

    func set(_ path: String, bytes: [UInt8]) {
      state.withLock { $0.pages["http://site.test" + path] = HTTPReply(status: 200, headers: [:], body: bytes) }
    }

    func set(_ path: String, _ text: String?, type: String = "text/html", tag: String? = nil, status: Int = 200) {
      var headers = ["content-type": type]
      headers["etag"] = tag
      state.withLock {
        $0.pages["http://site.test" + path] = text.map {
          HTTPReply(status: status, headers: headers, body: Array($0.utf8))
        }
      }
    }

    func asked() -> [String] {
      state.withLock { state in
        defer { state.asked = [] }
        return state.asked.map { String($0.dropFirst("http://site.test".count)) }
      }
    }
  }

  private func page(_ text: String) -> String {
    "<html><head><title>T</title><meta name=author content=Ann></head><body><p>\(text) and a few more words.</p></body>"
  }

  @Test("A site is followed by lastmod, entity tags and statuses, within its host and its robots.txt")
  func site() async throws {
    let site = FakeSite()
    func map(_ b: String) {
      site.set(
        "/sitemap.xml",
        """
        <?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
        <url><loc>http://site.test/a?x=1&amp;y=2</loc></url><url><loc>http://site.test/b</loc><lastmod>\(b)</lastmod></url>
        <url><loc>http://other.test/c</loc></url><url><loc>http://site.test/private/d</loc></url>
        <url><loc>http://site.test/gone</loc></url><url><loc>http://site.test/away</loc></url></urlset>
        """, type: "application/xml")
    }
    map("2024-01-01")
    site.set("/robots.txt", "User-agent: *\nDisallow: /private/\n", type: "text/plain")
    site.set("/a?x=1&y=2", page("alpha"), tag: "\"1\"")
    site.set("/b", page("bravo"))
    site.state.withLock {
      $0.pages["http://site.test/away"] = HTTPReply(status: 302, headers: ["location": "http://10.0.0.1/"])
    }
    var options = SitemapConnector.Options()
    options.pause = .zero
    func connector() throws -> SitemapConnector {
      try SitemapConnector("http://site.test/sitemap.xml", fetcher: site, options: options)
    }
    let first = try await ingest(try connector())
    #expect(first.added == ["site.test/a?x=1&y=2", "site.test/b"])
    #expect(first.failed.map(\.document) == ["site.test/away"])
    #expect(first.warnings.count == 2)
    let record = await store.document("site.test/b", version: nil, in: "test")
    #expect(record?.metadata["author"] == "Ann" && record?.metadata["url"] == "http://site.test/b")
    #expect(!site.asked().contains { $0.contains("private") || $0.contains("other") })

    // b has a lastmod that did not change: it is not asked for. a is, and answers 304.
    #expect(try await ingest(try connector()).unchanged == 2)
    let asked = site.asked()
    #expect(asked.contains("/a?x=1&y=2") && !asked.contains("/b"))

    map("2024-02-02")
    site.set("/b", page("bravissimo"))
    site.set("/a?x=1&y=2", nil)
    let third = try await ingest(try connector())
    #expect(third.updated == ["site.test/b"] && third.deleted == ["site.test/a?x=1&y=2"])

    // A site that does not answer loses nothing.
    site.set("/sitemap.xml", "oops", status: 503)
    await #expect(throws: RetrievalError.self) { try await ingest(try connector()) }
    #expect(await paths() == ["site.test/b"])
    #expect(throws: RetrievalError.self) { try SitemapConnector("ftp://x/", fetcher: site) }
  }

  @Test("A sitemap may be a gzip file; a damaged or endless one is refused")
  func packedSitemap() async throws {
    let site = FakeSite()
    site.set("/b", page("bravo"))
    // gzip.compress(b"<urlset><url><loc>http://site.test/b</loc></url></urlset>", mtime=0) of Python.
    let packed = try #require(
      Data(base64Encoded: "H4sIAAAAAAACA7MpLcopTi2xswHSdjY5+cl2GSUlBVb6+sWZJal6JanFJfpJNvogcRt9sBJ9qAYAqgnvSjkAAAA="))
    site.set("/sitemap.xml.gz", bytes: [UInt8](packed))
    site.set("/damaged.xml.gz", bytes: [UInt8](packed.prefix(40)))
    var options = SitemapConnector.Options()
    options.pause = .zero
    func connector(_ name: String) throws -> SitemapConnector {
      try SitemapConnector("http://site.test/\(name).xml.gz", fetcher: site, options: options)
    }
    #expect(try await connector("sitemap").list(since: nil)?.items.map(\.locator) == ["http://site.test/b"])
    await #expect(throws: RetrievalError.self) { try await connector("damaged").list(since: nil) }
    #expect(throws: RetrievalError.self) { try GzipFile.unpack([UInt8](packed), byteLimit: 10, path: "b") }
  }

  @Test("robots.txt means what RFC 9309 says")
  func robots() {
    // The examples of its sections 2.2.1 to 2.2.3 and 5.
    let grouped = RobotsRules(
      """
      User-Agent: *
      Disallow: *.gif$
      Disallow: /example/
      Allow: /publications/

      User-Agent: strata
      User-Agent: other
      Disallow:/example/page/disallowed.gif
      Allow: /example/page/

      User-agent: quxbot
      Disallow: /
      Sitemap: http://site.test/map.xml
      """, robot: "strata")
    #expect(grouped.allows("/example/page/") && !grouped.allows("/example/page/disallowed.gif"))
    #expect(grouped.allows("/anything.gif") && grouped.sitemaps == ["http://site.test/map.xml"])
    let common = RobotsRules(
      "User-agent: *\nDisallow: *.gif$\nDisallow: /a/*/b$ # why\nAllow: /a/x/b\n", robot: "strata")
    #expect(
      !common.allows("/x.gif") && common.allows("/x.gif?y") && !common.allows("/a/y/b") && !common.allows("/a/x/b"))
    #expect(
      RobotsRules("", robot: "strata").allows("/")
        && !RobotsRules("User-agent: *\nDisallow: /", robot: "s").allows("/a"))
    let slow = RobotsRules(
      "User-agent: *\nDisallow: /" + String(repeating: "*a", count: 30) + "$", robot: "strata")
    #expect(slow.allows("/" + String(repeating: "a", count: 2000) + "b"))
  }

  // MARK: Several sources

  @Test("Sources share a collection without touching each other's documents; another folder takes the folder's place")
  func severalSources() async throws {
    try folder.write("one/a.md", "first folder")
    try folder.write("two/b.md", "second folder")
    try folder.write("three/x/a.md", "third folder")
    _ = try await ingest(try FolderConnector(folder.path + "/one"))
    _ = try await ingest(try FolderConnector(folder.path + "/two", key: "x/"))
    #expect(await paths() == ["a.md", "x/b.md"])
    let clash = try await ingest(try FolderConnector(folder.path + "/three/x", key: "x/"))
    #expect(clash.deleted == ["x/b.md"] && clash.added == ["x/a.md"])
    // The folder has a file where another source has a document.
    let taken = try await ingest(try FolderConnector(folder.path + "/three"))
    #expect(taken.deleted == ["a.md"])
    #expect((taken.failed.first?.error as? RetrievalError)?.code.name == "path_taken")
    #expect(await store.sources(in: "test").map(\.key) == ["", "x/"])
  }

  @Test("A watched folder tells of new, changed and deleted files, in folders that are new too")
  func watching() async throws {
    try folder.write("a.md", "text")
    let watch = try FolderWatch(folder.path, quiet: .milliseconds(20))
    for change in 0..<3 {
      async let told: Void = watch.next()
      switch change {
      case 0: try folder.write("new/deep/b.md", "text")
      case 1: try folder.write("new/deep/c.md", "text")
      default: try folder.remove("new/deep/b.md")
      }
      try await told
    }
    let waiting = Task { try await watch.next() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(throws: RetrievalError.self) { try FolderWatch("/nonexistent") }
  }
}
