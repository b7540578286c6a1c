// Owns which sequences run in the next step and with how many tokens. A pure state machine: knows no model, clock or
// thread.
import StrataCore

/// Bounds of the scheduler.
public struct SchedulerLimits: Sendable, Hashable {
  /// Sequences that hold a cache at the same time.
  public var maxRunning: Int
  /// Requests that wait for a place; one more is refused.
  public var maxWaiting: Int
  /// Tokens of one step: every running decode takes one, chunks of prompts share the rest.
  public var stepTokens: Int
  /// Tokens (prompt and completion) that all running sequences may reserve together.
  public var cacheTokens: Int

  public init(maxRunning: Int = 16, maxWaiting: Int = 64, stepTokens: Int = 512, cacheTokens: Int = 65_536) {
    self.maxRunning = maxRunning
    self.maxWaiting = maxWaiting
    self.stepTokens = stepTokens
    self.cacheTokens = cacheTokens
  }
}

/// Continuous batching with chunked prefill (Agrawal et al. 2024, Sarathi-Serve): decodes go first, so that a long
/// prompt never stalls running generations by more than one chunk.
package struct Scheduler: Sendable {
  package typealias ID = UInt64

  /// Tokens of one sequence in one step.
  package struct Work: Sendable, Hashable {
    package var id: ID
    /// Tokens taken from what the sequence has pending.
    package var tokenCount: Int
    /// Whether this empties what is pending, so that the logits after the last token are needed.
    package var isLast: Bool

    package init(id: ID, tokenCount: Int, isLast: Bool) {
      self.id = id
      self.tokenCount = tokenCount
      self.isLast = isLast
    }
  }

  private struct Entry {
    var reserved: Int
    var pending: Int
    var tenant: String
  }

  package let limits: SchedulerLimits
  private var entries: [ID: Entry] = [:]
  /// In order of arrival.
  private var waiting: [ID] = []
  /// In order of admission.
  private var running: [ID] = []
  private var reservedTokens = 0

  package init(limits: SchedulerLimits) { self.limits = limits }

  package var waitingCount: Int { waiting.count }
  package var runningCount: Int { running.count }
  package var isIdle: Bool { entries.isEmpty }

  /// Adds a request that may grow to `reserved` tokens in all.
  /// - Throws: ``ServingError/queueFull``, or ``ServingError/contextLengthExceeded`` when it could never run.
  package mutating func enqueue(_ id: ID, reserved: Int, tenant: String) throws(ServingError) {
    guard reserved <= limits.cacheTokens else {
      throw ServingError(
        ServingError.contextLengthExceeded,
        "The request reserves \(reserved) tokens, more than the whole cache of \(limits.cacheTokens).",
        remedy: "Shorten the prompt, lower max_tokens, or start with a larger cache.")
    }
    guard waiting.count < limits.maxWaiting else {
      throw ServingError(
        ServingError.queueFull, "\(waiting.count) requests are waiting already.", remedy: "Try again in a moment.")
    }
    entries[id] = Entry(reserved: reserved, pending: 0, tenant: tenant)
    waiting.append(id)
  }

  /// Moves waiting requests to running while places and cache tokens last. Tenants with fewer running sequences go
  /// first, then the order of arrival.
  /// - Returns: the admitted ones; the caller says how many tokens each has pending.
  package mutating func admit() -> [ID] {
    var admitted: [ID] = []
    while running.count < limits.maxRunning, !waiting.isEmpty {
      var load: [String: Int] = [:]
      for id in running { load[entries[id]?.tenant ?? "", default: 0] += 1 }
      let next = waiting.indices.min { a, b in
        let loadA = load[entries[waiting[a]]?.tenant ?? "", default: 0]
        let loadB = load[entries[waiting[b]]?.tenant ?? "", default: 0]
        return loadA != loadB ? loadA < loadB : a < b
      }
      guard let next, let entry = entries[waiting[next]],
        reservedTokens + entry.reserved <= limits.cacheTokens
      else { break }
      reservedTokens += entry.reserved
      let id = waiting.remove(at: next)
      running.append(id)
      admitted.append(id)
    }
    return admitted
  }

  /// Says that a running sequence has `count` more tokens to compute.
  package mutating func addPending(_ count: Int, to id: ID) { entries[id]?.pending += count }

  /// The work of the next step; empty when nothing is pending.
  package mutating func nextStep() -> [Work] {
    var budget = limits.stepTokens
    var work: [Work] = []
    for id in running where entries[id]?.pending == 1 {
      work.append(Work(id: id, tokenCount: 1, isLast: true))
      entries[id]?.pending = 0
      budget -= 1
    }
    for id in running {
      guard budget > 0 else { break }
      guard let pending = entries[id]?.pending, pending > 1 || (pending == 1 && !work.contains { $0.id == id })
      else { continue }
      let count = min(pending, budget)
      work.append(Work(id: id, tokenCount: count, isLast: count == pending))
      entries[id]?.pending -= count
      budget -= count
    }
    return work
  }

  /// Forgets a sequence, whatever its state.
  package mutating func remove(_ id: ID) {
    guard let entry = entries.removeValue(forKey: id) else { return }
    if let index = running.firstIndex(of: id) {
      running.remove(at: index)
      reservedTokens -= entry.reserved
    }
    waiting.removeAll { $0 == id }
  }
}
