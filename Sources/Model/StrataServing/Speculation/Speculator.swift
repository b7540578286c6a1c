// Owns one engine's speculation: who drafts, how much of it is verified, and what was learned. Knows nothing about
// scheduling or caches of the model that it drafts for.
import StrataCore
import StrataModel
import StrataSchema

/// Confined to the engine's thread.
package final class Speculator {
  /// A sequence that is about to decode one token.
  package struct Candidate {
    package var id: UInt64
    /// Prompt and output so far.
    package var tokens: [Int32]
    package var sampler: Sampler
    package var matcher: GrammarMatcher?
    package var stopTokens: Set<Int32>
    /// Tokens that it may still say, at least one.
    package var room: Int

    package init(
      id: UInt64, tokens: [Int32], sampler: Sampler, matcher: GrammarMatcher?, stopTokens: Set<Int32>, room: Int
    ) {
      self.id = id
      self.tokens = tokens
      self.sampler = sampler
      self.matcher = matcher
      self.stopTokens = stopTokens
      self.room = room
    }
  }

  /// A class, so that its tables are changed in place.
  private final class State {
    var lookup: PromptLookup
    var history: SpeculationHistory
    /// What was guessed for the next tokens, the part that is not verified included.
    var guess = Draft()
    /// Tokens of the sequence when it was guessed.
    var guessedAt = 0

    init(lookup: PromptLookup, history: SpeculationHistory) {
      self.lookup = lookup
      self.history = history
    }
  }

  private let draftModel: DraftModel?
  private var controller: SpeculationController
  private var states: [UInt64: State] = [:]
  /// Seconds that the draft model takes for one more token of all drafts, by the number of sequences.
  private var draftCosts = StepCostModel()
  private var turnsSinceProbe = 0
  private let clock = ContinuousClock()
  package private(set) var draftedCount = 0
  package private(set) var acceptedCount = 0

  /// - Parameter draftModel: nil looks drafts up in prompt and output.
  package init(draftModel: DraftModel? = nil) {
    self.draftModel = draftModel
    controller =
      draftModel == nil
      ? SpeculationController()
      : SpeculationController(gradeCount: DraftModel.gradeCount, prior: DraftModel.prior)
  }

  /// Drafts for the next step.
  /// - Parameters:
  ///   - candidates: sequences with exactly one token pending.
  ///   - rows: that the step has without drafts, those of `candidates` included.
  ///   - mayVerify: false when the step will carry a prompt's chunk; guesses are then only watched.
  package func drafts(for candidates: [Candidate], rows: Int, mayVerify: Bool = true) -> [UInt64: Draft] {
    guard !candidates.isEmpty else { return [:] }
    let drafts =
      if let draftModel {
        mayVerify ? proposed(by: draftModel, candidates, rows: rows) : [:]
      } else {
        lookedUp(candidates, rows: rows, mayVerify: mayVerify)
      }
    return drafts.filter { !$0.value.tokens.isEmpty }
  }

  private func lookedUp(_ candidates: [Candidate], rows: Int, mayVerify: Bool) -> [UInt64: Draft] {
    let leastChance = controller.leastChance(rows: rows)
    var guesses: [(grades: [Int], history: SpeculationHistory)] = []
    for candidate in candidates {
      let state = state(of: candidate, expectedCount: candidate.tokens.count + candidate.room)
      state.lookup.update(candidate.tokens)
      var chance = 1.0
      let limit = mayVerify ? min(SpeculationController.longestDraft, candidate.room - 1) : 1
      state.guess = state.lookup.draft(limit: limit) { grade in
        chance *= controller.chance(of: grade, state.history)
        return chance >= leastChance
      }
      trim(&state.guess, candidate)
      state.guessedAt = candidate.tokens.count
      guesses.append((state.guess.grades, state.history))
    }
    guard mayVerify else { return [:] }
    let lengths = controller.lengths(guesses, rows: rows)
    var drafts: [UInt64: Draft] = [:]
    for (candidate, length) in zip(candidates, lengths) where length > 0 {
      guard var draft = states[candidate.id]?.guess else { continue }
      draft.cut(to: length)
      drafts[candidate.id] = draft
    }
    return drafts
  }

  private func state(of candidate: Candidate, expectedCount: Int) -> State {
    if let known = states[candidate.id] { return known }
    let state = State(lookup: PromptLookup(expectedCount: expectedCount), history: controller.history())
    states[candidate.id] = state
    return state
  }

  /// A guess that cannot be said, or after which nothing is said, need not be tried.
  private func trim(_ guess: inout Draft, _ candidate: Candidate) {
    guard !guess.tokens.isEmpty else { return }
    var count = guess.tokens.firstIndex { candidate.stopTokens.contains($0) } ?? guess.tokens.count
    if var matcher = candidate.matcher {
      count = guess.tokens.prefix(count).firstIndex { !matcher.accept(token: $0) } ?? count
    }
    guess.cut(to: count)
  }

  private func proposed(by model: DraftModel, _ candidates: [Candidate], rows: Int) -> [UInt64: Draft] {
    let grades = Array(0..<DraftModel.gradeCount)
    let seconds = draftCosts.seconds(of: candidates.count) ?? 0
    var lengths = controller.lengths(
      candidates.map { candidate in
        let room = min(candidate.room - 1, grades.count)
        return (Array(grades.prefix(max(0, room))), state(of: candidate, expectedCount: 0).history)
      }, rows: rows, draftSeconds: seconds)
    // Nothing shows how good a draft model is but its drafts.
    turnsSinceProbe += 1
    if lengths.allSatisfy({ $0 == 0 }), turnsSinceProbe >= Self.probeInterval {
      lengths = candidates.map { min(2, $0.room - 1) }
    }
    if lengths.contains(where: { $0 > 0 }) { turnsSinceProbe = 0 }
    let requests = zip(candidates, lengths).filter { $1 > 0 }.map { candidate, length in
      DraftModel.Request(
        id: candidate.id, tokens: candidate.tokens, sampler: candidate.sampler, matcher: candidate.matcher,
        count: length)
    }
    guard !requests.isEmpty else { return [:] }
    let start = clock.now
    // A draft model that fails costs its drafts, never the sequences.
    guard let drafts = try? model.drafts(requests) else { return [:] }
    let steps = drafts.values.map(\.tokens.count).max() ?? 0
    if steps > 0 {
      draftCosts.record(rows: requests.count, seconds: start.duration(to: clock.now) / .seconds(1) / Double(steps))
    }
    for (id, draft) in drafts {
      states[id]?.guess = draft
      states[id]?.guessedAt = candidates.first { $0.id == id }?.tokens.count ?? 0
    }
    return drafts
  }

  private static let probeInterval = 64

  /// Takes in what a sequence said in the step.
  /// - Parameters:
  ///   - tokens: the whole sequence now.
  ///   - drafted: how many of its drafted tokens were verified.
  ///   - accepted: how many of them held.
  package func record(_ id: UInt64, tokens: [Int32], drafted: Int, accepted: Int) {
    draftedCount += drafted
    acceptedCount += accepted
    guard let state = states[id] else { return }
    if state.guessedAt > 0, state.guessedAt < tokens.count {
      controller.record(state.guess, said: tokens[state.guessedAt...], &state.history)
    }
    state.history.count(drafted: drafted, accepted: accepted)
    state.guess = Draft()
    state.guessedAt = 0
  }

  /// Takes in the time of a step in which every sequence decoded.
  package func record(rows: Int, seconds: Double) { controller.record(rows: rows, seconds: seconds) }

  /// Drafted and accepted tokens of a sequence, which is then forgotten.
  @discardableResult
  package func end(_ id: UInt64) -> (drafted: Int, accepted: Int) {
    draftModel?.forget(id)
    let history = states.removeValue(forKey: id)?.history
    return (history?.draftedCount ?? 0, history?.acceptedCount ?? 0)
  }
}
