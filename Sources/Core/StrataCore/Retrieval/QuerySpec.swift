// Owns what can be asked of a search. Knows nothing about how searches work.
import Foundation

/// One way of finding passages, ranked on its own before all are fused.
public enum RetrievalLeg: String, Sendable, Hashable, CaseIterable {
  /// By words (BM25).
  case lexical
  /// By the vector of the question.
  case dense
  /// By entities that passages share, starting from what the other legs found.
  case graph
}

/// Which legs a search uses.
public typealias RetrievalLegs = Set<RetrievalLeg>

extension Set<RetrievalLeg> {
  public static let lexical: Self = [.lexical]
  public static let dense: Self = [.dense]
  public static let hybrid: Self = [.lexical, .dense]
  public static let all: Self = [.lexical, .dense, .graph]
}

/// How much each leg counts in a fusion; only proportions matter.
public struct LegWeights: Sendable, Hashable {
  public var lexical: Double
  public var dense: Double
  public var graph: Double

  public init(lexical: Double = 1, dense: Double = 1, graph: Double = 1) {
    self.lexical = lexical
    self.dense = dense
    self.graph = graph
  }

  public subscript(leg: RetrievalLeg) -> Double {
    switch leg {
    case .lexical: lexical
    case .dense: dense
    case .graph: graph
    }
  }
}

/// How scores of one ranking are brought to a scale that those of others share (Bruch, Gai and Ingber 2023, "An
/// Analysis of Fusion Functions for Hybrid Retrieval", section 4).
public enum ScoreNormalization: String, Sendable, Hashable, CaseIterable {
  /// The least of the ranking becomes 0, the greatest 1.
  case minMax = "min_max"
  /// The least that the leg can give at all becomes 0 (words: 0, cosine: -1), the greatest of the ranking 1. With it the
  /// sum is the paper's TM2C2.
  case theoretical
  /// Deviations from the ranking's mean; what a ranking lacks gets its least.
  case zScore = "z_score"
}

/// How the rankings of several legs become one.
public enum RankFusion: Sendable, Hashable {
  /// Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): a chunk gets `weight / (k + rank)` from each ranking.
  case reciprocalRank(k: Double, weights: LegWeights = LegWeights())
  /// The weighted mean of normalized scores.
  case convex(ScoreNormalization = .minMax, weights: LegWeights = LegWeights())
}

/// What looks at the best passages again, more closely than legs can.
public enum RerankMethod: String, Sendable, Hashable, CaseIterable {
  case none
  /// Tokens of the question matched with tokens of the passage (ColBERT's MaxSim).
  case lateInteraction = "late_interaction"
  /// The language model's probability that the passage answers.
  case model
  /// The language model's probability of the question after the passage.
  case likelihood
  /// An encoder that reads question and passage together.
  case crossEncoder = "cross_encoder"
}

/// Whether passages may answer only together.
public enum MultiHop: String, Sendable, Hashable, CaseIterable {
  case off
  /// Passages are followed to others by the entities that they share, and judged in pairs.
  case graph
  /// A language model splits the question; each part is searched, with what was found for the parts before it.
  case decomposition
}

/// Everything that can be asked of a search.
public struct QuerySpec: Sendable, Hashable {
  /// What a search may cost.
  public struct Budget: Sendable, Hashable {
    /// When this time is over, optional stages end with what they have: reranking stops, the order so far stands.
    public var time: Duration?
    /// Most tokens of all passages together, labels included. The best is cut to whole sentences when it does not fit
    /// whole; the others come whole or not at all.
    public var tokens: Int?

    public init(time: Duration? = nil, tokens: Int? = nil) {
      self.time = time
      self.tokens = tokens
    }
  }

  public var text: String
  /// What earlier turns of a conversation were about; it counts less than the text.
  public var carried: String
  /// Most passages to return.
  public var limit: Int
  public var legs: RetrievalLegs
  /// On the fields of documents.
  public var filter: Filter?
  /// Only documents whose file changed in this time, ends included; a missing end is open.
  public var changedFrom: Date?
  public var changedThrough: Date?
  /// The collection as it was then; nil is now.
  public var asOf: Date?
  /// Nil is the retriever's choice.
  public var fusion: RankFusion?
  public var rerank: RerankMethod
  /// How many of the best are reranked.
  public var rerankDepth: Int
  /// Whether the best passages of a first search extend the question for a second one.
  public var feedback: Bool
  public var multiHop: MultiHop
  /// Most parts that a question is split into, each a search.
  public var hopLimit: Int
  public var budget: Budget
  /// How passages are put together; nil leaves them as they were found, unless there is a budget of tokens.
  public var context: ContextOptions?
  /// Whether passages come with a ``PassageExplanation``.
  public var explains: Bool

  public init(
    _ text: String, limit: Int = 8, legs: RetrievalLegs = .hybrid, filter: Filter? = nil, changedFrom: Date? = nil,
    changedThrough: Date? = nil, asOf: Date? = nil, fusion: RankFusion? = nil, rerank: RerankMethod = .none,
    rerankDepth: Int = 50, feedback: Bool = false, multiHop: MultiHop = .off, hopLimit: Int = 3,
    budget: Budget = Budget(),
    context: ContextOptions? = nil, carried: String = "", explains: Bool = false
  ) {
    self.text = text
    self.carried = carried
    self.limit = limit
    self.legs = legs
    self.filter = filter
    self.changedFrom = changedFrom
    self.changedThrough = changedThrough
    self.asOf = asOf
    self.fusion = fusion
    self.rerank = rerank
    self.rerankDepth = rerankDepth
    self.feedback = feedback
    self.multiHop = multiHop
    self.hopLimit = hopLimit
    self.budget = budget
    self.context = context
    self.explains = explains
  }
}
