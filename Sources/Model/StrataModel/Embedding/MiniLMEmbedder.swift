// Owns the sentence embedder: text in, vectors out. Knows nothing about documents or indexes.
import Foundation
import StrataCore

/// all-MiniLM-L6-v2 and models of the same make: a BERT encoder with WordPiece, mean pooling and vectors of length 1
/// (Reimers and Gurevych 2019, Sentence-BERT).
public final class MiniLMEmbedder: TokenEmbedder {
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
    try await inSteps(texts) { [self] step in try model.embed(tokenIDs: tokenIDs(step)) }
  }

  public func embedTokens(_ texts: [String]) async throws -> [TokenVectors] {
    try await inSteps(texts) { [self] step in
      let ids = tokenIDs(step)
      return zip(ids, try model.states(tokenIDs: ids)).map { tokenVectors($0, states: $1) }
    }
  }

  public func tokens(of text: String) -> [Int32] { Array(tokenizer.encode(text).prefix(maxTokens)) }

  /// Works on some texts at a time, away from the cooperative pool.
  private func inSteps<T: Sendable>(
    _ texts: [String], _ work: @escaping @Sendable ([String]) throws -> [T]
  ) async throws -> [T] {
    var results: [T] = []
    results.reserveCapacity(texts.count)
    for start in stride(from: 0, to: texts.count, by: Self.textsPerStep) {
      try Task.checkCancellation()
      let step = Array(texts[start..<min(start + Self.textsPerStep, texts.count)])
      results += try await withCheckedThrowingContinuation { continuation in
        queue.async { continuation.resume(with: Result { try work(step) }) }
      }
    }
    return results
  }

  /// - Parameters:
  ///   - ids: [CLS] text [SEP].
  ///   - states: [ids, dimension].
  private func tokenVectors(_ ids: [Int32], states: [Float]) -> TokenVectors {
    let tokens = Array(ids.dropFirst().dropLast())
    var values: [Float] = []
    var lengths: [Float] = []
    values.reserveCapacity(tokens.count * dimension)
    for row in 1..<(1 + tokens.count) {
      let state = states[row * dimension..<(row + 1) * dimension]
      let length = state.reduce(0) { $0 + $1 * $1 }.squareRoot()
      lengths.append(length)
      values += length > 0 ? state.map { $0 / length } : Array(state)
    }
    return TokenVectors(tokens: tokens, values: values, lengths: lengths, dimension: dimension)
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
