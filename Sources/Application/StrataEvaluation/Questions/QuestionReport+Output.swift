// Owns how a question report is shown: to people, to scripts, to CI.
import StrataCore

extension QuestionReport {
  private var counts: [(name: String, right: Int, of: Int)] {
    [
      ("answered", answerable.count(where: \.isAnswered), answerable.count),
      ("cited", answerable.count(where: \.isCited), answerable.count),
      ("refused", refusable.count(where: \.isRefused), refusable.count),
      ("correct", results.count(where: \.isCorrect), results.count),
    ]
  }

  /// Words that somebody saw who must not, over all questions.
  public var leakCount: Int { results.reduce(0) { $0 + $1.leaks.count } }

  /// `{"model","questions","answered":{"right","of"},…,"leaks","dropped_citations","verdicts","usage","results":[…]}`
  public var json: JSON {
    var object: JSONObject = ["model": .string(model), "questions": .int(results.count)]
    for count in counts { object[count.name] = ["right": .int(count.right), "of": .int(count.of)] }
    object["leaks"] = .int(leakCount)
    object["dropped_citations"] = .int(results.reduce(0) { $0 + ($1.reply?.droppedCitations ?? 0) })
    let usage = results.reduce(Usage()) { $0 + ($1.reply?.usage ?? Usage()) }
    object["verdicts"] = VerdictReport(results).json
    object["usage"] = usage.json
    object["results"] = .array(results.map(\.json))
    return .object(object)
  }

  /// A table of at most 80 columns and the totals.
  public var text: String {
    var table = TextTable(["question", "as", "answer", "cited", "refused", "leaks", "s"])
    for result in results {
      func mark(_ isRight: Bool, _ applies: Bool) -> String { applies ? (isRight ? "yes" : "NO") : "-" }
      table.add([
        String(result.question.id.prefix(28)), String(result.user.prefix(12)),
        result.error == nil ? mark(result.isAnswered, result.shouldAnswer) : "ERROR",
        mark(result.isCited, result.shouldAnswer), mark(result.isRefused, !result.shouldAnswer),
        result.leaks.isEmpty ? "-" : "\(result.leaks.count)", TextTable.number(result.seconds, 1),
      ])
    }
    let totals = counts.map { "\($0.name) \($0.right)/\($0.of)" }.joined(separator: "  ")
    let verdicts = VerdictReport(results).text.map { "\n" + $0 } ?? ""
    return "\(table.text)\n\(model): \(totals)  leaks \(leakCount)\(verdicts)"
  }

  public var junit: String {
    JUnitReport.xml(
      suite: "questions.\(model)",
      results.map { JUnitCase(name: "\($0.question.id) as \($0.user)", seconds: $0.seconds, failure: $0.failure) })
  }
}

extension QuestionResult {
  var seconds: Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  /// What was wrong, in a sentence; nil when all was right.
  public var failure: String? {
    guard !isCorrect else { return nil }
    var parts: [String] = []
    if let error { parts.append("failed: \(error)") }
    if !leaks.isEmpty { parts.append("leaked \(leaks.joined(separator: ", "))") }
    if shouldAnswer, !isAnswered { parts.append("expected \(question.expected.joined(separator: ", "))") }
    if shouldAnswer, !isCited, let source = question.source { parts.append("did not cite \(source)") }
    if !shouldAnswer, !isRefused { parts.append("should have refused") }
    return parts.joined(separator: "; ") + ". Answer: \(reply?.answer ?? "none")"
  }

  var json: JSON {
    [
      "id": .string(question.id), "as": .string(user), "should_answer": .bool(shouldAnswer),
      "answered": .bool(isAnswered), "cited": .bool(isCited), "refused": .bool(isRefused),
      "correct": .bool(isCorrect), "leaks": .array(leaks.map(JSON.string)),
      "answer": reply.map { .string($0.answer) } ?? .null,
      "faithfulness": reply?.faithfulness?.json ?? .null,
      "documents": .array((reply?.citations ?? []).map { .string($0.document) }),
      "error": error.map(JSON.string) ?? .null, "seconds": .double((seconds * 1000).rounded() / 1000),
    ]
  }
}
