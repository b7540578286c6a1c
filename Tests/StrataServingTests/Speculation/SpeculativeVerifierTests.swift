import Foundation
import StrataCore
import StrataServing
import Testing

/// A model of six tokens whose next token depends on the last one, and everything that speculation does around it.
private struct ToyDecoder {
  var parameters: SamplingParameters
  var isProposing: Bool

  func logits(after last: Int32, shift: Float = 0) -> [Float] {
    (0..<6).map { Float((Int(last) * 5 + $0 * 3) % 7) * 0.5 + ($0 % 2 == 0 ? shift : 0) }
  }

  /// Says `count` tokens after `start`, drafting two at a time.
  func run(from start: Int32, count: Int, speculates: Bool, _ sampler: inout Sampler, _ random: inout RandomSource)
    -> [Int32]
  {
    var sequence = [start]
    sampler.observe(start)
    while sequence.count <= count {
      let draft = speculates ? draft(sequence, sampler, &random) : Draft()
      let step = [sequence[sequence.count - 1]] + draft.tokens
      var verifier = SpeculativeVerifier(draft)
      var said: [Int32] = []
      while sequence.count + said.count <= count, let row = verifier.row(after: said) {
        let token = logits(after: step[row]).withUnsafeBufferPointer {
          sampler.sample($0, allowed: nil, draft: verifier.proposal(atRow: row))
        }
        guard let token else { return sequence }
        said.append(token.id)
      }
      sequence += said
    }
    return Array(sequence[1...count])
  }

  private func draft(_ sequence: [Int32], _ sampler: Sampler, _ random: inout RandomSource) -> Draft {
    var draft = Draft()
    var own = sampler
    var last = sequence[sequence.count - 1]
    for _ in 0..<2 {
      // A draft model that is wrong in a systematic way, or a guess that is right now and then.
      guard isProposing else {
        draft.tokens.append(Int32(random.next() % 6))
        draft.grades.append(0)
        continue
      }
      let proposal = logits(after: last, shift: 0.8).withUnsafeBufferPointer { own.distribution($0, allowed: nil) }
      guard let proposal, let token = proposal.draw(&random) else { break }
      own.observe(token)
      draft.tokens.append(token)
      draft.grades.append(0)
      draft.proposals.append(proposal)
      last = token
    }
    return draft
  }
}

@Suite("SpeculativeVerifier")
struct SpeculativeVerifierTests {
  static let settings: [SamplingParameters] = [
    SamplingParameters(), SamplingParameters(temperature: 0.7, topK: 4),
    SamplingParameters(temperature: 1.3, topP: 0.8),
    SamplingParameters(minP: 0.2, presencePenalty: 0.5), SamplingParameters(repetitionPenalty: 1.3, logitBias: [3: 1]),
  ]

  /// Exact probabilities of three tokens in a row: the product of what the sampler would draw from.
  private func expected(_ toy: ToyDecoder, from start: Int32) -> [[Int32]: Double] {
    var result: [[Int32]: Double] = [:]
    func go(_ path: [Int32], _ sampler: Sampler, _ chance: Double) {
      guard path.count < 4 else { return result[Array(path.dropFirst())] = chance }
      var sampler = sampler
      let distribution = toy.logits(after: path[path.count - 1]).withUnsafeBufferPointer {
        sampler.distribution($0, allowed: nil)
      }
      for id in distribution?.ids ?? [] {
        var next = sampler
        next.observe(id)
        go(path + [id], next, chance * (distribution?.probability(of: id) ?? 0))
      }
    }
    var sampler = Sampler(parameters: toy.parameters, topLogprobs: nil, seed: 0)
    sampler.observe(start)
    go([start], sampler, 1)
    return result
  }

  @Test("three million tokens have the distribution of the sampler", arguments: settings, [false, true])
  func distribution(parameters: SamplingParameters, isProposing: Bool) {
    let toy = ToyDecoder(parameters: parameters, isProposing: isProposing)
    let exact = expected(toy, from: 2)
    #expect(abs(exact.values.reduce(0, +) - 1) < 1e-9)
    let rounds = 100_000
    var counts: [[Int32]: Int] = [:]
    var random = RandomSource(seed: 11)
    for round in 0..<rounds {
      var sampler = Sampler(parameters: parameters, topLogprobs: nil, seed: UInt64(round))
      counts[toy.run(from: 2, count: 3, speculates: true, &sampler, &random), default: 0] += 1
    }
    #expect(counts.keys.allSatisfy { exact[$0] != nil })
    var statistic = 0.0
    var cells = 0
    for (text, chance) in exact where chance * Double(rounds) >= 5 {
      let mean = chance * Double(rounds)
      statistic += (Double(counts[text] ?? 0) - mean) * (Double(counts[text] ?? 0) - mean) / mean
      cells += 1
    }
    // Five standard deviations of chi-square above its mean: once in a million for right code.
    let freedom = Double(cells - 1)
    #expect(statistic < freedom + 5 * (2 * freedom).squareRoot(), "\(statistic) of \(freedom)")
  }

  @Test("with guesses, the same seed says the same tokens as without")
  func seeds() {
    for (index, parameters) in (Self.settings + [.greedy]).enumerated() {
      let toy = ToyDecoder(parameters: parameters, isProposing: false)
      var random = RandomSource(seed: UInt64(index))
      for seed in 0..<50 as Range<UInt64> {
        var plain = Sampler(parameters: parameters, topLogprobs: nil, seed: seed)
        var guessed = plain
        let alone = toy.run(from: 1, count: 40, speculates: false, &plain, &random)
        #expect(alone == toy.run(from: 1, count: 40, speculates: true, &guessed, &random))
      }
    }
  }

  @Test("forced text that the draft foresaw needs no rows; anything else ends the step")
  func forced() {
    var draft = Draft()
    draft.tokens = [5, 6, 7, 8]
    var verifier = SpeculativeVerifier(draft)
    #expect(verifier.row(after: []) == 0)
    // The model said 5, the grammar forced 6 7: the next logits are those after 7.
    #expect(verifier.row(after: [5, 6, 7]) == 3)
    #expect(verifier.row(after: [5, 6, 7, 9]) == nil)
    #expect(verifier.acceptedCount == 3)
    // Forced text beyond the step, or beside it, must be computed first.
    var beyond = SpeculativeVerifier(draft)
    #expect(beyond.row(after: [5, 6, 7, 8, 9]) == nil && beyond.acceptedCount == 4)
    var beside = SpeculativeVerifier(draft)
    #expect(beside.row(after: [5, 9, 7]) == nil && beside.acceptedCount == 1)
    var whole = SpeculativeVerifier(draft)
    #expect(whole.row(after: [5, 6, 7, 8]) == 4)
    var empty = SpeculativeVerifier(Draft())
    #expect(empty.row(after: []) == 0 && empty.row(after: [1]) == nil)
  }
}
