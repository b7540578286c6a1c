// Owns the selection of the best k.

/// Keeps the `limit` best chunks: higher score first, lower id among equals, so that results never depend on the order
/// in which chunks were indexed.
struct TopChunks<Score: Comparable> {
  typealias Scored = (score: Score, id: Int64)

  let limit: Int
  /// A binary heap whose root is the worst kept.
  private var heap: [Scored] = []

  /// - Parameter limit: at least 1.
  init(limit: Int) {
    self.limit = max(1, limit)
    heap.reserveCapacity(min(self.limit, 1024))
  }

  /// A score below this one cannot enter; an equal one may. Nil while every score can.
  var threshold: Score? { heap.count < limit ? nil : heap[0].score }

  mutating func insert(_ score: Score, id: Int64) {
    let new: Scored = (score, id)
    if heap.count < limit {
      heap.append(new)
      var child = heap.count - 1
      while child > 0, Self.isWorse(heap[child], heap[(child - 1) / 2]) {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
    } else if Self.isWorse(heap[0], new) {
      heap[0] = new
      var parent = 0
      while true {
        var worst = parent
        for child in (2 * parent + 1)..<(2 * parent + 3) where child < heap.count {
          if Self.isWorse(heap[child], heap[worst]) { worst = child }
        }
        if worst == parent { return }
        heap.swapAt(parent, worst)
        parent = worst
      }
    }
  }

  /// Best first.
  func sorted() -> [Scored] { heap.sorted { Self.isWorse($1, $0) } }

  private static func isWorse(_ first: Scored, _ second: Scored) -> Bool {
    first.score < second.score || first.score == second.score && first.id > second.id
  }
}
