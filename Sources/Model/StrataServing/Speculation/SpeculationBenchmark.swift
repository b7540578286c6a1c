// Owns measuring what speculation gains: the same requests with and without it, in turn, in one process.
import Foundation
import StrataCore

/// One number of requests at a time, measured on two models that differ in nothing but speculation.
public struct SpeculationBenchmark: Sendable, Hashable {
  public let concurrency: Int
  /// Tokens per second of each round; of decoding alone when requests run one by one, otherwise of the whole round, whose
  /// prompts are in the prefix cache.
  public let plainRuns: [Double]
  public let speculativeRuns: [Double]
  /// Processor seconds of each round, of use where other programs disturb the clock.
  public let plainProcessorSeconds: [Double]
  public let speculativeProcessorSeconds: [Double]
  /// Answers that were the same, of all.
  public let sameCount: Int
  public let requestCount: Int
  public let draftedTokens: Int
  public let acceptedTokens: Int
  public let generatedTokens: Int

  /// Median speed with speculation over that without.
  public var gain: Double { Self.median(speculativeRuns) / max(Self.median(plainRuns), .leastNonzeroMagnitude) }

  /// Runs one unmeasured and `repeats` measured rounds of each in turn.
  public static func run(
    plain: LocalModel, speculative: LocalModel, requests: [GenerationRequest], concurrency: Int, repeats: Int = 5
  ) async throws -> SpeculationBenchmark {
    let before = speculative.status
    let first = try await round(plain, requests, concurrency)
    let second = try await round(speculative, requests, concurrency)
    var (slow, fast): ([Round], [Round]) = ([], [])
    for _ in 0..<max(1, repeats) {
      slow.append(try await round(plain, requests, concurrency))
      fast.append(try await round(speculative, requests, concurrency))
    }
    let after = speculative.status
    return SpeculationBenchmark(
      concurrency: concurrency, plainRuns: slow.map(\.speed), speculativeRuns: fast.map(\.speed),
      plainProcessorSeconds: slow.map(\.processorSeconds), speculativeProcessorSeconds: fast.map(\.processorSeconds),
      sameCount: zip(first.texts, second.texts).count { $0 == $1 }, requestCount: requests.count,
      draftedTokens: after.draftedTokens - before.draftedTokens,
      acceptedTokens: after.acceptedTokens - before.acceptedTokens,
      generatedTokens: after.generatedTokens - before.generatedTokens)
  }

  public var json: JSON {
    [
      "concurrency": .int(concurrency), "gain": .double(gain),
      "processor_gain": .double(
        Self.median(plainProcessorSeconds) / max(Self.median(speculativeProcessorSeconds), .leastNonzeroMagnitude)),
      "plain_tokens_per_second": .double(Self.median(plainRuns)),
      "speculative_tokens_per_second": .double(Self.median(speculativeRuns)),
      "plain_runs": .array(plainRuns.map(JSON.double)), "speculative_runs": .array(speculativeRuns.map(JSON.double)),
      "same_answers": .int(sameCount), "requests": .int(requestCount), "generated_tokens": .int(generatedTokens),
      "drafted_tokens": .int(draftedTokens), "accepted_tokens": .int(acceptedTokens),
    ]
  }

  private struct Round {
    var texts: [String]
    var speed: Double
    var processorSeconds: Double
  }

  private static func round(_ model: LocalModel, _ requests: [GenerationRequest], _ concurrency: Int) async throws
    -> Round
  {
    var results = [GenerationResult?](repeating: nil, count: requests.count)
    let processor = processorSeconds()
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: (Int, GenerationResult).self) { group in
      var next = 0
      func startOne() {
        guard next < requests.count else { return }
        let index = next
        next += 1
        group.addTask { (index, try await model.complete(requests[index])) }
      }
      for _ in 0..<max(1, concurrency) { startOne() }
      while let (index, result) = try await group.next() {
        results[index] = result
        startOne()
      }
    }
    let all = results.compactMap { $0 }
    let decoding = all.reduce(Duration.zero) { $0 + $1.timings.decode }
    let seconds = (concurrency == 1 ? decoding : start.duration(to: .now)) / .seconds(1)
    let tokens = all.reduce(0) { $0 + $1.usage.completionTokens }
    return Round(
      texts: all.map(\.text), speed: Double(tokens) / max(seconds, 1e-9),
      processorSeconds: processorSeconds() - processor)
  }

  private static func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
