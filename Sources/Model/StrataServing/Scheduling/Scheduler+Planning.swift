// Owns the composition of a step: which decodes go on, and how much of whose prompt joins them.

extension Scheduler {
  /// Composes the next step. The caller executes the copies first, then computes the work, and reports with
  /// ``complete(_:at:seconds:)``.
  package mutating func plan(at now: Seconds) -> Plan {
    for page in copySources { allocator.release(page) }
    copySources = []
    justPaused = []
    var plan = Plan()
    expire(at: now, into: &plan)
    admit(at: now, into: &plan)
    compose(at: now, into: &plan)
    // Several prompts may have met in the middle of the memory, none of which gets on: one has to give way.
    while plan.work.isEmpty, running.count > 1, let victim = sequenceToPause() {
      pause(victim)
      compose(at: now, into: &plan)
    }
    lastWork = plan.work
    return plan
  }

  private mutating func compose(at now: Seconds, into plan: inout Plan) {
    var prompts = running.filter { sequences[$0]?.isDecoding == false }
    let leader = leastServedTenant(of: prompts)
    var decodes: [ID] = []
    var isDeferring = false
    for id in running {
      guard let sequence = sequences[id], sequence.isDecoding else { continue }
      let yields = leader.map { mayYield(sequence, to: $0) } ?? false
      sequences[id]?.wasDeferred = yields
      isDeferring = isDeferring || yields
      if !yields { decodes.append(id) }
    }
    // What others leave out is not for everybody.
    if isDeferring { prompts.removeAll { sequences[$0]?.tenant != leader } }
    addDecodes(decodes, to: &plan)
    addPrompts(prompts, isDeferring: isDeferring, at: now, to: &plan)
  }

  /// The tenant of one of these sequences that got least; of equals the one with fewest places.
  private func leastServedTenant(of ids: [ID]) -> String? {
    let tenants = Set(ids.compactMap { sequences[$0]?.tenant })
    return tenants.min { a, b in
      (ledger.service(of: a), placeCount(of: a), a) < (ledger.service(of: b), placeCount(of: b), b)
    }
  }

  /// Whether a decode may wait for one step so that the prompt of a tenant that got no more goes first: never twice in a
  /// row, and never for a sequence of the same tenant.
  private func mayYield(_ sequence: ScheduledSequence, to leader: String) -> Bool {
    !sequence.wasDeferred && sequence.tenant != leader
      && ledger.service(of: sequence.tenant) >= ledger.service(of: leader)
  }

  // MARK: Decodes

  private mutating func addDecodes(_ ids: [ID], to plan: inout Plan) {
    var room = limits.stepTokens
    var spare = max(0, room - ids.count)
    // The urgent and old first: they find pages, and the newest gives way.
    let ordered = ids.compactMap { sequences[$0] }.sorted { ($0.priority, $0.order) < ($1.priority, $1.order) }
    for entry in ordered where room > 0 {
      // It may have been paused for one before it.
      guard let sequence = sequences[entry.id], sequence.isRunning else { continue }
      let known = min(sequence.pendingCount, room)
      let isWhole = known == sequence.pendingCount
      var draft = isWhole ? Array(sequence.draft.prefix(min(spare, sequence.draftLimit))) : []
      sequences[entry.id]?.draft = []
      guard let end = makePages(for: entry.id, upTo: sequence.computed + known, extra: draft.count) else { continue }
      draft = Array(draft.prefix(max(0, end - sequence.computed - known)))
      plan.work.append(
        Work(
          id: entry.id, first: sequence.computed, tokenCount: known, draft: draft, wantsLogits: isWhole, isDecode: true)
      )
      room -= known + draft.count
      spare = max(0, spare - draft.count - (known - 1))
    }
    // A victim may already have been given work.
    plan.work.removeAll { work in sequences[work.id]?.isRunning != true }
  }

