// Owns the choice of the next token from logits. Knows nothing about text, models or grammars beyond a bit mask.
import StrataCore

/// The chosen token with what is known of its probability.
package struct SampledToken: Sendable {
  package var id: Int32
  /// Natural logarithm of its probability in the model's own distribution (before penalties, mask and temperature).
  package var logprob: Float
  /// Most likely tokens of that distribution, if asked for.
  package var top: [(id: Int32, logprob: Float)]
}

/// Sampling of one sequence. The order of operations is bias, penalties, mask, temperature, top-k, top-p, min-p.
package struct Sampler: Sendable {
  package let parameters: SamplingParameters
  /// Alternatives to report; nil computes no log-probability.
  package let topLogprobs: Int?
  private var random: RandomSource
  private var counts: [Int32: Int] = [:]
  /// One penalised copy of the logits, reused.
  private var scratch: [Float] = []

  /// - Parameter seed: used when the parameters name none.
  package init(parameters: SamplingParameters, topLogprobs: Int?, seed: UInt64) {
    self.parameters = parameters
    self.topLogprobs = topLogprobs
    random = RandomSource(seed: parameters.seed ?? seed)
  }

  /// Tells the sampler of a token that is part of the sequence, so that penalties see it.
  package mutating func observe(_ token: Int32) {
    if needsHistory { counts[token, default: 0] += 1 }
  }

  private var needsHistory: Bool {
    parameters.repetitionPenalty != 1 || parameters.frequencyPenalty != 0 || parameters.presencePenalty != 0
  }

  /// - Parameters:
  ///   - logits: `[vocabulary]`
  ///   - allowed: words of a bit set over the vocabulary, nil when everything is allowed.
  ///   - draft: a token that was guessed by drawing it from `proposal`. The result equals it as often as can be, and is
  ///     distributed as without it. A guess that was not drawn needs no mention: compare the result with it.
  /// - Returns: nil when nothing is allowed.
  /// - Complexity: O(vocabulary).
  package mutating func sample(
    _ logits: UnsafeBufferPointer<Float>, allowed: UnsafeBufferPointer<UInt64>?,
    draft: (token: Int32, proposal: TokenDistribution)? = nil
  ) -> SampledToken? {
    let chosen: Int32? = withAdjusted(logits) { sampler, logits in
      if sampler.parameters.temperature <= 0 { return Self.largest(1, of: logits, allowed: allowed).first?.id }
      guard let target = sampler.distribution(ofAdjusted: logits, allowed: allowed) else { return nil }
      guard let draft else { return target.draw(&sampler.random) }
      return target.draw(afterDraft: draft.token, from: draft.proposal, &sampler.random)
    }
    guard let id = chosen else { return nil }
    observe(id)
    guard let topCount = topLogprobs else { return SampledToken(id: id, logprob: 0, top: []) }
    let normalizer = Self.logSumExp(logits)
    let top = Self.largest(topCount, of: logits, allowed: nil).map { ($0.id, $0.logit - normalizer) }
    return SampledToken(id: id, logprob: logits[Int(id)] - normalizer, top: top)
  }

  /// What ``sample(_:allowed:draft:)`` draws from: everything that the parameters ask for is done. Greedy is a point
  /// mass. Nil when nothing is allowed.
  package mutating func distribution(
    _ logits: UnsafeBufferPointer<Float>, allowed: UnsafeBufferPointer<UInt64>?
  ) -> TokenDistribution? {
    withAdjusted(logits) { sampler, logits in
      if sampler.parameters.temperature <= 0 {
        return Self.largest(1, of: logits, allowed: allowed).first.map { TokenDistribution(ids: [$0.id], weights: [1]) }
      }
      return sampler.distribution(ofAdjusted: logits, allowed: allowed)
    }
  }

  /// Calls `body` with the logits after bias and penalties, copied only when there are any.
  private mutating func withAdjusted<R>(
    _ logits: UnsafeBufferPointer<Float>, _ body: (inout Sampler, UnsafeBufferPointer<Float>) -> R
  ) -> R {
    guard needsHistory || !parameters.logitBias.isEmpty else { return body(&self, logits) }
    scratch.removeAll(keepingCapacity: true)
    scratch.append(contentsOf: logits)
    adjust()
    var copy: [Float] = []
    swap(&copy, &scratch)
    defer { swap(&copy, &scratch) }
    return copy.withUnsafeBufferPointer { body(&self, $0) }
  }

  private mutating func adjust() {
    for (id, bias) in parameters.logitBias where scratch.indices.contains(Int(id)) { scratch[Int(id)] += bias }
    guard needsHistory else { return }
    for (id, count) in counts where scratch.indices.contains(Int(id)) {
      var logit = scratch[Int(id)]
      logit = logit > 0 ? logit / parameters.repetitionPenalty : logit * parameters.repetitionPenalty
      logit -= Float(count) * parameters.frequencyPenalty + parameters.presencePenalty
      scratch[Int(id)] = logit
    }
  }

  private func distribution(
    ofAdjusted logits: UnsafeBufferPointer<Float>, allowed: UnsafeBufferPointer<UInt64>?
  ) -> TokenDistribution? {
    // Without top-k every token stays a candidate.
    let limit = parameters.topK > 0 ? parameters.topK : Int.max
    let candidates = Self.largest(limit, of: logits, allowed: allowed)
    guard let best = candidates.first else { return nil }
    let inverse = 1 / parameters.temperature
    var ids = candidates.map(\.id)
    var weights = candidates.map { Double(Float.exp(($0.logit - best.logit) * inverse)) }
    if parameters.topP < 1 {
      var cumulative = 0.0
      let target = Double(max(parameters.topP, 0)) * weights.reduce(0, +)
      let kept =
        (weights.firstIndex { weight in
          cumulative += weight
          return cumulative >= target
        } ?? weights.count - 1) + 1
      weights.removeLast(weights.count - kept)
    }
    if parameters.minP > 0 {
      let kept = max(1, weights.firstIndex { $0 < Double(parameters.minP) } ?? weights.count)
      weights.removeLast(weights.count - kept)
    }
    ids.removeLast(ids.count - weights.count)
    return TokenDistribution(ids: ids, weights: weights)
  }

  /// The `limit` largest allowed logits, largest first, ties by lower id.
  static func largest(_ limit: Int, of logits: UnsafeBufferPointer<Float>, allowed: UnsafeBufferPointer<UInt64>?)
    -> [(id: Int32, logit: Float)]
  {
    guard limit > 0 else { return [] }
    func isAllowed(_ id: Int) -> Bool {
      guard let allowed else { return true }
      return id >> 6 < allowed.count && allowed[id >> 6] >> UInt64(id & 63) & 1 == 1
    }
    if limit == 1 {
      var best = -1
      var bestLogit = -Float.infinity
      for id in logits.indices where logits[id] > bestLogit && isAllowed(id) {
        best = id
        bestLogit = logits[id]
      }
      return best < 0 ? [] : [(Int32(best), bestLogit)]
    }
    var all: [(id: Int32, logit: Float)] = []
    if limit < 256 {
      // A small sorted window: most logits fail the first comparison.
      all.reserveCapacity(limit + 1)
      for id in logits.indices where (all.count < limit || logits[id] > all[all.count - 1].logit) && isAllowed(id) {
        guard logits[id] > -.infinity else { continue }
        let place = all.firstIndex { $0.logit < logits[id] } ?? all.count
        all.insert((Int32(id), logits[id]), at: place)
        if all.count > limit { all.removeLast() }
      }
      return all
    }
    for id in logits.indices where logits[id] > -.infinity && isAllowed(id) { all.append((Int32(id), logits[id])) }
    all.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
    if all.count > limit { all.removeLast(all.count - limit) }
    return all
  }

  static func logSumExp(_ logits: UnsafeBufferPointer<Float>) -> Float {
    var peak = -Float.infinity
    for value in logits where value > peak { peak = value }
    guard peak > -.infinity else { return peak }
    var sum = 0.0
    for value in logits { sum += Double(Float.exp(value - peak)) }
    return peak + Float.log(Float(sum))
  }
}
