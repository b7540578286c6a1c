// Owns who gets a place, and who has to give one up.

extension Scheduler {
  /// Ends requests whose deadline has passed: computing what nobody waits for takes time from the others.
  mutating func expire(at now: Seconds, into plan: inout Plan) {
    for (id, sequence) in sequences {
      guard let deadline = sequence.deadline, deadline < now else { continue }
      let wasWaiting = sequence.reusedCount == nil
      remove(id, at: now)
      let error = ServingError(
        ServingError.deadlineExceeded,
        wasWaiting
          ? "The request waited for a place until its deadline had passed."
          : "The deadline passed while the answer was being written.",
        remedy: "Allow more time, or send fewer requests at a time.",
        retryAfter: .seconds(admissionPace.retrySeconds(queueLength: waitingCount)))
      plan.failures.append((id, error))
    }
  }

  /// Gives places to waiting requests, least served tenants first, while places and pages last.
  mutating func admit(at now: Seconds, into plan: inout Plan) {
    var refused = Set<String>()
    while let id = nextCandidate(except: refused), let sequence = sequences[id] {
      if noteAwaitedPrefix(of: sequence) { continue }
      guard makePlace(for: sequence) else {
        refused.insert(sequence.tenant)
        continue
      }
      // Nobody overtakes when there is no memory: a long prompt would otherwise wait for ever.
      guard start(id, into: &plan) else { return }
      admissionPace.admitted(at: now, othersWait: !waiting.isEmpty)
    }
  }

  /// Requests of one tenant that are looked at when those before them await a prefix.
  private static let lookAhead = 64

  /// The first request, not awaiting a prefix, of the tenant that got least; tenants without a running sequence first.
  private func nextCandidate(except refused: Set<String>) -> ID? {
    typealias Key = (hasPlace: Bool, service: Double, order: UInt64)
    var best: (key: Key, id: ID)?
    for (tenant, line) in waiting where !refused.contains(tenant) {
      guard let id = line.prefix(Self.lookAhead).first(where: { !awaitsPrefix($0) && !justPaused.contains($0) }),
        let sequence = sequences[id]
      else {
        continue
      }
      let key = (placeCount(of: tenant) > 0, ledger.service(of: tenant), sequence.order)
      guard let other = best?.key else {
        best = (key, id)
        continue
      }
      let isBefore =
        key.0 != other.hasPlace ? !key.0 : key.1 != other.service ? key.1 < other.service : key.2 < other.order
      if isBefore { best = (key, id) }
    }
    return best?.id
  }

  /// Whether another sequence computes a prefix of this one just now.
  private func awaitsPrefix(_ id: ID) -> Bool {
    guard let awaited = sequences[id]?.awaited, let owner = sequences[awaited.owner] else { return false }
    return owner.isRunning && owner.computed < awaited.count
  }

  /// Looks whether a running sequence is about to compute more of this one's prefix than is known.
  private mutating func noteAwaitedPrefix(of sequence: ScheduledSequence) -> Bool {
    let match = cache.match(sequence.tokens, limit: sequence.tokens.count - 1, in: sequence.namespace)
    guard let promised = match.promised, let owner = sequences[promised.owner], owner.isRunning else { return false }
    let count = match.pages.count * PageAllocator.pageSize + promised.count
    guard owner.computed < count else { return false }
    sequences[sequence.id]?.awaited = (promised.owner, count)
    sequences[promised.owner]?.inheritedPriority = min(owner.inheritedPriority, sequence.priority)
    return true
  }

  func placeCount(of tenant: String) -> Int { running.count { sequences[$0]?.tenant == tenant } }

  /// The part of `total` that is the tenant's while all that are there want theirs.
  private func fairShare(of tenant: String, in total: Int) -> Int {
    max(1, Int(Double(total) * ledger.weight(of: tenant) / max(ledger.activeWeight, ledger.weight(of: tenant))))
  }

  /// Makes sure that there is a place: a tenant with less than its share takes one from a tenant with more, an urgent
  /// request takes one from a less urgent one of the same tenant.
  private mutating func makePlace(for sequence: ScheduledSequence) -> Bool {
    if running.count < limits.maxRunning { return true }
    let tenant = sequence.tenant
    if let lesser = leastUrgent(of: tenant, after: sequence.priority) {
      pause(lesser)
      return true
    }
    guard placeCount(of: tenant) < fairShare(of: tenant, in: limits.maxRunning) else { return false }
    let tenants = Set(running.compactMap { sequences[$0]?.tenant })
    let excess = tenants.map { ($0, placeCount(of: $0) - fairShare(of: $0, in: limits.maxRunning)) }
    guard let (victim, most) = excess.max(by: { $0.1 < $1.1 }), most > 0, let id = leastUrgent(of: victim) else {
      return false
    }
    pause(id)
    return true
  }

  /// The running sequence of a tenant that is given up first: the least urgent, of those the newest.
  private func leastUrgent(of tenant: String, after bound: Int = .min) -> ID? {
    let candidates = running.compactMap { sequences[$0] }.filter { $0.tenant == tenant && $0.priority > bound }
    return candidates.max { ($0.priority, $0.admission) < ($1.priority, $1.admission) }?.id
  }

  /// Gives a request its place, the longest prefix that is known and the promise to compute the rest.
  /// - Returns: false when there is no memory for it.
  private mutating func start(_ id: ID, into plan: inout Plan) -> Bool {
    guard var sequence = sequences[id] else { return false }
    // The last token is always computed: its logits are needed.
    let match = cache.match(sequence.tokens, limit: sequence.tokens.count - 1, in: sequence.namespace)
    for page in match.pages { allocator.retain(page) }
    if let partial = match.partial { allocator.retain(partial.page) }
    guard makeRoom(for: sequence, sharing: match.pages.count) else {
      for page in match.pages { allocator.release(page) }
      if let partial = match.partial { allocator.release(partial.page) }
      return false
    }
    sequence.pages = match.pages
    sequence.publishedCount = match.pages.count
    sequence.node = match.node
    sequence.computed = match.pages.count * PageAllocator.pageSize
    if let partial = match.partial {
      copySources.append(partial.page)
      if let target = takePage() {
        plan.copies.append(PageCopy(source: partial.page, target: target, count: partial.count))
        sequence.pages.append(target)
        sequence.computed += partial.count
      }
    }
    sequence.promised = cache.promise(
      sequence.tokens[(sequence.publishedCount * PageAllocator.pageSize)...], after: sequence.node,
      in: sequence.namespace, owner: id)
    if sequence.reusedCount == nil {
      sequence.reusedCount = sequence.computed
      plan.started.append(id)
    }
    unwait(id)
    sequence.chargedCount = max(sequence.chargedCount, min(sequence.computed, sequence.promptCount))
    sequence.isRunning = true
    sequence.awaited = nil
    sequence.wasDeferred = false
    nextOrder += 1
    sequence.admission = nextOrder
    sequences[id] = sequence
    running.append(id)
    return true
  }
}
