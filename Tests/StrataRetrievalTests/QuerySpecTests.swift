import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataSchema
import StrataTesting
import Synchronization
import Testing

@Suite("Written queries")
struct QuerySpecTests {
  @Test("every member is read, and what is missing has its default")
  func members() throws {
    let spec = try QuerySpec(
      json: JSON(
        parsing: Array(
          """
          {"text": "wave tank", "k": 3, "legs": ["dense", "graph"], "changed": {"from": "2026-01-01"},
           "as_of": "2026-02-01T12:00:00Z", "fusion": {"method": "convex", "normalization": "z_score",
           "weights": {"dense": 2}}, "rerank": {"method": "late_interaction", "depth": 20}, "feedback": true,
           "multi_hop": "graph", "budget": {"milliseconds": 50, "tokens": 700}, "explain": true,
           "filter": {"and": [{"field": "year", "from": 2020, "before": 2024}, {"not": {"field": "kind", "in": ["a", "b"]}},
             {"or": [{"field": "day", "equals": {"date": "2026-03-04"}}, {"field": "tag", "prefix": "x", "exists": true}]}]}}
          """.utf8)))
    let day = Date(timeIntervalSince1970: 1_772_582_400)
    let filter = Filter.and([
      .range("year", FieldRange(from: .number(2020), through: .number(2024), includesUpper: false)),
      .not(.in("kind", [.string("a"), .string("b")])),
      .or([.equals("day", .date(day)), .and([.exists("tag"), .prefix("tag", "x")])]),
    ])
    var expected = QuerySpec("wave tank", limit: 3, legs: [.dense, .graph], filter: filter)
    expected.changedFrom = Date(timeIntervalSince1970: 1_767_225_600)
    expected.asOf = Date(timeIntervalSince1970: 1_769_947_200)
    expected.fusion = .convex(.zScore, weights: LegWeights(lexical: 1, dense: 2, graph: 1))
    expected.rerank = .lateInteraction
    expected.rerankDepth = 20
    expected.feedback = true
    expected.multiHop = .graph
    expected.budget = QuerySpec.Budget(time: .milliseconds(50), tokens: 700)
    expected.explains = true
    #expect(spec == expected)
    #expect(try QuerySpec(json: ["text": "x"]) == QuerySpec("x"))
  }

  @Test(
    "what does not fit the schema is refused",
    arguments: [
      #"{}"#, #"{"text": 3}"#, #"{"text": "x", "k": 0}"#, #"{"text": "x", "legs": []}"#,
      #"{"text": "x", "legs": ["z"]}"#,
      #"{"text": "x", "more": 1}"#, #"{"text": "x", "filter": {}}"#, #"{"text": "x", "filter": {"field": "a"}}"#,
      #"{"text": "x", "filter": {"and": [], "or": []}}"#, #"{"text": "x", "as_of": "yesterday"}"#,
      #"{"text": "x", "as_of": "2026-13-45"}"#, #"{"text": "x", "rerank": {"method": "magic"}}"#, #"[]"#, #"null"#,
    ])
  func refusals(text: String) throws {
    let json = try JSON(parsing: Array(text.utf8))
    #expect { try QuerySpec(json: json) } throws: { ($0 as? RetrievalError)?.code.name == "query_invalid" }
  }

  @Test("a filter that nests without end is refused, not followed")
  func depth() throws {
    var filter: JSON = ["field": "a", "exists": true]
    for _ in 0..<60 { filter = ["not": filter] }
    #expect(throws: RetrievalError.self) { try QuerySpec(json: ["text": "x", "filter": filter]) }
  }
}

/// Gives each word a vector of its own, so that late interaction counts words.
private final class WordVectors: TokenEmbedder {
  let id = "words"
  let dimension = 64
  let maxTokens = 100
  let encoded = Atomic<Int>(0)

  func countTokens(_ text: String) -> Int { tokens(of: text).count }

