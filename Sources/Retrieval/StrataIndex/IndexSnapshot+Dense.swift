// Owns exact nearest-neighbour search over vectors.

extension IndexSnapshot {
  /// The readable chunks whose vectors have the greatest dot product with `vector`, best first. Chunks without a vector
  /// are passed over.
  ///
  /// - Throws: when `vector` has the wrong length or is not finite.
  public func dense(_ vector: [Float], limit: Int, within readable: ChunkBitmap) throws(IndexError) -> [ScoredChunk] {
    guard let dimension, vector.count == dimension else {
      throw .dimension(expected: dimension, found: vector.count)
    }
    guard vector.allSatisfy(\.isFinite) else { throw .notFinite() }
    guard readable.snapshot == generation, limit > 0 else { return [] }
    var top = TopChunks(limit: limit)
    for (view, allowed) in zip(views, readable.segments) where !view.segment.vectors.isEmpty {
      let segment = view.segment
      segment.vectors.withUnsafeBufferPointer { rows in
        vector.withUnsafeBufferPointer { query in
          for word in allowed.indices {
            var rest = allowed[word] & segment.hasVector[word]
            while rest != 0 {
              let position = word << 6 + rest.trailingZeroBitCount
              rest &= rest - 1
              let score = Self.dot(query, rows, position * dimension)
              if score >= top.threshold { top.insert(ScoredChunk(id: segment.ids[position], score: score)) }
            }
          }
        }
      }
    }
    return top.sorted()
  }

  private static func dot(
    _ query: UnsafeBufferPointer<Float>, _ rows: UnsafeBufferPointer<Float>, _ start: Int
  ) -> Float {
    var sums = SIMD16<Float>.zero
    var index = 0
    while index + 16 <= query.count {
      var left = SIMD16<Float>()
      var right = SIMD16<Float>()
      for lane in 0..<16 {
        left[lane] = query[index + lane]
        right[lane] = rows[start + index + lane]
      }
      sums += left * right
      index += 16
    }
    var sum = sums.sum()
    while index < query.count {
      sum += query[index] * rows[start + index]
      index += 1
    }
    return sum
  }
}
