import StrataServing
import Testing

/// Drives a scheduler as the engine does, with a model that says the next number.
struct SchedulerDriver {
  var scheduler: Scheduler
  var now = 0.0
  /// What each sequence shall be at its end.
  var goals: [UInt64: Int] = [:]
  var finished: [UInt64: [Int32]] = [:]
  var failures: [UInt64: ServingError] = [:]
  private var nextID: UInt64 = 0

  init(_ limits: SchedulerLimits) { scheduler = Scheduler(limits: limits) }

  @discardableResult
  mutating func submit(
    _ tokens: [Int32], generating count: Int = 4, tenant: String = "a", priority: Int = 0, deadline: Double? = nil
  ) throws -> UInt64 {
    nextID += 1
    try scheduler.enqueue(
      Scheduler.Submission(
        id: nextID, tokens: tokens, namespace: .init(tenant: tenant), priority: priority, deadline: deadline), at: now)
    goals[nextID] = tokens.count + count
    return nextID
  }

  /// One step; each decode yields the token after its last one.
  @discardableResult
  mutating func step(seconds: Double = 0.01) -> Scheduler.Plan {
    let plan = scheduler.plan(at: now)
    now += seconds
    for (id, error) in plan.failures {
      failures[id] = error
      goals[id] = nil
    }
    var outcomes: [Scheduler.Outcome] = []
    for work in plan.work {
      let last = scheduler.tokens(of: work.id).last ?? 0
      outcomes.append(Scheduler.Outcome(id: work.id, appended: work.wantsLogits ? [last + 1] : []))
    }
    scheduler.complete(outcomes, at: now, seconds: seconds)
    for work in plan.work {
      let tokens = scheduler.tokens(of: work.id)
      guard let goal = goals[work.id], tokens.count >= goal else { continue }
      finished[work.id] = tokens
      goals[work.id] = nil
      scheduler.remove(work.id, at: now)
    }
    return plan
  }

  mutating func cancel(_ id: UInt64) {
    scheduler.remove(id, at: now)
    goals[id] = nil
  }

  mutating func runToEnd(limit: Int = 10_000) {
    for _ in 0..<limit where !scheduler.isIdle { step() }
  }
}

@Suite("Scheduler")
struct SchedulerTests {
  private func driver(running: Int = 4, waiting: Int = 8, step: Int = 64, cache: Int = 1600) -> SchedulerDriver {
    SchedulerDriver(
      SchedulerLimits(maxRunning: running, maxWaiting: waiting, stepTokens: step, cacheTokens: cache))
  }

  private func prompt(_ count: Int, from first: Int32) -> [Int32] { (0..<Int32(count)).map { first + $0 } }

  @Test("decodes go on in every step while a long prompt gets the rest")
  func chunkedPrefill() throws {
    var driver = driver()
    let chat = try driver.submit(prompt(10, from: 0), generating: 50)
    driver.step()
    let long = try driver.submit(prompt(300, from: 1000))
    var seen = 0
    while seen < 300 {
      let plan = driver.step()
      #expect(plan.work.first { $0.id == chat }?.tokenCount == 1)
      #expect(plan.work.reduce(0) { $0 + $1.rowCount } <= 64)
      let part = plan.work.filter { $0.id == long }.reduce(0) { $0 + $1.tokenCount }
      try #require(part > 0)
      seen += part
    }
    #expect(seen == 300)
  }

  @Test("chunks are cut so that a step takes the target time")
  func adaptiveChunks() throws {
    var limits = SchedulerLimits(cacheTokens: 16_000)
    limits.targetStepTime = .milliseconds(40)
    var driver = SchedulerDriver(limits)
    // 5 ms a step and 0.2 ms a token: 175 prompt tokens fit beside a decode.
    func seconds(_ plan: Scheduler.Plan) -> Double { 0.005 + 0.0002 * Double(plan.work.reduce(0) { $0 + $1.rowCount }) }
    try driver.submit(prompt(20, from: 0), generating: 500)
    var scheduler = driver.scheduler
    func turn() -> Double {
      let plan = scheduler.plan(at: driver.now)
      let time = seconds(plan)
      driver.now += time
      scheduler.complete(
        plan.work.map { .init(id: $0.id, appended: $0.wantsLogits ? [7] : []) }, at: driver.now, seconds: time)
      return time
    }
    for _ in 0..<20 { _ = turn() }
    try scheduler.enqueue(
      .init(id: 99, tokens: prompt(4000, from: 1000), namespace: .init(tenant: "a")), at: driver.now)
    let times = (0..<15).map { _ in turn() }
    #expect(times.allSatisfy { $0 < 0.06 })
    #expect(times.suffix(8).allSatisfy { $0 > 0.03 })
  }

