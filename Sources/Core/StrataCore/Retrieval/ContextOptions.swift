// Owns what can be asked of the putting together of passages. Knows nothing about how it is done.

/// In which order a reader meets passages.
public enum ContextOrder: String, Sendable, Hashable, CaseIterable {
  case bestFirst = "best_first"
  /// The best first, the second best last, and so on inwards: models use what stands at the ends of a long context more
  /// than what stands in its middle (Liu et al. 2023, "Lost in the Middle").
  case bestAtEnds = "best_at_ends"
}

/// How the passages of a search become what a reader or a model is given.
public struct ContextOptions: Sendable, Hashable {
  /// Chunks of the same document version that are added on each side of a passage where room remains.
  public var neighbours: Int
  /// Most passages of one document, after touching ones became one; nil is no limit.
  public var perDocument: Int?
  public var order: ContextOrder

  public init(neighbours: Int = 0, perDocument: Int? = nil, order: ContextOrder = .bestFirst) {
    self.neighbours = neighbours
    self.perDocument = perDocument
    self.order = order
  }
}
