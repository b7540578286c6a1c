// Owns the measures of retrieved spans against marked ones. Knows nothing about chunkers.

/// A chunk as these measures see it.
public struct ChunkSpan: Sendable, Hashable {
  public var corpus: String
  /// Unicode scalars of the corpus.
  public var range: Range<Int>
  /// Of the text, as the embedder counts.
  public var tokens: Int

  public init(corpus: String, range: Range<Int>, tokens: Int) {
    self.corpus = corpus
    self.range = range
    self.tokens = tokens
  }
}

/// How much of what was marked was found, and how much of what was found was marked (Smith and Troynikov 2024,
/// Evaluating Chunking Strategies for Retrieval). Lengths are in characters, as in their implementation; what two
/// retrieved chunks share counts twice, so that overlap has its price.
public struct SpanScore: Sendable, Hashable {
  public var recall = 0.0
  public var precision = 0.0
  /// Intersection over union.
  public var iou = 0.0

  public init(retrieved: some Sequence<ChunkSpan>, references: [Range<Int>], corpus: String) {
    var found: [Range<Int>] = []
    var retrievedLength = 0
    for chunk in retrieved {
      retrievedLength += chunk.range.count
      guard chunk.corpus == corpus else { continue }
      found += references.map { $0.clamped(to: chunk.range) }.filter { !$0.isEmpty }
    }
    let hits = Self.length(union: found)
    let marked = references.reduce(0) { $0 + $1.count }
    let missed = Self.length(union: references) - hits
    if marked > 0 { recall = Double(hits) / Double(marked) }
    if retrievedLength > 0 { precision = Double(hits) / Double(retrievedLength) }
    if retrievedLength + missed > 0 { iou = Double(hits) / Double(retrievedLength + missed) }
  }

  /// Precision-omega: the precision if exactly the chunks that touch a reference were retrieved, which bounds what any
  /// search can reach with these chunks.
  public static func bound(chunks: some Sequence<ChunkSpan>, references: [Range<Int>], corpus: String) -> Double {
    var touched: [Range<Int>] = []
    var found: [Range<Int>] = []
    for chunk in chunks where chunk.corpus == corpus {
      let parts = references.map { $0.clamped(to: chunk.range) }.filter { !$0.isEmpty }
      if !parts.isEmpty { touched.append(chunk.range) }
      found += parts
    }
    let whole = length(union: touched + references)
    return whole > 0 ? Double(length(union: found)) / Double(whole) : 0
  }

  static func length(union ranges: [Range<Int>]) -> Int {
    var total = 0
    var end = Int.min
    for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
      if range.lowerBound >= end {
        total += range.count
        end = range.upperBound
      } else if range.upperBound > end {
        total += range.upperBound - end
        end = range.upperBound
      }
    }
    return total
  }
}
