// Owns the execution of one run: journals each event, hands it to the machine, does what comes back. Decides nothing.
import StrataCore

/// One run in this process. Every event is durable before it counts.
actor RunExecution {
  let run: String
  let principal: Principal
  private let parts: AgentRunner.Parts
  private let emit: @Sendable (AgentEvent) -> Void
  private var machine: RunMachine
  private var sequence: Int
  /// Chunks that the principal lost access to since they were found.
  private var hidden: Set<Int64> = []

  init(
    run: String, principal: Principal, parts: AgentRunner.Parts, machine: RunMachine, sequence: Int,
    emit: @escaping @Sendable (AgentEvent) -> Void
  ) {
    self.run = run
    self.principal = principal
    self.parts = parts
    self.machine = machine
    self.sequence = sequence
    self.emit = emit
  }

  /// Records `first` and goes on until the run is over or its time is.
  func perform(_ first: RunEvent) async {
    do {
      let timedOut = try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          try await self.turn(first)
          return false
        }
        let budget = machine.start?.budget.time ?? Self.budget(of: first)
        let sleep = parts.environment.sleep
        group.addTask {
          try await sleep(budget)
          return true
        }
        defer { group.cancelAll() }
        return try await group.next() ?? false
      }
      if timedOut, !isOver {
        throw AgentError(
          AgentError.timeExhausted, "The run took longer than its budget.",
          remedy: "Raise the time budget, or use a smaller model.", location: run)
      }
    } catch {
      await fail(error)
    }
  }

  /// Tells the end of a run that was over before a crash kept its status from being written.
  func conclude() async {
    guard case .finished(let outcome) = machine.phase else { return }
    do {
      try await hideWhatIsLost()
      try await finish(outcome)
    } catch {
      emit(.failed(AgentError.wrapping(error, run: run)))
    }
  }

  private static func budget(of event: RunEvent) -> Duration {
    if case .started(let start) = event { start.budget.time } else { RunBudget().time }
  }

  /// The OPAU wheel.
  private func turn(_ first: RunEvent) async throws {
    if first == .resumed { try await hideWhatIsLost() }
    var actions = try await record(first)
    while let action = actions.first {
      try Task.checkCancellation()
      switch action {
      case .plan(let step, let rule): actions = try await plan(step, rule)
      case .callTool(let step, let call): actions = try await callTool(step, call)
      case .recordInterrupted(let step, let call):
        let result = ToolExecutor.failure(
          "`\(call.name)` was started before an interruption; its effect is unknown. It was not called again.",
          "Check its effect before calling it again.")
        actions = try await observe(step, call, result)
      case .answer(let step): actions = try await answer(step)
      case .finish(let outcome):
        try await finish(outcome)
        return
      }
    }
  }

  /// Durable first, then the machine. An event that happened is recorded even when the task is cancelled meanwhile, so
  /// the write runs in a task of its own.
  private func record(_ event: RunEvent) async throws -> [RunAction] {
    let entry = JournalEvent(
      run: run, sequence: sequence, kind: event.kind, payload: event.payload, timestamp: parts.environment.now())
    let journal = parts.journal
    do {
      try await Task { try await journal.append(entry) }.value
    } catch let error as any StrataError where error.code.kind == .conflict {
      throw AgentError(
        AgentError.runActive, "Another process executes this run.", remedy: "Follow it there, or wait until it ends.",
        location: "\(run)#\(sequence)", cause: error)
    }
    sequence += 1
    return try machine.handle(event)
  }

  private func setStatus(_ status: RunStatus) async throws {
    let (journal, run) = (parts.journal, run)
    try await Task { try await journal.setStatus(status, of: run) }.value
  }

  private var isOver: Bool { if case .finished = machine.phase { true } else { false } }

  private var passages: [Passage] { machine.passages.filter { !hidden.contains($0.chunk) } }

  private func hideWhatIsLost() async throws {
    guard !machine.passages.isEmpty else { return }
    let kept = Set(try await parts.environment.stillReadable(machine.passages, principal).map(\.chunk))
    hidden = Set(machine.passages.map(\.chunk)).subtracting(kept)
  }

  private func plan(_ step: Int, _ rule: PlannedAction?) async throws -> [RunAction] {
    if let rule {
      emit(.planned(step: step, action: rule, source: .rule))
      return try await record(.planned(step: step, rule, .rule, Usage()))
    }
    emit(.planning(step: step))
    _ = try await record(.planStarted(step: step))
    let observations = hidden.isEmpty ? machine.observations : machine.observations.map(withoutHidden)
    let plan = try await parts.planner.plan(
      question: machine.start?.question ?? "", observations: observations, passages: passages,
      tenant: principal.tenant)
    emit(.planned(step: step, action: plan.action, source: plan.source))
    return try await record(.planned(step: step, plan.action, plan.source, plan.usage))
  }

  private func withoutHidden(_ observation: Observation) -> Observation {
    guard observation.content["passages"] != nil else { return observation }
    return Observation(call: observation.call, content: [:], isError: observation.isError)
  }

  private func callTool(_ step: Int, _ call: ToolCall) async throws -> [RunAction] {
    _ = try await record(.toolStarted(step: step, call))
    let result = try await parts.executor.call(call, as: principal)
    return try await observe(step, call, result)
  }

  private func observe(_ step: Int, _ call: ToolCall, _ result: ToolResult) async throws -> [RunAction] {
    let observation = Observation(call: call, content: result.content, isError: result.isError)
    let actions = try await record(.toolFinished(step: step, observation))
    if call.name == SearchTool.name, !result.isError {
      let found = (result.content["passages"]?.arrayValue ?? []).compactMap { Passage($0) }
      emit(.searched(step: step, query: call.arguments["query"]?.stringValue ?? "", passages: found))
    } else {
      emit(.toolFinished(step: step, tool: call.name, isError: result.isError))
    }
    return actions
  }

  private func answer(_ step: Int) async throws -> [RunAction] {
    let passages = passages
    if passages.isEmpty, let failed = machine.observations.last, failed.isError {
      throw AgentError(
        AgentError.failed, "Nothing could be searched: \(failed.content["error"]?.stringValue ?? "the search failed").",
        remedy: failed.content["remedy"]?.stringValue, location: run)
    }
    emit(.answering(step: step, passages: passages.count))
    _ = try await record(.answerStarted(step: step))
    let start = machine.start
    let emit = emit
    var answer = try await parts.answerer.answer(
      start?.question ?? "", from: passages, as: principal,
      tokens: (start?.budget.tokens ?? .max) - machine.usage.totalTokens
    ) { part in
      switch part {
      case .text(let text): emit(.answerDelta(text))
      case .citation(let number, let citation): emit(.citation(number: number, citation))
      case .sentence(let sentence): emit(.sentence(sentence))
      }
    }
    try Task.checkCancellation()
    answer.run = run
    answer.steps = step + 1
    answer.usage = machine.usage + answer.usage
    return try await record(.answered(step: step, answer))
  }

  private func finish(_ outcome: RunOutcome) async throws {
    switch outcome {
    case .answered(let answer):
      try await setStatus(.completed)
      guard answer.citations.allSatisfy({ !isHidden($0) }) else {
        throw AgentError(
          AgentError.runNotFound, "The answer of this run quotes documents that you can no longer read.",
          remedy: "Ask again.", location: run)
      }
      emit(.finished(answer))
    case .failed(let code, let message, let remedy):
      try await setStatus(code.kind == .cancelled ? .cancelled : .failed)
      emit(.failed(AgentError(code, message, remedy: remedy, location: run)))
    case .cancelled:
      try await setStatus(.cancelled)
      emit(.failed(AgentError(AgentError.cancelled, "The run was cancelled.", location: run)))
    }
  }

  private func isHidden(_ citation: Citation) -> Bool {
    machine.passages.contains {
      hidden.contains($0.chunk) && $0.document == citation.document && $0.range.overlaps(citation.range)
    }
  }

  /// Journals the end as far as the journal lets us, and tells the listener in any case.
  private func fail(_ error: any Error) async {
    let error = AgentError.wrapping(error, run: run)
    let isForeign = error.code == AgentError.runActive
    if !isOver, !isForeign {
      let event: RunEvent =
        error.code == AgentError.cancelled
        ? .cancelled : .failed(code: error.code, message: error.message, remedy: error.remedy)
      do {
        _ = try await record(event)
        try await setStatus(error.code == AgentError.cancelled ? .cancelled : .failed)
      } catch let second {
        emit(.failed(AgentError(error.code, error.message, remedy: error.remedy, location: run, cause: second)))
        return
      }
    }
    emit(.failed(error))
  }
}
