// Owns made-up arrivals for the simulator: who asks when, with how many tokens. Knows nothing about scheduling.
import StrataCore

/// Requests in order of their time.
package struct ArrivalTrace: Sendable {
  package struct Arrival: Sendable {
    /// Seconds from the start.
    package var time: Double
    package var tenant: String
    package var tokens: [Int32]
    package var completionCount: Int
    package var priority = 0
  }

  package private(set) var arrivals: [Arrival] = []
  private var random: RandomSource
  /// Tokens that no other prompt begins with, so that nothing is shared by chance.
  private var nextToken: Int32 = 1_000_000

  package init(seed: UInt64) { random = RandomSource(seed: seed) }

  /// Adds one request.
  package mutating func add(
    at time: Double, tenant: String, promptCount: Int, completionCount: Int, prefix: [Int32] = [], priority: Int = 0
  ) {
    let own = (0..<Int32(max(1, promptCount - prefix.count))).map { nextToken + $0 }
    nextToken += Int32(own.count)
    arrivals.append(
      Arrival(
        time: time, tenant: tenant, tokens: prefix + own, completionCount: completionCount, priority: priority))
    var place = arrivals.count - 1
    while place > 0, arrivals[place - 1].time > arrivals[place].time {
      arrivals.swapAt(place, place - 1)
      place -= 1
    }
  }

  /// Adds requests at random times, on average `rate` a second; lengths vary by half around their means.
  package mutating func addPoisson(
    rate: Double, from start: Double = 0, count: Int, tenant: String, promptCount: Int, completionCount: Int
  ) {
    var time = start
    for _ in 0..<count {
      time -= Self.logarithm(1 - random.unit()) / rate
      add(at: time, tenant: tenant, promptCount: vary(promptCount), completionCount: vary(completionCount))
    }
  }

  /// Adds requests that all come at once.
  package mutating func addBurst(
    at time: Double, count: Int, tenant: String, promptCount: Int, completionCount: Int, sharedCount: Int = 0
  ) {
    let prefix = (0..<Int32(sharedCount)).map { nextToken + $0 }
    nextToken += Int32(sharedCount)
    for _ in 0..<count {
      add(
        at: time, tenant: tenant, promptCount: sharedCount + vary(promptCount - sharedCount),
        completionCount: vary(completionCount), prefix: prefix)
    }
  }

  private mutating func vary(_ count: Int) -> Int {
    max(1, Int(Double(count) * (0.5 + random.unit())))
  }

  /// The natural logarithm, without the C library: traces are the same everywhere.
  private static func logarithm(_ x: Double) -> Double {
    guard x > 0 else { return -700 }
    // x = m · 2ᵉ with m in [1, 2); ln m = 2 artanh((m − 1) / (m + 1)).
    let ratio = (x.significand - 1) / (x.significand + 1)
    var term = ratio
    var sum = 0.0
    for index in stride(from: 1.0, through: 31, by: 2) {
      sum += term / index
      term *= ratio * ratio
    }
    return 2 * sum + Double(x.exponent) * 0.693_147_180_559_945_3
  }
}
