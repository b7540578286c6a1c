// Owns which sequences run in the next step, with how many tokens and on which pages. A pure state machine: knows no
// model, clock or thread.
import StrataCore

/// Continuous batching with one token budget per step, shared by decodes and chunks of prompts (Agrawal et al. 2024,
/// Sarathi-Serve). What is its own:
///
/// - The budget is a time, not a count: ``StepTimeModel`` cuts chunks so that answers being streamed go on every
///   ``SchedulerLimits/targetStepTime``.
/// - ``TenantLedger`` says whose prompt is next; a tenant that got least may take a whole step from those that got more.
/// - Pages are taken as positions are written, never reserved. When they run out one sequence is paused: its pages stay
///   in the ``RadixCache`` until somebody needs them, and it goes on later from what is left.
/// - Requests whose prefix is being computed wait for it instead of computing it again.
///
/// The caller's turn: ``enqueue(_:at:)`` and ``remove(_:at:)`` as requests come and go, ``propose(_:for:)`` drafts,
/// ``plan(at:)``, compute, ``complete(_:at:seconds:)``. Times are seconds on any clock that only goes forward.
package struct Scheduler: Sendable {
  package typealias ID = UInt64
  package typealias Seconds = Double
  package typealias Page = PageAllocator.Page

  /// A request as it arrives.
  package struct Submission: Sendable {
    package var id: ID
    /// At least one token.
    package var tokens: [Int32]
    package var namespace: RadixCache.Namespace
    /// Lower goes first among requests of one tenant; between tenants only weights decide.
    package var priority: Int
    /// When nobody needs the answer any more.
    package var deadline: Seconds?
    /// Prompt and completion together never get longer.
    package var tokenLimit: Int

    package init(
      id: ID, tokens: [Int32], namespace: RadixCache.Namespace, priority: Int = 0, deadline: Seconds? = nil,
      tokenLimit: Int = .max
    ) {
      self.id = id
      self.tokens = tokens
      self.namespace = namespace
      self.priority = priority
      self.deadline = deadline
      self.tokenLimit = tokenLimit
    }
  }

  /// Tokens of one sequence in one step.
  package struct Work: Sendable, Hashable {
    package var id: ID
    /// Position of the first token; those before it are computed.
    package var first: Int
    /// Known tokens from there.
    package var tokenCount: Int
    /// Guesses that follow the known tokens, to be checked; empty for chunks of prompts.
    package var draft: [Int32]
    /// Whether nothing known stays pending, so that the logits after the last known token and after each guess are
    /// needed.
    package var wantsLogits: Bool
    /// Whether this is a decode; otherwise a chunk of a prompt.
    package var isDecode: Bool

    package var rowCount: Int { tokenCount + draft.count }
  }

  /// A page to be copied before the step.
  package struct PageCopy: Sendable, Hashable {
    package var source: Page
    package var target: Page
    /// Leading positions that matter.
    package var count: Int
  }

  package struct Plan: Sendable {
    package var work: [Work] = []
    package var copies: [PageCopy] = []
    /// Requests that end because their deadline has passed.
    package var failures: [(id: ID, error: ServingError)] = []
    /// Requests that got a place, the first time.
    package var started: [ID] = []
  }

  /// What became of one piece of work.
  package struct Outcome: Sendable {
    package var id: ID
    /// Leading guesses that hold.
    package var accepted: Int
    /// What follows the known tokens now: the accepted guesses, the chosen token, and tokens that can only follow it.
    package var appended: [Int32]

    package init(id: ID, accepted: Int = 0, appended: [Int32] = []) {
      self.id = id
      self.accepted = accepted
      self.appended = appended
    }
  }

  package let limits: SchedulerLimits
  var allocator: PageAllocator
  var cache: RadixCache
  var ledger: TenantLedger
  var timing = StepTimeModel()
  var sequences: [ID: ScheduledSequence] = [:]
  /// Waiting requests by tenant, by priority and then in order of arrival.
  var waiting: [String: [ID]] = [:]
  /// In order of admission.
  var running: [ID] = []
  /// Pages that copies of the last plan read; nobody may overwrite them before.
  var copySources: [Page] = []
  var lastWork: [Work] = []
  /// Sequences that the plan in the making has paused; they get no place before the next one.
  var justPaused = Set<ID>()
  var nextOrder: UInt64 = 0
  var admissionPace = AdmissionPace()
  /// Pauses of running sequences so far.
  package internal(set) var pauseCount = 0

  package init(limits: SchedulerLimits) {
    self.limits = limits
    let pageCount = PageAllocator.pageCount(for: limits.cacheTokens)
    allocator = PageAllocator(pageCount: pageCount)
    cache = RadixCache(quota: Int(Double(pageCount) * min(max(limits.prefixShare, 0), 1)))
    ledger = TenantLedger(weights: limits.tenantWeights, credit: limits.burstCredit)
  }

  package var waitingCount: Int { sequences.count - running.count }
  package var runningCount: Int { running.count }
  package var isIdle: Bool { sequences.isEmpty }
  /// Tokens that all pages together hold.
  package var capacity: Int { allocator.pageCount * PageAllocator.pageSize }
  package var pagesInUse: Int { allocator.inUseCount }
  /// Pages that only the prefix cache holds.
  package var pagesIdle: Int { allocator.idleCount }
  package var pageCount: Int { allocator.pageCount }

  package func contains(_ id: ID) -> Bool { sequences[id] != nil }
  /// Prompt and completion so far.
  package func tokens(of id: ID) -> [Int32] { sequences[id]?.tokens ?? [] }
  package func pages(of id: ID) -> [Page] { sequences[id]?.pages ?? [] }
  package func computedCount(of id: ID) -> Int { sequences[id]?.computed ?? 0 }
  /// Prompt tokens that needed no computing.
  package func reusedCount(of id: ID) -> Int { sequences[id]?.reusedCount ?? 0 }
  package func pauseCount(of id: ID) -> Int { sequences[id]?.pauseCount ?? 0 }
  /// The cost of what a tenant received, divided by its weight.
  package func service(of tenant: String) -> Double { ledger.service(of: tenant) }

  /// Running sequences that decode one token next, which may be accompanied by guesses.
  package var draftable: [ID] {
    running.filter { id in sequences[id].map { $0.isDecoding && $0.pendingCount == 1 } ?? false }
  }

  // MARK: Coming and going

  /// Adds a request.
  /// - Throws: ``ServingError/contextLengthExceeded`` when it could never run, ``ServingError/queueFull`` or
  ///   ``ServingError/tenantQueueFull`` with the time after which to try again.
  package mutating func enqueue(_ submission: Submission, at now: Seconds) throws(ServingError) {
    let tenant = submission.namespace.tenant
    guard submission.tokens.count < capacity else {
      throw ServingError(
        ServingError.contextLengthExceeded,
        "The prompt has \(submission.tokens.count) tokens; the cache holds \(capacity) with the answer.",
        remedy: "Shorten the prompt or start with a larger cache.")
    }
    guard waitingCount < limits.maxWaiting else {
      throw ServingError(
        ServingError.queueFull, "\(waitingCount) requests are waiting already.", remedy: "Try again later.",
        retryAfter: .seconds(admissionPace.retrySeconds(queueLength: waitingCount)))
    }
    let own = waiting[tenant]?.count ?? 0
    guard own < limits.maxWaitingPerTenant else {
      throw ServingError(
        ServingError.tenantQueueFull, "\(own) requests of yours are waiting already.",
        remedy: "Send fewer requests at a time, or try again later.",
        retryAfter: .seconds(admissionPace.retrySeconds(queueLength: own)))
    }
    nextOrder += 1
    sequences[submission.id] = ScheduledSequence(
      id: submission.id, namespace: submission.namespace, priority: submission.priority, order: nextOrder,
      deadline: submission.deadline, promptCount: submission.tokens.count,
      tokenLimit: min(submission.tokenLimit, capacity), tokens: submission.tokens)
    ledger.enter(tenant, at: now)
    wait(submission.id)
  }

  /// Forgets a sequence, whatever its state. What it has computed stays known until the memory is wanted.
  package mutating func remove(_ id: ID, at now: Seconds) {
    guard let sequence = sequences[id] else { return }
    if sequence.isRunning { retire(id) } else { unwait(id) }
    sequences[id] = nil
    ledger.leave(sequence.tenant, at: now)
  }

  /// Offers guesses of what follows the pending token of a decode; the next plan takes as many as there is room for.
  package mutating func propose(_ draft: [Int32], for id: ID) { sequences[id]?.draft = draft }

  /// Forgets what is cached for an adapter that is being unloaded.
  package mutating func forget(adapter: String) { cache.forget(adapter: adapter, allocator: &allocator) }

  // MARK: Results

  /// Takes in what a step has brought. `seconds` is the time that computing took.
  package mutating func complete(_ outcomes: [Outcome], at now: Seconds, seconds: Seconds) {
    let results = Dictionary(outcomes.map { ($0.id, $0) }) { first, _ in first }
    for work in lastWork {
      guard let outcome = results[work.id], sequences[work.id]?.isRunning == true else { continue }
      sequences[work.id]?.computed = work.first + work.tokenCount + outcome.accepted
      sequences[work.id]?.tokens += outcome.appended
      charge(work, appended: outcome.appended.count)
      publish(work.id)
    }
    timing.learn(
      decodeRows: lastWork.reduce(0) { $0 + ($1.isDecode ? $1.rowCount : 0) },
      promptTokens: lastWork.reduce(0) { $0 + ($1.isDecode ? 0 : $1.rowCount) }, seconds: seconds)
    lastWork = []
  }

  private mutating func charge(_ work: Work, appended: Int) {
    guard let sequence = sequences[work.id] else { return }
    // What is computed again after a pause is nobody's fault.
    let upTo = min(sequence.computed, sequence.promptCount)
    let prompt = max(0, upTo - max(work.first, sequence.chargedCount))
    sequences[work.id]?.chargedCount = max(sequence.chargedCount, upTo)
    ledger.charge(sequence.tenant, Double(prompt) + Double(appended) * limits.completionCost)
  }

  // MARK: The waiting line

  /// Puts a request in its tenant's line.
  mutating func wait(_ id: ID) {
    guard let sequence = sequences[id] else { return }
    var line = waiting[sequence.tenant] ?? []
    let place = line.firstIndex { other in
      guard let other = sequences[other] else { return false }
      return (other.priority, other.order) > (sequence.priority, sequence.order)
    }
    line.insert(id, at: place ?? line.count)
    waiting[sequence.tenant] = line
  }

  mutating func unwait(_ id: ID) {
    guard let tenant = sequences[id]?.tenant else { return }
    waiting[tenant]?.removeAll { $0 == id }
    if waiting[tenant]?.isEmpty == true { waiting[tenant] = nil }
  }

  /// What must always hold; nil when it does.
  package func _checkInvariants() -> String? {
    let pinned = Set(copySources)
    if let problem = allocator._checkInvariants() ?? cache._checkInvariants(allocator, pinned: pinned) {
      return problem
    }
    var references = [Int](repeating: 0, count: allocator.pageCount)
    for id in running {
      guard let sequence = sequences[id], sequence.isRunning else { return "a running sequence is unknown" }
      for page in sequence.pages { references[Int(page)] += 1 }
      if sequence.computed > sequence.pages.count * PageAllocator.pageSize { return "positions without a page" }
      if sequence.pendingCount < 1 { return "a running sequence has nothing to do" }
    }
    for page in copySources { references[Int(page)] += 1 }
    let lines = waiting.values.flatMap(\.self)
    if Set(lines) != Set(sequences.values.filter { !$0.isRunning }.map(\.id)) { return "the lines are not the waiting" }
    if lines.count + running.count != sequences.count { return "a request is in two places" }
    if sequences.values.contains(where: { !$0.isRunning && !$0.pages.isEmpty }) { return "a waiting request has pages" }
    let total = references.reduce(0, +)
    let counted = (0..<allocator.pageCount).reduce(0) { $0 + allocator.referenceCount(of: Page($1)) }
    if counted != total + cache.pageCount { return "\(counted) references, \(total) + \(cache.pageCount) are known" }
    return nil
  }
}

/// How fast waiting requests get places.
struct AdmissionPace: Sendable {
  private var lastAdmission: Scheduler.Seconds?
  private var interval: Scheduler.Seconds = 1

  /// Notes an admission; one from an empty line says nothing about the pace.
  mutating func admitted(at now: Scheduler.Seconds, othersWait: Bool) {
    if let lastAdmission, othersWait { interval += 0.2 * (min(now - lastAdmission, 30) - interval) }
    lastAdmission = now
  }

  /// Whole seconds until half of a line will have gone: everybody who is refused comes back at about the same time.
  func retrySeconds(queueLength: Int) -> Int {
    Int(min(max((interval * Double(queueLength) / 2).rounded(.up), 1), 120))
  }
}
