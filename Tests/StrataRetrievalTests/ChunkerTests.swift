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

  @Test("long text is cut between sentences, into pieces of similar size")
  func sentences() async throws {
    let sentences = (1...20).map { "Sentence number \($0) by Dr. Smith has exactly, e.g., eleven words here." }
    let document = try await Fixtures.parse(sentences.joined(separator: " "), "a.txt")
    let chunks = check(document, limit: 100)
    #expect(chunks.count == 3)
    for chunk in chunks {
      #expect(chunk.text.hasPrefix("Sentence") && chunk.text.hasSuffix("here."))
      #expect(Fixtures.words(chunk.text) > 50)
    }
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
