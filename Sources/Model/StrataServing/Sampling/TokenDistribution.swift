// Owns a distribution over tokens and exact draws from it, with or without a guess. Knows nothing about logits.

/// Tokens with weights, likeliest first; a weight over ``mass`` is a probability.
package struct TokenDistribution: Sendable {
  package let ids: [Int32]
  package let weights: [Double]
  package let mass: Double

  /// - Parameters: of the same count, at least one; weights positive and descending.
  package init(ids: [Int32], weights: [Double]) {
    self.ids = ids
    self.weights = weights
    mass = weights.reduce(0, +)
  }

  /// - Complexity: O(tokens).
  package func probability(of id: Int32) -> Double {
    guard let index = ids.firstIndex(of: id), mass > 0 else { return 0 }
    return weights[index] / mass
  }

  /// Takes one random number.
  package func draw(_ random: inout RandomSource) -> Int32? {
    var point = random.unit() * mass
    for (index, weight) in weights.enumerated() {
      point -= weight
      if point < 0 { return ids[index] }
    }
    return ids.last
  }

  /// Draws from this distribution p, given a token that was drawn from q: the token itself with probability
  /// min(1, p/q), otherwise one of the residual max(0, p − q), normalized (Leviathan et al. 2023, Fast Inference from
  /// Transformers via Speculative Decoding, theorem 1; Chen et al. 2023). The result is distributed as p.
  package func draw(
    afterDraft token: Int32, from proposal: TokenDistribution, _ random: inout RandomSource
  ) -> Int32? {
    let p = probability(of: token)
    let q = proposal.probability(of: token)
    if q > 0, random.unit() * q < p { return token }
    return residual(after: proposal)?.draw(&random) ?? draw(&random)
  }

  /// max(0, p − q), unnormalized; nil when nothing remains, which rounding alone can bring about.
  private func residual(after proposal: TokenDistribution) -> TokenDistribution? {
    let taken = Dictionary(zip(proposal.ids, proposal.weights)) { first, _ in first }
    var restIDs: [Int32] = []
    var rest: [Double] = []
    for (id, weight) in zip(ids, weights) {
      let left = weight / mass - (taken[id] ?? 0) / proposal.mass
      guard left > 0 else { continue }
      restIDs.append(id)
      rest.append(left)
    }
    return rest.isEmpty ? nil : TokenDistribution(ids: restIDs, weights: rest)
  }
}
