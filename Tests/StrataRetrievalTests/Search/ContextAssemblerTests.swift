import StrataCore
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Context assembler")
struct ContextAssemblerTests {
  let assembler = ContextAssembler(tokenLimit: 60, countTokens: Fixtures.words)

  func passage(_ document: String, _ range: Range<Int>, _ text: String, score: Double = 1) -> Passage {
    Passage(chunk: 0, document: document, version: 1, range: range, text: text, title: document, score: score)
  }

  @Test("the same text comes once, sources are numbered in order")
  func duplicates() async throws {
    let context = try await assembler.assemble([
      passage("a", 0..<5, "Hello"), passage("b", 0..<5, "hello "), passage("c", 0..<5, "World"),
    ])
    #expect(context.sources.map(\.number) == [1, 2] && context.sources.map(\.passage.document) == ["a", "c"])
    #expect(context.text == "[1] a\nHello\n\n[2] c\nWorld" && context.repeatedCount == 1)
  }

  @Test("what is nearly the same comes once, unless a number differs; the longer stands in the better's place")
  func nearDuplicates() async throws {
    let rule = "Each employee may spend a reasonable amount on meals for every full day of travel, up to 48 euros."
    let texts = [
      rule, "As the handbook says: " + rule, rule.replacing("48", with: "52"), "Parking is free for visitors at night.",
    ]
    let found = texts.enumerated().map { passage("\($0)", 0..<$1.utf8.count, $1) }
    let context = try await ContextAssembler(tokenLimit: nil, countTokens: Fixtures.words).assemble(found)
    #expect(context.sources.map(\.passage.document) == ["1", "2", "3"])
    #expect(context.omittedCount == 0 && context.repeatedCount == 1)
  }

  @Test("neighbours become one passage, in the place of the better")
  func joined() async throws {
    let text = "One two. Three four. Five six."
    let found = [
      passage("a", 21..<30, "Five six."), passage("b", 0..<1, "x"), passage("a", 0..<8, "One two."),
      passage("a", 9..<20, "Three four."),
    ]
    let context = try await assembler.assemble(found) { passage in
      passage.document == "a" ? ContextDocument(text: text, chunks: []) : nil
    }
    #expect(context.sources.map(\.passage.text) == [text, "x"])
    #expect(context.sources[0].passage.range == 0..<30)
    let overlapping = try await assembler.assemble([
      passage("a", 0..<12, "One two. Thr"), passage("a", 9..<20, "Three four."),
    ])
    #expect(overlapping.sources.map(\.passage.text) == ["One two. Three four."])
  }

  @Test("no more than the budget; only the best passage may be cut")
  func budget() async throws {
    let long = (1...20).map { "This is sentence number \($0)." }.joined(separator: " ")
    let other = (1...20).map { "Another line has \($0) words." }.joined(separator: " ")
    let context = try await assembler.assemble([
      passage("a", 0..<long.utf8.count, long), passage("b", 0..<other.utf8.count, other), passage("c", 0..<2, "ok"),
    ])
    #expect(context.tokenCount <= 60 && context.omittedCount == 1)
    #expect(context.sources[0].passage.text.hasSuffix("."))
    #expect(long.hasPrefix(context.sources[0].passage.text))
    #expect(context.sources.last?.passage.document == "c")
    #expect(try await assembler.assemble([]).text == "")
    let none = ContextAssembler(tokenLimit: 1, countTokens: Fixtures.words)
    #expect(try await none.assemble([passage("a", 0..<2, "ok")]).sources.isEmpty)
  }

