// Owns the budgets of all keys while the server runs, and reservations that end by themselves.
import HTTPTypes
import Hummingbird
import StrataCore
import Synchronization

/// Tokens and a place that a running request has; ended by ``settle(used:)`` or when the last reference goes.
final class BudgetReservation: Sendable {
  private let end: Mutex<(@Sendable (Int) -> Void)?>

  fileprivate init(_ end: @escaping @Sendable (Int) -> Void) { self.end = Mutex(end) }

  deinit { settle(used: 0) }

  /// Says what the request really used; only the first call counts.
  func settle(used: Int) {
    let action = end.withLock { end in
      defer { end = nil }
      return end
    }
    action?(used)
  }
}

final class BudgetLedger: Sendable {
  private let budgets = Mutex<[String: KeyBudget]>([:])
  private let clock: @Sendable () -> Duration

  /// - Parameter clock: time since a fixed origin.
  init(clock: @escaping @Sendable () -> Duration = BudgetLedger.uptime()) { self.clock = clock }

  static func uptime() -> @Sendable () -> Duration {
    let start = ContinuousClock.now
    return { ContinuousClock.now - start }
  }

  private func with<Value>(
    _ key: APIKey, _ body: (inout KeyBudget, Duration) throws(ServerError) -> Value
  ) throws(ServerError) -> Value {
    let now = clock()
    let result: Result<Value, ServerError> = budgets.withLock { budgets in
      var budget = budgets[key.id] ?? KeyBudget(key.limits, now: now)
      // The operator changed the limits: what was used so far is forgiven.
      if budget.limits != key.limits { budget = KeyBudget(key.limits, now: now) }
      defer { budgets[key.id] = budget }
      do throws(ServerError) {
        return .success(try body(&budget, now))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Counts one request of the key.
  func admit(_ key: APIKey?) throws {
    guard let key, key.limits.requestsPerMinute != nil else { return }
    try with(key) { budget, now throws(ServerError) in try budget.admit(now: now) }
  }

  /// Sets aside what a request will take at most.
  /// - Parameters:
  ///   - prompt: tokens that are sure.
  ///   - output: tokens that may come; nil when the client set no limit, which must not refuse what would fit.
  func reserve(_ key: APIKey?, prompt: Int, output: Int?) throws -> BudgetReservation? {
    guard let key else { return nil }
    let count = try with(key) { budget, now throws(ServerError) -> Int in
      let most = budget.largestReservation ?? .max
      let count = prompt + (output ?? min(BudgetLedger.usualOutput, max(0, most - prompt)))
      try budget.reserve(count, now: now)
      return count
    }
    return BudgetReservation { [weak self] used in
      _ = try? self?.with(key) { budget, now in budget.settle(reserved: count, used: used, now: now) }
    }
  }

  /// What an answer without a limit is taken to need.
  private static let usualOutput = 256

  /// The headers that tell a client what it has left, in OpenAI's and in Anthropic's words.
  func addHeaders(for key: APIKey?, to response: inout Response) {
    guard let key else { return }
    let states = try? with(key) { budget, now in (budget.requestState(now: now), budget.tokenState(now: now)) }
    for (name, state) in [("requests", states?.0), ("tokens", states?.1)] {
      guard let state else { continue }
      response.headers[.rateLimit("limit-\(name)")] = "\(state.limit)"
      response.headers[.rateLimit("remaining-\(name)")] = "\(state.remaining)"
      response.headers[.rateLimit("reset-\(name)")] = BudgetLedger.text(state.reset)
      response.headers[.anthropicRateLimit("\(name)-limit")] = "\(state.limit)"
      response.headers[.anthropicRateLimit("\(name)-remaining")] = "\(state.remaining)"
      response.headers[.anthropicRateLimit("\(name)-reset")] = UnixTime.text(
        UnixTime.now + Int(state.reset.seconds.rounded(.up)))
    }
  }

  /// As OpenAI writes durations: `250ms`, `12s`, `6m0s`, `23h59m0s`.
  static func text(_ duration: Duration) -> String {
    let milliseconds = Int((duration.seconds * 1000).rounded(.up))
    guard milliseconds >= 1000 else { return "\(milliseconds)ms" }
    let seconds = (milliseconds + 999) / 1000
    if seconds < 60 { return "\(seconds)s" }
    if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60)s" }
    return "\(seconds / 3600)h\(seconds / 60 % 60)m\(seconds % 60)s"
  }
}

extension HTTPField.Name {
  static func rateLimit(_ name: String) -> Self { known("x-ratelimit-\(name)") }
  static func anthropicRateLimit(_ name: String) -> Self { known("anthropic-ratelimit-\(name)") }
}
