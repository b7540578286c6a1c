// Owns what the scheduler knows of one request. Knows nothing about text, sampling or streams.

/// One request on its way through the scheduler.
struct ScheduledSequence: Sendable {
  let id: Scheduler.ID
  let namespace: RadixCache.Namespace
  /// Lower is more urgent.
  let priority: Int
  /// In order of arrival.
  let order: UInt64
  let deadline: Scheduler.Seconds?
  let promptCount: Int
  /// Prompt and completion together never get longer.
  let tokenLimit: Int

  /// Prompt and completion.
  var tokens: [Int32]
  /// Leading tokens whose keys and values are in `pages`.
  var computed = 0
  /// Page `i` holds positions 16i…16i+15. Only positions from `computed` on are ever written.
  var pages: [PageAllocator.Page] = []
  /// Leading pages that are in the prefix cache, and the node of the last of them.
  var publishedCount = 0
  var node: Int?
  /// Nodes of the prefix cache that this sequence has promised to compute.
  var promised: [Int] = []
  /// Guessed tokens that may follow, to be checked in the next step.
  var draft: [Int32] = []

  var isRunning = false
  /// In order of admission; the newest is paused first.
  var admission: UInt64 = 0
  /// Prompt tokens that were cached when it first ran; nil before.
  var reusedCount: Int?
  /// Leading prompt tokens that its tenant has been charged for or that were free.
  var chargedCount = 0
  /// Whether the last step left this decode out in favour of another tenant.
  var wasDeferred = false
  /// The sequence that computes a prefix of this one just now, and how much of it to wait for.
  var awaited: (owner: Scheduler.ID, count: Int)?
  /// Priority of the most urgent request that waits for this one's prefix.
  var inheritedPriority = Int.max
  var pauseCount = 0

  var tenant: String { namespace.tenant }
  /// Guesses that have a place in the sequence.
  var draftLimit: Int { max(0, tokenLimit - tokens.count) }
  var pendingCount: Int { tokens.count - computed }
  var effectivePriority: Int { min(priority, inheritedPriority) }

  /// Whether somebody is reading along: the first token is out and what is pending is a decode, or a short run of
  /// tokens that a grammar has forced.
  var isDecoding: Bool { tokens.count > promptCount && pendingCount <= Self.longestForcedRun }
  private static let longestForcedRun = 64
}
