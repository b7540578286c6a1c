// Owns perplexity over token ids, by the method of llama.cpp's llama-perplexity. Knows nothing about tokenizers.
import Foundation
import StrataCore

/// How well a model predicts a text: exp of the mean negative log-likelihood per token.
public struct Perplexity: Sendable, Hashable {
  public let perplexity: Double
  /// Tokens whose likelihood was measured.
  public let scoredTokenCount: Int
  /// Tokens that were read.
  public let tokenCount: Int
  /// Standard error of the perplexity.
  public let standardError: Double

  /// Measures `model` on `tokens`, the ids of one text with BOS in front if the model's tokenizer adds one.
  ///
  /// The text is cut into chunks of `contextLength` tokens, each read on its own; only tokens after the first half of
  /// a chunk are scored, so that every scored token has at least half a chunk of context. Tokens after the last whole
  /// chunk are left out. With `bos`, each chunk's first token is replaced by it. That is the method of
  /// llama-perplexity (llama.cpp, tools/perplexity/perplexity.cpp), so that figures compare.
  /// - Throws: ``ModelError`` `invalid_argument` when there is no whole chunk, and what the forward pass throws.
  public static func measure(
    _ model: DecoderModel, tokens: [Int32], contextLength: Int = 512, bos: Int32? = nil,
    progress: (_ done: Int, _ total: Int, _ perplexity: Double) -> Void = { _, _, _ in }
  ) throws(ModelError) -> Perplexity {
    guard contextLength >= 4, tokens.count >= contextLength else {
      throw ModelError(
        ModelError.invalidArgument, "Perplexity needs at least one chunk of \(contextLength) tokens.",
        remedy: "Give a longer text or a shorter context.")
    }
    let chunkCount = tokens.count / contextLength
    let cache = try model.makeCache(capacity: contextLength)
    let logits = LogitsBuffer()
    var sum = Sums()
    for chunk in 0..<chunkCount {
      var ids = Array(tokens[(chunk * contextLength)..<((chunk + 1) * contextLength)])
      if let bos { ids[0] = bos }
      cache.truncate(to: 0)
      try score(ids, model, cache, logits, into: &sum)
      progress(chunk + 1, chunkCount, sum.perplexity)
    }
    return Perplexity(
      perplexity: sum.perplexity, scoredTokenCount: sum.count, tokenCount: chunkCount * contextLength,
      standardError: sum.standardError)
  }

  private struct Sums {
    var loss = 0.0
    var squares = 0.0
    var count = 0

    var perplexity: Double { count == 0 ? .infinity : exp(loss / Double(count)) }
    var standardError: Double {
      guard count > 1 else { return .infinity }
      let mean = loss / Double(count)
      let variance = max(0, squares / Double(count) - mean * mean)
      return (variance / Double(count - 1)).squareRoot() * exp(mean)
    }
  }

  private static func score(
    _ ids: [Int32], _ model: DecoderModel, _ cache: KVCache, _ logits: LogitsBuffer, into sum: inout Sums
  ) throws(ModelError) {
    let first = ids.count / 2
    try model.forward([BatchSlice(tokens: ids[..<first], cache: cache, logits: .none)], into: logits)
    // The rest in blocks, so that logits of a large vocabulary stay within some tens of megabytes.
    let blockLength = 64
    for start in stride(from: first, to: ids.count - 1, by: blockLength) {
      let block = ids[start..<min(start + blockLength, ids.count - 1)]
      try model.forward([BatchSlice(tokens: block, cache: cache, logits: .all)], into: logits)
      for row in 0..<block.count {
        let loss = logits.withRow(row) { negativeLogLikelihood(of: ids[start + row + 1], logits: $0) }
        sum.loss += loss
        sum.squares += loss * loss
        sum.count += 1
      }
    }
  }

  static func negativeLogLikelihood(of token: Int32, logits: UnsafeBufferPointer<Float>) -> Double {
    guard logits.indices.contains(Int(token)) else { return .infinity }
    let normalizer = HostMath.logSum(logits)
    return Double(normalizer.maximum) - Double(logits[Int(token)]) + log(Double(normalizer.sum))
  }
}
