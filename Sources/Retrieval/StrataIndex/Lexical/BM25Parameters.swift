// Owns the constants of BM25.

/// The constants of BM25 in Lucene's form (Robertson and Zaragoza 2009, without the factor k1 + 1, which does not
/// change any ranking).
public struct BM25Parameters: Sendable, Hashable {
  /// The constants of one field, for clauses that name it.
  public struct Field: Sendable, Hashable {
    public let k1: Float
    public let b: Float

    /// Values outside 0...1000 (`b`: 0...1) are moved to the nearest that is inside.
    public init(k1: Float = 1.2, b: Float = 0.75) {
      self.k1 = k1 >= 0 ? min(k1, 1000) : 0
      self.b = b >= 0 ? min(b, 1) : 0
    }
  }

  /// How slowly repetitions of a word saturate.
  public var k1: Float { both.k1 }
  /// How much long chunks are penalized: 0 not at all, 1 in proportion.
  public var b: Float { both.b }
  /// How many times an occurrence in the title counts, in frequency and in length; 0 leaves titles out of the index.
  public let titleWeight: Int
  public let title: Field
  public let body: Field
  private let both: Field

  /// - Parameter k1: for words in any field, as `b`.
  /// - Parameter titleWeight: 2 ranks better than 1 on SciFact (nDCG@10 0.691, 0.686) and Cranfield (0.374, 0.369).
  public init(
    k1: Float = 1.2, b: Float = 0.75, titleWeight: Int = 2, title: Field = Field(), body: Field = Field()
  ) {
    both = Field(k1: k1, b: b)
    self.titleWeight = min(1000, max(0, titleWeight))
    self.title = title
    self.body = body
  }

  public static let `default` = BM25Parameters()
}
