import StrataServing
import Testing

@Suite("Scheduler")
struct SchedulerTests {
  private func scheduler(running: Int = 4, waiting: Int = 8, step: Int = 64, cache: Int = 1000) -> Scheduler {
    Scheduler(
      limits: SchedulerLimits(maxRunning: running, maxWaiting: waiting, stepTokens: step, cacheTokens: cache))
  }

  @Test("decodes go first and a long prompt gets the rest of each step")
  func chunkedPrefill() throws {
    var scheduler = scheduler()
    try scheduler.enqueue(1, reserved: 100, tenant: "a")
    try scheduler.enqueue(2, reserved: 300, tenant: "a")
    #expect(scheduler.admit() == [1, 2])
    scheduler.addPending(1, to: 1)
    scheduler.addPending(150, to: 2)
    var seen = 0
    for _ in 0..<3 {
      let work = scheduler.nextStep()
      #expect(work.first == Scheduler.Work(id: 1, tokenCount: 1, isLast: true))
      #expect(work.reduce(0) { $0 + $1.tokenCount } <= 64)
      seen += work.filter { $0.id == 2 }.reduce(0) { $0 + $1.tokenCount }
      scheduler.addPending(1, to: 1)
    }
    #expect(seen == 150)
  }

  @Test("one request too many is refused, and so is one that could never fit")
  func bounds() throws {
    var scheduler = scheduler(running: 1, waiting: 2)
    try scheduler.enqueue(1, reserved: 10, tenant: "a")
    try scheduler.enqueue(2, reserved: 10, tenant: "a")
    let full = #expect(throws: ServingError.self) { try scheduler.enqueue(3, reserved: 10, tenant: "a") }
    #expect(full?.code == ServingError.queueFull)
    var other = self.scheduler()
    let huge = #expect(throws: ServingError.self) { try other.enqueue(1, reserved: 1001, tenant: "a") }
    #expect(huge?.code == ServingError.contextLengthExceeded)
  }

  @Test("cache tokens bound what runs; room returns when a sequence is removed")
  func cacheTokens() throws {
    var scheduler = scheduler(cache: 100)
    try scheduler.enqueue(1, reserved: 60, tenant: "a")
    try scheduler.enqueue(2, reserved: 60, tenant: "a")
    #expect(scheduler.admit() == [1])
    #expect(scheduler.admit().isEmpty)
    scheduler.remove(1)
    #expect(scheduler.admit() == [2])
    scheduler.remove(2)
    #expect(scheduler.isIdle)
  }

  @Test("a tenant with nothing running goes before one that floods")
  func fairness() throws {
    var scheduler = scheduler(running: 2)
    try scheduler.enqueue(1, reserved: 10, tenant: "flood")
    try scheduler.enqueue(2, reserved: 10, tenant: "flood")
    try scheduler.enqueue(3, reserved: 10, tenant: "quiet")
    #expect(scheduler.admit() == [1, 3])
  }

  @Test("random arrivals and cancellations never lose a token or a place")
  func randomized() throws {
    var random = RandomSource(seed: 42)
    var scheduler = scheduler(running: 3, waiting: 50, step: 16, cache: 200)
    var left: [UInt64: Int] = [:]
    var nextID: UInt64 = 1
    for _ in 0..<5_000 {
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        let size = Int.random(in: 1...60, using: &random)
        if (try? scheduler.enqueue(nextID, reserved: size, tenant: "\(size % 3)")) != nil { left[nextID] = size }
        nextID += 1
      case 1:
        for id in scheduler.admit() { scheduler.addPending(left[id] ?? 0, to: id) }
      case 2:
        let work = scheduler.nextStep()
        #expect(work.reduce(0) { $0 + $1.tokenCount } <= 16)
        for item in work {
          left[item.id, default: 0] -= item.tokenCount
          #expect((left[item.id] ?? -1) >= 0)
          if item.isLast {
            #expect(left[item.id] == 0)
            scheduler.remove(item.id)
            left[item.id] = nil
          }
        }
      default:
        if let id = left.keys.randomElement(using: &random) {
          scheduler.remove(id)
          left[id] = nil
        }
      }
      #expect(scheduler.runningCount <= 3)
      #expect(scheduler.runningCount + scheduler.waitingCount == left.count)
    }
  }
}
