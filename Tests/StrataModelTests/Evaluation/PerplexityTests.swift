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

  /// What `llama-perplexity -f wikitext-2/valid.txt -c 512 --chunks 4` printed (llama.cpp b11434).
  @Test(
    "the first four chunks of WikiText-2 have llama.cpp's perplexity within one percent",
    .enabled(if: TestModels.folder != nil && PublicData.exists(PublicData.folder), "needs models and data"),
    arguments: [("smollm2-135m", 14.6578), ("qwen2.5-coder-0.5b", 21.0168), ("gemma3-270m", 13.1849)])
  func wikitext(name: String, expected: Double) throws {
    guard let path = TestModels.path("\(name).gguf") else { return }
    let model = try DecoderModel(path: path, threads: 2)
    let tokenizer = try model.file.makeTokenizer()
    let text = try String(contentsOfFile: PublicData.folder + "/models/wikitext-2/valid.txt", encoding: .utf8)
    // More than four chunks hold, so that the end of the text does not matter.
    let tokens = tokenizer.encode(String(text.prefix(20_000)), addSpecial: true, parseSpecial: false)
    let result = try Perplexity.measure(
      model, tokens: Array(tokens.prefix(4 * 512)), contextLength: 512,
      bos: tokenizer.addsBOS ? tokenizer.bosID : nil)
    #expect(result.scoredTokenCount == 4 * 255)
    #expect(abs(result.perplexity / expected - 1) < 0.01, "\(result.perplexity)")
  }

  @Test("a continuation has its own likelihood, whatever else is read in the same step")
  func continuation() throws {
    let tiny = TinyDecoder()
    let prefixes: [[Int32]] = (0..<19).map { number in (0...(number % 5)).map { Int32(($0 * 7 + number) % 50) } }
    let continuation: [Int32] = [4, 9, 30]
    let model = try tiny.model()
    let found = try model.meanLogLikelihoods(of: continuation, after: prefixes)
    #expect(found.count == prefixes.count)
    for (prefix, value) in zip(prefixes, found) {
      let logits = tiny.referenceLogits(prefix + continuation)
      var sum = 0.0
      for (index, token) in continuation.enumerated() {
        let row = logits[prefix.count - 1 + index]
        let highest = row.max() ?? 0
        sum += row[Int(token)] - highest - log(row.reduce(0) { $0 + exp($1 - highest) })
      }
      #expect(abs(value - sum / 3) < 0.02)
    }
    #expect(try model.meanLogLikelihoods(of: continuation, after: []).isEmpty)
    #expect(throws: ModelError.self) { try model.meanLogLikelihoods(of: [], after: prefixes) }
    #expect(throws: ModelError.self) { try model.meanLogLikelihoods(of: continuation, after: [[]]) }
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