  func tokens(of text: String) -> [Int32] {
    text.lowercased().split { !$0.isLetter }.map { word in
      Int32(word.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } % 64)
    }
  }

  func embedTokens(_ texts: [String]) async throws -> [TokenVectors] {
    encoded.wrappingAdd(texts.count, ordering: .relaxed)
    return texts.map { text in
      let tokens = tokens(of: text)
      let values: [Float] = tokens.flatMap { token in (0..<64).map { $0 == Int(token) ? Float(1) : 0 } }
      return TokenVectors(tokens: tokens, values: values, lengths: tokens.map { _ in 1 }, dimension: 64)
    }
  }

  func embed(_ texts: [String]) async throws -> [[Float]] {
    try await embedTokens(texts).map { vectors in
      var sum = [Float](repeating: 0.01, count: 64)
      for token in vectors.tokens { sum[Int(token)] += 1 }
      let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return sum.map { $0 / length }
    }
  }
}

@Suite("Reranking")
struct RerankingTests {
  @Test("late interaction is the mean of what each token of the question finds, and passages are encoded once")
  func lateInteraction() async throws {
    let embedder = WordVectors()
    let reranker = LateInteraction(embedder)
    let documents = ["the red fox", "red", "nothing of it", ""]
    let scores = try await reranker.rerank(query: "red fox jumps", documents: documents)
    #expect(abs(scores[0] - 2 / 3) < 0.01 && abs(scores[1] - 1 / 3) < 0.01 && scores[2] < 0.01 && scores[3] == 0)
    let before = embedder.encoded.load(ordering: .relaxed)
    #expect(try await reranker.rerank(query: "red fox jumps", documents: documents) == scores)
    #expect(embedder.encoded.load(ordering: .relaxed) == before + 1)
    let weighted = LateInteraction(embedder, tokenWeights: { $0 == embedder.tokens(of: "fox")[0] ? 3 : 1 })
    #expect(abs(try await weighted.rerank(query: "red fox", documents: ["fox"])[0] - 0.75) < 0.01)
    #expect(try await reranker.rerank(query: "", documents: ["a"]) == [0])
  }

  @Test("vectors beyond the bound are given up, and the scores stay the same")
  func bound() async throws {
    let embedder = WordVectors()
    let small = LateInteraction(embedder, cacheByteLimit: 500)
    let large = LateInteraction(embedder)
    let documents = (0..<30).map { "passage of the fox number \($0)" }
    for _ in 0..<2 {
      #expect(
        try await small.rerank(query: "fox number", documents: documents)
          == large.rerank(query: "fox number", documents: documents))
    }
  }

  @Test("a search reranks, extends the question, explains itself and keeps to its budget")
  func pipeline() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("a.md", "# Walrus\n\nThe walrus eats clams in the cold sea.")
    try folder.write("b.md", "# Seal\n\nThe seal eats fish. A walrus is not a seal.")
    try folder.write("c.md", "# Tank\n\nThe wave tank is long.")
    let embedder = WordVectors()
    _ = try await Ingestor(store: store, embedder: embedder).ingest(folder.path)
    let retriever = HybridRetriever(store: store, embedder: embedder)
    var query = QuerySpec("walrus eats clams", rerank: .lateInteraction, feedback: true, explains: true)
    let found = try await retriever.search(query, as: .anonymous)
    #expect(found.first?.document == "a.md")
    let explanation = try #require(found.first?.explanation)
    #expect(Set(explanation.legs.map(\.leg)) == [.lexical, .dense])
    #expect(explanation.stages.map(\.name) == ["late_interaction"])
    #expect(abs(explanation.legs.reduce(0) { $0 + $1.contribution } - explanation.fusedScore) < 1e-9)
    #expect(zip(found, found.dropFirst()).allSatisfy { $0.score >= $1.score })
    query.budget.tokens = 12
    #expect(try await retriever.search(query, as: .anonymous).count == 1)
    query.budget = QuerySpec.Budget(time: .zero)
    #expect(try await retriever.search(query, as: .anonymous).first?.explanation?.stages.isEmpty == true)
    query.rerank = .crossEncoder
    await #expect(throws: RetrievalError.self) { try await retriever.search(query, as: .anonymous) }
  }
}
