// Owns telling the members of a set of chunks.

extension IndexSnapshot {
  /// The ids of the chunks in `readable`; none for a bitmap of another snapshot.
  ///
  /// - Complexity: O(chunks in the set).
  public func ids(in readable: ChunkBitmap) -> Set<Int64> {
    guard readable.snapshot == generation else { return [] }
    var ids = Set<Int64>(minimumCapacity: readable.count)
    for (view, words) in zip(views, readable.segments) { words.forEachBit { ids.insert(view.segment.chunks.ids[$0]) } }
    return ids
  }
}
