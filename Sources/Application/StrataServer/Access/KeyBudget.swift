// Owns what one key has left of its rates and budgets. Pure; the caller brings the time.
import StrataCore

/// What a client is told about its limits.
package struct RateState: Sendable, Hashable {
  package var limit: Int
  package var remaining: Int
  /// How long until the whole limit is there again.
  package var reset: Duration

  package init(limit: Int, remaining: Int, reset: Duration) {
    self.limit = limit
    self.remaining = remaining
    self.reset = reset
  }
}

/// The rates, the budget and the running requests of one key.
package struct KeyBudget: Sendable {
  package let limits: KeyLimits
  private var requests: TokenBucket?
  private var tokens: TokenBucket?
  private var daily: TokenBucket?
  package private(set) var running = 0

  package init(_ limits: KeyLimits, now: Duration) {
    self.limits = limits
    requests = limits.requestsPerMinute.map { TokenBucket(capacity: $0, period: .seconds(60), now: now) }
    tokens = limits.tokensPerMinute.map { TokenBucket(capacity: $0, period: .seconds(60), now: now) }
    daily = limits.tokensPerDay.map { TokenBucket(capacity: $0, period: .seconds(86_400), now: now) }
  }

  /// Counts one request.
  package mutating func admit(now: Duration) throws(ServerError) {
    guard let shortage = requests?.take(1, now: now) else { return }
    throw KeyBudget.refusal("requests per minute", limits.requestsPerMinute, shortage)
  }

  /// Sets `count` tokens aside and one place for a running request; all or nothing.
  package mutating func reserve(_ count: Int, now: Duration) throws(ServerError) {
    if let limit = limits.concurrentRequests, running >= limit {
      throw ServerError(
        .rateLimitExceeded, "Rate limit reached: \(running) requests of this key are running, its limit is \(limit).",
        remedy: "Wait for one of them to end.", retryAfter: .seconds(1))
    }
    if let shortage = tokens?.take(count, now: now) {
      throw KeyBudget.refusal("tokens per minute", limits.tokensPerMinute, shortage, count)
    }
    if let shortage = daily?.take(count, now: now) {
      tokens?.give(count, now: now)
      throw KeyBudget.refusal("tokens per day", limits.tokensPerDay, shortage, count)
    }
    running += 1
  }

  /// Ends a reservation: what was not used comes back, what was used beyond it is owed.
  package mutating func settle(reserved: Int, used: Int, now: Duration) {
    running = max(0, running - 1)
    tokens?.give(reserved - used, now: now)
    daily?.give(reserved - used, now: now)
  }

  /// The most tokens that one request can ever reserve; nil without a limit.
  var largestReservation: Int? { [limits.tokensPerMinute, limits.tokensPerDay].compactMap { $0 }.min() }

  package mutating func requestState(now: Duration) -> RateState? { KeyBudget.state(&requests, now) }

  /// Of the bucket that will be empty first.
  package mutating func tokenState(now: Duration) -> RateState? {
    guard let minute = KeyBudget.state(&tokens, now) else { return KeyBudget.state(&daily, now) }
    guard let day = KeyBudget.state(&daily, now) else { return minute }
    return day.remaining < minute.remaining ? day : minute
  }

  private static func state(_ bucket: inout TokenBucket?, _ now: Duration) -> RateState? {
    guard var filled = bucket else { return nil }
    let state = RateState(
      limit: filled.capacity, remaining: filled.remaining(now: now), reset: filled.untilFull(now: now))
    bucket = filled
    return state
  }

  private static func refusal(
    _ what: String, _ limit: Int?, _ shortage: TokenBucket.Shortage, _ count: Int? = nil
  ) -> ServerError {
    let asked = count.map { ", this request needs up to \($0)" } ?? ""
    switch shortage {
    case .wait(let duration):
      return ServerError(
        .rateLimitExceeded, "Rate limit reached: the key has \(limit ?? 0) \(what)\(asked).",
        remedy: "Try again in \(max(1, Int(duration.seconds.rounded(.up)))) s.", retryAfter: duration)
    case .tooLarge:
      return ServerError(
        .rateLimitExceeded, "Request too large: the key has \(limit ?? 0) \(what)\(asked).",
        remedy: "Shorten the input or lower the limit of output tokens.")
    }
  }
}
