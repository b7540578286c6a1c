// Owns asking a language model which searches a question takes, and what a search found for the next one. Searches
// nothing; the prompts' words are the contracts' business.
import Foundation
import StrataCore

/// Splits a question into simple ones whose answers build on each other (Press et al. 2023, "Measuring and Narrowing the
/// Compositionality Gap", Self-Ask; Trivedi et al. 2023, IRCoT), in a bounded number of calls under schemas.
public struct QuestionDecomposer: Sendable {
  private let model: any LanguageModel
  private let splitting: any PromptContract
  private let answering: any PromptContract
  /// Passages that an answer is looked for in, and bytes of each.
  private static let passageCount = 3
  private static let passageByteLimit = 700

  /// - Parameters:
  ///   - splitting: takes `question`; puts out `questions`, in which `#1` stands for the answer of the first.
  ///   - answering: takes `question` and `passages`; puts out `answer`.
  public init(_ model: any LanguageModel, splitting: any PromptContract, answering: any PromptContract) {
    self.model = model
    self.splitting = splitting
    self.answering = answering
  }

  /// At most `limit` questions, in the order in which they can be answered; none when the model gives nothing of use.
  package func questions(for question: String, limit: Int) async throws -> [String] {
    var schema = splitting.outputSchema
    if var object = schema?.objectValue, var members = object["properties"]?.objectValue,
      var list = members["questions"]?.objectValue
    {
      list["minItems"] = 1
      list["maxItems"] = .int(max(1, limit))
      members["questions"] = .object(list)
      object["properties"] = .object(members)
      schema = .object(object)
    }
    let output = try await output(of: splitting, ["question": .string(question)], schema)
    var seen: Set<String> = []
    return (output?["questions"]?.arrayValue ?? []).prefix(max(1, limit)).compactMap { entry in
      guard let text = entry.stringValue?.trimmingCharacters(in: .whitespaces), text.contains(where: \.isLetter),
        seen.insert(text.lowercased()).inserted
      else { return nil }
      return text
    }
  }

  /// What the passages, best first, say to a question; the title of the best when the model's words are not theirs.
  package func answer(_ question: String, from passages: [ChunkContent]) async throws -> String? {
    let shown = passages.prefix(Self.passageCount)
    guard let best = shown.first else { return nil }
    let texts = shown.map { String(decoding: $0.text.utf8.prefix(Self.passageByteLimit), as: UTF8.self) }
    let output = try await output(
      of: answering, ["question": .string(question), "passages": .array(texts.map(JSON.string))],
      answering.outputSchema)
    let answer = output?["answer"]?.stringValue?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    if answer.utf8.count > 1, texts.contains(where: { $0.range(of: answer, options: .caseInsensitive) != nil }) {
      return answer
    }
    return best.title.isEmpty ? nil : best.title
  }

  private func output(of contract: any PromptContract, _ input: JSON, _ schema: JSON?) async throws -> JSON? {
    let request = GenerationRequest(
      .messages(try contract.messages(for: input)), output: schema.map { .jsonSchema($0) } ?? .jsonObject,
      sampling: contract.sampling, maxTokens: contract.maxTokens ?? 120)
    return try? JSON(parsing: try await model.complete(request).text)
  }
}

/// Questions with places for what is still to be found.
enum HopTemplate {
  /// `question` with each `#N` replaced by the N-th of `answers`; nil where one is missing.
  static func filled(_ question: String, _ answers: [String?]) -> String? {
    var result = ""
    var rest = question[...]
    while let mark = rest.firstIndex(of: "#") {
      let digits = rest[rest.index(after: mark)...].prefix { $0.isASCII && $0.isNumber }
      guard let number = Int(digits) else {
        result += rest[...mark]
        rest = rest[rest.index(after: mark)...]
        continue
      }
      guard number >= 1, number <= answers.count, let answer = answers[number - 1] else { return nil }
      result += rest[..<mark] + answer
      rest = rest[digits.endIndex...]
    }
    return result + rest
  }

  /// Whether a later question waits for the answer of the one at `index`.
  static func isAwaited(_ index: Int, in questions: [String]) -> Bool {
    questions.dropFirst(index + 1).contains { question in
      question.ranges(of: "#\(index + 1)").contains { range in
        range.upperBound == question.endIndex || !question[range.upperBound].isNumber
      }
    }
  }
}
