// Owns nearest-neighbour search over vectors: each segment by its graph or lists, or exactly where it has neither.
import CStrataKernels

extension IndexSnapshot {
  /// The readable chunks whose vectors have the greatest dot product with `vector`, best first. Chunks without a vector
  /// are passed over. Scores are exact; where a segment has a graph or lists, a chunk may rarely be missed in favour of one that is
  /// hardly worse. Whenever `limit` readable chunks have vectors, `limit` come back.
  ///
  /// - Parameter isExact: looks at every readable chunk.
  /// - Throws: when `vector` has the wrong length or is not finite.
  public func dense(
    _ vector: [Float], limit: Int, within readable: ChunkBitmap, isExact: Bool = false
  ) throws(IndexError) -> [ScoredChunk] {
    guard let dimension, vector.count == dimension else {
      throw .dimension(expected: dimension, found: vector.count)
    }
    guard vector.allSatisfy(\.isFinite) else { throw .notFinite() }
    guard readable.snapshot == generation, limit > 0, dimension > 0 else { return [] }
    var top = TopChunks<Float>(limit: min(limit, max(1, count)))
    for (view, allowed) in zip(views, readable.segments) where !view.segment.vectors.isEmpty {
      if let neighbours = view.segment.neighbours, !isExact {
        for found in try neighbours.search(vector, limit: limit, allowed: allowed) {
          top.insert(found.score, id: view.segment.ids[found.row])
        }
      } else {
        Self.scan(view.segment, allowed, vector, &top)
      }
    }
    return top.sorted().map { ScoredChunk(id: $0.id, score: $0.score) }
  }

  /// Scores runs of neighbouring readable rows, so that rows between them are never touched.
  private static func scan(_ segment: Segment, _ allowed: [UInt64], _ query: [Float], _ top: inout TopChunks<Float>) {
    var scores = [Float](repeating: 0, count: 64)
    segment.vectors.withUnsafeBufferPointer { rows in
      guard let base = rows.baseAddress else { return }
      for word in allowed.indices {
        var rest = allowed[word] & segment.hasVector[word]
        while rest != 0 {
          let first = rest.trailingZeroBitCount
          let length = (~(rest >> UInt64(first))).trailingZeroBitCount
          rest &= length == 64 ? 0 : ~((1 << UInt64(length) - 1) << UInt64(first))
          let position = word << 6 + first
          strata_dots_f32(query, base + position * query.count, Int64(length), Int64(query.count), &scores)
          for index in 0..<length where scores[index] >= top.threshold ?? -.infinity {
            top.insert(scores[index], id: segment.ids[position + index])
          }
        }
      }
    }
  }
}
