// Owns how far a model's predictions are from those of the model that it was made from. Knows nothing about tokenizers.
import Foundation
import StrataCore

/// How much a model's next-token distributions differ from a reference's over a text, in the terms of
/// `llama-perplexity --kl-divergence` (llama.cpp, tools/perplexity): the same windows, the same tokens scored.
public struct Divergence: Sendable, Hashable {
  /// A mean over tokens and its standard error, tokens being taken as independent.
  public struct Estimate: Sendable, Hashable {
    public let mean: Double
    public let standardError: Double

    /// Where the mean lies in 95 of 100 texts like this one.
    public var interval: ClosedRange<Double> {
      let margin = 1.96 * standardError
      return (mean - margin)...(mean + margin)
    }
  }

  public let perplexity: Perplexity
  public let referencePerplexity: Perplexity
  /// ln of perplexity over the reference's: paired by token, so that its error is far smaller than theirs.
  public let logRatio: Estimate
  /// Σ p ln(p / q) per token, p being the reference's distribution; in nats.
  public let divergence: Estimate
  /// Per scored token, ascending.
  let divergences: [Float]
  /// The part of tokens whose most likely continuation is the same.
  public let topAgreement: Estimate
  /// Root of the mean squared difference in the probability of the text's own next token, 0...1.
  public let rootMeanSquareDelta: Estimate
  /// Mean difference in that probability; negative when the model is less sure.
  public let meanDelta: Estimate

  /// The divergence that the part `fraction` (0...1) of the tokens does not exceed, linear between neighbours.
  public func percentile(_ fraction: Double) -> Double {
    guard let last = divergences.indices.last else { return .nan }
    let place = min(max(fraction, 0), 1) * Double(last)
    let lower = Int(place)
    let upper = min(lower + 1, last)
    let weight = place - Double(lower)
    return Double(divergences[lower]) * (1 - weight) + Double(divergences[upper]) * weight
  }

  /// Compares `model` with `reference` on `tokens`, cut into windows as ``Perplexity/measure(_:tokens:contextLength:bos:progress:)``
  /// does.
  /// - Throws: ``ModelError`` `invalid_argument` when there is no whole window or the vocabularies differ in size, and
  ///   what forward passes throw.
  public static func measure(
    _ model: DecoderModel, reference: DecoderModel, tokens: [Int32], contextLength: Int = 512, bos: Int32? = nil,
    progress: (_ done: Int, _ total: Int, _ divergence: Double) -> Void = { _, _, _ in }
  ) throws(ModelError) -> Divergence {
    guard model.configuration.vocabularySize == reference.configuration.vocabularySize else {
      throw ModelError(
        ModelError.invalidArgument,
        "The models have \(model.configuration.vocabularySize) and \(reference.configuration.vocabularySize) tokens.",
        remedy: "Compare a model with the one that it was quantized from.")
    }
    let windows = try EvaluationWindows(tokens: tokens, length: contextLength, bos: bos)
    var own = try WindowReader(model, length: contextLength)
    var other = try WindowReader(reference, length: contextLength)
    var sums = Sums(vocabularySize: model.configuration.vocabularySize)
    for index in 0..<windows.count {
      let ids = windows[index]
      try own.begin(ids)
      try other.begin(ids)
      for block in windows.scoredBlocks {
        try own.read(ids[block])
        try other.read(ids[block])
        for row in 0..<block.count {
          let next = ids[block.lowerBound + row + 1]
          own.logits.withRow(row) { q in other.logits.withRow(row) { p in sums.add(next, reference: p, model: q) } }
        }
      }
      progress(index + 1, windows.count, sums.divergence.mean)
    }
    return sums.result(tokenCount: windows.count * contextLength)
  }

