import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("Perplexity")
struct PerplexityTests {
  @Test("the second half of each chunk is scored, each chunk on its own")
  func method() throws {
    let tiny = TinyDecoder()
    let tokens = (0..<40).map { Int32(($0 * 17 + 3) % 50) }
    var loss = 0.0
    for start in [0, 16] {
      let chunk = Array(tokens[start..<(start + 16)])
      let logits = tiny.referenceLogits(chunk)
      for position in 8..<15 {
        let row = logits[position]
        let highest = row.max() ?? 0
        loss += highest + log(row.reduce(0) { $0 + exp($1 - highest) }) - row[Int(chunk[position + 1])]
      }
    }
    let result = try Perplexity.measure(tiny.model(), tokens: tokens, contextLength: 16)
    #expect(result.scoredTokenCount == 14)
    #expect(result.tokenCount == 32)
    #expect(abs(log(result.perplexity) - loss / 14) < 0.01)
  }

  @Test("less than one chunk is refused")
  func tooShort() throws {
    let model = try TinyDecoder().model()
    #expect(throws: ModelError.self) { try Perplexity.measure(model, tokens: [1, 2, 3], contextLength: 16) }
  }

  @Test("a benchmark reports positive speeds and the figures that scripts read")
  func benchmark() throws {
    let result = try ModelBenchmark.run(TinyDecoder().model(), promptLength: 8, generationLength: 4, repeats: 3)
    #expect(result.prefillTokensPerSecond > 0)
    #expect(result.decodeRuns.count == 3)
    #expect((result.json["decode_tokens_per_second"]?.doubleValue ?? 0) > 0)
    #expect(result.json["threads"] == 2)
  }
}
