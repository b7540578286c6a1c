import StrataCore
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Multi-hop by decomposition")
struct DecompositionTests {
  private static let splitting = NamedContract(
    name: "split",
    outputSchema: [
      "type": "object", "properties": ["questions": ["type": "array", "items": ["type": "string"]]],
      "required": ["questions"],
    ])
  private static let answering = NamedContract(
    name: "answer",
    outputSchema: ["type": "object", "properties": ["answer": ["type": "string"]], "required": ["answer"]])

  private func decomposer(_ model: ScriptedModel) -> QuestionDecomposer {
    QuestionDecomposer(model, splitting: Self.splitting, answering: Self.answering)
  }

  private func retriever(_ decomposer: QuestionDecomposer?) async throws -> HybridRetriever {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("film.md", "# Blue Harbour\n\nBlue Harbour is a film directed by Mina Solberg.")
    try folder.write("mina.md", "# Mina Solberg\n\nMina Solberg was born in Grenholm.")
    try folder.write("other.md", "# Director\n\nA director of a city is born to direct. A director, a city.")
    _ = try await Ingestor(store: store, embedder: nil).ingest(folder.path)
    return HybridRetriever(store: store, embedder: nil, decomposer: decomposer)
  }

  private let query = QuerySpec(
    "In which city was the director of Blue Harbour born?", limit: 2, legs: .lexical, multiHop: .decomposition,
    explains: true)

  @Test("the second search uses what the first one found")
  func hops() async throws {
    let model = ScriptedModel([
      #"{"questions":["Who directed Blue Harbour?","Where was #1 born?"]}"#, #"{"answer":"mina solberg"}"#,
    ])
    var query = query
    query.limit = 3
    let found = try await retriever(decomposer(model)).search(query, as: .anonymous)
    #expect(Set(found.map(\.document)).isSuperset(of: ["film.md", "mina.md"]))
    let notes = found.flatMap { $0.explanation?.stages ?? [] }.compactMap(\.note)
    #expect(notes.contains("Where was mina solberg born?") && model.requests.count == 2)
    guard case .jsonSchema(let schema)? = model.requests.first?.output else { throw CancellationError() }
    #expect(schema["properties"]?["questions"]?["maxItems"] == 3)
  }

  @Test("an answer that no passage has is replaced by the title of the best passage")
  func invented() async throws {
    let model = ScriptedModel([
      #"{"questions":["Who is Mina Solberg, who was born in Grenholm?","What did #1 direct?"]}"#,
      #"{"answer":"Somebody Else"}"#,
    ])
    let found = try await retriever(decomposer(model)).search(query, as: .anonymous)
    let notes = found.flatMap { $0.explanation?.stages ?? [] }.compactMap(\.note)
    #expect(notes.contains("What did Mina Solberg direct?"))
  }

  @Test(
    "whatever the model writes, the search ends within its bounds",
    arguments: [
      "nonsense", "{}", #"{"questions":[]}"#, ##"{"questions":["#1","#2 #3","#9999999999999999999999"]}"##,
      #"{"questions":["a?","a?","b?","c?","d?","e?","f?"]}"#, ##"{"questions":["# #x #0 #1"]}"##,
    ])
  func bounded(_ output: String) async throws {
    let model = ScriptedModel([output])
    let found = try await retriever(decomposer(model)).search(query, as: .anonymous)
    #expect(found.count == 2 && model.requests.count <= 3)
  }

  @Test("without a model it is refused")
  func refused() async throws {
    let retriever = try await retriever(nil)
    let error = await #expect(throws: RetrievalError.self) { try await retriever.search(query, as: .anonymous) }
    #expect(error?.code.name == "decomposer_missing")
    let json = try JSON(parsing: #"{"text":"x","multi_hop":"decomposition","hops":2,"carried":"y"}"#)
    let spec = try QuerySpec(json: json)
    #expect(spec.multiHop == .decomposition && spec.hopLimit == 2 && spec.carried == "y")
  }
}
