import StrataAgents
import StrataCore
import StrataTesting
import Testing

@Suite struct AgentRunnerTests {
  let question = "What is the limit for a hotel night?"

  @Test("a question is searched, answered and cited to the byte")
  func answers() async throws {
    let bench = Bench()
    let events = await bench.events(try bench.runner(bench.model()).run(AgentRequest(question, as: bench.ada)))
    guard case .finished(let answer)? = events.last else {
      Issue.record("\(events)")
      return
    }
    #expect(answer.answer == "The limit is 165 euros.")
    #expect(answer.answerable)
    let citation = try #require(answer.citations.first)
    let text = Array(Corpus.travel.text.utf8)
    let bytes = text[(citation.range.lowerBound - 100)..<(citation.range.upperBound - 100)]
    #expect(String(decoding: bytes, as: UTF8.self) == "The limit for a hotel night is 165 euros.")
    #expect(
      Array(answer.json.objectValue?.keys.prefix(5) ?? []) == ["answer", "answerable", "citations", "run", "usage"])
    #expect(
      events.map(\.name).filter { $0 != "answer.delta" } == [
        "run.started", "step.planned", "step.searched", "step.planning", "step.planned", "step.answering",
        "answer.citation", "run.finished",
      ])
    let deltas = events.compactMap { if case .answerDelta(let text) = $0 { text } else { nil } }
    #expect(deltas.joined() == answer.answer)
    #expect(bench.retriever.queries == [question])
    #expect(try await bench.journal.summary(of: "run-1")?.status == .completed)
  }

  @Test("a question that no passage covers alone is searched for over several hops, whose passages come first")
  func widening() async throws {
    let film = Corpus.passage(3, "film.md", "Overdrive was shot in Leland in 1986.", title: "Overdrive")
    let director = Corpus.passage(4, "king.md", "Overdrive was directed by Stephen King.", title: "Stephen King")
    var bench = Bench()
    bench.contract = PlainContract.answer(["strategy": "attributed", "min_coverage": 0.5, "max_passages": 2])
    bench.retriever = CountingRetriever([film, Corpus.travel], hops: [director, film])
    let asked = AgentRequest("Who directed the film that was shot in Leland in 1986?", as: bench.ada)
    for (offers, ways) in [(SearchTool.Offers(multiHop: [.graph]), [MultiHop.off, .graph]), (.init(), [.off])] {
      bench.offers = offers
      bench.journal = InMemoryJournal()
      let before = bench.retriever.specs.count
      let events = await bench.events(
        try bench.runner(bench.model(answer: "Stephen King directed Overdrive.")).run(asked))
      #expect(bench.retriever.specs.dropFirst(before).map(\.multiHop) == ways)
      guard case .finished(let answer)? = events.last else { return #expect(Bool(false), "\(events)") }
      // Without the second hop nothing says who directed it.
      #expect(answer.citations.contains { $0.document == "king.md" } == (ways.count == 2))
    }
  }

  @Test("a question that one passage covers is searched for once, and so is any when told so")
  func noWidening() async throws {
    var bench = Bench()
    bench.offers = SearchTool.Offers(multiHop: [.graph])
    _ = await bench.events(try bench.runner(bench.model()).run(AgentRequest(question, as: bench.ada)))
    #expect(bench.retriever.specs.count == 1)
    bench.configuration.widensSearches = false
    bench.journal = InMemoryJournal()
    _ = await bench.events(
      try bench.runner(bench.model()).run(AgentRequest("Who directed the film shot in Leland?", as: bench.ada)))
    #expect(bench.retriever.specs.count == 2)
  }

  @Test("passages of several searches take turns, those of the latest first; a search made anew replaces the old one")
  func order() throws {
    func found(_ step: Int, _ arguments: JSON, _ chunks: [Int64]) -> [RunEvent] {
      let call = ToolCall(id: "step-\(step)", name: SearchTool.name, arguments: arguments)
      let passages = chunks.map { Corpus.passage($0, "\($0).md", "text").json }
      return [
        .planned(step: step, .call(tool: SearchTool.name, arguments: arguments), .model, Usage()),
        .toolStarted(step: step, call),
        .toolFinished(step: step, Observation(call: call, content: ["passages": .array(passages)], isError: false)),
      ]
    }
    var machine = RunMachine()
    let start = RunStart(question: "x", tenant: "t", user: "u", model: "m", contracts: [:])
    let events =
      [.started(start)] + found(0, ["query": "a"], [1, 2, 3]) + found(1, ["query": "b"], [4, 2, 5])
      + found(2, ["query": "a", "multi_hop": "graph"], [6, 1])
    for event in events { _ = try machine.handle(event) }
    #expect(machine.passages.map(\.chunk) == [6, 4, 1, 2, 5, 3])
  }

  @Test(
    "a process that dies at any event leaves a run that another finishes, without repeating a completed step",
    arguments: 0..<8, [true, false])
  func crash(survives: Int, lastIsDurable: Bool) async throws {
    var bench = Bench()
    bench.configuration = AgentConfiguration(policy: .model)
    let inner = InMemoryJournal()
    let search = #"{"action":"search","query":"hotel limit"}"#
    bench.journal = CrashingJournal(inner, survives: survives, lastIsDurable: lastIsDurable)
    let first = await bench.events(
      try bench.runner(bench.model(plans: [search])).run(AgentRequest(question, as: bench.ada)))
    let before = await inner.events(of: "run-1").map(\.kind)
    #expect(first.last?.name == (before.last == "answer.completed" && survives >= 8 ? "run.finished" : "run.failed"))

    bench.journal = inner
    let plans = before.contains("plan.completed") ? [] : [search]
    let model = bench.model(plans: plans)
    let events = await bench.events(try bench.runner(model).resume("run-1", as: bench.ada))
    guard !before.isEmpty else {
      guard case .failed(let error)? = events.last else { return #expect(Bool(false), "\(events)") }
      #expect(error.code == AgentError.journalBroken)
      return
    }
    guard case .finished(let answer)? = events.last else { return #expect(Bool(false), "\(before): \(events)") }
    #expect(answer.answer == "The limit is 165 euros.")
    #expect(await inner.summary(of: "run-1")?.status == .completed)
    let kinds = await inner.events(of: "run-1").map(\.kind)
    #expect(kinds.count { $0 == "tool.completed" } == 1)
    #expect(kinds.count { $0 == "answer.completed" } == 1)
    let searchesBefore = before.contains("tool.started") ? 1 : 0
    if before.contains("tool.completed") {
      #expect(bench.retriever.queries.count == 1)
    } else {
      #expect(bench.retriever.queries.count <= searchesBefore + 1)
    }
    if before.contains("answer.completed") { #expect(model.requests.isEmpty) }
  }

  @Test("a finished run cannot be resumed, a foreign one does not exist, a gap in the journal is named")
  func refusals() async throws {
    let bench = Bench()
    let runner = try bench.runner(bench.model())
    _ = try await runner.answer(AgentRequest(question, as: bench.ada))
    func code(_ run: String, _ user: String) async -> ErrorCode? {
      if case .failed(let error)? = await bench.events(runner.resume(run, as: Principal(user: user))).last {
        error.code
      } else {
        nil
      }
    }
    #expect(await code("run-1", "ada") == AgentError.runFinished)
    #expect(await code("run-1", "eve") == AgentError.runNotFound)
    #expect(await code("run-2", "ada") == AgentError.runNotFound)
    try await bench.journal.open(run: "run-3", principal: bench.ada, title: "")
    try await bench.journal.append(
      JournalEvent(run: "run-3", sequence: 0, kind: "tool.completed", payload: ["step": 0], timestamp: .now))
    #expect(await code("run-3", "ada") == AgentError.journalBroken)
    #expect(try await bench.journal.summary(of: "run-3")?.status == .failed)
  }

  @Test("a follow-up is searched for and answered as what it means, and the journal keeps both")
  func conversation() async throws {
    struct Completing: QuestionRewriter {
      func rewrite(_ question: String, after turns: [ConversationTurn]) -> RewrittenQuestion {
        guard let last = turns.last else { return RewrittenQuestion(question) }
        return RewrittenQuestion("\(question) (\(last.question))", carried: last.question, source: .rules)
      }
    }
    var bench = Bench()
    bench.rewriter = Completing()
    let runner = try bench.runner(bench.model())
    let turns = [ConversationTurn("limit for a hotel night", answer: "165 euros.")]
    let events = await bench.events(runner.run(AgentRequest("And breakfast?", after: turns, as: bench.ada)))
    #expect(events.first == .started(run: "run-1", question: "And breakfast?"))
    #expect(events.contains { $0.name == "run.rewritten" })
    #expect(bench.retriever.queries.first == "And breakfast? (limit for a hotel night)")
    let start = try RunEvent(try #require(try await bench.journal.events(of: "run-1").first))
    guard case .started(let facts) = start else { throw Crash() }
    #expect(facts.asked == "And breakfast?" && facts.question == "And breakfast? (limit for a hotel night)")
    bench.journal = InMemoryJournal()
    let alone = await bench.events(try bench.runner(bench.model()).run(AgentRequest(question, as: bench.ada)))
    #expect(!alone.contains { $0.name == "run.rewritten" })
  }

  @Test("an invalid plan is repaired once, then the question is searched for")
  func plans() async throws {
    var bench = Bench()
    bench.configuration = AgentConfiguration(policy: .model)
    let repaired = bench.model(plans: ["nonsense", #"{"action":"search","query":"hotel"}"#])
    var events = await bench.events(try bench.runner(repaired).run(AgentRequest(question, as: bench.ada)))
    #expect(events.contains(.planned(step: 0, action: .search("hotel"), source: .repaired)))

    bench.journal = InMemoryJournal()
    let hopeless = bench.model(plans: ["nonsense", #"{"action":"fly"}"#])
    events = await bench.events(try bench.runner(hopeless).run(AgentRequest(question, as: bench.ada)))
    #expect(events.contains(.planned(step: 0, action: .search(question), source: .fallback)))
    #expect(events.last?.name == "run.finished")
  }

  @Test("steps are bounded and the same search is never made twice")
  func budget() async throws {
    var bench = Bench()
    bench.configuration = AgentConfiguration(budget: RunBudget(steps: 3), policy: .model)
    let restless = bench.model(plans: (0..<9).map { #"{"action":"search","query":"try \#($0)"}"# })
    var answer = try await bench.runner(restless).answer(AgentRequest(question, as: bench.ada))
    #expect(answer.steps == 3)
    #expect(bench.retriever.queries == ["try 0", "try 1"])

    bench.journal = InMemoryJournal()
    bench.retriever = CountingRetriever([Corpus.travel])
    let stubborn = bench.model(plans: [String](repeating: #"{"action":"search","query":"same"}"#, count: 9))
    answer = try await bench.runner(stubborn).answer(AgentRequest(question, as: bench.ada))
    #expect(bench.retriever.queries == ["same"])
    #expect(answer.answerable)
  }

  @Test("a run that takes too long ends with an error that says so")
  func time() async throws {
    var bench = Bench()
    bench.retriever = CountingRetriever([Corpus.travel], delay: .seconds(30))
    bench.configuration.budget = RunBudget(time: .milliseconds(20))
    await #expect {
      _ = try await bench.runner(bench.model()).answer(AgentRequest(question, as: bench.ada))
    } throws: {
      ($0 as? AgentError)?.code == AgentError.timeExhausted
    }
    #expect(try await bench.journal.summary(of: "run-1")?.status == .failed)
  }

  @Test("a cancelled run says so in its journal")
  func cancellation() async throws {
    var bench = Bench()
    bench.retriever = CountingRetriever([Corpus.travel], delay: .seconds(30))
    let runner = try bench.runner(bench.model())
    let stream = runner.run(AgentRequest(question, as: bench.ada))
    var events: [AgentEvent] = []
    for await event in stream {
      events.append(event)
      if case .planned = event { await runner.cancel("run-1") }
    }
    #expect(events.last?.name == "run.cancelled")
    #expect(try await bench.journal.summary(of: "run-1")?.status == .cancelled)
    #expect(try await bench.journal.events(of: "run-1").last?.kind == "run.cancelled")
  }

  @Test("what was readable when it was found and is no longer stays out of a resumed run")
  func revoked() async throws {
    var bench = Bench()
    let inner = InMemoryJournal()
    bench.journal = CrashingJournal(inner, survives: 4, lastIsDurable: true)
    _ = await bench.events(try bench.runner(bench.model()).run(AgentRequest(question, as: bench.ada)))
    bench.journal = inner
    bench.environment.stillReadable = { passages, _ in passages.filter { $0.document != "policies/travel.md" } }
    let model = bench.model()
    let events = await bench.events(try bench.runner(model).resume("run-1", as: bench.ada))
    guard case .finished(let answer)? = events.last else { return #expect(Bool(false), "\(events)") }
    #expect(!answer.answerable)
    #expect(!events.contains { $0.json.text().contains("165") })
    for request in model.requests {
      if case .messages(let messages) = request.input { #expect(!messages.contains { $0.content.contains("165") }) }
    }
  }

  @Test("an error of the search is an error of the run, not a missing answer")
  func brokenSearch() async throws {
    struct Broken: Retriever {
      func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage] { throw Crash() }
    }
    let bench = Bench()
    let runner = try AgentRunner(
      model: bench.model(), tools: [SearchTool(Broken())], answerContract: bench.contract,
      planContract: PlainContract.plan, journal: bench.journal, environment: bench.environment)
    await #expect(throws: AgentError.self) { try await runner.answer(AgentRequest(question, as: bench.ada)) }
  }
}
