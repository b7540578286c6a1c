// Owns the runs of one process: starts, resumes, cancels. What a run does is decided in RunMachine.
import StrataCore

/// Runs durable agents: search, plan, answer, each step journaled before and after.
public actor AgentRunner {
  /// What every run shares.
  struct Parts: Sendable {
    let planner: Planner
    let answerer: GroundedAnswerer
    let executor: ToolExecutor
    let rewriter: (any QuestionRewriter)?
    let journal: any Journal
    let environment: AgentEnvironment
    let widening: SearchWidening?

    /// A run before its first event.
    var machine: RunMachine { RunMachine(repeatable: executor.repeatable, widening: widening) }
  }

  private let parts: Parts
  private let configuration: AgentConfiguration
  private let contracts: [String: String]
  private let modelID: String
  private var active: [String: Task<Void, Never>] = [:]

  /// - Parameters:
  ///   - tools: what plans may call; ``SearchTool`` belongs among them.
  ///   - answerContract: outputs `answer`, `citations` and `answerable`.
  ///   - checker: judges the sentences of answers by what they cite; nil leaves them unjudged.
  ///   - planContract: takes `question`, `found`, `searches`, `results`, `tools`, `previous` and `issues`.
  ///   - rewriter: makes questions of a conversation stand alone; without one, each is taken as it is.
  /// - Throws: ``AgentError/contract`` when tools or contracts do not fit.
  public init(
    model: any LanguageModel, tools: [any Tool], answerContract: any PromptContract,
    planContract: any PromptContract, journal: any Journal, configuration: AgentConfiguration = AgentConfiguration(),
    answerSettings: AnswerSettings? = nil, rewriter: (any QuestionRewriter)? = nil,
    checker: (any FaithfulnessChecker)? = nil, environment: AgentEnvironment = AgentEnvironment()
  ) throws {
    let executor = try ToolExecutor(tools, limits: configuration.toolLimits, sleep: environment.sleep)
    let answerer = try GroundedAnswerer(
      model: model, contract: answerContract, settings: answerSettings, checker: checker)
    let hops = tools.lazy.compactMap { $0 as? SearchTool }.first?.multiHop ?? []
    parts = Parts(
      planner: try Planner(model: model, contract: planContract, tools: executor.definitions), answerer: answerer,
      executor: executor, rewriter: rewriter, journal: journal, environment: environment,
      widening: configuration.widensSearches
        ? hops.first.map { SearchWidening($0, depth: answerer.settings.maxPassages) } : nil)
    self.configuration = configuration
    modelID = model.info.id
    contracts = [
      answerContract.reference: answerContract.contentHash, planContract.reference: planContract.contentHash,
    ]
  }

  /// Starts a run. The last event is `finished` or `failed`; ending the iteration earlier cancels the run.
  public nonisolated func run(_ request: AgentRequest) -> AsyncStream<AgentEvent> {
    stream { await self.start(request, $0) }
  }

  /// Continues a run after a crash, as the principal who started it; nobody else learns that it exists.
  public nonisolated func resume(_ run: String, as principal: Principal) -> AsyncStream<AgentEvent> {
    stream { await self.continueRun(run, principal, $0) }
  }

  /// Runs to the end.
  /// - Throws: ``AgentError``.
  public nonisolated func answer(
    _ request: AgentRequest, onEvent: @Sendable (AgentEvent) async -> Void = { _ in }
  ) async throws -> GroundedAnswer {
    for await event in run(request) {
      await onEvent(event)
      switch event {
      case .finished(let answer): return answer
      case .failed(let error): throw error
      default: continue
      }
    }
    throw AgentError(AgentError.cancelled, "The run was cancelled.")
  }

  /// Stops a run of this process; false when there is none of that name.
  @discardableResult public func cancel(_ run: String) -> Bool {
    active[run]?.cancel()
    return active[run] != nil
  }

  private nonisolated func stream(
    _ body: @escaping @Sendable (@escaping @Sendable (AgentEvent) -> Void) async -> Void
  ) -> AsyncStream<AgentEvent> {
    AsyncStream { continuation in
      // Unstructured, because the run lives as long as somebody listens, not as long as the caller's scope.
      let task = Task {
        await body { continuation.yield($0) }
        continuation.finish()
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  private func start(_ request: AgentRequest, _ emit: @escaping @Sendable (AgentEvent) -> Void) async {
    let question = request.question.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    guard !question.isEmpty, question.utf8.count <= Self.questionByteLimit else {
      emit(
        .failed(
          AgentError(
            AgentError.invalidQuestion,
            question.isEmpty
              ? "The question is empty." : "The question is longer than \(Self.questionByteLimit) bytes.",
            remedy: "Ask in a sentence or two.")))
      return
    }
    let run = parts.environment.makeRunID()
    do {
      try await parts.journal.open(run: run, principal: request.principal, title: String(question.prefix(80)))
    } catch {
      emit(.failed(AgentError.wrapping(error, run: run)))
      return
    }
    emit(.started(run: run, question: question))
    let rewritten: RewrittenQuestion
    do {
      rewritten = try await parts.rewriter?.rewrite(question, after: request.turns) ?? RewrittenQuestion(question)
    } catch {
      emit(.failed(AgentError.wrapping(error, run: run)))
      return
    }
    if rewritten.source != .asked { emit(.rewritten(rewritten)) }
    let start = RunStart(
      question: rewritten.text, asked: question, budget: request.budget ?? configuration.budget,
      policy: request.policy ?? configuration.policy, tenant: request.principal.tenant, user: request.principal.user,
      model: modelID, contracts: contracts)
    let execution = RunExecution(
      run: run, principal: request.principal, parts: parts, machine: parts.machine, sequence: 0, emit: emit)
    await execute(execution, .started(start))
  }

  private static let questionByteLimit = 8_192

  private func continueRun(
    _ run: String, _ principal: Principal, _ emit: @escaping @Sendable (AgentEvent) -> Void
  ) async {
    do {
      let summary = try await parts.journal.summary(of: run)
      guard let summary, summary.tenant == principal.tenant, summary.user == principal.user else {
        throw AgentError(AgentError.runNotFound, "There is no run \(run).", remedy: "List your runs.", location: run)
      }
      guard summary.status == .running else {
        throw AgentError(
          AgentError.runFinished, "The run is \(summary.status.rawValue).", remedy: "Ask again for a new answer.",
          location: run)
      }
      guard active[run] == nil else {
        throw AgentError(AgentError.runActive, "The run is being executed.", remedy: "Follow it there.", location: run)
      }
      let (machine, count) = try await replay(run)
      emit(.resumed(run: run, steps: machine.steps))
      let execution = RunExecution(
        run: run, principal: principal, parts: parts, machine: machine, sequence: count, emit: emit)
      if case .finished = machine.phase { await execution.conclude() } else { await execute(execution, .resumed) }
    } catch {
      let error = AgentError.wrapping(error, run: run)
      if error.code == AgentError.journalBroken { try? await parts.journal.setStatus(.failed, of: run) }
      emit(.failed(error))
    }
  }

  /// The machine as the journal left it.
  /// - Throws: ``AgentError/journalBroken`` that says which event is wrong.
  private func replay(_ run: String) async throws -> (RunMachine, Int) {
    let events = try await parts.journal.events(of: run)
    guard !events.isEmpty else {
      throw AgentError(
        AgentError.journalBroken, "The run stopped before its first event was written.", remedy: "Ask again.",
        location: run)
    }
    var machine = parts.machine
    for (index, event) in events.enumerated() {
      guard event.sequence == index, event.run == run else {
        throw AgentError(
          AgentError.journalBroken, "Event \(index) of the run is missing.", remedy: "Ask again.",
          location: "\(run)#\(index)")
      }
      do { _ = try machine.handle(RunEvent(event)) } catch {
        throw AgentError(error.code, error.message, remedy: error.remedy, location: "\(run)#\(index)")
      }
    }
    return (machine, events.count)
  }

  private func execute(_ execution: RunExecution, _ first: RunEvent) async {
    let run = execution.run
    guard active[run] == nil else { return }
    let task = Task { await execution.perform(first) }
    active[run] = task
    await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    active[run] = nil
  }
}
