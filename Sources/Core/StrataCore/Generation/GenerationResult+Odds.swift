// Owns reading a model's opinion from the probabilities of its first token. Knows nothing about the question.
import Foundation

extension GenerationResult {
  /// Alternatives of the first token that are worth asking for; what is not among them is less likely than all of them.
  package static let oddsAlternatives = 20

  /// How much likelier the first token says `first` than `second`: the difference of their natural logarithms, finite.
  /// 0 when no probabilities were asked for. Tokens are compared without case and blanks: ` Yes` says what `yes` says.
  package func logOdds(of first: String, over second: String) -> Float {
    guard let token = logprobs.first else { return 0 }
    let seen = (token.alternatives.isEmpty ? [token] : token.alternatives).filter { $0.logprob.isFinite }
    guard let floor = seen.map(\.logprob).min() else { return 0 }
    func likelihood(_ word: String) -> Float {
      let sum = seen.reduce(Float(0)) { sum, other in
        other.token.trimmingCharacters(in: .whitespaces).lowercased() == word ? sum + exp(other.logprob) : sum
      }
      return sum > 0 ? log(sum) : floor
    }
    return likelihood(first) - likelihood(second)
  }
}
