// Owns searching a snapshot by words. What a query comes to is LexicalPlan's; how postings are walked LexicalScorer's and
// UnpackedScorer's.

extension IndexSnapshot {
  /// The readable chunks that score best for what `query` asks (``LexicalQuery/init(parsing:)``), best first.
  public func lexical(_ query: String, limit: Int, within readable: ChunkBitmap) -> [ScoredChunk] {
    lexical(LexicalQuery(parsing: query), limit: limit, within: readable)
  }

  /// The readable chunks that score best, best first; fewer than `limit` only when fewer readable chunks have what is
  /// asked for.
  ///
  /// A word's weight is `ln(1 + (N - n + 0.5) / (n + 0.5))`, times `f / (f + k1 (1 - b + b length / average))` for each
  /// chunk; a word that the query repeats counts as often. Title and body are one field of which the title's words count
  /// ``BM25Parameters/titleWeight`` times (BM25F with one length, as Lucene's CombinedFieldQuery); a clause that names a
  /// field is scored by that field's length and constants. A phrase counts as a word whose weight is the sum of its
  /// words'. The same chunks give the same scores to the last bit, whatever the order in which they were added.
  public func lexical(_ query: LexicalQuery, limit: Int, within readable: ChunkBitmap) -> [ScoredChunk] {
    guard readable.snapshot == generation, limit > 0, count > 0 else { return [] }
    let plan = LexicalPlan(query, in: self, within: readable)
    guard plan.scale > 0 else { return [] }
    var top = TopChunks<Int32>(limit: min(limit, count))
    for index in views.indices { plan.score(inView: index, plan.allowed[index], &top) }
    return top.sorted().map { ScoredChunk(id: $0.id, score: Float($0.score) / plan.scale) }
  }
}
