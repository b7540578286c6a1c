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
    guard let data = FileManager.default.contents(atPath: path), let text = String(bytes: data, encoding: .utf8) else {
      throw EvaluationError(
        EvaluationError.notFound, "There is no readable file \(path).", remedy: "Check the path.", location: path)
    }
    try self.init(text, path: path)
  }

  public init(_ text: String, path: String) throws {
    let yaml: YAMLDocument
    do { yaml = try YAMLDocument(text) } catch {
      throw EvaluationError(
        EvaluationError.malformed, error.message, remedy: error.remedy,
        location: "\(path), \(error.location ?? "line 1")", cause: error)
    }
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
