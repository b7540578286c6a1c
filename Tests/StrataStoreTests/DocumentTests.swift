// Tests documents, versions, chunks, readers and the cache.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore documents")
struct DocumentTests {
  let folder: TemporaryFolder
  let store: SQLiteStore

  init() throws {
    folder = try TemporaryFolder()
    store = try SQLiteStore(path: folder.file("strata.sqlite"))
  }

  @Test("What is saved comes back equal")
  func roundTrip() async throws {
    var record = Sample.record("a/b.md", readers: [.group("x"), .user("y"), .everyone])
    let text = "alpha βeta\u{0}gamma end"
    let chunks = Sample.chunks(text, of: record)
    let (added, removed) = try await store.save(record, text: text, chunks: chunks, embedder: "e")
    #expect(removed.isEmpty)
    #expect(Set(added.map(\.id)).count == chunks.count && added.allSatisfy { $0.id > 0 })
    record.chunkCount = chunks.count
    #expect(try await store.documents(in: "main") == [record])
    #expect(try await store.document("a/b.md", version: 1, in: "main") == record)
    #expect(try await store.document("a/b.md", version: 2, in: "main") == nil)
    #expect(try await store.text(of: "a/b.md", version: 1, in: "main") == text)
    #expect(try await store.chunks(in: "main") == added)
    #expect(try await store.chunks(ids: added.map(\.id).reversed() + [99_999]) == added.reversed())
    #expect(try await store.collections() == ["main"])
    #expect(try await store.documents(in: "other").isEmpty)
  }

  @Test("A new version takes the place of the old one, which stays readable as history")
  func versions() async throws {
    let first = try await store.put("a", "one two")
    let second = try await store.put("a", "two three four")
    #expect(second.removed == first.added.map(\.id))
    #expect(try await store.chunks(in: "main") == second.added)
    #expect(try await store.text(of: "a", version: 1, in: "main") == "one two")
    #expect(try await store.versions(of: "a", in: "main") == [1, 2])
    #expect(try await store.chunks(ids: second.removed).map(\.text) == ["one", "two"])
    #expect(Set(first.added.map(\.id)).isDisjoint(with: second.added.map(\.id)))
  }

