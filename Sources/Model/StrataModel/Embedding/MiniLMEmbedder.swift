// Owns the sentence embedder: text in, vectors out. Knows nothing about documents or indexes.
import Foundation
import StrataCore

/// all-MiniLM-L6-v2 and models of the same make: a BERT encoder with WordPiece, mean pooling and vectors of length 1
/// (Reimers and Gurevych 2019, Sentence-BERT).
public final class MiniLMEmbedder: Embedder {
  /// The name given, and the first 12 digits of the weights' SHA-256.
  public let id: String
  public let dimension: Int
  /// Tokens of text that are read, without the two special ones that the encoder adds.
  public let maxTokens: Int
  private let model: BertModel
  private let tokenizer: any Tokenizer
  /// Encoding blocks for long; a thread of its own keeps the cooperative pool free.
  private let queue = DispatchQueue(label: "strata.embedder")

  /// Texts between two looks at whether the task was cancelled: some tenths of a second of work.
  private static let textsPerStep = 64

  /// Loads `config.json`, `model.safetensors` and `vocab.txt` from `folder`; `sentence_bert_config.json`,
  /// `1_Pooling/config.json` and `tokenizer_config.json` are heeded where they exist.
  ///
  /// `precision` does not change ``id``: vectors of both are close enough to stand in one index.
  /// - Throws: ``ModelError``.
  public init(
    folder: String, id: String, pool: ComputePool, precision: EncoderPrecision = .int8
  ) throws(ModelError) {
    var configuration = try BertConfiguration(json: try EncoderFolder.json(folder + "/config.json"))
    let pooling = try? EncoderFolder.json(folder + "/1_Pooling/config.json")
    if pooling?["pooling_mode_cls_token"]?.boolValue == true { configuration.pooling = .firstToken }
    let file = try SafetensorsFile(path: folder + "/model.safetensors")
    let options = try? EncoderFolder.json(folder + "/tokenizer_config.json")
    tokenizer = try Tokenizers.wordPiece(
      vocabularyPath: folder + "/vocab.txt", lowercases: options?["do_lower_case"]?.boolValue ?? true)
    let limits = try? EncoderFolder.json(folder + "/sentence_bert_config.json")
    let longest = min(limits?["max_seq_length"]?.intValue ?? 256, configuration.contextLength)
    guard tokenizer.vocabularySize <= configuration.vocabularySize, longest > 2 else {
      throw ModelError(
        ModelError.metadataInvalid,
        "vocab.txt has \(tokenizer.vocabularySize) tokens for \(configuration.vocabularySize) embeddings, or the "
          + "longest text (\(longest) tokens) is too short.",
        remedy: "Fetch all files of the encoder again, from one place.", location: folder)
    }
    model = try BertModel(safetensors: file, configuration: configuration, precision: precision, pool: pool)
    var hash = SHA256()
    hash.update(file.storage.bytes)
    self.id = "\(id)@\(hash.finish().prefix(12))"
    dimension = configuration.embeddingLength
    maxTokens = longest - 2
  }

  public func embed(_ texts: [String]) async throws -> [[Float]] {
    var vectors: [[Float]] = []
    vectors.reserveCapacity(texts.count)
    for start in stride(from: 0, to: texts.count, by: Self.textsPerStep) {
      try Task.checkCancellation()
      let step = texts[start..<min(start + Self.textsPerStep, texts.count)]
      vectors += try await withCheckedThrowingContinuation { continuation in
        queue.async { [self] in
          continuation.resume(with: Result { try model.embed(tokenIDs: tokenIDs(Array(step))) })
        }
      }
    }
    return vectors
  }

  public func countTokens(_ text: String) -> Int { tokenizer.count(text) }

  /// The token ids of texts, shared among the threads that will compute with them.
  private func tokenIDs(_ texts: [String]) -> [[Int32]] {
    [[Int32]](unsafeUninitializedCapacity: texts.count) { buffer, count in
      // Unsafe: each thread writes places of its own, and all have ended when `forEach` returns.
      nonisolated(unsafe) let target = buffer
      model.pool.forEach(texts.count) { index in target.initializeElement(at: index, to: self.tokenIDs(texts[index])) }
      count = texts.count
    }
  }

  /// [CLS] text [SEP], the text cut so that both stay.
  private func tokenIDs(_ text: String) -> [Int32] {
    let ids = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
    guard ids.count > maxTokens + 2, let last = ids.last else { return ids }
    return ids.prefix(maxTokens + 1) + [last]
  }
}
