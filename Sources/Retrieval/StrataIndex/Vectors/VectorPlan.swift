// Owns the estimate of what a search costs each way. Searches nothing.
import Foundation

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

  /// A row that is scored exactly, in coded rows of lists: 12 while all is in memory (24 ns and 2 ns for vectors of 50, on
  /// a loaded machine), 227 where each is a page of a disk. Something between, since nobody knows.
  private static let exactRow = 50.0

  init(limit: Int, breadth: Int, probes: Int, lists: Int, allowed: Int, present: Int) {
    let breadth = max(breadth, limit)
    let share = Double(allowed) / Double(max(1, present))
    // The fewer rows are allowed, the farther apart the nearest of them lie, and the more lists they are spread over. The
    // power keeps recall above 0.95 on GloVe from 50% to 0.5%, of rows at random and of a cluster.
    let part = min(1, Double(probes) / Double(max(1, lists)) / pow(max(share, 1e-9), 0.6))
    guard allowed > 4 * breadth, Double(allowed) * Self.exactRow > part * Double(present) else {
      reach = nil
      return
    }
    reach = VectorLists.Reach(
      probes: probes, enough: allowed < present ? max(2 * breadth, Int(part * Double(allowed))) : 0, limit: breadth)
  }
}