  /// Finds pages for a decode, pausing others if need be; `extra` positions are taken only if they cost nobody anything.
  /// - Returns: positions that have pages, or nil when the sequence itself had to give way.
  private mutating func makePages(for id: ID, upTo count: Int, extra: Int) -> Int? {
    while extend(id, to: count) < count {
      guard running.count > 1, let victim = sequenceToPause() else {
        return nil
      }
      pause(victim)
      if victim == id { return nil }
    }
    guard extra > 0 else { return count }
    let wanted = PageAllocator.pageCount(for: count + extra) - (sequences[id]?.pages.count ?? 0)
    // Guesses are not worth a pause of somebody else.
    guard wanted <= allocator.freeCount + allocator.idleCount - running.count else {
      return min(count + extra, (sequences[id]?.pages.count ?? 0) * PageAllocator.pageSize)
    }
    return extend(id, to: count + extra)
  }

  // MARK: Prompts

  private mutating func addPrompts(_ ids: [ID], isDeferring: Bool, at now: Seconds, to plan: inout Plan) {
    var budget = promptBudget(isDeferring: isDeferring, at: now, decodeRows: plan.work.reduce(0) { $0 + $1.rowCount })
    var left = ids.filter { sequences[$0]?.isRunning == true }
    var assigned: [String: Double] = [:]
    // While answers are held back for a tenant that got less, the step is that tenant's alone.
    var owner: String?
    while budget > 0, let index = nextPrompt(left, assigned: assigned) {
      let id = left.remove(at: index)
      guard let sequence = sequences[id] else { continue }
      if isDeferring, owner ?? sequence.tenant != sequence.tenant { continue }
      owner = sequence.tenant
      var count = min(sequence.pendingCount, budget)
      if count < sequence.pendingCount {
        // Ending at a page's end lets others share the page at once.
        let aligned = (sequence.computed + count) / PageAllocator.pageSize * PageAllocator.pageSize
        if aligned > sequence.computed { count = aligned - sequence.computed }
      }
      count = min(count, extend(id, to: sequence.computed + count) - sequence.computed)
      guard count > 0 else { continue }
      plan.work.append(
        Work(
          id: id, first: sequence.computed, tokenCount: count, draft: [], wantsLogits: count == sequence.pendingCount,
          isDecode: false))
      budget -= count
      assigned[sequence.tenant, default: 0] += Double(count) / ledger.weight(of: sequence.tenant)
    }
  }

  /// The prompt that goes on: of the tenant that got least (of equals, that has fewest places), the most urgent, of those
  /// the oldest.
  private func nextPrompt(_ ids: [ID], assigned: [String: Double]) -> Int? {
    func key(_ id: ID) -> (Double, Int, Int, UInt64) {
      guard let sequence = sequences[id] else { return (.infinity, 0, 0, 0) }
      let service = ledger.service(of: sequence.tenant) + (assigned[sequence.tenant] ?? 0)
      return (service, placeCount(of: sequence.tenant), sequence.effectivePriority, sequence.admission)
    }
    return ids.indices.min { key(ids[$0]) < key(ids[$1]) }
  }

  /// How many tokens of prompts the step takes: all it can while nobody reads along, otherwise what the time allows.
  private func promptBudget(isDeferring: Bool, at now: Seconds, decodeRows: Int) -> Int {
    let room = max(0, limits.stepTokens - decodeRows)
    let isShared = ledger.isShared(at: now)
    guard decodeRows > 0 || isDeferring || isShared else { return room }
    let time = isDeferring ? limits.longestPause : isShared ? limits.sharedStepTime : limits.targetStepTime
    // Where somebody else may come at any moment, steps stay short.
    let tokens = timing.promptTokens(
      within: time / .seconds(1), decodeRows: decodeRows, least: isShared ? 0.1 : 0.5)
    return min(room, max(Self.leastChunk, tokens))
  }

  /// Fewer tokens of a prompt in a step would not be worth its cost.
  private static let leastChunk = PageAllocator.pageSize
}
