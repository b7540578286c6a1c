// Owns measuring how fast a decoder reads and writes tokens. Knows nothing about text or terminals.
import StrataCore

/// Speeds of one model, in the terms of llama-bench: `pp` reads a prompt into an empty cache, `tg` generates one token
/// after another from an empty cache.
public struct ModelBenchmark: Sendable, Hashable {
  public let promptLength: Int
  public let generationLength: Int
  public let threadCount: Int
  /// Medians over the repetitions.
  public let prefillTokensPerSecond: Double
  public let decodeTokensPerSecond: Double
  /// One entry per repetition.
  public let prefillRuns: [Double]
  public let decodeRuns: [Double]
  public let instructionSet: String

  /// Runs one unmeasured and `repeats` measured rounds.
  /// - Throws: ``ModelError`` `context_overflow` when a length exceeds the model's context.
  public static func run(
    _ model: DecoderModel, promptLength: Int = 512, generationLength: Int = 64, repeats: Int = 5
  ) throws(ModelError) -> ModelBenchmark {
    let cache = try model.makeCache(
      capacity: max(1, min(model.configuration.contextLength, max(promptLength, generationLength))))
    let logits = LogitsBuffer()
    var generator = SplitMix64(state: 1)
    let vocabulary = Int32(model.configuration.vocabularySize)
    let prompt = (0..<max(promptLength, 0)).map { _ in Int32.random(in: 0..<vocabulary, using: &generator) }
    let continuation = (0..<max(generationLength, 0)).map { _ in Int32.random(in: 0..<vocabulary, using: &generator) }
    var prefill: [Double] = []
    var decode: [Double] = []
    for round in 0...max(repeats, 1) {
      let read = try speed(of: prompt, step: prompt.count, model, cache, logits)
      let written = try speed(of: continuation, step: 1, model, cache, logits)
      guard round > 0 else { continue }
      prefill.append(read)
      decode.append(written)
    }
    return ModelBenchmark(
      promptLength: promptLength, generationLength: generationLength, threadCount: model.pool.threadCount,
      prefillTokensPerSecond: median(prefill), decodeTokensPerSecond: median(decode), prefillRuns: prefill,
      decodeRuns: decode, instructionSet: HostMath.instructionSet)
  }

  /// `{"prefill_tokens_per_second", "decode_tokens_per_second", …}`
  public var json: JSON {
    [
      "prefill_tokens_per_second": .double(prefillTokensPerSecond),
      "decode_tokens_per_second": .double(decodeTokensPerSecond),
      "prompt_tokens": .int(promptLength), "generated_tokens": .int(generationLength),
      "threads": .int(threadCount), "instruction_set": .string(instructionSet),
      "prefill_runs": .array(prefillRuns.map(JSON.double)), "decode_runs": .array(decodeRuns.map(JSON.double)),
    ]
  }

  private static func speed(
    of tokens: [Int32], step: Int, _ model: DecoderModel, _ cache: KVCache, _ logits: LogitsBuffer
  ) throws(ModelError) -> Double {
    guard !tokens.isEmpty else { return 0 }
    cache.truncate(to: 0)
    let clock = ContinuousClock()
    let start = clock.now
    for first in stride(from: 0, to: tokens.count, by: step) {
      try model.forward([BatchSlice(tokens: tokens[first..<(first + step)], cache: cache)], into: logits)
    }
    let seconds = (clock.now - start) / .seconds(1)
    return seconds > 0 ? Double(tokens.count) / seconds : 0
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// Seeded numbers for benchmark prompts (Steele, Lea and Flood 2014).
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
