import StrataCore
import StrataRetrieval
import Testing

@Suite("Chunker")
struct ChunkerTests {
  private func check(_ document: ParsedDocument, limit: Int) -> [DocumentChunk] {
    let chunks = StructuralChunker(tokenLimit: limit, countTokens: Fixtures.words).chunks(of: document)
    let bytes = Array(document.canonicalText.utf8)
    var end = 0
    for chunk in chunks {
      #expect(chunk.text == String(validating: bytes[chunk.range], as: UTF8.self))
      #expect(Fixtures.words(chunk.text) <= limit)
      #expect(chunk.range.lowerBound >= end, "chunks overlap")
      end = chunk.range.upperBound
    }
    return chunks
  }

  @Test("blocks under one heading are merged, those under different ones are not")
  func structure() async throws {
    let document = try await Fixtures.parse(
      "# A\n\none two\n\nthree four\n\n## B\n\nfive\n\n## C\n\n# D\n\nsix\n\n# E\n", "a.md")
    let chunks = check(document, limit: 50)
    #expect(chunks.map(\.text) == ["one two\n\nthree four", "five", "## C", "six", "# E"])
    #expect(chunks.map(\.headingPath) == [["A"], ["A", "B"], ["A"], ["D"], []])
  }

  @Test("a chunk is whole blocks or part of one, and scraps join what stands beside them")
  func wholes() async throws {
    func words(_ count: Int, _ name: String) -> String { (1...count).map { "\(name)\($0)" }.joined(separator: " ") }
    let long = (1...3).map { words(15, "Long\($0)x") + "." }.joined(separator: " ")
    let document = try await Fixtures.parse(
      [words(12, "a"), long, words(12, "b"), words(3, "c")].joined(separator: "\n\n"), "a.md")
    let chunks = check(document, limit: 32)
    // Packed as full as they can be, the first chunk would hold the first sentence of the long paragraph, too.
    #expect(chunks.map { Fixtures.words($0.text) } == [12, 30, 15, 15])
    #expect(chunks[1].text.hasPrefix("Long1x1 ") && chunks[2].text.hasPrefix("Long3x1 "))
    let scrap = try await Fixtures.parse(words(2, "a") + ":\n\n" + long, "a.md")
    #expect(check(scrap, limit: 32).map { Fixtures.words($0.text) } == [32, 15])
  }

  @Test("a paragraph that does not fit is cut between lines, unless an editor has wrapped it")
  func lines() async throws {
    let rows = (1...12).map {
      "item \($0) | \($0 * 1000) euros | \($0 % 2 == 0 ? "delivered in full last week" : "open")"
    }
    let table = try await Fixtures.parse(rows.joined(separator: "\n"), "a.txt")
    for chunk in check(table, limit: 30) { #expect(chunk.text.hasPrefix("item ")) }
    var lines = [""]
    for word in (1...15).map({ "Sentence number \($0) has exactly these nine words. " }).joined().split(separator: " ")
    {
      if lines[lines.count - 1].utf8.count + word.utf8.count >= 72 { lines.append("") }
      lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
    }
    let wrapped = try await Fixtures.parse(lines.joined(separator: "\n"), "a.txt")
    for chunk in check(wrapped, limit: 30) { #expect(chunk.text.hasPrefix("Sentence") && chunk.text.hasSuffix(".")) }
  }

  @Test("long text is cut between sentences, and leaves no scrap")
  func sentences() async throws {
    let sentences = (1...20).map { "Sentence number \($0) by Dr. Smith has exactly, e.g., eleven words here." }
    let document = try await Fixtures.parse(sentences.joined(separator: " "), "a.txt")
    let chunks = check(document, limit: 100)
    #expect(chunks.map { Fixtures.words($0.text) } == [96, 96, 48])
    for chunk in chunks { #expect(chunk.text.hasPrefix("Sentence") && chunk.text.hasSuffix("here.")) }
    let few = try await Fixtures.parse(sentences.prefix(17).joined(separator: " "), "a.txt")
    #expect(check(few, limit: 104).map { Fixtures.words($0.text) } == [96, 60, 48])
  }

  @Test("a sentence that does not fit is cut between words, a word between characters")
  func longSentences() async throws {
    let document = try await Fixtures.parse(String(repeating: "wörd ", count: 1000), "a.txt")
    let chunks = check(document, limit: 30)
    #expect(chunks.reduce(0) { $0 + Fixtures.words($1.text) } == 1000)
    let word = String(repeating: "日本語", count: 10_000)
    let pieces = check(try await Fixtures.parse(word, "a.txt"), limit: 30)
    #expect(pieces.map(\.text).joined() == word)
    #expect(pieces.count > 10)
  }

  @Test("table rows carry the names of their columns once the header is in another chunk")
  func tables() async throws {
    let rows = (1...60).map { "item \($0),\($0 * 10)" }
    let document = try await Fixtures.parse("Name,Price\n" + rows.joined(separator: "\n"), "prices.csv")
    let chunks = check(document, limit: 40)
    #expect(chunks.count >= 3)
    #expect(chunks[0].headingPath == [] && chunks[0].text.hasPrefix("Name,Price"))
    #expect(chunks.dropFirst().allSatisfy { $0.headingPath == ["Name, Price"] && $0.text.hasPrefix("item") })
  }

  @Test("nothing but white space, marks and headings is lost, whatever the document")
  func nothingLost() async throws {
    var generator = SystemRandomNumberGenerator()
    let pieces = [
      "# Head\n", "word ", "Ünïcode ", "End. ", "\n\n", "- item\n", "| a | b |\n|--|--|\n| c | d |\n", "e\u{301}",
    ]
    for _ in 0..<200 {
      let source = (0..<60).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
      guard let document = try? await Fixtures.parse(source, "a.md") else { continue }
      let chunks = check(document, limit: 20)
      for block in document.blocks where document.text(block).hasPrefix("word") {
        let first = document.text(block).prefix(4)
        #expect(chunks.contains { $0.range.contains(block.range.lowerBound) }, "\(first) of \(source)")
      }
    }
  }
}
