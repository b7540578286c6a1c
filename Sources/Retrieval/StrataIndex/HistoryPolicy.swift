// Owns for how long what was removed can still be searched as of a time before. Knows nothing about segments.
import Foundation

/// What the index keeps of removed chunks.
///
/// A removed or replaced chunk that is kept takes its place on disk until it is too old or there are too many. Nothing
/// finds it but ``HybridIndex/snapshot(asOf:)`` with a time when it was there.
public struct HistoryPolicy: Sendable, Hashable {
  /// How long removed chunks are kept; zero keeps none.
  public var age: Duration
  /// Most removed chunks that are kept, the latest.
  public var chunkLimit: Int

  /// A removed chunk's space is free at once, and only the present can be searched.
  public static let none = HistoryPolicy(age: .zero)

  public init(age: Duration, chunkLimit: Int = 1_000_000) {
    self.age = age
    self.chunkLimit = chunkLimit
  }

  package var keepsAnything: Bool { age > .zero && chunkLimit > 0 }

  /// The moment up to which removed chunks are forgotten, in milliseconds since 1970.
  func cutoff(now: Int64, died: [Int64]) -> Int64 {
    guard keepsAnything else { return .max }
    let (byAge, overflow) = now.subtractingReportingOverflow(age.milliseconds)
    let cutoff = overflow ? .min : byAge
    guard died.count > chunkLimit else { return cutoff }
    return max(cutoff, died.sorted(by: >)[chunkLimit])
  }
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (value, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    return overflow ? .max : value + attoseconds / 1_000_000_000_000_000
  }
}
