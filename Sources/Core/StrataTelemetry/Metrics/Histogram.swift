// Owns counting a distribution in fixed buckets.

/// A cumulative histogram, as Prometheus defines it.
public struct Histogram: Sendable, Hashable {
  /// Upper bounds, ascending; values above the last count in `+Inf` only.
  public let bounds: [Double]
  /// Values in each bucket, not cumulated.
  public private(set) var buckets: [Int]
  public private(set) var count = 0
  public private(set) var sum = 0.0

  public init(bounds: [Double] = Histogram.requestSeconds) {
    self.bounds = bounds
    buckets = [Int](repeating: 0, count: bounds.count)
  }

  /// From 5 ms to 2 min.
  public static let requestSeconds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
  /// Between two tokens: from 1 ms to 10 s.
  public static let tokenSeconds: [Double] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10,
  ]
  /// Powers of four up to a million tokens (OpenTelemetry's advice for `gen_ai.client.token.usage`).
  public static let tokens: [Double] = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576]

  /// Values that are not finite are left out.
  public mutating func observe(_ value: Double) {
    guard value.isFinite else { return }
    count += 1
    sum += value
    if let index = bounds.firstIndex(where: { value <= $0 }) { buckets[index] += 1 }
  }
}
