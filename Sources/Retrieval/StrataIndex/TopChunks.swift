// Owns the selection of the best k.

/// Keeps the `limit` best chunks: higher score first, lower id among equals, so that results never depend on the order
/// in which chunks were indexed.
struct TopChunks {
  private let limit: Int
  /// A binary heap whose root is the worst kept.
  private var heap: [ScoredChunk] = []

  init(limit: Int) {
    self.limit = max(0, limit)
    heap.reserveCapacity(min(self.limit, 1024))
  }

  /// A score below this one cannot enter; an equal one may.
  @inline(__always)
  var threshold: Float {
    heap.count < limit ? -.infinity : limit == 0 ? .infinity : heap[0].score
  }

  mutating func insert(_ chunk: ScoredChunk) {
    if heap.count < limit {
      heap.append(chunk)
      var child = heap.count - 1
      while child > 0, Self.isWorse(heap[child], heap[(child - 1) / 2]) {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
    } else if limit > 0, Self.isWorse(heap[0], chunk) {
      heap[0] = chunk
      var parent = 0
      while true {
        var worst = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
          if Self.isWorse(heap[child], heap[worst]) { worst = child }
        }
        if worst == parent { return }
        heap.swapAt(parent, worst)
        parent = worst
      }
    }
  }

  /// Best first.
  func sorted() -> [ScoredChunk] { heap.sorted { Self.isWorse($1, $0) } }

  private static func isWorse(_ first: ScoredChunk, _ second: ScoredChunk) -> Bool {
    first.score < second.score || first.score == second.score && first.id > second.id
  }
}
