// Owns the decision how many tokens of each draft to verify. A pure state machine: knows no model, clock or thread.

/// What one sequence has shown so far.
package struct SpeculationHistory: Sendable {
  var estimator: AcceptanceEstimator
  package private(set) var draftedCount = 0
  package private(set) var acceptedCount = 0

  package init(gradeCount: Int) {
    // No prior of its own: what all sequences show stands in for it.
    estimator = AcceptanceEstimator(gradeCount: gradeCount, weight: 0, memory: 60) { _ in 0 }
  }

  package mutating func count(drafted: Int, accepted: Int) {
    draftedCount += drafted
    acceptedCount += accepted
  }
}

/// Chooses draft lengths so that the tokens of a step per second are most: a drafted token is verified when its chance of
/// being accepted is worth more than the time that one more row costs, given all rows that the step has anyway. With
/// many sequences rows stop being cheap and drafts shrink to nothing by themselves.
package struct SpeculationController: Sendable {
  /// Tokens of one draft; rows beyond cost as much as they can gain.
  package static let longestDraft = 15
  /// Rows of one step, drafts included; beyond it arithmetic is the limit on every processor.
  package static let mostRows = 48
  /// An expected gain below this is not worth the risk of being wrong.
  private static let leastGain = 1.03
  /// Steps without drafts after which one is tried that is expected to cost next to nothing.
  private static let probeInterval = 128
  private static let leastProbeGain = 0.9

  package private(set) var costs = StepCostModel()
  private var all: AcceptanceEstimator
  private let gradeCount: Int
  private var quietSteps = 0
  /// Without a step of the plain kind now and then, nobody would know what drafts are to be compared with.
  private static let baseInterval = 48
  private var turn = 0
  /// When a step of so many rows was last left without drafts, and how often it was.
  private var plainTurns = [(last: Int, count: Int)](repeating: (0, 0), count: mostRows + 1)
  private var base = 1
  /// Drafted tokens of one step that have been tried; twice as many may be.
  private var reach = 1

  package init(gradeCount: Int = PromptLookup.gradeCount, prior: (Int) -> Double = PromptLookup.prior) {
    self.gradeCount = gradeCount
    all = AcceptanceEstimator(gradeCount: gradeCount, prior: prior)
  }

  package func history() -> SpeculationHistory { SpeculationHistory(gradeCount: gradeCount) }

  /// The least chance of being accepted that can make up for one more row in a step of `rows` rows; guesses beyond it
  /// need not even be made.
  package func leastChance(rows: Int) -> Double {
    // Half of it, because the price of rows does not rise evenly: several may cost hardly more than one.
    0.5 * Double(rows) * (costs.ratio(of: rows + 6, to: rows) - 1) / 6
  }

  package func chance(of grade: Int, _ history: SpeculationHistory) -> Double {
    history.estimator.rate(of: grade, within: all)
  }

  /// How many tokens of each draft to verify in a step.
  /// - Parameters:
  ///   - candidates: of sequences that decode, each one row without a draft.
  ///   - rows: that the step has without any draft.
  ///   - draftSeconds: time to make one more token of every draft, where that costs any.
  package mutating func lengths(
    _ candidates: [(grades: [Int], history: SpeculationHistory)], rows: Int, draftSeconds: Double = 0
  ) -> [Int] {
    var lengths = [Int](repeating: 0, count: candidates.count)
    turn += 1
    base = rows
    guard rows > 0, rows < Self.mostRows else { return lengths }
    defer {
      if lengths.allSatisfy({ $0 == 0 }) { plainTurns[rows] = (turn, plainTurns[rows].count + 1) }
    }
    let plain = plainTurns[rows]
    guard plain.count > 1, turn - plain.last < Self.baseInterval else { return lengths }
    var offers: [(candidate: Int, chance: Double)] = []
    for (index, candidate) in candidates.enumerated() {
      var chance = 1.0
      for grade in candidate.grades.prefix(Self.longestDraft) {
        chance *= candidate.history.estimator.rate(of: grade, within: all)
        guard chance > 0.02 else { break }
        offers.append((index, chance))
      }
    }
    guard !offers.isEmpty else { return lengths }
    // Chances fall along a draft, and the sort is stable, so that any beginning of this list is a set of beginnings.
    let order = offers.indices.sorted { (offers[$1].chance, $0) < (offers[$0].chance, $1) }
    var best = (count: 0, gain: 0.0)
    var expected = 0.0
    var depths = lengths
    let base = costs.seconds(of: rows) ?? 1
    for (count, offer) in order.enumerated() where rows + count + 1 <= Self.mostRows && count < 2 * reach {
      expected += offers[offer].chance
      depths[offers[offer].candidate] += 1
      let drafting = draftSeconds * Double(depths.max() ?? 0) / base
      let cost = costs.ratio(of: rows + count + 1, to: rows) + drafting
      let gain = (1 + expected / Double(rows)) / cost
      if gain > best.gain { best = (count + 1, gain) }
    }
    guard best.gain >= Self.leastGain || isProbe(best.gain) else { return lengths }
    quietSteps = 0
    reach = max(reach, best.count)
    for offer in order.prefix(best.count) { lengths[offers[offer].candidate] += 1 }
    return lengths
  }

  private mutating func isProbe(_ gain: Double) -> Bool {
    quietSteps += 1
    guard quietSteps >= Self.probeInterval else { return false }
    quietSteps = 0
    costs.forget()
    return gain >= Self.leastProbeGain
  }

  /// Takes in what a sequence said after a draft was made, whether or not any of it was verified: a guess that was not
  /// tried shows as well whether it was right, and costs nothing.
  package mutating func record(_ draft: Draft, said tokens: ArraySlice<Int32>, _ history: inout SpeculationHistory) {
    for ((guess, grade), token) in zip(zip(draft.tokens, draft.grades), tokens) {
      all.record(grade: grade, isHit: guess == token)
      history.estimator.record(grade: grade, isHit: guess == token)
      if guess != token { break }
    }
  }

  package mutating func record(rows: Int, seconds: Double) { costs.record(rows: rows, seconds: seconds, base: base) }
}
