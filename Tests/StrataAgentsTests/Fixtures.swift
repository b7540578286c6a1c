// Owns the doubles of the agent tests: a corpus, a retriever that counts, contracts without files, a crashing journal.
import StrataAgents
import StrataCore
import StrataTesting
import Synchronization

enum Corpus {
  static func passage(
    _ chunk: Int64, _ document: String, _ text: String, start: Int = 100, title: String = ""
  ) -> Passage {
    Passage(
      chunk: chunk, document: document, version: 1, range: start..<(start + text.utf8.count), text: text, title: title,
      score: 1)
  }

  static let travel = passage(
    1, "policies/travel.md", "Book early. The limit for a hotel night is 165 euros.\nMeals: 48 euros a day.",
    title: "Travel")
  static let leave = passage(2, "policies/leave.md", "Each parent has 20 weeks of paid leave.", title: "Leave")
  static let answer = """
    {"citations":[{"passage":1,"quote":"The limit for a hotel night is 165 euros."}],\
    "answer":"The limit is 165 euros.","answerable":true}
    """
}

/// Finds the same passages each time and counts who asked for what.
final class CountingRetriever: Retriever {
  private let passages: [Passage]
  /// What searches over several hops find instead.
  private let hops: [Passage]?
  private let calls = Mutex<[QuerySpec]>([])
  let delay: Duration

  init(_ passages: [Passage], hops: [Passage]? = nil, delay: Duration = .zero) {
    self.passages = passages
    self.hops = hops
    self.delay = delay
  }

  var queries: [String] { calls.withLock { $0.map(\.text) } }
  var specs: [QuerySpec] { calls.withLock { $0 } }

  func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage] {
    calls.withLock { $0.append(query) }
    if delay > .zero { try await Task.sleep(for: delay) }
    return query.multiHop == .off ? passages : hops ?? passages
  }
}

/// A contract that puts its input into the prompt as JSON.
struct PlainContract: PromptContract {
  var name: String
  var version = "1.0.0"
  var contentHash: String { SHA256.hash(name) }
  var inputSchema: JSON { ["type": "object"] }
  var outputSchema: JSON?
  var settings: JSON = [:]
  var sampling = SamplingParameters.greedy
  var maxTokens: Int? = 64

  func messages(for input: JSON) throws -> [Message] { [.system(name), .user(input.text())] }

  static func answer(_ settings: JSON = ["min_coverage": 0.3]) -> PlainContract {
    PlainContract(
      name: "answer",
      outputSchema: [
        "type": "object",
        "properties": [
          "answer": ["type": "string"],
          "citations": [
            "type": "array",
            "items": [
              "type": "object", "properties": ["passage": ["type": "integer"], "quote": ["type": "string"]],
              "required": ["passage", "quote"], "additionalProperties": false,
            ],
          ],
          "answerable": ["type": "boolean"],
        ],
        "required": ["answer", "citations", "answerable"], "additionalProperties": false,
      ], settings: settings)
  }

  static let plan = PlainContract(name: "plan")
}

struct Crash: Error {}

/// A journal whose process dies: after `survives` appends nothing is written any more, and the append that kills it is
/// durable or not.
actor CrashingJournal: Journal {
  private let inner: InMemoryJournal
  private var left: Int
  private let lastIsDurable: Bool
  private var isDead = false

  init(_ inner: InMemoryJournal, survives: Int, lastIsDurable: Bool) {
    self.inner = inner
    left = survives
    self.lastIsDurable = lastIsDurable
  }

  func open(run: String, principal: Principal, title: String) async throws {
    try await inner.open(run: run, principal: principal, title: title)
  }

  func append(_ event: JournalEvent) async throws {
    guard !isDead else { throw Crash() }
    guard left > 0 else {
      isDead = true
      if lastIsDurable { try await inner.append(event) }
      throw Crash()
    }
    left -= 1
    try await inner.append(event)
  }

  func setStatus(_ status: RunStatus, of run: String) async throws {
    guard !isDead else { throw Crash() }
    await inner.setStatus(status, of: run)
  }

  func events(of run: String) async throws -> [JournalEvent] { await inner.events(of: run) }
  func summary(of run: String) async throws -> RunSummary? { await inner.summary(of: run) }
  func runs(limit: Int, status: RunStatus?) async throws -> [RunSummary] {
    await inner.runs(limit: limit, status: status)
  }
}

/// An agent over scripted parts.
struct Bench {
  var retriever = CountingRetriever([Corpus.travel, Corpus.leave])
  var journal: any Journal = InMemoryJournal()
  var offers = SearchTool.Offers()
  var tools: [any Tool] = []
  var configuration = AgentConfiguration()
  var contract = PlainContract.answer()
  var rewriter: (any QuestionRewriter)?
  var environment = AgentEnvironment(makeRunID: { "run-1" })
  let ada = Principal(user: "ada")

  /// Plans are answered by `plans` in order, answers by `answer`.
  func model(plans: [String] = [], answer: String = Corpus.answer) -> ScriptedModel {
    let left = Mutex(plans)
    return ScriptedModel { request, _ in
      guard case .messages(let messages) = request.input, messages.first?.content == "plan" else { return answer }
      return left.withLock { $0.isEmpty ? #"{"action":"answer"}"# : $0.removeFirst() }
    }
  }

  func runner(_ model: any LanguageModel) throws -> AgentRunner {
    try AgentRunner(
      model: model, tools: [SearchTool(retriever, offers: offers)] + tools, answerContract: contract,
      planContract: PlainContract.plan,
      journal: journal, configuration: configuration, rewriter: rewriter, environment: environment)
  }

  func events(_ stream: AsyncStream<AgentEvent>) async -> [AgentEvent] {
    var events: [AgentEvent] = []
    for await event in stream { events.append(event) }
    return events
  }
}
