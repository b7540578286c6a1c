// Owns searching one immutable state of the index. Knows nothing about how it changes.
import StrataCore

/// The index as it was at one moment. Every search is confined to a ``ChunkBitmap`` of what the asker may read.
///
/// A chunk outside the bitmap is never scored, never counted, and takes no place from others: whenever k readable
/// chunks match, k come back. Corpus statistics (how many chunks have a word, how long chunks are on average) are those
/// of all chunks, as in Lucene: per-principal statistics would need a pass over the postings of each word before
/// scoring. What that leaves visible is the relative weight of words in scores, never a chunk, its text or its place.
public struct IndexSnapshot: Sendable {
  let generation: UInt64
  let views: [SegmentView]
  public let dimension: Int?
  let streams: TermStreams
  let bm25: BM25Parameters

  /// How many chunks there are, readable or not.
  public var count: Int { views.reduce(0) { $0 + $1.liveCount } }

  /// What `principal` may read.
  ///
  /// - Parameters:
  ///   - filter: when given, only chunks whose fields satisfy it.
  ///   - documents: when given, only chunks of these documents.
  public func readable(
    by principal: Principal, matching filter: Filter? = nil, inDocuments documents: Set<String>? = nil
  ) -> ChunkBitmap {
    let keys = [.everyone, .user(principal.user)] + principal.groups.map(Reader.group)
    let segments = views.map { view in
      var words = [UInt64](repeating: 0, count: view.live.count)
      for key in keys { view.readers[key]?.formUnion(into: &words) }
      for index in words.indices { words[index] &= view.live[index] }
      if let filter { words.formIntersection(view.segment.fields.matches(filter)) }
      if let documents {
        var chosen = [UInt64](repeating: 0, count: words.count)
        for path in documents {
          for position in view.segment.chunks.positions(ofDocument: path) { chosen.setBit(Int(position)) }
        }
        words.formIntersection(chosen)
      }
      return words
    }
    return ChunkBitmap(snapshot: generation, segments: segments)
  }
}

extension [UInt64] {
  /// Calls `body` with each set position, rising.
  @inline(__always)
  func forEachBit(_ body: (Int) -> Void) {
    for (index, word) in enumerated() {
      var rest = word
      while rest != 0 {
        body(index << 6 + rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
  }
}
