// Owns what each tenant has received, and with it who is next. Knows nothing about places, pages or steps.

/// Weighted fair queueing over tokens by virtual counters (Sheng et al. 2024, "Fairness in Serving Large Language
/// Models", VTC): each tenant's counter grows by the cost of what it received divided by its weight, and the tenant with
/// the least counter is next. Being served while alone makes no debt: whoever comes starts near the least of those that
/// are there. Deviation: one who was away may stand a bounded ``credit`` behind them, so that a few questions in a row
/// from somebody who asks rarely all go first.
package struct TenantLedger: Sendable {
  private struct Account {
    var service: Double
    /// Requests that wait or run.
    var activeCount = 0
    var lastActiveAt: Double
  }

  /// How far behind the others a tenant may begin, in cost.
  private let credit: Double
  private let weights: [String: Double]
  private var accounts: [String: Account] = [:]
  /// Where the least of the active tenants stands.
  private var floor = 0.0

  package init(weights: [String: Double], credit: Double) {
    self.weights = weights
    self.credit = max(0, credit)
  }

  package func weight(of tenant: String) -> Double { max(weights[tenant] ?? 1, 1e-3) }

  /// The cost of what the tenant received, divided by its weight.
  package func service(of tenant: String) -> Double { accounts[tenant]?.service ?? floor - credit }

  /// Says that one more request of the tenant is there. `time` is in seconds.
  package mutating func enter(_ tenant: String, at time: Double) {
    raiseFloor()
    var account = accounts[tenant] ?? Account(service: floor - credit, lastActiveAt: time)
    if account.activeCount == 0 { account.service = max(account.service, floor - credit) }
    account.activeCount += 1
    account.lastActiveAt = time
    accounts[tenant] = account
  }

  /// Says that a request of the tenant has ended.
  package mutating func leave(_ tenant: String, at time: Double) {
    guard accounts[tenant] != nil else { return }
    accounts[tenant]?.activeCount -= 1
    accounts[tenant]?.lastActiveAt = time
    raiseFloor()
    // Those that would begin like newcomers are forgotten.
    accounts = accounts.filter {
      $0.value.activeCount > 0 || $0.value.service > floor - credit || time - $0.value.lastActiveAt < Self.memory
    }
  }

  package mutating func charge(_ tenant: String, _ cost: Double) {
    let share = cost / weight(of: tenant)
    accounts[tenant]?.service += share
  }

  /// Tenants with requests, and their weights together.
  package var activeWeight: Double {
    accounts.reduce(0) { $0 + ($1.value.activeCount > 0 ? weight(of: $1.key) : 0) }
  }

  /// Whether more than one tenant is or was there lately, so that long steps would be in somebody's way.
  package func isShared(at time: Double) -> Bool {
    accounts.count { $0.value.activeCount > 0 || time - $0.value.lastActiveAt < Self.memory } > 1
  }

  /// Seconds for which a tenant that left is taken into account.
  private static let memory = 30.0

  private mutating func raiseFloor() {
    let active = accounts.values.filter { $0.activeCount > 0 }
    let least = active.isEmpty ? accounts.values.map(\.service).max() : active.map(\.service).min()
    floor = max(floor, least ?? floor)
  }
}