  @Test("too many requests are refused with a time to come back, and so is one that could never run")
  func bounds() throws {
    var limits = SchedulerLimits(maxRunning: 1, maxWaiting: 3, cacheTokens: 160)
    limits.maxWaitingPerTenant = 2
    var driver = SchedulerDriver(limits)
    try driver.submit(prompt(10, from: 0), generating: 100)
    driver.step()
    try driver.submit([1, 2])
    try driver.submit([1, 3])
    let own = #expect(throws: ServingError.self) { try driver.submit([1, 4]) }
    #expect(own?.code == ServingError.tenantQueueFull)
    try driver.submit([1, 2], tenant: "b")
    let full = #expect(throws: ServingError.self) { try driver.submit([1, 2], tenant: "c") }
    #expect(full?.code == ServingError.queueFull)
    #expect(try #require(full?.retryAfter) >= .seconds(1))
    var other = self.driver(cache: 160)
    let huge = #expect(throws: ServingError.self) { try other.submit(prompt(160, from: 0)) }
    #expect(huge?.code == ServingError.contextLengthExceeded)
  }

  @Test("what has a deadline fails once it has passed, waiting or running")
  func deadlines() throws {
    var driver = driver(running: 1)
    let running = try driver.submit(prompt(10, from: 0), generating: 100, deadline: 0.5)
    let waiting = try driver.submit(prompt(10, from: 50), deadline: 0.1)
    for _ in 0..<12 { driver.step() }
    #expect(driver.failures[waiting]?.code == ServingError.deadlineExceeded)
    #expect(driver.failures[running] == nil)
    for _ in 0..<45 { driver.step() }
    #expect(driver.failures[running]?.code == ServingError.deadlineExceeded)
    #expect(driver.scheduler.isIdle)
  }

  @Test("requests with a common prefix compute it once, even at the same time")
  func sharedPrefix() throws {
    var driver = SchedulerDriver(SchedulerLimits(maxRunning: 32, cacheTokens: 8000))
    let shared = prompt(1000, from: 0)
    for index in 0..<20 { try driver.submit(shared + prompt(12, from: 5000 + 100 * Int32(index))) }
    var computed = 0
    while !driver.scheduler.isIdle {
      computed += driver.step().work.filter { !$0.isDecode }.reduce(0) { $0 + $1.tokenCount }
      #expect(driver.scheduler._checkInvariants() == nil)
    }
    // The prefix once; of each question its own 12 tokens, and at most the 8 shared ones on the page where it begins.
    #expect(computed <= 1000 + 20 * 12 + 2 * 16)
    #expect(driver.finished.count == 20)
  }

  @Test("when the sequence that computes a shared prefix is cancelled, another one takes over")
  func cancelledOwner() throws {
    var driver = driver(running: 8, step: 32)
    let shared = prompt(200, from: 0)
    let first = try driver.submit(shared + [900])
    let others = try (0..<3).map { try driver.submit(shared + [901 + Int32($0)]) }
    driver.step()
    driver.step()
    driver.cancel(first)
    driver.runToEnd()
    #expect(Set(driver.finished.keys) == Set(others))
    #expect(driver.scheduler.pagesInUse == 0)
  }

  @Test("a tenant with nothing running gets a place at once from one that floods")
  func newcomer() throws {
    var driver = driver(running: 4, waiting: 100, cache: 8000)
    for index in 0..<40 { try driver.submit(prompt(20, from: 100 * Int32(index)), generating: 60, tenant: "flood") }
    for _ in 0..<10 { driver.step() }
    let quiet = try driver.submit(prompt(30, from: 9000), generating: 2, tenant: "quiet")
    let plan = driver.step()
    #expect(plan.started == [quiet])
    #expect(plan.work.first { $0.id == quiet }?.wantsLogits == true)
    #expect(driver.scheduler._checkInvariants() == nil)
    driver.step()
    driver.runToEnd()
    #expect(driver.finished.count == 41)
    #expect(driver.scheduler.pauseCount > 0)
  }

  @Test("tenants that want all they can get receive tokens by their weights")
  func weights() throws {
    var limits = SchedulerLimits(maxRunning: 6, cacheTokens: 16_000)
    limits.tenantWeights = ["big": 2, "small": 1]
    var driver = SchedulerDriver(limits)
    for index in 0..<120 {
      for tenant in ["big", "small"] {
        let first = Int32(index * 1000) + (tenant == "big" ? 0 : 500)
        try driver.submit(prompt(64, from: first), generating: 16, tenant: tenant)
      }
    }
    for _ in 0..<400 { driver.step() }
    let waits = Double(driver.finished.count { $0.value[0] % 1000 == 0 })
    let small = Double(driver.finished.count { $0.value[0] % 1000 == 500 })
    #expect(abs(waits / small - 2) < 0.3)
  }

