// Owns the estimate of what a search costs each way. Searches nothing.

/// Whether to walk the graph or look at every allowed row, for one search.
///
/// Costs are counted in rows looked at in order. A row that the graph leads to is a random access and costs
/// ``randomRow`` of them.
struct VectorPlan: Sendable, Hashable {
  let walksGraph: Bool
  let breadth: Int
  /// How many of the best are scored again by their exact vectors.
  let rescored: Int
  /// How many rows the graph's search may look at before a scan would have been cheaper.
  let budget: Int

  /// An estimate, not yet fitted to measurements.
  private static let randomRow = 3.0
  /// Rows that are scored, and rows whose links are read, for each row that is followed.
  private static let scoredPerRow = 18.0
  private static let linksPerRow = 24.0

  init(limit: Int, breadth: Int, code: VectorCode, allowed: Int, present: Int) {
    let breadth = max(breadth, limit)
    rescored =
      switch code {
      case .float32: limit
      case .float16: limit + 8
      case .int8: 2 * limit + 16
      case .bit: breadth
      }
    self.breadth = max(breadth, rescored)
    let selectivity = present > 0 ? Double(allowed) / Double(present) : 0
    // Below one half, neighbours that are not allowed have their links read too.
    let bridges =
      selectivity < 0.5 ? min(Self.linksPerRow * (1 - selectivity), Self.linksPerRow / 2 / max(selectivity, 0.02)) : 0
    let cost = Double(self.breadth) * (Self.scoredPerRow + bridges) * Self.randomRow
    walksGraph = cost < Double(allowed)
    budget = Int(Double(allowed) / Self.randomRow)
  }
}

/// How far to look into lists, for one search.
struct VectorListPlan: Sendable, Hashable {
  /// Nil: look at every allowed row.
  let reach: VectorLists.Reach?

  init(limit: Int, breadth: Int, probes: Int, lists: Int, allowed: Int, present: Int) {
    let breadth = max(breadth, limit)
    guard allowed > 2 * breadth else {
      reach = nil
      return
    }
    let share = Double(allowed) / Double(max(1, present))
    // The fewer rows are allowed, the farther apart the nearest of them lie, and the more lists they are spread over.
    let part = min(1, Double(probes) / Double(max(1, lists)) / share.squareRoot())
    reach = VectorLists.Reach(
      probes: probes, enough: allowed < present ? max(2 * breadth, Int(part * Double(allowed))) : 0, limit: breadth)
  }
}
