// Owns saying why a lexical search gave a chunk its score.
import Foundation

/// The terms of a chunk's BM25 score.
public struct LexicalExplanation: Sendable, Hashable, Codable {
  /// What one word or phrase adds.
  public struct Part: Sendable, Hashable, Codable {
    /// The word as it is indexed, or the words of a phrase with a space between.
    public var term: String
    /// Nil for both fields together.
    public var field: LexicalField?
    public var isRequired: Bool
    /// Chunks that have it: all for a word, the readable ones for a phrase.
    public var chunkFrequency: Int
    /// `ln(1 + (N - n + 0.5) / (n + 0.5))`; the sum over its words for a phrase.
    public var inverseFrequency: Double
    /// How often the query asks for it.
    public var repetitions: Int
    /// How often the chunk has it, an occurrence in the title counting as often as the index says.
    public var frequency: Int
    /// Words of the chunk, or of the field, and how many there are on average.
    public var length: Int
    public var averageLength: Double
    public var k1: Double
    public var b: Double
    /// inverseFrequency · repetitions · f / (f + k1 (1 - b + b length / averageLength)).
    public var score: Double
  }

  /// The chunk's id in the store.
  public var id: Int64
  /// What the search scores it.
  public var score: Float
  /// How many chunks there are, readable or not.
  public var chunkCount: Int
  /// What of the query the chunk has, in the order of the query.
  public var parts: [Part]
}

extension IndexSnapshot {
  /// Why ``lexical(_:limit:within:)`` gives a chunk its score; nil when it would not find the chunk.
  public func explain(_ query: String, chunk id: Int64, within readable: ChunkBitmap) -> LexicalExplanation? {
    explain(LexicalQuery(parsing: query), chunk: id, within: readable)
  }

  /// Why ``lexical(_:limit:within:)`` gives a chunk its score; nil when it would not find the chunk.
  ///
  /// - Complexity: that of the search.
  public func explain(_ query: LexicalQuery, chunk id: Int64, within readable: ChunkBitmap) -> LexicalExplanation? {
    guard readable.snapshot == generation else { return nil }
    let plan = LexicalPlan(query, in: self, within: readable)
    for (index, view) in views.enumerated() {
      guard let position = view.position(of: id) else { continue }
      guard plan.allowed[index].testBit(position) else { return nil }
      // Scored by the search itself, alone.
      var only = [UInt64](repeating: 0, count: plan.allowed[index].count)
      only.setBit(position)
      var top = TopChunks<Int32>(limit: 1)
      plan.score(inView: index, only, &top)
      guard let found = top.sorted().first else { return nil }
      return LexicalExplanation(
        id: id, score: Float(found.score) / plan.scale, chunkCount: count,
        parts: plan.units.compactMap { plan.part($0, inView: index, position: position) })
    }
    return nil
  }
}

extension LexicalPlan {
  fileprivate func part(_ unit: Unit, inView index: Int, position: Int) -> LexicalExplanation.Part? {
    let segment = snapshot.views[index].segment.lexical
    guard unit.occurrence != .excluded, let frequency = frequency(of: unit, inView: index, at: position) else {
      return nil
    }
    let (k1, b) = Self.parameters(snapshot.bm25, unit.field)
    let length = Int(segment.lengths(of: unit.field)[position])
    let average = Double(averageLength(of: unit.field))
    let norm = Double(k1) * (1 - Double(b) + Double(b) * Double(length) / average)
    return LexicalExplanation.Part(
      term: text(of: unit), field: unit.field,
      isRequired: unit.occurrence == .required, chunkFrequency: unit.frequency, inverseFrequency: unit.inverse,
      repetitions: unit.repetitions, frequency: frequency, length: length, averageLength: average, k1: Double(k1),
      b: Double(b),
      score: unit.inverse * Double(unit.repetitions) * Double(frequency) / (Double(frequency) + norm))
  }
}
