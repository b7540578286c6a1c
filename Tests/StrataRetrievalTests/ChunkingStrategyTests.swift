import StrataCore
import StrataRetrieval
import StrataTesting
import Testing

@Suite("ChunkingStrategy")
struct ChunkingStrategyTests {
  static let strategies = [
    "structural:20", "sentence-window:30/1", "semantic:30", "cluster:30", "fixed:25/0", "fixed:25/10",
  ]

  @Test("names are read back as they are written, and unknown ones are refused")
  func names() throws {
    #expect(try ChunkingStrategy("structural").name == "structural:\(ChunkingStrategy.defaultTokenLimit)")
    #expect(try ChunkingStrategy("sentence-window:90").overlap == 1)
    #expect(try ChunkingStrategy("fixed:200/100") == ChunkingStrategy(.fixed, tokenLimit: 200, overlap: 100))
    for name in Self.strategies { #expect(try ChunkingStrategy(name).name == name) }
    for name in ["", "Structural", "fixed:", "fixed:a", "fixed:1/2/3", "fixed:-1", "fixed:99999999999999999999"] {
      #expect(throws: RetrievalError.self, "\(name)") { try ChunkingStrategy(name) }
    }
    #expect(throws: RetrievalError.self) { try ChunkingStrategy(.semantic).chunker(embedder: nil) }
  }

  @Test("ranges are exact, limits hold and no word of the text is lost, whatever the strategy", arguments: strategies)
  func invariants(_ name: String) async throws {
    let strategy = try ChunkingStrategy(name)
    let embedder = HashEmbedder()
    let chunker = try strategy.chunker(embedder: embedder)
    var generator = Seeded(state: 7)
    let pieces = [
      "# Head\n\n", "word ", "Ünïcode ", "End. ", "Why? ", "\n\n", "- item\n", "| a | b |\n|--|--|\n| c | d |\n\n",
      "日本語。", "e\u{301}", String(repeating: "long ", count: 40), String(repeating: "x", count: 300),
    ]
    for _ in 0..<60 {
      let source = (0..<40).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
      guard let document = try? await Fixtures.parse(source, "a.md") else { continue }
      let bytes = Array(document.canonicalText.utf8)
      let chunks = try await chunker.chunks(of: document)
      #expect(chunks == (try await chunker.chunks(of: document)))
      for chunk in chunks {
        #expect(chunk.text == String(validating: bytes[chunk.range], as: UTF8.self))
        #expect(embedder.countTokens(chunk.text) <= strategy.tokenLimit)
        #expect(
          embedder.countTokens(chunk.embeddedText(title: document.title, embedder: embedder)) <= embedder.maxTokens)
      }
      for block in document.blocks where block.kind == .paragraph {
        let covered = block.range.filter { bytes[$0] > 32 }.allSatisfy { at in chunks.contains { $0.range.contains(at) }
        }
        #expect(covered, "\(name) lost something of \(source)")
      }
    }
  }

  @Test("no text exceeds the embedder's window, even where the limit does")
  func window() async throws {
    let document = try await Fixtures.parse(String(repeating: "some words of a text. ", count: 400), "a.txt")
    for method in ChunkingStrategy.Method.allCases {
      guard let chunker = try? ChunkingStrategy(method, tokenLimit: 5_000).chunker(embedder: HashEmbedder()) else {
        continue
      }
      for chunk in try await chunker.chunks(of: document) {
        #expect(HashEmbedder().countTokens(chunk.text) <= HashEmbedder().maxTokens)
      }
    }
  }

  @Test("fixed windows share what they are told to, and no more")
  func overlap() async throws {
    let text = (0..<100).map { "w\($0)" }.joined(separator: " ")
    let document = try await Fixtures.parse(text, "a.txt")
    let chunks = try await ChunkingStrategy("fixed:10/4").chunker(embedder: HashEmbedder()).chunks(of: document)
    #expect(chunks[0].text == "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9")
    #expect(chunks[1].text.hasPrefix("w6 w7"))
    #expect(chunks.last?.text.hasSuffix("w99") == true)
  }

  @Test("a sentence window is found by its sentence and read with its neighbours, under one heading")
  func sentenceWindow() async throws {
    let document = try await Fixtures.parse(
      "# A\n\nOne is here. Two is here. Three is here.\n\n# B\n\nFour is here.", "a.md")
    let chunks = try await ChunkingStrategy("sentence-window:50/1").chunker(embedder: HashEmbedder()).chunks(
      of: document)
    #expect(
      chunks.map(\.text) == [
        "One is here. Two is here.", "One is here. Two is here. Three is here.", "Two is here. Three is here.",
        "Four is here.",
      ])
    #expect(chunks[1].vector == (try await HashEmbedder().embed(["A\nTwo is here."])[0]))
  }

  @Test("meaning decides where chunks end", arguments: ["semantic:60", "cluster:60"])
  func meaning(_ name: String) async throws {
    let cats = "The cat sat here. The cat sat there. The cat sat everywhere."
    let taxes = "Federal taxes rose sharply. Federal taxes fell sharply. Federal taxes stayed flat."
    let document = try await Fixtures.parse("\(cats) \(taxes)", "a.txt")
    let chunks = try await ChunkingStrategy(name).chunker(embedder: HashEmbedder(dimension: 256)).chunks(of: document)
    #expect(chunks.contains { $0.range.lowerBound == cats.utf8.count + 1 }, "\(chunks.map(\.text))")
    #expect(chunks.count <= 3)
  }

  /// SplitMix64 (Steele, Lea and Flood 2014), so that a failure can be seen again.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }
}