  /// `{"perplexity", "kl_divergence", …}`; probabilities as parts of 1.
  public var json: JSON {
    func pair(_ estimate: Estimate) -> JSON {
      [
        "mean": .double(estimate.mean), "standard_error": .double(estimate.standardError),
        "low": .double(estimate.interval.lowerBound), "high": .double(estimate.interval.upperBound),
      ]
    }
    return [
      "perplexity": .double(perplexity.perplexity), "perplexity_standard_error": .double(perplexity.standardError),
      "reference_perplexity": .double(referencePerplexity.perplexity),
      "perplexity_ratio": .double(exp(logRatio.mean)), "log_perplexity_ratio": pair(logRatio),
      "kl_divergence": pair(divergence), "kl_median": .double(percentile(0.5)), "kl_95": .double(percentile(0.95)),
      "kl_99": .double(percentile(0.99)), "kl_99_9": .double(percentile(0.999)), "kl_maximum": .double(percentile(1)),
      "top_token_agreement": pair(topAgreement), "delta_p_rms": pair(rootMeanSquareDelta),
      "delta_p_mean": pair(meanDelta), "scored_tokens": .int(perplexity.scoredTokenCount),
      "tokens": .int(perplexity.tokenCount),
    ]
  }
}

extension Divergence {
  /// A running mean and variance.
  private struct Moments {
    var count = 0
    var sum = 0.0
    var squares = 0.0

    mutating func add(_ value: Double) {
      count += 1
      sum += value
      squares += value * value
    }

    var mean: Double { count == 0 ? .nan : sum / Double(count) }
    var estimate: Estimate {
      guard count > 1 else { return Estimate(mean: mean, standardError: .infinity) }
      let variance = max(0, squares / Double(count) - mean * mean)
      return Estimate(mean: mean, standardError: (variance / Double(count - 1)).squareRoot())
    }
  }

  private struct Sums {
    private let probabilities: FloatBuffer
    private let differences: FloatBuffer
    private var own = Perplexity.Sums()
    private var other = Perplexity.Sums()
    private var logRatio = Moments()
    private var agreement = Moments()
    private var delta = Moments()
    private var squaredDelta = Moments()
    private var divergences: [Float] = []
    private(set) var divergence = Moments()

    init(vocabularySize: Int) {
      probabilities = FloatBuffer(count: vocabularySize)
      differences = FloatBuffer(count: vocabularySize)
    }

    mutating func add(
      _ next: Int32, reference p: UnsafeBufferPointer<Float>, model q: UnsafeBufferPointer<Float>
    ) {
      guard let reference = p.baseAddress, let model = q.baseAddress, p.count == q.count else { return }
      let loss = Perplexity.negativeLogLikelihood(of: next, logits: q)
      let referenceLoss = Perplexity.negativeLogLikelihood(of: next, logits: p)
      own.add(loss)
      other.add(referenceLoss)
      logRatio.add(loss - referenceLoss)
      // Σ p (ln p - ln q) = Σ p (x - y) - (ln Σ eˣ - ln Σ eʸ) for logits x and y. Taking x - y first keeps the
      // precision that two separate sums would lose.
      probabilities.pointer.update(from: reference, count: p.count)
      HostMath.softmax(probabilities.pointer, count: p.count)
      differences.pointer.update(from: reference, count: p.count)
      HostMath.add(model, times: -1, to: differences.pointer, count: p.count)
      let shift = Double(p[Int(next)]) - Double(q[Int(next)]) + referenceLoss - loss
      let value = Double(HostMath.dot(probabilities.pointer, differences.pointer, count: p.count)) - shift
      divergence.add(value)
      divergences.append(Float(value))
      agreement.add(HostMath.indexOfLargest(p) == HostMath.indexOfLargest(q) ? 1 : 0)
      let change = exp(-loss) - exp(-referenceLoss)
      delta.add(change)
      squaredDelta.add(change * change)
    }

    func result(tokenCount: Int) -> Divergence {
      // The error of a root follows from that of the mean square by the derivative.
      let root = squaredDelta.mean.squareRoot()
      let rootError = root > 0 ? squaredDelta.estimate.standardError / (2 * root) : 0
      return Divergence(
        perplexity: own.result(tokenCount: tokenCount), referencePerplexity: other.result(tokenCount: tokenCount),
        logRatio: logRatio.estimate, divergence: divergence.estimate, divergences: divergences.sorted(),
        topAgreement: agreement.estimate,
        rootMeanSquareDelta: Estimate(mean: root, standardError: rootError), meanDelta: delta.estimate)
    }
  }
}
