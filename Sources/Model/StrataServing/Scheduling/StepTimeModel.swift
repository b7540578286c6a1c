// Owns the prediction of how long a step takes, learned from those that were. Knows no clock: times are told to it.

/// Predicts the time of a step from what it computes, so that chunks of prompts can be cut to a target.
///
/// A step takes a constant, a time for each decode and a time for each prompt token. The three are fitted to the recent
/// steps by recursive least squares with forgetting (Haykin, "Adaptive Filter Theory", 2002, ch. 9), because in a busy
/// engine no step ever has only one kind of work. Deviations: the covariance is bounded, so that a long run of equal
/// steps does not make the fit forget what only other steps can tell, and a single slow step (a page fault, a busy
/// machine) counts as no more than twice what was expected.
package struct StepTimeModel: Sendable {
  /// The constant, 16 decodes and 256 prompt tokens, in seconds.
  private var weights = SIMD3<Double>(0, 0, 0)
  /// Columns of the covariance.
  private var covariance = [SIMD3<Double>(100, 0, 0), SIMD3<Double>(0, 100, 0), SIMD3<Double>(0, 0, 100)]
  private var count = 0
  /// The largest chunk that was tried.
  private var largestChunk = Self.firstChunk

  private static let forgetting = 0.97
  private static let mostCovariance = 100.0
  /// Tokens of a chunk before anything was measured.
  private static let firstChunk = 64

  package init() {}

  private static func features(_ decodeRows: Int, _ promptTokens: Int) -> SIMD3<Double> {
    SIMD3(1, Double(decodeRows) / 16, Double(promptTokens) / 256)
  }

  /// Seconds that a step is expected to take.
  package func seconds(decodeRows: Int, promptTokens: Int) -> Double {
    max(0, (weights * Self.features(decodeRows, promptTokens)).sum())
  }

  /// Learns from a step. Times are in seconds.
  package mutating func learn(decodeRows: Int, promptTokens: Int, seconds: Double) {
    guard seconds > 0, decodeRows + promptTokens > 0 else { return }
    largestChunk = max(largestChunk, promptTokens)
    let x = Self.features(decodeRows, promptTokens)
    let expected = (weights * x).sum()
    count += 1
    let measured = count > 8 && expected > 0 ? min(seconds, 2 * expected) : seconds
    let spread = covariance[0] * x.x + covariance[1] * x.y + covariance[2] * x.z
    let gain = spread / (Self.forgetting + (x * spread).sum())
    weights += gain * (measured - expected)
    for column in 0..<3 { covariance[column] = (covariance[column] - gain * spread[column]) / Self.forgetting }
    let most = max(covariance[0].x, covariance[1].y, covariance[2].z)
    if most > Self.mostCovariance {
      for column in 0..<3 { covariance[column] *= Self.mostCovariance / most }
    }
  }

  /// How many prompt tokens may join `decodeRows` in a step of `target` seconds. However slow decoding is, prompts get
  /// the share `least` of its time on top, so that they get on. No chunk is more than twice as large as any before:
  /// the fit may be wrong about what was never tried.
  package func promptTokens(within target: Double, decodeRows: Int, least: Double) -> Int {
    guard count > 0 else { return Self.firstChunk }
    let decode = seconds(decodeRows: decodeRows, promptTokens: 0)
    let tokenTime = max(weights.z / 256, 1e-7)
    return min(Int(max(target - decode, decode * least) / tokenTime), 2 * largestChunk)
  }
}
