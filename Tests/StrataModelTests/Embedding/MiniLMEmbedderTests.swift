import StrataCore
import StrataModel
import Testing

@Suite("MiniLMEmbedder", .enabled(if: BertModelTests.folder != nil, "needs STRATA_TEST_MODELS with minilm"))
struct MiniLMEmbedderTests {
  static func embedder(_ precision: EncoderPrecision = .int8) throws -> MiniLMEmbedder {
    let folder = try #require(BertModelTests.folder)
    return try MiniLMEmbedder(folder: folder, id: "minilm", pool: ComputePool(threads: 2), precision: precision)
  }

  @Test(
    "texts become the vectors of sentence-transformers",
    arguments: [(EncoderPrecision.float32, Float(0.9999)), (.bfloat16, 0.9999), (.int8, 0.9985)])
  func golden(precision: EncoderPrecision, least: Float) async throws {
    let embedder = try Self.embedder(precision)
    let cases = try TestModels.golden("minilm.json")
    let vectors = try await embedder.embed(cases.compactMap { $0["text"]?.stringValue })
    #expect(vectors.count == 20)
    for (vector, entry) in zip(vectors, cases) {
      let expected = (entry["vector"]?.arrayValue ?? []).compactMap { $0.doubleValue.map { Float($0) } }
      #expect(BertModelTests.cosine(vector, expected) > least, "\(entry["text"]?.stringValue ?? "")")
    }
  }

  @Test("each token's vector and length are those of transformers", arguments: [EncoderPrecision.float32, .int8])
  func tokenVectors(precision: EncoderPrecision) async throws {
    let embedder = try Self.embedder(precision)
    let cases = try TestModels.golden("minilm-tokens.json")
    let texts = cases.compactMap { $0["text"]?.stringValue }
    for (found, entry) in zip(try await embedder.embedTokens(texts), cases) {
      #expect(found.tokens.map(Int.init) == entry["tokens"]?.arrayValue?.compactMap(\.intValue))
      #expect(found.tokens == embedder.tokens(of: entry["text"]?.stringValue ?? ""))
      let tolerance: Float = precision == .float32 ? 1e-4 : 0.03
      for (row, expected) in (entry["values"]?.arrayValue ?? []).enumerated() {
        for (column, value) in (expected.arrayValue ?? []).enumerated() {
          #expect(abs(found.values[row * 384 + column] - Float(value.doubleValue ?? .nan)) < tolerance)
        }
        let length = Float(entry["lengths"]?.arrayValue?[row].doubleValue ?? .nan)
        #expect(abs(found.lengths[row] / length - 1) < tolerance)
      }
    }
    let empty = try await embedder.embedTokens([""])
    #expect(empty[0].tokens.isEmpty && empty[0].values.isEmpty && empty[0].dimension == 384)
  }

  @Test("a long text is cut at the limit, an empty one has a vector, and the id names the weights")
  func limits() async throws {
    let embedder = try Self.embedder()
    #expect(embedder.id.hasPrefix("minilm@"))
    #expect(embedder.id.count == "minilm@".count + 12)
    #expect(embedder.dimension == 384)
    #expect(embedder.maxTokens == 254)
    let words = [String](repeating: "word", count: 254).joined(separator: " ")
    #expect(embedder.countTokens(words) == 254)
    let vectors = try await embedder.embed([words, words + " and more", ""])
    #expect(vectors[0] == vectors[1])
    #expect(vectors[2].count == 384)
    #expect(try await embedder.embed([]).isEmpty)
  }

  @Test("a cancelled task stops embedding")
  func cancellation() async throws {
    let embedder = try Self.embedder()
    let task = Task { try await embedder.embed([String](repeating: "some text", count: 100_000)) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("a folder without the files says which one is missing")
  func missing() throws {
    #expect {
      try MiniLMEmbedder(folder: "/nonexistent", id: "x", pool: ComputePool(threads: 1))
    } throws: { error in
      (error as? ModelError)?.code == ModelError.fileUnreadable
        && (error as? ModelError)?.location == "/nonexistent/config.json"
    }
  }
}