  @Test("A version that does not follow the newest is refused and changes nothing")
  func versionConflict() async throws {
    try await store.put("a", "one")
    for version in [0, 1, 3] {
      let record = Sample.record("a", version: version)
      let error = await #expect(throws: StoreError.self) {
        try await store.save(record, text: "x", chunks: Sample.chunks("x", of: record), embedder: nil)
      }
      #expect(error?.code == StoreError.versionConflict && error?.remedy != nil)
    }
    #expect(try await store.chunks(in: "main").map(\.text) == ["one"])
  }

  @Test("Chunks outside the text and doubled ordinals are refused")
  func invalidChunks() async throws {
    let record = Sample.record("a")
    var outside = Sample.chunks("word", of: record)
    outside[0].range = 0..<5
    await #expect(throws: StoreError.self) {
      try await store.save(record, text: "word", chunks: outside, embedder: nil)
    }
    let doubled = Sample.chunks("word", of: record) + Sample.chunks("word", of: record)
    await #expect(throws: StoreError.self) {
      try await store.save(record, text: "word", chunks: doubled, embedder: nil)
    }
    #expect(try await store.documents(in: "main").isEmpty)
  }

  @Test("Deleting leaves nothing of a document behind, and ids are never used again")
  func deleting() async throws {
    let first = try await store.put("a", "secretword shared")
    try await store.put("a", "othersecret shared")
    let other = try await store.put("b", "shared rest")
    let hashes = ["secretword", "othersecret", "shared", "rest"]
    try await store.cacheEmbeddings(
      Dictionary(uniqueKeysWithValues: hashes.map { (SHA256.hash($0), Sample.vector($0)) }), embedder: "sample")
    let current = try await store.chunks(in: "main").filter { $0.document == "a" }.map(\.id)
    #expect(try await store.delete("a", in: "main") == current)
    #expect(try await store.delete("a", in: "main").isEmpty)
    #expect(try await store.documents(in: "main").map(\.path) == ["b"])
    #expect(try await store.text(of: "a", version: 1, in: "main") == nil)
    #expect(try await store.chunks(ids: first.added.map(\.id)).isEmpty)
    let cached = try await store.cachedEmbeddings(hashes.map { SHA256.hash($0) }, embedder: "sample")
    #expect(cached == ["shared", "rest"].reduce(into: [:]) { $0[SHA256.hash($1)] = Sample.vector($1) })
    let again = try await store.put("a", "fresh")
    #expect(again.added[0].version == 1 && again.added[0].id > other.added[1].id)
    try store.close()
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file(file)))
      #expect(bytes.range(of: Data("secretword".utf8)) == nil, "\(file) still holds deleted text")
    }
  }

  @Test("Readers change without a new version, for all versions")
  func readers() async throws {
    try await store.put("a", "one")
    try await store.setReaders([.group("g")], of: "a", in: "main")
    let document = try await store.document("a", version: nil, in: "main")
    #expect(document?.readers == [.group("g")] && document?.version == 1)
    try await store.setReaders([], of: "a", in: "main")
    #expect(try await store.documents(in: "main")[0].readers.isEmpty)
    await #expect(throws: StoreError.self) { try await store.setReaders([], of: "absent", in: "main") }
  }

  @Test("Groups, settings and cached embeddings come back; empty groups exist")
  func small() async throws {
    let groups = ["eng": ["ann", "bob"], "none": []]
    try await store.setGroups(groups, in: "main")
    #expect(try await store.groups(in: "main") == groups)
    try await store.setGroups(["x": ["y"]], in: "main")
    #expect(try await store.groups(in: "main") == ["x": ["y"]])
    #expect(try await store.groups(in: "absent").isEmpty)
    try await store.setSetting("k", to: "v", in: "main")
    try await store.setSetting("k", to: "w", in: "main")
    #expect(try await store.setting("k", in: "main") == "w")
    try await store.setSetting("k", to: nil, in: "main")
    #expect(try await store.setting("k", in: "main") == nil)
    try await store.cacheEmbeddings(["h": [1, .nan, -0.0]], embedder: "e")
    let cached = try await store.cachedEmbeddings(["h", "i"], embedder: "e")
    #expect(cached["h"]?.map(\.bitPattern) == [Float(1), .nan, -0.0].map(\.bitPattern) && cached.count == 1)
    #expect(try await store.cachedEmbeddings(["h"], embedder: "f").isEmpty)
  }

  @Test("Deleting gives the space back to the disk")
  func reclaim() async throws {
    let folder = try TemporaryFolder()
    let store = try SQLiteStore(path: folder.file("a.sqlite"))
    func byteCount() throws -> Int {
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.file("a.sqlite"))
      return try #require(attributes[.size] as? Int)
    }
    try await store.put("kept", "one two three")
    try await store.reclaim()
    let before = try byteCount()
    let text = (0..<300).map { "word\($0)" }.joined(separator: " ")
    for number in 0..<12 { try await store.put("\(number)", text) }
    try await store.reclaim()
    #expect(try byteCount() > 2 * before)
    _ = try await store.delete((0..<12).map(String.init), in: "main")
    // The change feed goes on knowing what went; it is cut here too.
    try await store.compact(changeLimit: 1)
    #expect(try byteCount() < before + 65_536)
    #expect(try await store.verify().isEmpty)
  }

  @Test("After thousands came and went the file is as large as it was, holes in its indexes included")
  func compact() async throws {
    func byteCount() throws -> Int {
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.file("strata.sqlite"))
      return try #require(attributes[.size] as? Int)
    }
    let text = (0..<400).map { "kept\($0)" }.joined(separator: " ")
    try await store.put("kept", text)
    try await store.compact(changeLimit: 10)
    let before = try byteCount()
    for number in 0..<10 {
      try await store.put("\(number)", (0..<400).map { "word\(number)-\($0)" }.joined(separator: " "))
    }
    #expect(try byteCount() > 2 * before)
    _ = try await store.delete((0..<10).map(String.init), in: "main")
    try await store.reclaim()
    let reclaimed = try byteCount()
    try await store.compact(changeLimit: 1)
    // The change that is kept names the chunks that it took away.
    let (compacted, allowance) = (try byteCount(), 16_384)
    #expect(compacted < reclaimed && compacted <= before + allowance, "\(before), \(reclaimed), \(compacted)")
  }

  @Test("A source is forgotten with its documents, and nothing else is")
  func deleteSource() async throws {
    try await store.setSource(SourceRecord(key: "wiki/", connector: "git", uri: "file:///wiki"), in: "main")
    try await store.setSource(SourceRecord(key: "", connector: "folder", uri: "file:///docs"), in: "main")
    for (path, source) in [("wiki/a", "wiki/"), ("wiki/b", "wiki/"), ("wiki/own", ""), ("c", nil)] {
      var record = Sample.record(path)
      record.provenance.source = source
      _ = try await store.save(
        record, text: "word \(path)", chunks: Sample.chunks("word \(path)", of: record), embedder: "sample")
    }
    #expect(try await store.deleteSource("wiki", in: "main") == nil)
    #expect(try await store.deleteSource("wiki/", in: "other") == nil)
    #expect(try await store.deleteSource("wiki/", in: "main") == ["wiki/a", "wiki/b"])
    #expect(try await store.documents(in: "main").map(\.path) == ["c", "wiki/own"])
    #expect(try await store.sources(in: "main").map(\.key) == [""])
    #expect(try await store.chunks(in: "main").map(\.text) == ["word", "wiki/own", "word", "c"])
    #expect(try await store.verify().isEmpty)
  }
}
