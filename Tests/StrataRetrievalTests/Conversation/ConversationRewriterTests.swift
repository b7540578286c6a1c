import StrataCore
import StrataRetrieval
import StrataTesting
import Testing

@Suite("Questions of a conversation")
struct ConversationRewriterTests {
  let rewriter = ConversationRewriter()

  @Test(
    "a follow-up gets what it leaves out",
    arguments: [
      (
        ["How many weeks of parental leave does each parent have?"], "And for contractors?",
        ["weeks", "parental", "leave"]
      ),
      (["Where is the Lisbon office?"], "How long does it take to get there?", ["Lisbon", "office"]),
      (["How long is the warranty?", "And for batteries?"], "How do I claim?", ["warranty"]),
      (["What happened to the portal on 12 November 2025?"], "Why?", ["portal", "November", "2025"]),
      (["Who leads engineering?"], "Since when is she there?", ["Amara", "Lindqvist", "engineering"]),
    ])
  func followUps(_ earlier: [String], _ question: String, _ expected: [String]) {
    let turns = earlier.map { ConversationTurn($0, answer: $0.contains("leads") ? "Amara Lindqvist." : "") }
    let rewritten = rewriter.rewrite(question, after: turns)
    #expect(rewritten.source == .rules)
    for word in expected { #expect(rewritten.carried.split(separator: " ").contains(Substring(word)), "\(rewritten)") }
    #expect(rewriter.rewrite(question, after: turns) == rewritten)
  }

  @Test(
    "a question that stands alone is left alone",
    arguments: [
      "How many days of paid holiday do I have a year?", "Which bus stops at Lantern Street?", "wave tank length",
      "Is there a bus to Port Ellery?", "What does error code E23 mean?", "", "?", "42",
    ])
  func standsAlone(_ question: String) {
    let turns = [ConversationTurn("What is the limit for a hotel night?", answer: "165 euros.")]
    #expect(rewriter.rewrite(question, after: turns) == RewrittenQuestion(question))
    #expect(rewriter.rewrite("And in Oslo?", after: []) == RewrittenQuestion("And in Oslo?"))
  }

  @Test("a name takes the place of a name after the same preposition")
  func replaced() {
    let turns = [ConversationTurn("What is the hotel limit in Lisbon for sales?")]
    let rewritten = rewriter.rewrite("and in Oslo?", after: turns)
    #expect(rewritten.text == "and in Oslo? (hotel limit sales)" && rewritten.carried == "hotel limit sales")
  }

  @Test("what a model writes counts only when each word was said and the question is whole")
  func model() async throws {
    let contract = NamedContract(
      name: "rewrite",
      outputSchema: ["type": "object", "properties": ["question": ["type": "string"]], "required": ["question"]])
    let turns = [ConversationTurn("What is the limit for a hotel night?", answer: "165 euros.")]
    func rewritten(_ output: String) async throws -> RewrittenQuestion {
      try await ModelRewriter(ScriptedModel([output]), contract: contract).rewrite("And in Oslo?", after: turns)
    }
    let good = try await rewritten(#"{"question":"What is the limit for a hotel night in Oslo?"}"#)
    #expect(good.source == .model && good.carried == "limit hotel night")
    for output in [
      #"{"question":"What is the limit for a hotel night in Bergen and Oslo?"}"#, #"{"question":"What is the limit?"}"#,
      #"{"question":""}"#, "nonsense",
    ] {
      #expect(try await rewritten(output) == rewriter.rewrite("And in Oslo?", after: turns))
    }
    let alone = ScriptedModel(["{}"])
    _ = try await ModelRewriter(alone, contract: contract).rewrite(
      "How long is the wave tank in the lab?", after: turns)
    #expect(alone.requests.isEmpty)
  }

  @Test("long and strange conversations are bounded and harm nothing")
  func bounds() {
    let long = String(repeating: "The Kestrel Quay report of Grenholm names people. ", count: 2000)
    let turns = (0..<50).map { ConversationTurn("Who wrote part \($0) of \(long)?", answer: long) }
    let rewritten = rewriter.rewrite("And who paid for it?", after: turns)
    #expect(rewritten.carried.split(separator: " ").count <= rewriter.carriedWordLimit)
    let strange = ["", "???", "\u{0}", "é\u{301}\u{301}", "👩‍👩‍👧?", "and", "what about", "And 海?"]
    for question in strange {
      for other in strange { _ = rewriter.rewrite(question, after: [ConversationTurn(other, answer: other)]) }
    }
  }

  @Test("what was carried over counts less than the question")
  func weight() async throws {
    let store = InMemoryDocumentStore()
    let folder = try TemporaryFolder()
    try folder.write("oslo.md", "Oslo has trams.")
    try folder.write("hotel.md", "The hotel limit is 165 euros. The hotel is booked.")
    try folder.write("both.md", "In Oslo the hotel limit is higher.")
    _ = try await Ingestor(store: store, embedder: nil).ingest(folder.path)
    let retriever = HybridRetriever(store: store, embedder: nil)
    func found(_ query: QuerySpec) async throws -> [String] {
      try await retriever.search(query, as: .anonymous).map(\.document)
    }
    #expect(try await found(QuerySpec("Oslo", carried: "hotel limit")).first == "both.md")
    #expect(try await found(QuerySpec("Oslo")).contains("hotel.md") == false)
    #expect(try await found(QuerySpec("Oslo trams", carried: "hotel")).first == "oslo.md")
  }
}

/// A contract that shows its input as JSON.
struct NamedContract: PromptContract {
  var name: String
  var version: String { "1.0.0" }
  var contentHash: String { name }
  var inputSchema: JSON { [:] }
  var outputSchema: JSON?
  var settings: JSON { [:] }
  var sampling: SamplingParameters { .greedy }
  var maxTokens: Int? { 64 }

  func messages(for input: JSON) throws -> [Message] { [.user(name + " " + input.text())] }
}
