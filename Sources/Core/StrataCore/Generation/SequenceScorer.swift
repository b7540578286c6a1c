// Owns the protocol of models that tell how likely texts are, without writing any.

/// Tells how likely a model finds a text that somebody else wrote.
public protocol SequenceScorer: Sendable {
  /// Names the model.
  var info: ModelInfo { get }

  /// The mean natural logarithm of the probability of a token of `text` after each of `inputs`, in their order. Longer
  /// texts are not less likely by it.
  /// - Throws: a ``StrataError`` for an input that, with the text, is longer than the model's context.
  func meanLogLikelihoods(of text: String, after inputs: [GenerationRequest.Input]) async throws -> [Double]
}
