// Owns what encoders give for single tokens. Knows nothing about any encoder or about what token vectors are for.

/// One text as an encoder understood it: a vector for each of its tokens, in context.
public struct TokenVectors: Sendable, Hashable {
  /// Token ids, without the special ones that the model adds.
  public var tokens: [Int32]
  /// Row-major [tokens, dimension], each row of length 1.
  public var values: [Float]
  /// How long each row was before it was brought to length 1, for pooling: the mean of `length · row` over a stretch is
  /// that stretch's vector.
  public var lengths: [Float]
  public var dimension: Int

  public init(tokens: [Int32], values: [Float], lengths: [Float], dimension: Int) {
    self.tokens = tokens
    self.values = values
    self.lengths = lengths
    self.dimension = dimension
  }
}

/// An encoder that also tells the vector of each token, for late interaction (Khattab and Zaharia 2020, ColBERT).
public protocol TokenEmbedder: Embedder {
  /// Vectors of the tokens of each text; texts longer than `maxTokens` are cut.
  func embedTokens(_ texts: [String]) async throws -> [TokenVectors]
  /// The token ids of `text`, as ``TokenVectors/tokens`` has them, without the work of encoding.
  func tokens(of text: String) -> [Int32]
}
