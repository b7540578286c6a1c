// Owns what happens while a question is answered, and how it looks on the event stream.
import StrataCore

/// One thing that the agent did for an answer.
public struct AppStep: Sendable, Hashable {
  public enum State: String, Sendable, Hashable {
    case running, done, failed
  }

  /// From 0; an event with the same index replaces the earlier one.
  public var index: Int
  /// `plan`, `search`, `answer`, or the name of another tool.
  public var kind: String
  public var state: State
  /// What it was about, for people: the query of a search, the reason of a plan.
  public var detail: String
  /// Passages found, for searches.
  public var passageCount: Int?
  /// Time it took, when it is over.
  public var milliseconds: Int?

  public init(
    index: Int, kind: String, state: State, detail: String = "", passageCount: Int? = nil, milliseconds: Int? = nil
  ) {
    self.index = index
    self.kind = kind
    self.state = state
    self.detail = detail
    self.passageCount = passageCount
    self.milliseconds = milliseconds
  }
}

/// A place in a document that supports the answer. `[number]` in the answer refers to it.
public struct AppCitation: Sendable, Hashable {
  /// From 1.
  public var number: Int
  public var document: String
  public var version: Int
  /// UTF-8 byte range of the quote in the version's canonical text.
  public var range: Range<Int>
  public var quote: String
  public var title: String

  public init(number: Int, document: String, version: Int, range: Range<Int>, quote: String, title: String) {
    self.number = number
    self.document = document
    self.version = version
    self.range = range
    self.quote = quote
    self.title = title
  }
}

/// The end of a run.
public struct AppAnswer: Sendable, Hashable {
  public var run: String
  /// The final text; replaces what the deltas added up to.
  public var answer: String
  /// False when the documents that the principal may read do not answer the question.
  public var isAnswerable: Bool
  public var citations: [AppCitation]
  /// How far the quotes support each sentence; nil where nobody checked.
  public var faithfulness: FaithfulnessReport?
  /// Citations whose quote was not found in the passage.
  public var droppedCitationCount: Int
  public var usage: Usage
  public var milliseconds: Int

  public init(
    run: String, answer: String, isAnswerable: Bool, citations: [AppCitation],
    faithfulness: FaithfulnessReport? = nil, droppedCitationCount: Int = 0, usage: Usage, milliseconds: Int
  ) {
    self.run = run
    self.answer = answer
    self.isAnswerable = isAnswerable
    self.citations = citations
    self.faithfulness = faithfulness
    self.droppedCitationCount = droppedCitationCount
    self.usage = usage
    self.milliseconds = milliseconds
  }
}

/// What `POST /api/ask` streams.
public enum AppEvent: Sendable, Hashable {
  case runStarted(run: String, model: String)
  case step(AppStep)
  /// What the last search found and the answer may use.
  case passages([Passage])
  /// More text of the answer.
  case delta(String)
  case citation(AppCitation)
  /// How far the quotes support a sentence of the final answer; after the last delta.
  case sentence(SentenceSupport)
  /// The last event of a run that ended well.
  case done(AppAnswer)

  /// The name in the `event:` field.
  public var name: String {
    switch self {
    case .runStarted: "run_started"
    case .step: "step"
    case .passages: "passages"
    case .delta: "delta"
    case .citation: "citation"
    case .sentence: "sentence"
    case .done: "done"
    }
  }

  /// The object in the `data:` field.
  public var json: JSON {
    switch self {
    case .runStarted(let run, let model): ["run": .string(run), "model": .string(model)]
    case .step(let step): step.json
    case .passages(let passages): ["passages": .array(passages.map(\.json))]
    case .delta(let text): ["text": .string(text)]
    case .citation(let citation): citation.json
    case .sentence(let sentence): sentence.json
    case .done(let answer): answer.json
    }
  }
}

extension AppStep {
  var json: JSON {
    [
      "index": .int(index), "kind": .string(kind), "state": .string(state.rawValue), "detail": .string(detail),
      "passages": passageCount.map(JSON.int) ?? .null, "milliseconds": milliseconds.map(JSON.int) ?? .null,
    ]
  }
}

extension AppCitation {
  var json: JSON {
    [
      "number": .int(number), "document": .string(document), "version": .int(version),
      "start": .int(range.lowerBound), "end": .int(range.upperBound), "quote": .string(quote),
      "title": .string(title),
    ]
  }
}

extension AppAnswer {
  var json: JSON {
    [
      "run": .string(run), "answer": .string(answer), "answerable": .bool(isAnswerable),
      "citations": .array(citations.map(\.json)), "dropped_citations": .int(droppedCitationCount),
      "usage": usage.json, "milliseconds": .int(milliseconds), "faithfulness": faithfulness?.json ?? .null,
    ]
  }
}

extension Passage {
  /// `{"document","version","start","end","title","heading","page","score","text"}`
  var json: JSON {
    [
      "document": .string(document), "version": .int(version), "start": .int(range.lowerBound),
      "end": .int(range.upperBound), "title": .string(title), "heading": .array(headingPath.map(JSON.string)),
      "page": page.map(JSON.int) ?? .null, "score": .double(score), "text": .string(text),
    ]
  }
}