  @Test("neighbours are added while there is room, and join what they meet")
  func neighbours() async throws {
    let texts = ["One two.", "Three four.", "Five six.", "Seven eight.", "Nine ten."]
    let document = Self.document(texts)
    var assembler = ContextAssembler(
      tokenLimit: nil, options: ContextOptions(neighbours: 1), countTokens: Fixtures.words)
    let ranges = document.chunks.map(\.range)
    let one = try await assembler.assemble([passage("a", ranges[2], texts[2])]) { _ in document }
    #expect(one.sources.map(\.passage.text) == ["Three four. Five six. Seven eight."])
    let two = try await assembler.assemble([passage("a", ranges[3], texts[3]), passage("a", ranges[0], texts[0])]) {
      _ in
      document
    }
    #expect(two.sources.map(\.passage.text) == [texts.joined(separator: " ")])
    #expect(two.omittedCount == 0)
    assembler.tokenLimit = 7
    let little = try await assembler.assemble([passage("a", ranges[2], texts[2])]) { _ in document }
    #expect(little.sources.map(\.passage.text) == ["Five six. Seven eight."])
    let hidden = try await assembler.assemble([passage("a", ranges[2], texts[2])]) { _ in nil }
    #expect(hidden.sources.map(\.passage.text) == ["Five six."])
  }

  @Test("a document gives no more passages than it may, and the best stand at both ends when asked")
  func orderAndCap() async throws {
    let words = ["alpha", "bravo", "charlie", "delta", "echo"]
    let found = words.enumerated().map { passage($0 < 3 ? "a" : "b\($0)", $0 * 1000..<$0 * 1000 + $1.utf8.count, $1) }
    let options = ContextOptions(perDocument: 2, order: .bestAtEnds)
    let context = try await ContextAssembler(tokenLimit: nil, options: options, countTokens: Fixtures.words).assemble(
      found)
    #expect(context.sources.map(\.passage.text) == ["alpha", "delta", "echo", "bravo"])
    #expect(context.sources.map(\.number) == [1, 2, 3, 4] && context.omittedCount == 1)
  }

