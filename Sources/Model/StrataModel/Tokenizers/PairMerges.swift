// Owns merging neighbours within one word by rank (byte pair encoding).

/// The merge rules of a vocabulary, by the ids of both sides.
struct PairMerges: Sendable {
  private var keys: [UInt64] = []
  private var values: [(rank: Int32, id: Int32)] = []
  private var mask = 0
  private static let free = UInt64.max

  /// - Parameter count: Most rules that will be added.
  init(count: Int) {
    var capacity = 16
    while capacity < 2 * count { capacity *= 2 }
    keys = [UInt64](repeating: Self.free, count: capacity)
    values = [(rank: Int32, id: Int32)](repeating: (0, 0), count: capacity)
    mask = capacity - 1
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  private static func hash(_ key: UInt64) -> Int {
    var value = key &* 0x9e37_79b9_7f4a_7c15
    value ^= value >> 29
    return Int(truncatingIfNeeded: value &* 0xbf58_476d_1ce4_e5b9 >> 20)
  }

  /// Of rules for the same pair the first stays.
  mutating func add(_ left: Int32, _ right: Int32, rank: Int32, id: Int32) {
    let key = Self.key(left, right)
    var slot = Self.hash(key) & mask
    while keys[slot] != Self.free {
      if keys[slot] == key { return }
      slot = (slot + 1) & mask
    }
    keys[slot] = key
    values[slot] = (rank, id)
  }

  /// The rule for a pair; rank `.max` when there is none.
  @inline(__always)
  func rule(_ left: Int32, _ right: Int32) -> (rank: Int32, id: Int32) {
    let key = Self.key(left, right)
    var slot = Self.hash(key) & mask
    while keys[slot] != Self.free {
      if keys[slot] == key { return values[slot] }
      slot = (slot + 1) & mask
    }
    return (.max, -1)
  }

  /// Merges the pair of least rank (the leftmost of equals) until no rule applies.
  /// - Complexity: O(*n* log *n*); a short word takes a plain scan, which is faster.
  func merge(_ ids: inout [Int32]) {
    ids.count <= 48 ? mergeShort(&ids) : mergeLong(&ids)
  }

  private func mergeShort(_ ids: inout [Int32]) {
    guard ids.count > 1 else { return }
    withUnsafeTemporaryAllocation(of: (rank: Int32, id: Int32).self, capacity: ids.count) { rules in
      var count = ids.count
      for index in 0..<count - 1 { rules[index] = rule(ids[index], ids[index + 1]) }
      while count > 1 {
        var best = 0
        for index in 1..<max(count - 1, 1) where rules[index].rank < rules[best].rank { best = index }
        guard rules[best].rank != .max else { break }
        ids[best] = rules[best].id
        for index in best + 1..<count - 1 {
          ids[index] = ids[index + 1]
          rules[index] = rules[index + 1]
        }
        count -= 1
        if best < count - 1 { rules[best] = rule(ids[best], ids[best + 1]) }
        if best > 0 { rules[best - 1] = rule(ids[best - 1], ids[best]) }
      }
      ids.removeLast(ids.count - count)
    }
  }

  private struct Candidate: Comparable {
    let rank: Int32
    let id: Int32
    let left: Int
    let leftID: Int32
    let rightID: Int32

    static func < (lhs: Candidate, rhs: Candidate) -> Bool {
      lhs.rank != rhs.rank ? lhs.rank < rhs.rank : lhs.left < rhs.left
    }
  }

  private func mergeLong(_ ids: inout [Int32]) {
    var symbols = ids
    var next = Array(1...ids.count)
    var previous = Array(-1..<ids.count - 1)
    var heap = MinHeap<Candidate>()
    let count = ids.count
    func push(_ left: Int) {
      guard left >= 0, next[left] < count else { return }
      let found = rule(symbols[left], symbols[next[left]])
      guard found.rank != .max else { return }
      heap.push(
        Candidate(
          rank: found.rank, id: found.id, left: left, leftID: symbols[left], rightID: symbols[next[left]]))
    }
    for left in 0..<count - 1 { push(left) }
    while let candidate = heap.pop() {
      let left = candidate.left
      let right = next[left]
      // Either side may have been merged since.
      guard symbols[left] == candidate.leftID, right < count, symbols[right] == candidate.rightID else { continue }
      symbols[left] = candidate.id
      symbols[right] = -1
      next[left] = next[right]
      if next[left] < count { previous[next[left]] = left }
      push(previous[left])
      push(left)
    }
    ids.removeAll(keepingCapacity: true)
    var index = 0
    while index < count {
      ids.append(symbols[index])
      index = next[index]
    }
  }
}

/// A binary heap, the least element first.
struct MinHeap<Element: Comparable> {
  private var elements: [Element] = []

  mutating func push(_ element: Element) {
    elements.append(element)
    var index = elements.count - 1
    while index > 0, elements[index] < elements[(index - 1) / 2] {
      elements.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func pop() -> Element? {
    guard let least = elements.first else { return nil }
    let last = elements.removeLast()
    guard !elements.isEmpty else { return least }
    elements[0] = last
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < elements.count else { break }
      if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
      guard elements[child] < elements[index] else { break }
      elements.swapAt(index, child)
      index = child
    }
    return least
  }
}
