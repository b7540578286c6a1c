// Owns the pages of running sequences: taking them, publishing them, and pausing somebody when there are none.

extension Scheduler {
  /// A page that nobody uses, evicting cached prefixes when none is free.
  mutating func takePage() -> Page? {
    if let page = allocator.allocate() { return page }
    // Several at once: finding the oldest looks at the whole tree.
    cache.evict(Self.evictionBatch, allocator: &allocator)
    return allocator.allocate()
  }

  private static let evictionBatch = 16

  /// Gives a sequence pages for `count` positions in all, or as many as there are.
  /// - Returns: how many positions have a page now.
  mutating func extend(_ id: ID, to count: Int) -> Int {
    let wanted = PageAllocator.pageCount(for: count)
    while let have = sequences[id]?.pages.count, have < wanted, let page = takePage() {
      sequences[id]?.pages.append(page)
    }
    return min(count, (sequences[id]?.pages.count ?? 0) * PageAllocator.pageSize)
  }

  /// Whether a waiting sequence's tokens find room beside what the running ones are about to take, pausing sequences of
  /// tenants that hold more than their share of the pages when its own tenant holds less.
  mutating func makeRoom(for sequence: ScheduledSequence, sharing shared: Int) -> Bool {
    let need = PageAllocator.pageCount(for: sequence.tokens.count + 1) - shared
    while true {
      var committed = 0
      for id in running {
        guard let other = sequences[id] else { continue }
        // What it will take, and a page more if it is writing its answer.
        let wanted = PageAllocator.pageCount(for: other.tokens.count + 1) + (other.isDecoding ? 1 : 0)
        committed += max(0, wanted - other.pages.count)
      }
      if need + committed <= allocator.freeCount + allocator.idleCount || running.isEmpty { return true }
      let whole = PageAllocator.pageCount(for: sequence.tokens.count + 1)
      guard let victim = memoryVictim(for: sequence.tenant, need: whole) else { return false }
      pause(victim)
    }
  }

  /// The newest sequence of the tenant that holds most pages beyond its share, if `tenant` stays below its own.
  private func memoryVictim(for tenant: String, need: Int) -> ID? {
    let held = heldPages()
    func share(_ tenant: String) -> Double {
      Double(allocator.pageCount) * ledger.weight(of: tenant) / max(ledger.activeWeight, ledger.weight(of: tenant))
    }
    guard Double((held[tenant] ?? 0) + need) <= share(tenant) else { return nil }
    let excess = held.filter { $0.key != tenant }.map { ($0.key, Double($0.value) - share($0.key)) }
    guard let (victim, most) = excess.max(by: { $0.1 < $1.1 }), most > 0 else { return nil }
    return newest { $0.tenant == victim }
  }

  /// Pages of running sequences by tenant; a shared page counts for each.
  private func heldPages() -> [String: Int] {
    var held: [String: Int] = [:]
    for id in running {
      guard let sequence = sequences[id] else { continue }
      held[sequence.tenant, default: 0] += sequence.pages.count
    }
    return held
  }

  /// The running sequence to pause when a decode finds no page: of the tenant that holds most for its weight, the least
  /// urgent, of those the newest, which has least to lose.
  func sequenceToPause() -> ID? {
    let most = heldPages().max { a, b in
      Double(a.value) / ledger.weight(of: a.key) < Double(b.value) / ledger.weight(of: b.key)
    }
    return newest { $0.tenant == most?.key }
  }

  private func newest(_ isMeant: (ScheduledSequence) -> Bool) -> ID? {
    running.compactMap { sequences[$0] }.filter(isMeant)
      .max { ($0.priority, $0.admission) < ($1.priority, $1.admission) }?.id
  }

  /// Takes a running sequence's place and pages away. It waits in its old place in the line; its pages stay in the
  /// prefix cache until they are needed, so that often little is computed again.
  mutating func pause(_ id: ID) {
    retire(id)
    sequences[id]?.pauseCount += 1
    pauseCount += 1
    justPaused.insert(id)
    wait(id)
  }

  /// Ends a sequence's running: what it has computed is published, its pages are let go.
  mutating func retire(_ id: ID) {
    guard let sequence = sequences[id] else { return }
    running.removeAll { $0 == id }
    let start = sequence.publishedCount * PageAllocator.pageSize
    if sequence.computed > start, sequence.publishedCount < sequence.pages.count {
      cache.publishPartial(
        sequence.tokens[start..<sequence.computed], page: sequence.pages[sequence.publishedCount],
        after: sequence.node, in: sequence.namespace, allocator: &allocator)
    }
    cache.withdraw(sequence.promised, owner: id)
    for page in sequence.pages { allocator.release(page) }
    sequences[id]?.isRunning = false
    sequences[id]?.pages = []
    sequences[id]?.computed = 0
    sequences[id]?.publishedCount = 0
    sequences[id]?.node = nil
    sequences[id]?.promised = []
    sequences[id]?.draft = []
    sequences[id]?.inheritedPriority = .max
  }

  /// Makes the pages known that have become full.
  mutating func publish(_ id: ID) {
    guard var sequence = sequences[id] else { return }
    let size = PageAllocator.pageSize
    guard sequence.computed >= (sequence.publishedCount + 1) * size else { return }
    while sequence.computed >= (sequence.publishedCount + 1) * size {
      let index = sequence.publishedCount
      let published = cache.publish(
        sequence.tokens[(index * size)..<((index + 1) * size)], page: sequence.pages[index], after: sequence.node,
        in: sequence.namespace, allocator: &allocator)
      sequence.pages[index] = published.page
      sequence.node = published.node
      sequence.publishedCount += 1
    }
    sequences[id] = sequence
  }
}