  @Test("at random: within the budget, exact byte ranges, nothing twice, nothing unreadable, the same each time")
  func properties() async throws {
    var random = SeededGenerator(state: 20_261_123)
    for round in 0..<150 {
      let documents = (0..<Int.random(in: 1...4, using: &random)).map { _ in Self.randomDocument(&random) }
      let unreadable = Int.random(in: 0..<documents.count * 3, using: &random)
      var found: [Passage] = []
      for _ in 0..<Int.random(in: 0...12, using: &random) {
        let number = Int.random(in: 0..<documents.count, using: &random)
        let chunks = documents[number].chunks
        let first = Int.random(in: 0..<chunks.count, using: &random)
        let last = min(chunks.count - 1, first + Int.random(in: 0...1, using: &random))
        let range = chunks[first].range.lowerBound..<max(chunks[first].range.upperBound, chunks[last].range.upperBound)
        let text = String(decoding: documents[number].bytes[range], as: UTF8.self)
        found.append(passage("\(number)", range, text, score: Double(100 - found.count)))
      }
      let limit = Bool.random(using: &random) ? Int.random(in: 0...120, using: &random) : nil
      let options = ContextOptions(
        neighbours: Int.random(in: 0...3, using: &random),
        perDocument: Bool.random(using: &random) ? Int.random(in: 1...3, using: &random) : nil,
        order: Bool.random(using: &random) ? .bestAtEnds : .bestFirst)
      // Tokens that do not add up: a part rounds down, a long word is one.
      let addsUp = round.isMultiple(of: 2)
      let count: @Sendable (String) -> Int = { addsUp ? Fixtures.words($0) : $0.utf8.count / 3 }
      let assembler = ContextAssembler(tokenLimit: limit, options: options, countTokens: count)
      let readable: (Passage) -> ContextDocument? = { passage in
        passage.document == "\(unreadable)" ? nil : documents[Int(passage.document) ?? 0]
      }
      let context = try await assembler.assemble(found, document: readable)
      #expect(context == (try await assembler.assemble(found, document: readable)))
      if let limit { #expect(count(context.text) <= limit) }
      #expect(context.tokenCount == count(context.text))
      let passages = context.sources.map(\.passage)
      for passage in passages {
        let bytes = documents[Int(passage.document) ?? 0].bytes
        #expect(Array(passage.text.utf8) == Array(bytes[passage.range]))
        if passage.document == "\(unreadable)" {
          // What is outside the passages that were found was never read.
          let covered = Set(found.filter { $0.document == passage.document }.flatMap { Array($0.range) })
          #expect(passage.range.allSatisfy { covered.contains($0) })
        }
      }
      for (index, one) in passages.enumerated() {
        for other in passages[(index + 1)...] where one.document == other.document {
          #expect(!one.range.overlaps(other.range), "round \(round)")
        }
      }
      if let most = options.perDocument {
        #expect(Dictionary(grouping: passages, by: \.document).values.allSatisfy { $0.count <= most })
      }
    }
  }

  @Test("a search takes in neighbours that the asker may read, within its budget")
  func search() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    let filler = (1...8).map {
      "## Part \($0)\n\n" + String(repeating: "Part \($0) tells of matter \($0). ", count: 20)
    }
    try folder.write(
      "a.md", "# Report\n\n" + filler.joined(separator: "\n\n") + "\n\n## Walrus\n\nThe walrus is here.")
    let embedder = HashEmbedder()
    var options = Ingestor.Options()
    options.chunking = try ChunkingStrategy("structural:60")
    _ = try await Ingestor(store: store, embedder: embedder, options: options).ingest(folder.path)
    let retriever = HybridRetriever(store: store, embedder: embedder, countTokens: Fixtures.words)
    var query = QuerySpec("walrus", limit: 1, legs: .lexical)
    let bare = try #require(try await retriever.search(query, as: .anonymous).first)
    query.context = ContextOptions(neighbours: 2)
    query.budget.tokens = 150
    let wide = try #require(try await retriever.search(query, as: .anonymous).first)
    #expect(wide.range.lowerBound < bare.range.lowerBound && wide.range.upperBound == bare.range.upperBound)
    let text = Array(try #require(await store.text(of: "a.md", version: 1, in: "default")).utf8)
    #expect(Array(wide.text.utf8) == Array(text[wide.range]) && Fixtures.words(wide.text) <= 150)
    await store.setReaders([.user("amy")], of: "a.md", in: "default")
    #expect(try await retriever.search(query, as: .anonymous).isEmpty)
  }

  // MARK: Material

  private static func document(_ texts: [String]) -> ContextDocument {
    var chunks: [ChunkRecord] = []
    var start = 0
    for (ordinal, text) in texts.enumerated() {
      chunks.append(
        ChunkRecord(
          collection: "default", document: "a", version: 1, ordinal: ordinal, range: start..<start + text.utf8.count,
          text: text))
      start += text.utf8.count + 1
    }
    return ContextDocument(text: texts.joined(separator: " "), chunks: chunks)
  }

  /// Chunks that touch, overlap or leave gaps, of words of one to three bytes a letter; some say the same.
  private static func randomDocument(_ random: inout SeededGenerator) -> ContextDocument {
    let words = ["sea", "mer", "été", "海", "walrus", "7", "48", "the", "rule.", "says", "again", "über", "no"]
    var text = ""
    var chunks: [ChunkRecord] = []
    for ordinal in 0..<Int.random(in: 1...9, using: &random) {
      let start = text.utf8.count
      for _ in 0..<Int.random(in: 1...14, using: &random) { text += (words.randomElement(using: &random) ?? "") + " " }
      let lower = Bool.random(using: &random) ? start : chunks.last?.range.lowerBound ?? 0
      let range = lower..<text.utf8.count
      let piece = String(decoding: Array(text.utf8)[range], as: UTF8.self)
      chunks.append(
        ChunkRecord(collection: "default", document: "", version: 1, ordinal: ordinal, range: range, text: piece))
      if Int.random(in: 0..<3, using: &random) == 0 { text += String(repeating: "… ", count: 90) }
    }
    return ContextDocument(text: text, chunks: chunks)
  }
}
