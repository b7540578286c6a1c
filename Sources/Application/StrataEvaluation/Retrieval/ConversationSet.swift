// Owns the file of follow-up questions with the documents that answer them. Searches nothing.
import Foundation
import StrataContracts
import StrataCore

/// A question within a conversation, and where its answer stands.
public struct EvaluationFollowUp: Sendable, Hashable {
  public var id: String
  public var turns: [ConversationTurn]
  public var question: String
  public var user: String
  /// Path of the document that holds the answer.
  public var expected: String
  /// The question stands alone: nothing of the earlier turns may get in its way.
  public var isSwitch: Bool
  /// `dev` for tuning, `held` for reporting.
  public var split: String
}

/// A YAML file with a list `conversations`.
public struct ConversationSet: Sendable, Hashable {
  public var questions: [EvaluationFollowUp]

  /// - Throws: ``EvaluationError`` with file and line.
  public init(file path: String) throws {
    try self.init(EvaluationFile.text(path), path: path)
  }

  public init(_ text: String, path: String) throws {
    let yaml = try EvaluationFile.yaml(text, path: path)
    questions = []
    for (index, json) in (yaml.json["conversations"]?.arrayValue ?? []).enumerated() {
      guard let id = json["id"]?.stringValue, let question = json["question"]?.stringValue,
        let user = json["as"]?.stringValue, let expected = json["expected"]?.stringValue
      else {
        throw EvaluationError(
          EvaluationError.malformed, "A follow-up needs `id`, `question`, `as` and `expected`.",
          location: "\(path):\(yaml.lines["/conversations/\(index)"] ?? 1)")
      }
      let turns = (json["turns"]?.arrayValue ?? []).compactMap { turn in
        turn[0]?.stringValue.map { ConversationTurn($0, answer: turn[1]?.stringValue ?? "") }
      }
      questions.append(
        EvaluationFollowUp(
          id: id, turns: turns, question: question, user: user, expected: expected,
          isSwitch: json["switch"]?.boolValue ?? false, split: json["split"]?.stringValue ?? "held"))
    }
    guard !questions.isEmpty else {
      throw EvaluationError(
        EvaluationError.empty, "The file has no follow-ups.", remedy: "Write a list `conversations:`.", location: path)
    }
  }
}
