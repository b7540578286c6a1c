// Owns finding entities and relations with a language model whose output is constrained by the contract's schema. The
// prompt is the contract's business; what an answer is worth is decided here.
import Foundation
import StrataCore
import StrataIndex
import StrataSchema

/// Asks a model for the entities of a passage and what it says of them.
///
/// A name counts only where its words stand in the passage, one after the other; a relation only where both its ends do,
/// or are what the document is about: what a model makes up never becomes a node. How many there may be, and how long,
/// the contract's schema says, which decoding cannot leave.
public struct ModelEntityExtractor: Sendable {
  /// Tells answers of different models and prompts apart.
  public let id: String
  private let model: any LanguageModel
  private let contract: any PromptContract
  /// Longer passages are cut.
  private let byteLimit: Int

  private static let revision = 1

  /// - Parameter contract: takes `title` and `text`; puts out
  ///   `{"entities": [NAME], "relations": [{"subject", "predicate", "object"}]}`.
  public init(_ model: any LanguageModel, contract: any PromptContract, byteLimit: Int = 4000) {
    self.model = model
    self.contract = contract
    self.byteLimit = byteLimit
    id = Self.id(model: model.info.id, contract: contract)
  }

  /// The identity that an extractor with this model has.
  public static func id(model: String, contract: any PromptContract) -> String {
    "\(model) \(contract.reference) r\(revision)"
  }

  /// What the model answered; what it had not finished when its tokens were used up is left out.
  public func answer(text: String, title: String) async throws -> JSON {
    let passage = String(decoding: text.utf8.prefix(byteLimit), as: UTF8.self)
    let request = GenerationRequest(
      .messages(try contract.messages(for: ["title": .string(title), "text": .string(passage)])),
      output: contract.outputSchema.map { .jsonSchema($0) } ?? .text, sampling: contract.sampling,
      maxTokens: contract.maxTokens ?? 320)
    var partial = PartialJSON()
    partial.push(try await model.complete(request).text)
    return ["entities": partial.value["entities"] ?? [], "relations": partial.value["relations"] ?? []]
  }
}

extension ChunkEntities {
  /// What of a model's answer stands in the text that it was given.
  package init(answer: JSON, text: String, title: String) {
    let words = EntityExtractor.words(text)
    let subject = EntityExtractor.name(ofTitle: title)
    var counts: [String: Int] = [:]
    func known(_ value: JSON?) -> String? {
      guard let name = value?.stringValue.flatMap(EntityExtractor.name(ofTitle:)) else { return nil }
      if counts[name] == nil { counts[name] = EntityExtractor.count(of: name.split(separator: " "), in: words) }
      return counts[name, default: 0] > 0 || name == subject ? name : nil
    }
    let names = (answer["entities"]?.arrayValue ?? []).compactMap { known($0) }
    let relations = (answer["relations"]?.arrayValue ?? []).compactMap { relation -> Relation? in
      guard let subject = known(relation["subject"]), let object = known(relation["object"]), subject != object,
        let predicate = relation["predicate"]?.stringValue
      else { return nil }
      let words = EntityExtractor.words(predicate)
      return words.isEmpty ? nil : Relation(subject, words.joined(separator: " "), object)
    }
    let all = Set(names + relations.flatMap { [$0.subject, $0.object] })
    var mentions = all.compactMap { name in
      counts[name].flatMap { $0 > 0 ? Mention(name, .named, count: $0) : nil }
    }
    if let subject {
      if let index = mentions.firstIndex(where: { $0.name == subject }) {
        mentions[index].role.insert(.subject)
      } else {
        mentions.append(Mention(subject, .subject))
      }
    }
    // A model that says the same twice has not found it twice.
    self.init(mentions, relations: Array(Set(relations)))
  }
}
