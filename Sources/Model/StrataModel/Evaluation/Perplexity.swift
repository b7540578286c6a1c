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
    let windows = try EvaluationWindows(tokens: tokens, length: contextLength, bos: bos)
    var reader = try WindowReader(model, length: contextLength)
    var sums = Sums()
    for index in 0..<windows.count {
      let ids = windows[index]
      try reader.begin(ids)
      for block in windows.scoredBlocks {
        try reader.read(ids[block])
        for row in 0..<block.count {
          let next = ids[block.lowerBound + row + 1]
          sums.add(reader.logits.withRow(row) { negativeLogLikelihood(of: next, logits: $0) })
        }
      }
      progress(index + 1, windows.count, sums.perplexity)
    }
    return sums.result(tokenCount: windows.count * contextLength)
  }

  /// Where the perplexity lies in 95 of 100 texts like this one, tokens being taken as independent.
  public var interval: ClosedRange<Double> {
    let margin = 1.96 * standardError / perplexity
    return perplexity * exp(-margin)...perplexity * exp(margin)
  }

  struct Sums {
    private var loss = 0.0
    private var squares = 0.0
    private var count = 0

    mutating func add(_ value: Double) {
      loss += value
      squares += value * value
      count += 1
    }

    var perplexity: Double { count == 0 ? .infinity : exp(loss / Double(count)) }
    private var standardError: Double {
      guard count > 1 else { return .infinity }
      let mean = loss / Double(count)
      let variance = max(0, squares / Double(count) - mean * mean)
      return (variance / Double(count - 1)).squareRoot() * exp(mean)
    }

    func result(tokenCount: Int) -> Perplexity {
      Perplexity(
        perplexity: perplexity, scoredTokenCount: count, tokenCount: tokenCount, standardError: standardError)
    }
  }

  static func negativeLogLikelihood(of token: Int32, logits: UnsafeBufferPointer<Float>) -> Double {
    guard logits.indices.contains(Int(token)) else { return .infinity }
    let normalizer = HostMath.logSum(logits)
    return Double(normalizer.maximum) - Double(logits[Int(token)]) + log(Double(normalizer.sum))
  }
}