  @Test("an urgent request goes first and takes the place of a less urgent one of its tenant")
  func priorities() throws {
    var driver = driver(running: 2, waiting: 20)
    let slow = try (0..<3).map { try driver.submit(prompt(8, from: 100 * Int32($0)), generating: 30, priority: 5) }
    driver.step()
    let urgent = try driver.submit(prompt(8, from: 7000), generating: 3, priority: -1)
    let plan = driver.step()
    #expect(plan.started == [urgent])
    driver.runToEnd()
    #expect(driver.finished.count == slow.count + 1)
  }

  @Test("when the memory runs out one sequence is paused, and all finish as if there were enough")
  func exhaustion() throws {
    var driver = driver(running: 8, waiting: 50, cache: 320)
    for index in 0..<12 { try driver.submit(prompt(30, from: 1000 * Int32(index)), generating: 60) }
    var pausedAtOnce = 0
    while !driver.scheduler.isIdle {
      let before = driver.scheduler.pauseCount
      driver.step()
      pausedAtOnce = max(pausedAtOnce, driver.scheduler.pauseCount - before)
      if let problem = driver.scheduler._checkInvariants() {
        Issue.record("\(problem)")
        return
      }
    }
    #expect(driver.scheduler.pauseCount > 0)
    #expect(driver.finished.count == 12)
    for tokens in driver.finished.values {
      #expect(tokens == (0..<90).map { tokens[0] + $0 })
    }
    #expect(driver.scheduler.pagesInUse == 0)
  }

  @Test("guesses get rows when there is room, and count as computed only as far as they hold")
  func drafts() throws {
    var driver = driver()
    let id = try driver.submit(prompt(10, from: 0), generating: 40)
    driver.step()
    driver.scheduler.propose([11, 12, 99], for: id)
    let plan = driver.scheduler.plan(at: 1)
    #expect(plan.work.count == 1)
    #expect(plan.work.first?.first == 10 && plan.work.first?.draft == [11, 12, 99])
    driver.scheduler.complete([.init(id: id, accepted: 2, appended: [11, 12, 13])], at: 1, seconds: 0.01)
    #expect(driver.scheduler.computedCount(of: id) == 13)
    #expect(driver.scheduler.tokens(of: id) == prompt(14, from: 0))
    #expect(driver.scheduler._checkInvariants() == nil)
  }

  @Test("random arrivals, cancellations and too little memory lose no request, no token and no page", arguments: 1...6)
  func randomized(seed: UInt64) throws {
    var random = RandomSource(seed: seed)
    var driver = driver(running: 5, waiting: 40, step: 48, cache: 400)
    var cancelled = Set<UInt64>()
    var sent: [UInt64: [Int32]] = [:]
    for _ in 0..<2_000 {
      switch Int.random(in: 0..<8, using: &random) {
      case 0, 1:
        let shared = prompt(Int.random(in: 0...60, using: &random), from: 0)
        let own = prompt(Int.random(in: 1...40, using: &random), from: Int32.random(in: 0...3, using: &random) * 1000)
        let tenant = ["a", "b", "c"].randomElement(using: &random) ?? "a"
        let priority = Int.random(in: 0...2, using: &random)
        let count = Int.random(in: 1...50, using: &random)
        if let id = try? driver.submit(shared + own, generating: count, tenant: tenant, priority: priority) {
          sent[id] = shared + own
        }
      case 2:
        if let id = driver.goals.keys.sorted().randomElement(using: &random) {
          driver.cancel(id)
          cancelled.insert(id)
        }
      default:
        driver.step()
        if let problem = driver.scheduler._checkInvariants() {
          Issue.record("\(problem)")
          return
        }
      }
      #expect(driver.scheduler.runningCount <= 5)
      #expect(driver.scheduler.runningCount + driver.scheduler.waitingCount == driver.goals.count)
    }
    driver.runToEnd()
    #expect(driver.scheduler.isIdle)
    #expect(driver.scheduler.pagesInUse == 0)
    #expect(Set(driver.finished.keys).union(cancelled) == Set(sent.keys))
    for (id, tokens) in driver.finished {
      let prompt = try #require(sent[id])
      let last = try #require(prompt.last)
      #expect(tokens == prompt + (1...Int32(tokens.count - prompt.count)).map { last + $0 })
    }
  }
}
