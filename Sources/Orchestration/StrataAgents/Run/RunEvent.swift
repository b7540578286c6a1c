// Owns the facts of a run as they stand in the journal, and their JSON form. Decides nothing.
import StrataCore

/// One journaled fact. Replaying them through ``RunMachine`` gives the run's state.
public enum RunEvent: Sendable, Hashable {
  case started(RunStart)
  case planStarted(step: Int)
  case planned(step: Int, PlannedAction, PlanSource, Usage)
  case toolStarted(step: Int, ToolCall)
  case toolFinished(step: Int, Observation)
  case answerStarted(step: Int)
  case answered(step: Int, GroundedAnswer)
  /// Another process took the run over.
  case resumed
  case cancelled
  case failed(code: ErrorCode, message: String, remedy: String?)

  public var kind: String {
    switch self {
    case .started: "run.started"
    case .planStarted: "plan.started"
    case .planned: "plan.completed"
    case .toolStarted: "tool.started"
    case .toolFinished: "tool.completed"
    case .answerStarted: "answer.started"
    case .answered: "answer.completed"
    case .resumed: "run.resumed"
    case .cancelled: "run.cancelled"
    case .failed: "run.failed"
    }
  }

  public var payload: JSON {
    switch self {
    case .started(let start): start.json
    case .planStarted(let step), .answerStarted(let step): ["step": .int(step)]
    case .planned(let step, let action, let source, let usage):
      ["step": .int(step), "plan": action.json, "source": .string(source.rawValue), "usage": usage.json]
    case .toolStarted(let step, let call): ["step": .int(step), "call": Self.json(call)]
    case .toolFinished(let step, let observation):
      [
        "step": .int(step), "call": Self.json(observation.call), "content": observation.content,
        "is_error": .bool(observation.isError),
      ]
    case .answered(let step, let answer): ["step": .int(step), "result": answer.json]
    case .resumed, .cancelled: [:]
    case .failed(let code, let message, let remedy):
      [
        "code": .string(code.name), "kind": .string(code.kind.rawValue), "message": .string(message),
        "remedy": remedy.map(JSON.string) ?? .null,
      ]
    }
  }

  private static func json(_ call: ToolCall) -> JSON {
    ["id": .string(call.id), "name": .string(call.name), "arguments": call.arguments]
  }

  /// - Throws: ``AgentError/journalBroken`` when the event is of no known kind or lacks what its kind needs.
  public init(_ event: JournalEvent) throws(AgentError) {
    guard let decoded = Self.decode(event.kind, event.payload) else {
      throw AgentError(
        AgentError.journalBroken, "The journal holds an event `\(event.kind)` that cannot be read.",
        remedy: "The run cannot be resumed; ask again.", location: "\(event.run)#\(event.sequence)")
    }
    self = decoded
  }

  private static func decode(_ kind: String, _ payload: JSON) -> RunEvent? {
    let step = payload["step"]?.intValue ?? -1
    switch kind {
    case "run.resumed": return .resumed
    case "run.cancelled": return .cancelled
    case "run.started": return RunStart(payload).map(RunEvent.started)
    case "run.failed":
      guard let code = payload["code"]?.stringValue, let message = payload["message"]?.stringValue else { return nil }
      let kind = payload["kind"]?.stringValue.flatMap(ErrorKind.init(rawValue:)) ?? .internal
      return .failed(code: ErrorCode(code, kind), message: message, remedy: payload["remedy"]?.stringValue)
    case _ where step < 0: return nil
    case "plan.started": return .planStarted(step: step)
    case "answer.started": return .answerStarted(step: step)
    case "plan.completed":
      guard let action = payload["plan"].flatMap(PlannedAction.init),
        let source = payload["source"]?.stringValue.flatMap(PlanSource.init(rawValue:))
      else { return nil }
      return .planned(step: step, action, source, Usage(payload["usage"] ?? [:]))
    case "tool.started": return call(payload).map { .toolStarted(step: step, $0) }
    case "tool.completed":
      guard let call = call(payload), let content = payload["content"], let isError = payload["is_error"]?.boolValue
      else { return nil }
      return .toolFinished(step: step, Observation(call: call, content: content, isError: isError))
    case "answer.completed": return payload["result"].flatMap(GroundedAnswer.init).map { .answered(step: step, $0) }
    default: return nil
    }
  }

  private static func call(_ payload: JSON) -> ToolCall? {
    guard let id = payload["call"]?["id"]?.stringValue, let name = payload["call"]?["name"]?.stringValue else {
      return nil
    }
    return ToolCall(id: id, name: name, arguments: payload["call"]?["arguments"] ?? [:])
  }
}

/// Everything that a run is started with, so that its journal alone explains it.
public struct RunStart: Sendable, Hashable {
  /// What is answered: what was asked, in words that stand alone.
  public var question: String
  /// The words of the asker.
  public var asked: String
  public var budget: RunBudget
  public var policy: PlanningPolicy
  public var tenant: String
  public var user: String
  public var model: String
  /// `name@version` to content hash.
  public var contracts: [String: String]

  public init(
    question: String, asked: String? = nil, budget: RunBudget = RunBudget(), policy: PlanningPolicy = .questionFirst,
    tenant: String = "default", user: String, model: String = "", contracts: [String: String] = [:]
  ) {
    self.question = question
    self.asked = asked ?? question
    self.budget = budget
    self.policy = policy
    self.tenant = tenant
    self.user = user
    self.model = model
    self.contracts = contracts
  }

  var json: JSON {
    [
      "question": .string(question), "asked": .string(asked), "budget": budget.json, "policy": .string(policy.rawValue),
      "tenant": .string(tenant), "user": .string(user), "model": .string(model),
      "contracts": .object(JSONObject(contracts.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
    ]
  }

  init?(_ json: JSON) {
    guard let question = json["question"]?.stringValue, let budget = json["budget"].flatMap(RunBudget.init),
      let policy = json["policy"]?.stringValue.flatMap(PlanningPolicy.init(rawValue:)),
      let tenant = json["tenant"]?.stringValue, let user = json["user"]?.stringValue
    else { return nil }
    var contracts: [String: String] = [:]
    for (name, hash) in json["contracts"]?.objectValue ?? [:] { contracts[name] = hash.stringValue }
    self.init(
      question: question, asked: json["asked"]?.stringValue,
      budget: budget, policy: policy, tenant: tenant, user: user,
      model: json["model"]?.stringValue ?? "", contracts: contracts)
  }
}
