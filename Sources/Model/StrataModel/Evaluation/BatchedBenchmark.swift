// Owns measuring how fast a decoder serves several sequences together. Knows nothing about text, scheduling or terminals.
import StrataCore

/// Speeds of a model with several sequences in each step, in the terms of llama-batched-bench: every sequence has a
/// prompt of its own, all prompts are read (in steps of at most 512 tokens), then each step generates one token for all.
public struct BatchedBenchmark: Sendable, Hashable {
  public let promptLength: Int
  public let generationLength: Int
  public let sequenceCount: Int
  /// Seconds that reading all prompts took; median over the repetitions, as are the others.
  public let prefillSeconds: Double
  public let decodeSeconds: Double

  /// Prompt tokens a second, of all sequences together.
  public var prefillTokensPerSecond: Double { rate(promptLength, prefillSeconds) }
  /// Generated tokens a second, of all sequences together.
  public var decodeTokensPerSecond: Double { rate(generationLength, decodeSeconds) }
  /// Prompt and generated tokens a second over the whole time.
  public var tokensPerSecond: Double { rate(promptLength + generationLength, prefillSeconds + decodeSeconds) }

  private func rate(_ length: Int, _ seconds: Double) -> Double {
    seconds > 0 ? Double(length * sequenceCount) / seconds : 0
  }

  /// Tokens of one step while prompts are read.
  private static let stepTokens = 512

  /// Runs one unmeasured and `repeats` measured rounds.
  /// - Throws: ``ModelError`` `context_overflow` when the lengths exceed the model's context, or `out_of_memory`.
  public static func run(
    _ model: DecoderModel, promptLength: Int, generationLength: Int, sequenceCount: Int, repeats: Int = 3
  ) throws(ModelError) -> BatchedBenchmark {
    let vocabulary = Int32(model.configuration.vocabularySize)
    var caches: [KVCache] = []
    var prompts: [[Int32]] = []
    for index in 0..<Int32(sequenceCount) {
      caches.append(try model.makeCache(capacity: promptLength + generationLength))
      prompts.append((0..<Int32(promptLength)).map { ($0 * 7919 + index * 104_729) % vocabulary })
    }
    let logits = LogitsBuffer()
    var times: [(prefill: Double, decode: Double)] = []
    for round in 0...max(repeats, 1) {
      for cache in caches { cache.truncate(to: 0) }
      let start = ContinuousClock.now
      try read(prompts, into: caches, model, logits)
      let middle = ContinuousClock.now
      for step in 0..<Int32(generationLength) {
        let token = (step * 31 + 5) % vocabulary
        try model.forward(caches.map { BatchSlice(tokens: [token], cache: $0) }, into: logits)
      }
      guard round > 0 else { continue }
      times.append((start.duration(to: middle) / .seconds(1), middle.duration(to: .now) / .seconds(1)))
    }
    return BatchedBenchmark(
      promptLength: promptLength, generationLength: generationLength, sequenceCount: sequenceCount,
      prefillSeconds: median(times.map(\.prefill)), decodeSeconds: median(times.map(\.decode)))
  }

  /// Reads prompts in steps of many tokens, of several sequences if they are short.
  private static func read(
    _ prompts: [[Int32]], into caches: [KVCache], _ model: DecoderModel, _ logits: LogitsBuffer
  ) throws(ModelError) {
    var slices: [BatchSlice] = []
    var room = stepTokens
    for (prompt, cache) in zip(prompts, caches) {
      var start = 0
      while start < prompt.count {
        let count = min(room, prompt.count - start)
        let isLast = start + count == prompt.count
        slices.append(
          BatchSlice(tokens: prompt[start..<(start + count)], cache: cache, logits: isLast ? .last : .none))
        start += count
        room -= count
        if room == 0 {
          try model.forward(slices, into: logits)
          slices = []
          room = stepTokens
        }
      }
    }
    if !slices.isEmpty { try model.forward(slices, into: logits) }
  }

  /// `{"sequences", "prompt_tokens", "generated_tokens", "prefill_tokens_per_second", …}`
  public var json: JSON {
    [
      "sequences": .int(sequenceCount), "prompt_tokens": .int(promptLength),
      "generated_tokens": .int(generationLength), "prefill_tokens_per_second": .double(prefillTokensPerSecond),
      "decode_tokens_per_second": .double(decodeTokensPerSecond), "tokens_per_second": .double(tokensPerSecond),
      "prefill_seconds": .double(prefillSeconds), "decode_seconds": .double(decodeSeconds),
    ]
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
