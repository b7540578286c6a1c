// Owns the decision whether a failing server is asked at all. A pure state machine: knows no clock.

/// Stops calls to a server that keeps failing, and lets single ones through to see whether it is back (Nygard,
/// "Release It!", 2007, "Circuit Breaker").
public struct CircuitBreaker: Sendable, Hashable {
  public enum State: Sendable, Hashable {
    case closed
    /// No calls until then.
    case open(until: Duration)
    /// One call is under way that decides.
    case probing
  }

  /// Failures in a row that open it.
  public let threshold: Int
  /// How long it stays open, doubled after each failed probe up to sixteen times.
  public let pause: Duration
  public private(set) var state = State.closed
  private var failures = 0
  private var openings = 0

  public init(threshold: Int = 5, pause: Duration = .seconds(5)) {
    self.threshold = max(1, threshold)
    self.pause = pause
  }

  /// Whether a call may go out at `now`; nil when it may, else how long to wait.
  public mutating func admit(at now: Duration) -> Duration? {
    switch state {
    case .closed: return nil
    case .probing: return pause
    case .open(let until):
      guard now >= until else { return until - now }
      state = .probing
      return nil
    }
  }

  public mutating func succeeded() {
    state = .closed
    failures = 0
    openings = 0
  }

  /// A failure that says something about the server; a rejected request does not.
  public mutating func failed(at now: Duration) {
    failures += 1
    guard state == .probing || failures >= threshold else { return }
    state = .open(until: now + pause * (1 << min(openings, 4)))
    openings += 1
  }

  /// A call ended without saying anything about the server (the caller left).
  public mutating func abandoned(at now: Duration) {
    if state == .probing { state = .open(until: now) }
  }
}
