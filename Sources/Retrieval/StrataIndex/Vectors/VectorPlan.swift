// Owns the estimate of what a search costs each way. Searches nothing.
import Foundation

/// Whether to walk the graph or look at every allowed row, for one search.
///
/// Fitted to GloVe's 398,000 vectors of 50 components in a graph of 16 links, all four codes, 28 filters from 50 % to 0.1 % of the
/// rows (at random, around a row, far from all queries, in patches), breadths 100 to 400, one query at a time;
/// docs/vectors.md tells how. On another processor the same ratio of memory's latency to its bandwidth is assumed.
struct VectorPlan: Sendable, Hashable {
  let walksGraph: Bool
  let breadth: Int
  /// How many of the best are scored again by their exact vectors.
  let rescored: Int
  /// How many rows the graph's search may score or read links of: twice what is expected. A search that takes more goes
  /// astray, and the scan is surer.
  let budget: Int
  /// Share of the rows around a query that have to be allowed for a walk: two fifths of what it is everywhere. Where the
  /// filter leaves out just what is near, links between the allowed need not lead to the nearest of them.
  let least: Float

  /// - Parameter stride: bytes of a coded row.
  init(limit: Int, breadth: Int, code: VectorCode, stride: Int, allowed: Int, present: Int) {
    rescored =
      switch code {
      case .float32: limit
      case .float16: limit + 8
      case .int8: 2 * limit + 16
      case .bit: max(breadth, limit)
      }
    let share = Double(allowed) / Double(max(1, present))
    least = Float(0.4 * share)
    // The rarer the allowed, the fewer of their links are there: what 200 find of all, 300 find of a fiftieth.
    let widened = allowed < present ? Double(breadth) * (1 + 0.01 / max(share, 0.01)) : Double(breadth)
    self.breadth = max(Int(widened), limit, rescored)
    let costs = Costs(stride: Double(stride))
    let work = Work(share: share, isFiltered: allowed < present)
    let walk = Double(self.breadth) * (work.scored * costs.scored + work.visited * costs.visited)
    walksGraph = walk < Double(allowed) * costs.scanned
    budget = Int(2 * Double(self.breadth) * (work.scored + work.visited))
  }

  /// Nanoseconds for a row.
  private struct Costs {
    /// Scored on the way through the graph: memory's latency, mostly. 41 for 16 bytes, 53 for 200.
    let scored: Double
    /// Its links read.
    let visited = 60.0
    /// Scored in order. 4.0 to 4.5 for 16 and 64 bytes, 6 for 128, 8 to 11 for 200 while in the cache, twice that from memory.
    let scanned: Double

    init(stride: Double) {
      scored = 40 + stride / 16
      scanned = 2.5 + stride / 24
    }
  }

  /// Rows for each that a search keeps in view; in small graphs, where most has been seen, down to half as many.
  private struct Work {
    let scored: Double
    let visited: Double

    /// With a filter 6.2 scored and 21.2 visited where a fiftieth is allowed, 15.4 and 10.2 for a tenth, 22.3 and 2.7
    /// for half. Without one, what takes as long as 0.6 microseconds in all.
    init(share: Double, isFiltered: Bool) {
      scored = isFiltered ? 24 * share / (share + 0.055) : 12
      visited = isFiltered ? 1.5 / (share + 0.05) : 1
    }
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
