// Owns every decision of a run: which step follows which event. Pure: no clock, no model, no journal.
import StrataCore

/// What the executor must do next.
public enum RunAction: Sendable, Hashable {
  /// Choose the next action. With a rule there is nothing to ask the model.
  case plan(step: Int, rule: PlannedAction?)
  case callTool(step: Int, ToolCall)
  /// The tool was started before a crash and may not be called twice: record that its outcome is unknown.
  case recordInterrupted(step: Int, ToolCall)
  case answer(step: Int)
  case finish(RunOutcome)
}

public enum RunOutcome: Sendable, Hashable {
  case answered(GroundedAnswer)
  case failed(code: ErrorCode, message: String, remedy: String?)
  case cancelled
}

/// The OPAU wheel (Observe → Plan → Act → Update) as a state machine. An executor journals an event, hands it over here
/// and does what comes back; replaying a journal therefore restores a run exactly.
public struct RunMachine: Sendable {
  public enum Phase: Sendable, Hashable {
    case idle
    /// `isStarted`: the journal says that work on it began.
    case planning(step: Int, isStarted: Bool)
    case acting(step: Int, ToolCall, isStarted: Bool)
    case answering(step: Int, isStarted: Bool)
    case finished(RunOutcome)
  }

  public private(set) var phase: Phase = .idle
  public private(set) var start: RunStart?
  public private(set) var usage = Usage()
  /// What tools said, oldest first.
  public private(set) var observations: [Observation] = []
  /// Passages of all searches, each chunk once: the best of each search before the second best of any, the latest search
  /// first. What a search found that was made again in another way comes last.
  public private(set) var passages: [Passage] = []
  private var searches: [(query: String, passages: [Passage])] = []
  private let repeatable: Set<String>
  private let widening: SearchWidening?

  /// - Parameters:
  ///   - repeatable: names of the tools that may be called again with the same arguments.
  ///   - widening: when to search over several hops without asking the model; nil never does.
  public init(repeatable: Set<String> = [SearchTool.name], widening: SearchWidening? = nil) {
    self.repeatable = repeatable
    self.widening = widening
  }

  /// Plans so far.
  public var steps: Int {
    switch phase {
    case .planning(let step, _): step
    case .acting(let step, _, _), .answering(let step, _): step + 1
    case .idle, .finished: finishedSteps
    }
  }

  private var finishedSteps = 0

  /// Takes one event in and says what to do about it.
  /// - Throws: ``AgentError/journalBroken`` when the event cannot happen in this phase.
  public mutating func handle(_ event: RunEvent) throws(AgentError) -> [RunAction] {
    switch (phase, event) {
    case (.idle, .started(let start)):
      self.start = start
      phase = .planning(step: 0, isStarted: false)
    case (.finished, _), (.idle, _): throw impossible(event)
    case (_, .cancelled): finish(.cancelled)
    case (_, .failed(let code, let message, let remedy)):
      finish(.failed(code: code, message: message, remedy: remedy))
    case (_, .resumed): break
    case (.planning(let step, _), .planStarted(let same)) where same == step:
      phase = .planning(step: step, isStarted: true)
      return []
    case (.planning(let step, _), .planned(let same, let action, _, let spent)) where same == step:
      usage = usage + spent
      switch action {
      case .call(let tool, let arguments) where !isRepeated(tool, arguments):
        phase = .acting(step: step, ToolCall(id: "step-\(step)", name: tool, arguments: arguments), isStarted: false)
      case .answer, .call: phase = .answering(step: step, isStarted: false)
      }
    case (.acting(let step, let call, _), .toolStarted(let same, let started)) where same == step && started == call:
      phase = .acting(step: step, call, isStarted: true)
      return []
    case (.acting(let step, let call, _), .toolFinished(let same, let observation))
    where same == step && observation.call == call:
      remember(observation)
      phase = .planning(step: step + 1, isStarted: false)
    case (.answering(let step, _), .answerStarted(let same)) where same == step:
      phase = .answering(step: step, isStarted: true)
      return []
    case (.answering(let step, _), .answered(let same, let answer)) where same == step:
      finish(.answered(answer))
    default: throw impossible(event)
    }
    return next(resuming: event == .resumed)
  }

  private mutating func finish(_ outcome: RunOutcome) {
    finishedSteps = steps
    if case .answered(let answer) = outcome { usage = answer.usage }
    phase = .finished(outcome)
  }

  private func impossible(_ event: RunEvent) -> AgentError {
    AgentError(
      AgentError.journalBroken, "The event `\(event.kind)` cannot follow in the phase \(phaseName).",
      remedy: "The journal of this run is damaged or was written by two processes; ask again.")
  }

  private var phaseName: String {
    switch phase {
    case .idle: "idle"
    case .planning(let step, _): "planning of step \(step)"
    case .acting(let step, let call, _): "call of \(call.name) in step \(step)"
    case .answering: "answering"
    case .finished: "finished"
    }
  }

  private mutating func remember(_ observation: Observation) {
    observations.append(observation)
    let found = (observation.content["passages"]?.arrayValue ?? []).compactMap { Passage($0) }
    guard !found.isEmpty else { return }
    searches.insert((observation.call.arguments["query"]?.stringValue ?? "", found), at: 0)
    var queries: Set<String> = []
    let (latest, superseded) = searches.reduce(into: ([[Passage]](), [[Passage]]())) { lists, search in
      if queries.insert(search.query).inserted {
        lists.0.append(search.passages)
      } else {
        lists.1.append(search.passages)
      }
    }
    let deepest = latest.map(\.count).max() ?? 0
    let ranked = (0..<deepest).flatMap { rank in latest.compactMap { rank < $0.count ? $0[rank] : nil } }
    var known: Set<Int64> = []
    passages = (ranked + superseded.joined()).filter { known.insert($0.chunk).inserted }
  }

  private func next(resuming: Bool) -> [RunAction] {
    switch phase {
    case .idle: []
    case .planning(let step, _): [plan(step)]
    case .acting(let step, let call, true) where resuming && !repeatable.contains(call.name):
      [.recordInterrupted(step: step, call)]
    case .acting(let step, let call, _): [.callTool(step: step, call)]
    case .answering(let step, _): [.answer(step: step)]
    case .finished(let outcome): [.finish(outcome)]
    }
  }

  private func plan(_ step: Int) -> RunAction {
    guard let start else { return .plan(step: step, rule: nil) }
    if step == 0, start.policy != .model || start.budget.steps == 1 {
      return .plan(step: step, rule: .search(start.question))
    }
    let isLast = step + 1 >= start.budget.steps || start.policy == .searchOnce
    if isLast || usage.totalTokens >= start.budget.tokens { return .plan(step: step, rule: .answer) }
    if step == 1, start.policy == .questionFirst, let wider = widening?.search(start.question, after: passages) {
      return .plan(step: step, rule: wider)
    }
    return .plan(step: step, rule: nil)
  }

  /// Whether this very call was made before: its result is known, and asking again would only turn the wheel.
  private func isRepeated(_ tool: String, _ arguments: JSON) -> Bool {
    observations.contains { $0.call.name == tool && $0.call.arguments == arguments && !$0.isError }
  }
}
