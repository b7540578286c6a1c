// Owns means with confidence intervals, by resampling with a fixed seed.
import StrataCore

/// A mean over queries or questions, or another statistic of them, and its 95% interval.
public struct Interval: Sendable, Hashable {
  public var mean: Double
  public var low: Double
  public var high: Double

  /// The percentile bootstrap (Efron 1979): `resamples` means of samples drawn with replacement. The same values give
  /// the same interval on every machine.
  public init(bootstrapping values: [Double], resamples: Int = 1_000, seed: UInt64 = 20_260_101) {
    guard !values.isEmpty else {
      (mean, low, high) = (0, 0, 0)
      return
    }
    mean = values.reduce(0, +) / Double(values.count)
    var generator = SplitMix64(state: seed)
    var means = (0..<max(1, resamples)).map { _ -> Double in
      var sum = 0.0
      for _ in values.indices { sum += values[Int.random(in: values.indices, using: &generator)] }
      return sum / Double(values.count)
    }
    means.sort()
    low = means[Int(0.025 * Double(means.count - 1))]
    high = means[Int((0.975 * Double(means.count - 1)).rounded(.up))]
  }

  /// The same for a statistic that is no mean: `statistic` is given the indices `0..<count`, then samples of them.
  public init(
    resampling count: Int, resamples: Int = 1_000, seed: UInt64 = 20_260_101, statistic: ([Int]) -> Double
  ) {
    guard count > 0 else {
      (mean, low, high) = (0, 0, 0)
      return
    }
    mean = statistic(Array(0..<count))
    var generator = SplitMix64(state: seed)
    let values = (0..<max(1, resamples)).map { _ in
      statistic((0..<count).map { _ in Int.random(in: 0..<count, using: &generator) })
    }.sorted()
    low = values[Int(0.025 * Double(values.count - 1))]
    high = values[Int((0.975 * Double(values.count - 1)).rounded(.up))]
  }

  /// `{"mean","low","high"}`, rounded to five digits.
  public var json: JSON {
    func round(_ value: Double) -> JSON { .double((value * 100_000).rounded() / 100_000) }
    return ["mean": round(mean), "low": round(low), "high": round(high)]
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
