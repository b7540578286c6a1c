// Owns what a page or a terminal learns about a run while it happens. Holds only what the principal may read.
import StrataCore

/// One thing that happened in a run.
public enum AgentEvent: Sendable, Hashable {
  case started(run: String, question: String)
  /// The question leaned on what was said before; this is what it is taken to mean.
  case rewritten(RewrittenQuestion)
  /// A run goes on after a crash or a restart, with this many steps behind it.
  case resumed(run: String, steps: Int)
  /// The model, or a rule, is choosing what to do.
  case planning(step: Int)
  case planned(step: Int, action: PlannedAction, source: PlanSource)
  case searched(step: Int, query: String, passages: [Passage])
  /// A tool other than search was called.
  case toolFinished(step: Int, tool: String, isError: Bool)
  /// The model is about to answer from this many passages.
  case answering(step: Int, passages: Int)
  /// More text of the answer. What `finished` says replaces all of it.
  case answerDelta(String)
  /// A verified citation; numbers count from 1 in the order of the answer.
  case citation(number: Int, Citation)
  /// How far the quotes support a sentence of the final answer.
  case sentence(SentenceSupport)
  case finished(GroundedAnswer)
  case failed(AgentError)

  /// Whether the run is over.
  public var isTerminal: Bool {
    switch self {
    case .finished, .failed: true
    default: false
    }
  }

  /// The event's name on the wire.
  public var name: String {
    switch self {
    case .started: "run.started"
    case .rewritten: "run.rewritten"
    case .resumed: "run.resumed"
    case .planning: "step.planning"
    case .planned: "step.planned"
    case .searched: "step.searched"
    case .toolFinished: "step.tool"
    case .answering: "step.answering"
    case .answerDelta: "answer.delta"
    case .citation: "answer.citation"
    case .sentence: "answer.sentence"
    case .finished: "run.finished"
    case .failed(let error): error.code.kind == .cancelled ? "run.cancelled" : "run.failed"
    }
  }

  /// An object whose first member is `type`, the event's ``name``.
  public var json: JSON {
    var object: JSONObject = ["type": .string(name)]
    for (key, value) in members { object[key] = value }
    return .object(object)
  }

  public static func == (lhs: AgentEvent, rhs: AgentEvent) -> Bool { lhs.json == rhs.json }
  public func hash(into hasher: inout Hasher) { hasher.combine(json) }

  private var members: JSONObject {
    switch self {
    case .started(let run, let question): ["run": .string(run), "question": .string(question)]
    case .rewritten(let question):
      [
        "question": .string(question.text), "carried": .string(question.carried),
        "source": .string(question.source.rawValue),
      ]
    case .resumed(let run, let steps): ["run": .string(run), "steps": .int(steps)]
    case .planning(let step): ["step": .int(step)]
    case .planned(let step, let action, let source):
      [
        "step": .int(step), "action": .string(action.name), "query": action.query.map(JSON.string) ?? .null,
        "source": .string(source.rawValue),
      ]
    case .searched(let step, let query, let passages):
      [
        "step": .int(step), "query": .string(query), "count": .int(passages.count),
        "passages": .array(passages.map(\.json)),
      ]
    case .toolFinished(let step, let tool, let isError):
      ["step": .int(step), "tool": .string(tool), "is_error": .bool(isError)]
    case .answering(let step, let passages): ["step": .int(step), "passages": .int(passages)]
    case .answerDelta(let text): ["text": .string(text)]
    case .citation(let number, let citation): ["number": .int(number), "citation": citation.json]
    case .sentence(let sentence): ["sentence": sentence.json]
    case .finished(let answer): ["result": answer.json]
    case .failed(let error):
      [
        "error": [
          "code": .string(error.code.name), "kind": .string(error.code.kind.rawValue),
          "message": .string(error.message),
          "remedy": error.remedy.map(JSON.string) ?? .null,
        ]
      ]
    }
  }
}
