// Owns finding facts with a language model whose output is constrained by the contract's schema. The prompt is the
// contract's business.
import Foundation
import StrataCore

/// Asks a model for the facts that somebody stated about themselves.
///
/// A fact counts only when its object stands in the text: what a model makes up never becomes a memory.
public struct ModelFactExtractor: FactExtractor {
  private let model: any LanguageModel
  private let contract: any PromptContract

  /// - Parameter contract: takes `text`; puts out `{"facts": [{"subject", "predicate", "object", "single"}]}`.
  public init(model: any LanguageModel, contract: any PromptContract) {
    self.model = model
    self.contract = contract
  }

  public func statements(in text: String, at time: Date) async throws -> [FactStatement] {
    let request = GenerationRequest(
      .messages(try contract.messages(for: ["text": .string(text)])),
      output: contract.outputSchema.map { .jsonSchema($0) } ?? .text, sampling: contract.sampling,
      maxTokens: contract.maxTokens ?? 256)
    let result = try await model.complete(request)
    guard let facts = (try? JSON(parsing: result.text))?["facts"]?.arrayValue else { return [] }
    let said = MemoryTimeline.key(text)
    return facts.compactMap { fact in
      guard let subject = fact["subject"]?.stringValue, let predicate = fact["predicate"]?.stringValue,
        let object = fact["object"]?.stringValue, !object.isEmpty, !predicate.isEmpty,
        said.contains(MemoryTimeline.key(object))
      else { return nil }
      let name = subject.isEmpty || ["i", "me", "user", "the user"].contains(subject.lowercased()) ? "user" : subject
      return FactStatement(
        subject: name, predicate: predicate, object: object,
        text: "\(name == "user" ? "The user" : name) \(predicate) \(object).",
        isSingle: fact["single"]?.boolValue ?? false)
    }
  }
}
