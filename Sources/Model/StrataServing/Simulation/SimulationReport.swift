// Owns what a simulation has shown: latencies, fairness, throughput.

package struct SimulationReport: Sendable {
  /// A request that has ended.
  package struct Request: Sendable {
    package var tenant: String
    package var arrivedAt: Double
    package var promptCount: Int
    package var reusedCount = 0
    /// When each of its tokens came.
    package var tokenTimes: [Double] = []

    init(tenant: String, arrivedAt: Double, promptCount: Int) {
      self.tenant = tenant
      self.arrivedAt = arrivedAt
      self.promptCount = promptCount
    }

    /// Seconds from arrival to the first token.
    package var timeToFirstToken: Double { (tokenTimes.first ?? .infinity) - arrivedAt }
    /// Seconds between tokens.
    package var gaps: [Double] { zip(tokenTimes.dropFirst(), tokenTimes).map { $0 - $1 } }
  }

  package var requests: [Request] = []
  package var refusedCount = 0
  package var unfinishedCount = 0
  package var stepTimes: [Double] = []
  package var computedPromptCount = 0
  package var pauseCount = 0
  /// Simulated seconds.
  package var duration = 0.0
  /// The widest gap in weighted tokens between what two tenants got that both had something to do.
  package var greatestLag = 0.0

  /// The value below which a share of `values` lies (nearest rank); 0 of none.
  package static func percentile(_ share: Double, of values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
    return sorted[min(max(rank, 0), sorted.count - 1)]
  }

  /// Seconds to the first token.
  package func timeToFirstToken(_ share: Double, tenant: String) -> Double {
    Self.percentile(share, of: requests.filter { $0.tenant == tenant }.map(\.timeToFirstToken))
  }

  /// Seconds between tokens of one answer.
  package func interTokenLatency(_ share: Double, tenant: String) -> Double {
    Self.percentile(share, of: requests.filter { $0.tenant == tenant }.flatMap(\.gaps))
  }

  /// Generated tokens by tenant until `time`.
  package func tokens(until time: Double) -> [String: Int] {
    var counts: [String: Int] = [:]
    for request in requests {
      counts[request.tenant, default: 0] += request.tokenTimes.count { $0 <= time }
    }
    return counts
  }

  /// Jain's index of what tenants got (Jain, Chiu & Hawe 1984): 1 when all got the same, 1/n when one got everything.
  package static func jainIndex(_ shares: [Double]) -> Double {
    let sum = shares.reduce(0, +)
    let squares = shares.reduce(0) { $0 + $1 * $1 }
    return squares > 0 ? sum * sum / (Double(shares.count) * squares) : 1
  }
}
