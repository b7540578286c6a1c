// Owns which logits of a speculative step answer for which token, and what of the step is kept. Knows nothing about
// sampling, models or grammars.

/// Follows one sequence through the rows of a step: row 0 holds the logits after what was known, row i those after the
/// first i tokens of the draft.
///
/// Verification is ordinary decoding: the sequence is advanced by the logits of one row, whatever that entails
/// (penalties, bias, masks, forced text, its random numbers), and as long as what it says is what the step has computed
/// already, the next row is ready. Nothing ever has to be rolled back but the cache. So the tokens are those of decoding
/// without speculation: one for one where the draft is a guess and rows do not depend on their batch, and in
/// distribution where it was drawn from a proposal (``TokenDistribution/draw(afterDraft:from:_:)``). For a guess, which
/// is a point mass, "draw from p and see whether it is the guess" accepts with probability p(guess) and otherwise draws
/// from p without it, as Leviathan et al. 2023 ask.
package struct SpeculativeVerifier: Sendable {
  private let draft: Draft
  /// Leading tokens of the draft that the sequence has said.
  package private(set) var acceptedCount = 0

  package init(_ draft: Draft) { self.draft = draft }

  /// The row whose logits tell what comes after `said`, all tokens that the sequence has said in this step; nil when it
  /// went another way than the draft, or beyond it.
  package mutating func row(after said: [Int32]) -> Int? {
    while acceptedCount < draft.tokens.count, acceptedCount < said.count,
      draft.tokens[acceptedCount] == said[acceptedCount]
    {
      acceptedCount += 1
    }
    return acceptedCount == said.count ? acceptedCount : nil
  }

  /// The drafted token that the logits of `row` are about, with what it was drawn from, if it was.
  package func proposal(atRow row: Int) -> (token: Int32, proposal: TokenDistribution)? {
    guard draft.proposals.indices.contains(row) else { return nil }
    return (draft.tokens[row], draft.proposals[row])
  }
}
