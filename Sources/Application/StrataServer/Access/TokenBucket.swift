// Owns the arithmetic of rates: a level that fills evenly with time. Pure; the caller brings the time.

/// A bucket that holds `capacity` units and regains them evenly over `period` (token bucket, as in RFC 2697). Costs that
/// turn out higher than reserved leave a debt, which is regained first.
package struct TokenBucket: Sendable, Hashable {
  package let capacity: Int
  package let period: Duration
  /// Units at ``updated``; negative after more was used than there was.
  private var level: Double
  private var updated: Duration

  /// Full at first.
  /// - Parameter now: time since any fixed origin; the same origin for all calls.
  package init(capacity: Int, period: Duration, now: Duration) {
    self.capacity = max(1, capacity)
    self.period = period
    level = Double(self.capacity)
    updated = now
  }

  private var perSecond: Double { Double(capacity) / period.seconds }

  private mutating func refill(_ now: Duration) {
    // A clock that steps back gives nothing.
    guard now > updated else { return }
    level = min(Double(capacity), level + (now - updated).seconds * perSecond)
    updated = now
  }

  /// Takes `count` units if they are there.
  /// - Returns: nil, or why not.
  package mutating func take(_ count: Int, now: Duration) -> Shortage? {
    refill(now)
    guard count <= capacity else { return .tooLarge }
    guard level >= Double(count) else { return .wait(.seconds((Double(count) - level) / perSecond)) }
    level -= Double(count)
    return nil
  }

  /// Why units could not be taken.
  package enum Shortage: Sendable, Hashable {
    case wait(Duration)
    /// More than the bucket ever holds.
    case tooLarge
  }

  /// Gives units back, or with a negative count takes them whether they are there or not.
  package mutating func give(_ count: Int, now: Duration) {
    refill(now)
    level = min(Double(capacity), level + Double(count))
  }

  /// Whole units that are there now.
  package mutating func remaining(now: Duration) -> Int {
    refill(now)
    return max(0, Int(level))
  }

  /// How long until it is full again.
  package mutating func untilFull(now: Duration) -> Duration {
    refill(now)
    return .seconds((Double(capacity) - level) / perSecond)
  }
}
