// Owns the agent's result: an answer and where each part of it stands in which document.
import StrataCore

/// A quotation that was found, byte for byte, in a passage that the reader may read.
public struct Citation: Sendable, Hashable {
  /// Path relative to the ingested folder.
  public var document: String
  public var version: Int
  /// UTF-8 byte range in the version's canonical text.
  public var range: Range<Int>
  /// What stands in that range.
  public var quote: String
  /// Number of the passage in the prompt, from 1.
  public var passage: Int
  public var title: String
  public var page: Int?

  public init(
    document: String, version: Int, range: Range<Int>, quote: String, passage: Int, title: String = "",
    page: Int? = nil
  ) {
    self.document = document
    self.version = version
    self.range = range
    self.quote = quote
    self.passage = passage
    self.title = title
    self.page = page
  }

  /// What is to be checked of it.
  public var place: CitedPlace { CitedPlace(document: document, version: version, range: range, quote: quote) }

  /// `{"document","version","start","end","quote"}` and then `passage`, `title`, `page`.
  public var json: JSON {
    var object: JSONObject = [
      "document": .string(document), "version": .int(version), "start": .int(range.lowerBound),
      "end": .int(range.upperBound), "quote": .string(quote), "passage": .int(passage), "title": .string(title),
    ]
    if let page { object["page"] = .int(page) }
    return .object(object)
  }

  /// Reads what ``json`` writes; nil for anything else.
  public init?(_ json: JSON) {
    guard let document = json["document"]?.stringValue, let version = json["version"]?.intValue,
      let start = json["start"]?.intValue, let end = json["end"]?.intValue, start >= 0, start <= end,
      let quote = json["quote"]?.stringValue
    else { return nil }
    self.init(
      document: document, version: version, range: start..<end, quote: quote, passage: json["passage"]?.intValue ?? 0,
      title: json["title"]?.stringValue ?? "", page: json["page"]?.intValue)
  }
}

/// The end of a run that went well: an answer with its evidence, or the admission that there is none.
public struct GroundedAnswer: Sendable, Hashable {
  /// Said whenever nothing that the reader may read supports an answer.
  public static let refusal = "I could not find this in the documents you can read."

  public var answer: String
  public var answerable: Bool
  public var citations: [Citation]
  /// How far the quotes support each sentence, where somebody checks; pieces of evidence are the quotes,
  /// by their number.
  public var faithfulness: FaithfulnessReport?
  /// Citations of the model whose quote does not stand in the cited passage.
  public var droppedCitations: Int
  public var run: String
  public var usage: Usage
  /// Plans made, the last one (to answer) included.
  public var steps: Int
  /// Why an answer was withheld or replaced, for explanations: `no_passages`, `model_declined`, `no_valid_citation`,
  /// `weak_evidence`, `ungrounded_answer`, `malformed_output`.
  public var reason: String?

  public init(
    answer: String, answerable: Bool, citations: [Citation] = [], faithfulness: FaithfulnessReport? = nil,
    droppedCitations: Int = 0, run: String = "", usage: Usage = Usage(), steps: Int = 0, reason: String? = nil
  ) {
    self.answer = answer
    self.answerable = answerable
    self.citations = citations
    self.faithfulness = faithfulness
    self.droppedCitations = droppedCitations
    self.run = run
    self.usage = usage
    self.steps = steps
    self.reason = reason
  }

  static func refused(_ reason: String, dropped: Int = 0) -> GroundedAnswer {
    GroundedAnswer(answer: refusal, answerable: false, droppedCitations: dropped, reason: reason)
  }

  /// `{"answer","answerable","citations":[…],"run","usage"}` and then `dropped_citations`, `steps`, `reason`, `faithfulness`.
  public var json: JSON {
    var object: JSONObject = [
      "answer": .string(answer), "answerable": .bool(answerable), "citations": .array(citations.map(\.json)),
      "run": .string(run), "usage": usage.json, "dropped_citations": .int(droppedCitations), "steps": .int(steps),
    ]
    if let reason { object["reason"] = .string(reason) }
    if let faithfulness { object["faithfulness"] = faithfulness.json }
    return .object(object)
  }

  init?(_ json: JSON) {
    guard let answer = json["answer"]?.stringValue, let answerable = json["answerable"]?.boolValue,
      let citations = json["citations"]?.arrayValue?.map(Citation.init), !citations.contains(nil)
    else { return nil }
    self.init(
      answer: answer, answerable: answerable, citations: citations.compactMap { $0 },
      faithfulness: json["faithfulness"].flatMap(FaithfulnessReport.init),
      droppedCitations: json["dropped_citations"]?.intValue ?? 0, run: json["run"]?.stringValue ?? "",
      usage: Usage(json["usage"] ?? [:]), steps: json["steps"]?.intValue ?? 0, reason: json["reason"]?.stringValue)
  }
}

extension Usage {
  init(_ json: JSON) {
    self.init(
      promptTokens: json["prompt_tokens"]?.intValue ?? 0, completionTokens: json["completion_tokens"]?.intValue ?? 0,
      cachedTokens: json["prompt_tokens_details"]?["cached_tokens"]?.intValue ?? 0)
  }
}
