// Owns question files: what is asked, by whom, what a right answer contains, who may know it.
import Foundation
import StrataContracts
import StrataCore

/// One question with its expectations.
public struct EvaluationQuestion: Sendable, Hashable {
  public var id: String
  public var question: String
  /// Who asks.
  public var user: String
  /// Each must occur in the answer; `|` separates alternatives of one.
  public var expected: [String]
  /// The document to cite.
  public var source: String?
  public var readers: [Reader]
  /// Whether the documents do not say it at all.
  public var refuse: Bool
}

/// A file like `Examples/handbook/questions.yaml`.
public struct QuestionSet: Sendable, Hashable {
  public var questions: [EvaluationQuestion]
  /// Group → words that nobody outside the group may ever see.
  public var restrictedWords: [String: [String]]

  /// - Throws: ``EvaluationError`` with file and line.
  public init(file path: String) throws {
    try self.init(EvaluationFile.text(path), path: path)
  }

  public init(_ text: String, path: String) throws {
    let yaml = try EvaluationFile.yaml(text, path: path)
    func malformed(_ message: String, _ pointer: String) -> EvaluationError {
      EvaluationError(EvaluationError.malformed, message, location: "\(path):\(yaml.lines[pointer] ?? 1)")
    }
    var words: [String: [String]] = [:]
    for (group, list) in yaml.json["restricted_words"]?.objectValue ?? [:] {
      words[group] = (list.arrayValue ?? []).compactMap(\.stringValue)
    }
    restrictedWords = words
    questions = []
    for (index, json) in (yaml.json["questions"]?.arrayValue ?? []).enumerated() {
      let pointer = "/questions/\(index)"
      guard let id = json["id"]?.stringValue, let question = json["question"]?.stringValue,
        let user = json["as"]?.stringValue
      else { throw malformed("A question needs `id`, `question` and `as`.", pointer) }
      var readers: [Reader] = []
      for entry in json["readers"]?.arrayValue ?? [] {
        guard let reader = entry.stringValue.flatMap(Reader.init) else {
          throw malformed("`\(entry)` is no reader.", pointer + "/readers")
        }
        readers.append(reader)
      }
      questions.append(
        EvaluationQuestion(
          id: id, question: question, user: user,
          expected: (json["expected"]?.arrayValue ?? []).map { $0.stringValue ?? $0.text() },
          source: json["source"]?.stringValue, readers: readers, refuse: json["refuse"]?.boolValue ?? false))
    }
    guard !questions.isEmpty else {
      throw EvaluationError(
        EvaluationError.empty, "The file has no questions.", remedy: "Write a list `questions:`.", location: path)
    }
  }
}
