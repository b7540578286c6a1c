// Owns replaying arrivals against the scheduler in simulated time, without a model. Knows nothing about threads.

/// Runs a ``Scheduler`` as the engine would, where steps take the time that a cost model says and every request
/// generates as many tokens as its arrival says.
package struct ServingSimulator: Sendable {
  /// Seconds of a step: a part for every step, one for each prompt token, one for each decode row, and one for each row
  /// and position that it attends to.
  package struct Cost: Sendable {
    package var step: Double
    package var promptToken: Double
    package var decodeRow: Double
    package var attention: Double

    package init(step: Double, promptToken: Double, decodeRow: Double, attention: Double = 0) {
      self.step = step
      self.promptToken = promptToken
      self.decodeRow = decodeRow
      self.attention = attention
    }

    /// A 135M model on two processors: 3,600 prompt tokens a second, 160 decodes a second alone, 450 in sixteen.
    package static let smallModel = Cost(step: 4e-3, promptToken: 2.8e-4, decodeRow: 2e-3, attention: 2e-8)

    func seconds(_ plan: Scheduler.Plan) -> Double {
      plan.work.reduce(step) { sum, work in
        let rows = Double(work.rowCount)
        return sum + rows * (work.isDecode ? decodeRow : promptToken) + rows * Double(work.first) * attention
      }
    }
  }

  private struct Live {
    var arrival: ArrivalTrace.Arrival
    var record: SimulationReport.Request
    var lastToken: Double?
  }

  private var scheduler: Scheduler
  private let cost: Cost
  private var live: [UInt64: Live] = [:]
  private var report = SimulationReport()
  private var now = 0.0

  package init(limits: SchedulerLimits, cost: Cost = .smallModel) {
    scheduler = Scheduler(limits: limits)
    self.cost = cost
  }

  /// Replays a trace to its end, or until `duration` seconds have passed.
  package static func run(
    _ trace: ArrivalTrace, limits: SchedulerLimits = SchedulerLimits(), cost: Cost = .smallModel,
    duration: Double = .infinity
  ) -> SimulationReport {
    var simulator = ServingSimulator(limits: limits, cost: cost)
    simulator.replay(trace.arrivals, until: duration)
    return simulator.report
  }

  private mutating func replay(_ arrivals: [ArrivalTrace.Arrival], until end: Double) {
    var next = 0
    while now < end, next < arrivals.count || !scheduler.isIdle {
      while next < arrivals.count, arrivals[next].time <= now {
        receive(UInt64(next), arrivals[next])
        next += 1
      }
      let plan = scheduler.plan(at: now)
      for (id, _) in plan.failures {
        live[id] = nil
        report.refusedCount += 1
      }
      guard !plan.work.isEmpty else {
        guard next < arrivals.count else { break }
        now = max(now, arrivals[next].time)
        continue
      }
      compute(plan)
    }
    report.duration = now
    report.pauseCount = scheduler.pauseCount
    report.unfinishedCount = live.count
  }

  private mutating func receive(_ id: UInt64, _ arrival: ArrivalTrace.Arrival) {
    do throws(ServingError) {
      try scheduler.enqueue(
        Scheduler.Submission(
          id: id, tokens: arrival.tokens, namespace: .init(tenant: arrival.tenant), priority: arrival.priority),
        at: arrival.time)
    } catch {
      report.refusedCount += 1
      return
    }
    live[id] = Live(
      arrival: arrival,
      record: SimulationReport.Request(
        tenant: arrival.tenant, arrivedAt: arrival.time, promptCount: arrival.tokens.count))
  }

  private mutating func compute(_ plan: Scheduler.Plan) {
    let seconds = cost.seconds(plan)
    now += seconds
    report.stepTimes.append(seconds)
    var outcomes: [Scheduler.Outcome] = []
    for work in plan.work {
      if !work.isDecode { report.computedPromptCount += work.rowCount }
      outcomes.append(Scheduler.Outcome(id: work.id, appended: work.wantsLogits ? [token(after: work.id)] : []))
    }
    let servedBefore = waitingTenants()
    scheduler.complete(outcomes, at: now, seconds: seconds)
    noteLag(among: servedBefore)
    for work in plan.work where work.wantsLogits { tokenCame(work.id) }
  }

  /// Generated tokens differ by request, so that answers share nothing.
  private func token(after id: UInt64) -> Int32 {
    500_000 + Int32(truncatingIfNeeded: id % 1000) * 400 + Int32(live[id]?.record.tokenTimes.count ?? 0)
  }

  private mutating func tokenCame(_ id: UInt64) {
    guard var entry = live[id] else { return }
    entry.record.tokenTimes.append(now)
    live[id] = entry
    guard entry.record.tokenTimes.count >= entry.arrival.completionCount else { return }
    entry.record.reusedCount = scheduler.reusedCount(of: id)
    report.requests.append(entry.record)
    scheduler.remove(id, at: now)
    live[id] = nil
  }

  // MARK: Fairness

  private func waitingTenants() -> Set<String> { Set(live.values.map(\.arrival.tenant)) }

  /// The widest gap, in cost, between what two tenants got that both had something to do.
  private mutating func noteLag(among tenants: Set<String>) {
    let services = tenants.map(scheduler.service(of:))
    guard services.count > 1, let most = services.max(), let least = services.min() else { return }
    report.greatestLag = max(report.greatestLag, most - least)
  }
}
