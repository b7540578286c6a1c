// Owns what a step costs as a function of its rows, learned while serving. Knows nothing about what the rows are.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Relative time of a step by its number of rows. On a processor, a step of one row waits for memory, so that a few more
/// rows cost little, until arithmetic takes over; where that happens depends on the model and the machine, and is
/// learned from the steps that are run anyway.
///
/// Only ratios matter, so the level (how busy the machine is now) is followed fast and apart from the shape.
package struct StepCostModel: Sendable {
  /// Rows beyond are taken as costing what the last ones do.
  package static let mostRows = 64
  private var logShape: [Double]
  private var logLevel = 0.0
  private var hasLevel = false
  private var steps = 0
  /// When a number of rows was last seen, 0 for never.
  private var lastSeen = [Int](repeating: 0, count: mostRows + 1)

  package init() {
    // Measured on AVX-512 processors with the first kernels; only a start.
    logShape = (0...Self.mostRows).map { rows -> Double in
      let extra = Double(max(rows, 1) - 1)
      return log(extra <= 5 ? 1 + 0.11 * extra : 0.55 + 0.2 * extra)
    }
  }

  /// Takes in a step that computed `rows` rows in `seconds`, everything that belongs to it included.
  /// - Parameter base: rows that it would have had without drafts.
  package mutating func record(rows: Int, seconds: Double, base: Int? = nil) {
    guard (1...Self.mostRows).contains(rows), seconds > 0, seconds.isFinite else { return }
    let measured = log(seconds)
    steps += 1
    defer { lastSeen[rows] = steps }
    guard hasLevel else {
      hasLevel = true
      logLevel = measured - logShape[rows]
      return
    }
    // One step that was interrupted must not teach much.
    let error = min(0.7, max(-0.7, measured - logLevel - logShape[rows]))
    logLevel += 0.2 * error
    // What is seen every day changes slowly; what is seen rarely counts when it is.
    let rate = lastSeen[rows] == 0 ? 0.5 : steps - lastSeen[rows] > 8 ? 0.25 : 0.06
    for other in 1...Self.mostRows {
      let distance = Double(other - rows)
      // If drafts cost more than believed, longer ones do as well.
      let isBeyond = rows > base ?? rows && other > rows
      logShape[other] += rate * error / (1 + (isBeyond ? 0.15 * distance : 2 * distance * distance))
    }
  }

  /// Time of a step of `rows` rows relative to one of `base` rows; never falls below 1 for more rows.
  package func ratio(of rows: Int, to base: Int) -> Double {
    guard rows > base else { return 1 }
    return max(1, exp(logCost(rows) - logCost(base)))
  }

  /// Seconds that a step of `rows` rows is expected to take now; nil before the first one.
  package func seconds(of rows: Int) -> Double? { hasLevel ? exp(logLevel + logCost(rows)) : nil }

  /// More rows never cost less, whatever single measurements say.
  private func logCost(_ rows: Int) -> Double {
    let known = logShape[1...min(max(1, rows), Self.mostRows)].max() ?? 0
    return rows > Self.mostRows ? known + log(Double(rows) / Double(Self.mostRows)) : known
  }

  /// Moves the shape a little towards its start, so that a verdict that was reached on a busy machine is looked at again.
  package mutating func forget(_ share: Double = 0.05) {
    let fresh = StepCostModel()
    let origin = logShape[1] - fresh.logShape[1]
    for rows in 2...Self.mostRows { logShape[rows] += share * (fresh.logShape[rows] + origin - logShape[rows]) }
  }
}
