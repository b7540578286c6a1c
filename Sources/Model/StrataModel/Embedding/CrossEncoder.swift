// Owns the cross-encoder: a query and documents in, one score per document out. Knows nothing about indexes.
import Foundation
import StrataCore

/// ms-marco-MiniLM-L6-v2 and models of the same make: BERT reads a query and a document together, and a classification
/// head says how well they match (Nogueira and Cho 2019, Passage Re-ranking with BERT).
public final class CrossEncoder: Reranker {
  /// The name given, and the first 12 digits of the weights' SHA-256.
  public let id: String
  /// Tokens of query and document together, with the three special ones around them.
  public let maxTokens: Int
  private let model: BertModel
  private let tokenizer: any Tokenizer
  private let separator: Int32
  /// Encoding blocks for long; a thread of its own keeps the cooperative pool free.
  private let queue = DispatchQueue(label: "strata.reranker")

  /// Pairs between two looks at whether the task was cancelled.
  private static let pairsPerStep = 32

  /// Loads `config.json`, `model.safetensors` and `vocab.txt` from `folder`; `tokenizer_config.json` is heeded where it
  /// exists.
  /// - Throws: ``ModelError``; `unsupported_architecture` for a head with other than one label.
  public init(
    folder: String, id: String, pool: ComputePool, precision: EncoderPrecision = .float32
  ) throws(ModelError) {
    let configuration = try BertConfiguration(json: try EncoderFolder.json(folder + "/config.json"))
    let file = try SafetensorsFile(path: folder + "/model.safetensors")
    let options = try? EncoderFolder.json(folder + "/tokenizer_config.json")
    tokenizer = try Tokenizers.wordPiece(
      vocabularyPath: folder + "/vocab.txt", lowercases: options?["do_lower_case"]?.boolValue ?? true)
    guard let separator = tokenizer.special.separator, tokenizer.vocabularySize <= configuration.vocabularySize,
      configuration.contextLength > 8
    else {
      throw ModelError(
        ModelError.metadataInvalid,
        "vocab.txt has no [SEP] or more than \(configuration.vocabularySize) tokens, or the context is too short.",
        remedy: "Fetch all files of the encoder again, from one place.", location: folder)
    }
    self.separator = separator
    // Writers mean "no limit" by numbers beyond any table.
    let longest = options?["model_max_length"]?.intValue ?? configuration.contextLength
    maxTokens = max(8, min(longest, configuration.contextLength))
    model = try BertModel(safetensors: file, configuration: configuration, precision: precision, pool: pool)
    guard model.labelCount == 1, configuration.typeCount > 1 else {
      throw ModelError(
        ModelError.unsupportedArchitecture,
        "The model has \(model.labelCount) labels; a cross-encoder gives one score per pair of texts.",
        remedy: "Use a BertForSequenceClassification with one label, such as ms-marco-MiniLM-L6-v2.", location: folder)
    }
    var hash = SHA256()
    hash.update(file.storage.bytes)
    self.id = "\(id)@\(hash.finish().prefix(12))"
  }

  /// One score for each document, in their order: the head's logit, which has no bounds.
  public func rerank(query: String, documents: [String]) async throws -> [Float] {
    let query = tokenizer.encode(query)
    var scores: [Float] = []
    scores.reserveCapacity(documents.count)
    for start in stride(from: 0, to: documents.count, by: Self.pairsPerStep) {
      try Task.checkCancellation()
      let step = documents[start..<min(start + Self.pairsPerStep, documents.count)]
      scores += try await withCheckedThrowingContinuation { continuation in
        queue.async { [self] in
          continuation.resume(
            with: Result { try model.scores(pairs: step.map { pair(query, tokenizer.encode($0)) }).map { $0[0] } })
        }
      }
    }
    return scores
  }

  public func countTokens(_ text: String) -> Int { tokenizer.count(text) }

  /// [CLS] query [SEP] document [SEP], cut so that the longer text loses tokens first.
  private func pair(_ query: [Int32], _ document: [Int32]) -> (tokenIDs: [Int32], secondStart: Int) {
    let kept = Self.lengths(query.count, document.count, room: maxTokens - 3)
    let first = (tokenizer.special.cls.map { [$0] } ?? []) + query.prefix(kept.0) + [separator]
    return (first + document.prefix(kept.1) + [separator], first.count)
  }

  /// How much of two texts fits `room` tokens: the shorter one whole unless it is more than half.
  static func lengths(_ first: Int, _ second: Int, room: Int) -> (Int, Int) {
    guard first + second > room else { return (first, second) }
    let shorter = min(first, second)
    let small = shorter <= room / 2 ? shorter : room / 2
    return first <= second ? (small, room - small) : (room - small, small)
  }
}
