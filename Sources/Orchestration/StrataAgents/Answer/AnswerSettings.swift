// Owns what the answer contract may tune, with its defaults and limits.
import StrataCore

/// How the model is made to quote.
public enum QuotingStrategy: String, Sendable, Hashable, CaseIterable {
  /// The contract's output schema as it is: the model types its quotes.
  case plain
  /// `quote` is an enumeration of the actual sentences of each passage, so that citations are exact by construction.
  case quotedSentences = "quoted_sentences"
  /// Sentences are numbered in the prompt and cited by number (`"2.3"`): exact as well, and far fewer tokens.
  case sentenceNumbers = "sentence_numbers"
  /// The model writes the answer alone, as text; the sentences that it rests on are found afterwards. What the smallest
  /// models do best.
  case attributed
}

/// The `metadata.settings` of an answer contract.
public struct AnswerSettings: Sendable, Hashable {
  public var strategy: QuotingStrategy = .quotedSentences
  public var maxPassages = 5
  public var maxCitations = 2
  /// Least number of citations that the grammar asks for; 0 lets the model decline by citing nothing.
  public var minCitations = 0
  /// Sentences of all passages that may be quoted, the likeliest; 0 offers all.
  public var maxQuotes = 0
  /// Coverage of the question's words by one passage from which on the model must cite something; small models decline
  /// too often. Above 1: never.
  public var mustCiteAbove = 2.0
  /// Characters of the answer.
  public var maxAnswerLength = 400
  /// Tokens of one passage in the prompt.
  public var maxPassageTokens = 320
  /// Least weighted share of the question's content words in one passage, and in those that are cited, 0 to 1.
  public var minCoverage = 0.5
  /// Share in all passages of the prompt together from which on the cited ones may say less of the question. For
  /// ``QuotingStrategy/attributed``; above 1: never.
  public var minJointCoverage = 0.7
  public var checksNumbers = true
  public var checksNames = true
  /// An answer that says more than its evidence is replaced by the quotes themselves instead of the refusal.
  public var quotesWhenUngrounded = true
  /// Where the quotes do not speak of what the question names, and other sentences do, the model is asked once more with
  /// these alone. For ``QuotingStrategy/attributed``.
  public var refocuses = true
  /// Order in which the model writes the members.
  public var order = ["citations", "answer", "answerable"]

  /// Whether the model says that a question is answerable by citing something, rather than in a member of its own.
  var citesToAnswer: Bool { strategy != .plain }

  public init() {}

  public init(_ json: JSON) {
    self.init()
    if let value = json["strategy"]?.stringValue.flatMap(QuotingStrategy.init(rawValue:)) { strategy = value }
    if let value = json["max_passages"]?.intValue { maxPassages = min(max(1, value), 50) }
    if let value = json["max_citations"]?.intValue { maxCitations = min(max(1, value), 20) }
    if let value = json["min_citations"]?.intValue { minCitations = min(max(0, value), maxCitations) }
    if let value = json["max_quotes"]?.intValue { maxQuotes = min(max(0, value), 1_000) }
    if let value = json["must_cite_above"]?.doubleValue { mustCiteAbove = max(0, value) }
    if let value = json["max_answer_length"]?.intValue { maxAnswerLength = min(max(20, value), 20_000) }
    if let value = json["max_passage_tokens"]?.intValue { maxPassageTokens = min(max(16, value), 8_192) }
    if let value = json["min_coverage"]?.doubleValue { minCoverage = min(max(0, value), 1) }
    if let value = json["min_joint_coverage"]?.doubleValue { minJointCoverage = max(0, value) }
    if let value = json["check_numbers"]?.boolValue { checksNumbers = value }
    if let value = json["check_names"]?.boolValue { checksNames = value }
    if let value = json["quote_when_ungrounded"]?.boolValue { quotesWhenUngrounded = value }
    if let value = json["refocus"]?.boolValue { refocuses = value }
    if let value = json["order"]?.arrayValue?.compactMap(\.stringValue), Set(value) == Set(order) { order = value }
  }
}
