// Owns the small values that a run is made of.
import StrataCore

/// How far a run may go.
public struct RunBudget: Sendable, Hashable {
  /// Plans, the one to answer included.
  public var steps: Int
  /// Prompt and completion tokens of all model calls.
  public var tokens: Int
  /// Time in one process; a resumed run starts a new count.
  public var time: Duration

  public init(steps: Int = 4, tokens: Int = 40_000, time: Duration = .seconds(300)) {
    self.steps = max(1, steps)
    self.tokens = max(1, tokens)
    self.time = time
  }

  var json: JSON {
    [
      "steps": .int(steps), "tokens": .int(tokens),
      "seconds": .double(Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18),
    ]
  }

  init?(_ json: JSON) {
    guard let steps = json["steps"]?.intValue, let tokens = json["tokens"]?.intValue,
      let seconds = json["seconds"]?.doubleValue, seconds >= 0, seconds < 1e9
    else { return nil }
    self.init(steps: steps, tokens: tokens, time: .milliseconds(Int(seconds * 1000)))
  }
}

/// Who decides the first step.
public enum PlanningPolicy: String, Sendable, Hashable, CaseIterable {
  /// The model plans every step.
  case model
  /// The first step searches for the user's question without asking the model, which could do little else.
  case questionFirst = "question_first"
  /// One search for the question, then the answer: the model never plans.
  case searchOnce = "search_once"
}

/// What a plan decided.
public enum PlannedAction: Sendable, Hashable {
  case call(tool: String, arguments: JSON)
  case answer

  /// - Parameter query: what is longer than the tool takes is cut.
  public static func search(_ query: String) -> PlannedAction {
    .call(tool: SearchTool.name, arguments: ["query": .string(String(query.prefix(SearchTool.queryLimit)))])
  }

  /// The tool's name, or `answer`.
  public var name: String {
    switch self {
    case .call(let tool, _): tool
    case .answer: "answer"
    }
  }

  /// What a search looks for.
  public var query: String? {
    if case .call(SearchTool.name, let arguments) = self { arguments["query"]?.stringValue } else { nil }
  }

  var json: JSON {
    switch self {
    case .call(let tool, let arguments): ["action": .string(tool), "arguments": arguments]
    case .answer: ["action": "answer"]
    }
  }

  init?(_ json: JSON) {
    guard let name = json["action"]?.stringValue, !name.isEmpty else { return nil }
    self = name == "answer" ? .answer : .call(tool: name, arguments: json["arguments"] ?? [:])
  }
}

/// Where a plan came from.
public enum PlanSource: String, Sendable, Hashable {
  case model
  /// The model's second attempt, after its first was shown to be invalid.
  case repaired
  /// The model's output could not be used.
  case fallback
  /// The machine had only one thing to do.
  case rule
}

/// What a tool said, as the run remembers it.
public struct Observation: Sendable, Hashable {
  public var call: ToolCall
  public var content: JSON
  public var isError: Bool

  public init(call: ToolCall, content: JSON, isError: Bool) {
    self.call = call
    self.content = content
    self.isError = isError
  }
}

extension Passage {
  /// All of it, as events and journals carry it.
  package var json: JSON {
    var object: JSONObject = [
      "chunk": .int(Int(chunk)), "document": .string(document), "version": .int(version),
      "start": .int(range.lowerBound), "end": .int(range.upperBound), "title": .string(title),
      "heading_path": .array(headingPath.map(JSON.string)), "score": .double(score), "text": .string(text),
    ]
    if let page { object["page"] = .int(page) }
    if !ranks.isEmpty {
      object["ranks"] = .object(JSONObject(ranks.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) }))
    }
    return .object(object)
  }

  package init?(_ json: JSON) {
    guard let chunk = json["chunk"]?.intValue, let document = json["document"]?.stringValue,
      let version = json["version"]?.intValue, let start = json["start"]?.intValue, let end = json["end"]?.intValue,
      start >= 0, start <= end, let text = json["text"]?.stringValue, text.utf8.count == end - start
    else { return nil }
    var ranks: [String: Int] = [:]
    for (leg, rank) in json["ranks"]?.objectValue ?? [:] { ranks[leg] = rank.intValue }
    self.init(
      chunk: Int64(chunk), document: document, version: version, range: start..<end, text: text,
      title: json["title"]?.stringValue ?? "",
      headingPath: (json["heading_path"]?.arrayValue ?? []).compactMap(\.stringValue), page: json["page"]?.intValue,
      score: json["score"]?.doubleValue ?? 0, ranks: ranks)
  }
}
