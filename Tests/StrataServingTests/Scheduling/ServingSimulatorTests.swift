import StrataServing
import Testing

/// What the scheduler promises, over whole traces in simulated time.
@Suite("ServingSimulator")
struct ServingSimulatorTests {
  @Test("a tenant's time to first token while another floods with 200 requests is at most twice that alone")
  func flood() {
    func quiet(_ trace: inout ArrivalTrace) {
      trace.addPoisson(rate: 1, from: 1, count: 30, tenant: "quiet", promptCount: 200, completionCount: 24)
    }
    var alone = ArrivalTrace(seed: 1)
    quiet(&alone)
    let idle = ServingSimulator.run(alone)
    var flooded = ArrivalTrace(seed: 1)
    quiet(&flooded)
    flooded.addBurst(at: 0.5, count: 200, tenant: "flood", promptCount: 200, completionCount: 120)
    let busy = ServingSimulator.run(flooded)
    #expect(busy.requests.count == 230)
    let ratio = busy.timeToFirstToken(0.95, tenant: "quiet") / idle.timeToFirstToken(0.95, tenant: "quiet")
    #expect(ratio <= 2, "p95 is \(ratio) times that alone")
  }

  @Test("while long prompts arrive, running chats wait little longer than the target for a token")
  func interTokenLatency() {
    var trace = ArrivalTrace(seed: 2)
    trace.addBurst(at: 0, count: 4, tenant: "chat", promptCount: 60, completionCount: 400)
    for second in 1...4 { trace.add(at: Double(second), tenant: "chat", promptCount: 2000, completionCount: 8) }
    let report = ServingSimulator.run(trace)
    #expect(report.interTokenLatency(0.99, tenant: "chat") <= 0.055)
    // A server that computes 512 tokens of a prompt beside the decodes lets everybody wait for them.
    var rigid = SchedulerLimits()
    rigid.targetStepTime = .seconds(10)
    let stalling = ServingSimulator.run(trace, limits: rigid)
    #expect(stalling.interTokenLatency(0.99, tenant: "chat") >= 0.14)
  }

  @Test("a long prompt of a newcomer holds the answers of others up by a bounded time")
  func pauses() {
    var trace = ArrivalTrace(seed: 3)
    trace.addBurst(at: 0, count: 4, tenant: "chat", promptCount: 60, completionCount: 400)
    for second in 1...4 { trace.add(at: Double(second), tenant: "other", promptCount: 2000, completionCount: 8) }
    let report = ServingSimulator.run(trace)
    #expect(report.interTokenLatency(1, tenant: "chat") <= 0.16)
  }

  @Test("two tenants that always have work get the same, whatever the shape of their requests")
  func fairness() {
    var trace = ArrivalTrace(seed: 4)
    trace.addBurst(at: 0, count: 150, tenant: "long prompts", promptCount: 800, completionCount: 20)
    trace.addBurst(at: 0, count: 150, tenant: "long answers", promptCount: 50, completionCount: 200)
    let limits = SchedulerLimits()
    let report = ServingSimulator.run(trace, limits: limits, duration: 20)
    #expect(report.greatestLag <= 2.5 * Double(limits.maxRunning) * 200 * limits.completionCost)
    #expect(report.refusedCount == 0)
  }

  @Test("five tenants with the same load get equal shares")
  func jain() {
    var trace = ArrivalTrace(seed: 5)
    for tenant in 0..<5 {
      trace.addBurst(at: 0, count: 80, tenant: "\(tenant)", promptCount: 100, completionCount: 60)
    }
    let report = ServingSimulator.run(trace)
    let shares = report.tokens(until: 20).values.map(Double.init)
    #expect(shares.count == 5)
    #expect(SimulationReport.jainIndex(shares) > 0.99)
  }

  @Test("twenty questions with one prefix of 1,000 tokens cost less than half of what they cost apart")
  func sharedPrefix() {
    var shared = ArrivalTrace(seed: 6)
    shared.addBurst(at: 0, count: 20, tenant: "a", promptCount: 1020, completionCount: 16, sharedCount: 1000)
    var apart = ArrivalTrace(seed: 6)
    apart.addBurst(at: 0, count: 20, tenant: "a", promptCount: 1020, completionCount: 16)
    let together = ServingSimulator.run(shared)
    #expect(together.requests.count == 20)
    #expect(together.duration <= 0.4 * ServingSimulator.run(apart).duration)
    #expect(together.computedPromptCount < 2000)
  }

  @Test("with memory for a fraction of what runs, every request still ends")
  func scarceMemory() {
    var trace = ArrivalTrace(seed: 7)
    trace.addPoisson(rate: 20, count: 100, tenant: "a", promptCount: 150, completionCount: 80)
    trace.addPoisson(rate: 20, count: 100, tenant: "b", promptCount: 150, completionCount: 80)
    let report = ServingSimulator.run(trace, limits: SchedulerLimits(cacheTokens: 1200))
    #expect(report.requests.count == 200)
    #expect(report.unfinishedCount == 0)
  }
}
