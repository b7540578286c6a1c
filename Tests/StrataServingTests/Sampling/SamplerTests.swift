import Foundation
import StrataCore
import StrataServing
import Testing

@Suite("Sampler")
struct SamplerTests {
  private func draw(_ logits: [Float], _ parameters: SamplingParameters, count: Int = 1, allowed: [UInt64]? = nil)
    -> [Int32]
  {
    var sampler = Sampler(parameters: parameters, topLogprobs: nil, seed: 7)
    return (0..<count).compactMap { _ in
      logits.withUnsafeBufferPointer { logits in
        if let allowed {
          return allowed.withUnsafeBufferPointer { sampler.sample(logits, allowed: $0)?.id }
        }
        return sampler.sample(logits, allowed: nil)?.id
      }
    }
  }

  @Test("greedy takes the largest, the first of equals")
  func greedy() {
    #expect(draw([1, 3, 3, 2], .greedy) == [1])
  }

  @Test("nothing outside the mask is ever drawn")
  func masked() {
    #expect(draw([9, 1, 2, 8], .greedy, allowed: [0b0110]) == [2])
    let drawn = draw([9, 1, 2, 8], SamplingParameters(temperature: 5), count: 200, allowed: [0b0110])
    #expect(Set(drawn) == [1, 2])
    #expect(draw([1, 2], .greedy, allowed: [0]).isEmpty)
  }

  @Test("frequencies follow the softmax of the logits over the temperature")
  func distribution() {
    let logits: [Float] = [0, 1, 2, 3]
    let count = 20_000
    let drawn = draw(logits, SamplingParameters(temperature: 1.5), count: count)
    let weights = logits.map { Double(expf($0 / 1.5)) }
    let sum = weights.reduce(0, +)
    for id in 0..<4 {
      let share = Double(drawn.count { $0 == Int32(id) }) / Double(count)
      #expect(abs(share - weights[id] / sum) < 0.015)
    }
  }

  @Test("the same seed draws the same tokens, another seed others")
  func seeds() {
    let logits = (0..<100).map { Float($0 % 7) }
    let first = draw(logits, SamplingParameters(seed: 1), count: 50)
    #expect(first == draw(logits, SamplingParameters(seed: 1), count: 50))
    #expect(first != draw(logits, SamplingParameters(seed: 2), count: 50))
  }

  @Test("top-k, top-p and min-p keep only the head of the distribution")
  func truncation() {
    let logits: [Float] = [4, 3.9, 1, 0]
    for parameters in [
      SamplingParameters(topK: 2), SamplingParameters(topP: 0.8), SamplingParameters(minP: 0.5),
    ] {
      #expect(Set(draw(logits, parameters, count: 300)) == [0, 1])
    }
    #expect(Set(draw(logits, SamplingParameters(topK: 1), count: 50)) == [0])
  }

  @Test("penalties and bias move the choice")
  func penalties() {
    #expect(draw([3, 2.9, 0], SamplingParameters(temperature: 0, presencePenalty: 2), count: 2) == [0, 1])
    #expect(draw([3, 2.9, 0], SamplingParameters(temperature: 0, logitBias: [2: 100])) == [2])
    #expect(draw([3, 2.9, 0], SamplingParameters(temperature: 0, repetitionPenalty: 2), count: 2) == [0, 1])
  }

  @Test("log-probabilities are those of the model's own distribution")
  func logprobs() throws {
    var sampler = Sampler(parameters: .greedy, topLogprobs: 2, seed: 0)
    let logits: [Float] = [0, 1, 2]
    let token = try #require(logits.withUnsafeBufferPointer { sampler.sample($0, allowed: nil) })
    let sum = logf(expf(0) + expf(1) + expf(2))
    #expect(abs(token.logprob - (2 - sum)) < 1e-5)
    #expect(token.top.map(\.id) == [2, 1])
  }
}

@Suite("StopMatcher")
struct StopMatcherTests {
  @Test("a stop string over several pieces ends the text before it")
  func pieces() {
    var matcher = StopMatcher(["END", "\n\n"])
    #expect(matcher.push("abcE").text == "abc")
    #expect(matcher.push("N").text == "")
    let last = matcher.push("D more")
    #expect(last.isStopped)
    #expect(last.text == "")
  }

  @Test("what only looked like a stop string comes out later")
  func falseStart() {
    var matcher = StopMatcher(["END"])
    #expect(matcher.push("xEN").text == "x")
    let next = matcher.push("x")
    #expect(next.text == "ENx" && !next.isStopped)
    #expect(matcher.push("E").text == "")
    #expect(matcher.finish() == "E")
  }
}
