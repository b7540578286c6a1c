// Owns the scoring of answers: right, cited, rightly refused, and whether anything leaked. Asks through a closure.
import StrataCore

/// What came back for one question.
public struct QuestionReply: Sendable, Hashable {
  public var answer: String
  public var answerable: Bool
  /// Cited documents and what was quoted from them.
  public var citations: [(document: String, quote: String)]
  public var droppedCitations: Int
  /// Everything else that the asker could see: steps, passages, page events.
  public var exposed: [String]
  public var usage: Usage
  /// How far the quotes support each sentence; nil where nobody checked.
  public var faithfulness: FaithfulnessReport?

  public init(
    answer: String, answerable: Bool, citations: [(document: String, quote: String)], droppedCitations: Int = 0,
    exposed: [String] = [], usage: Usage = Usage(), faithfulness: FaithfulnessReport? = nil
  ) {
    self.answer = answer
    self.answerable = answerable
    self.citations = citations
    self.droppedCitations = droppedCitations
    self.exposed = exposed
    self.usage = usage
    self.faithfulness = faithfulness
  }

  public static func == (lhs: Self, rhs: Self) -> Bool {
    lhs.answer == rhs.answer && lhs.answerable == rhs.answerable && lhs.exposed == rhs.exposed
      && lhs.citations.map(\.document) == rhs.citations.map(\.document)
      && lhs.citations.map(\.quote) == rhs.citations.map(\.quote)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(answer) }
}

/// The verdict on one question.
public struct QuestionResult: Sendable, Hashable {
  public var question: EvaluationQuestion
  public var user: String
  /// Whether this asker should get an answer at all.
  public var shouldAnswer: Bool
  public var reply: QuestionReply?
  public var error: String?
  /// Every expected fact is in the answer.
  public var isAnswered: Bool
  /// The right document is cited.
  public var isCited: Bool
  /// Refused where it had to be.
  public var isRefused: Bool
  /// Restricted words that this asker must not see, and saw.
  public var leaks: [String]
  public var duration: Duration

  /// Right in every respect that applies.
  public var isCorrect: Bool { leaks.isEmpty && error == nil && (shouldAnswer ? isAnswered && isCited : isRefused) }
}

public struct QuestionReport: Sendable, Hashable {
  public var model: String
  public var results: [QuestionResult]

  public var answerable: [QuestionResult] { results.filter(\.shouldAnswer) }
  public var refusable: [QuestionResult] { results.filter { !$0.shouldAnswer } }
}

public enum QuestionEvaluation {
  public typealias Ask = @Sendable (_ question: String, _ principal: Principal) async throws -> QuestionReply

  /// Asks every question.
  /// - Parameters:
  ///   - groups: group → users, from the access file.
  ///   - users: asks everything as each of these instead of as whom the question names.
  public static func run(
    _ set: QuestionSet, model: String, groups: [String: [String]], users: [String]? = nil, ask: Ask,
    progress: (QuestionResult, _ done: Int, _ total: Int) -> Void = { _, _, _ in }
  ) async throws -> QuestionReport {
    let clock = ContinuousClock()
    let jobs = set.questions.flatMap { question in (users ?? [question.user]).map { (question, $0) } }
    var results: [QuestionResult] = []
    for (question, user) in jobs {
      try Task.checkCancellation()
      let principal = Principal(user: user, groups: Set(groups.filter { $0.value.contains(user) }.keys))
      let forbidden = set.restrictedWords.filter { !principal.groups.contains($0.key) }.flatMap(\.value)
      let start = clock.now
      var reply: QuestionReply?
      var failure: String?
      do { reply = try await ask(question.question, principal) } catch is CancellationError {
        throw CancellationError()
      } catch { failure = "\(error)" }
      let result = score(
        question, principal, reply: reply, error: failure, forbidden: forbidden, duration: clock.now - start)
      results.append(result)
      progress(result, results.count, jobs.count)
    }
    return QuestionReport(model: model, results: results)
  }

  /// The verdict on one reply.
  public static func score(
    _ question: EvaluationQuestion, _ principal: Principal, reply: QuestionReply?, error: String? = nil,
    forbidden: [String], duration: Duration = .zero
  ) -> QuestionResult {
    // `refuse` speaks of the one whom the question names; somebody else among the readers may well get an answer.
    let refuses = question.refuse && (question.readers.isEmpty || question.user == principal.user)
    let shouldAnswer = !refuses && principal.mayRead(question.readers)
    let answer = reply?.answer.lowercased() ?? ""
    let hasFacts = question.expected.allSatisfy { fact in
      fact.lowercased().split(separator: "|").contains { contains(answer, fact: String($0)) }
    }
    let seen =
      ([reply?.answer ?? ""] + (reply?.citations.flatMap { [$0.document, $0.quote] } ?? []) + (reply?.exposed ?? []))
      .joined(separator: "\n").lowercased()
    let isAnswerable = reply?.answerable ?? false
    return QuestionResult(
      question: question, user: principal.user, shouldAnswer: shouldAnswer, reply: reply, error: error,
      isAnswered: isAnswerable && hasFacts,
      isCited: isAnswerable && (reply?.citations.contains { $0.document == question.source } ?? false),
      isRefused: reply != nil && !isAnswerable, leaks: forbidden.filter { seen.contains($0.lowercased()) },
      duration: duration)
  }

  /// Whether `fact` stands in `answer`; a number must not be part of a longer one, separators of thousands aside.
  private static func contains(_ answer: String, fact: String) -> Bool {
    let isDigit: (UInt8) -> Bool = { (0x30...0x39).contains($0) }
    let (text, needle) = (Array(answer.utf8), Array(fact.utf8))
    guard let first = needle.first, let last = needle.last, text.count >= needle.count else { return false }
    for start in 0...(text.count - needle.count) where text[start] == first {
      let end = start + needle.count
      guard text[start..<end].elementsEqual(needle) else { continue }
      let joinsBefore = isDigit(first) && start > 0 && isDigit(text[start - 1])
      let joinsAfter = isDigit(last) && end < text.count && isDigit(text[end])
      if !joinsBefore, !joinsAfter { return true }
    }
    return false
  }
}
