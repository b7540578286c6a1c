// Divergence from a reference against a plain computation in Double, and what observers see of a forward pass.
import Foundation
import StrataCore
import StrataModel
import Synchronization
import Testing

@Suite("Divergence")
struct DivergenceTests {
  private static let tokens = (0..<40).map { Int32(($0 * 17 + 3) % 50) }

  @Test("a model does not differ from itself")
  func itself() throws {
    let model = try TinyDecoder().model()
    let result = try Divergence.measure(model, reference: model, tokens: Self.tokens, contextLength: 16)
    #expect(abs(result.divergence.mean) < 1e-6)
    #expect(result.topAgreement.mean == 1)
    #expect(result.rootMeanSquareDelta.mean == 0)
    #expect(result.logRatio.mean == 0)
    #expect(result.perplexity == result.referencePerplexity)
    #expect(result.perplexity == (try Perplexity.measure(model, tokens: Self.tokens, contextLength: 16)))
  }

  @Test("divergence, agreement and differences in probability are those of the definitions")
  func definitions() throws {
    let original = TinyDecoder()
    var coarse = TinyDecoder()
    coarse.matrixType = .q4_0
    var divergences: [Double] = []
    var deltas: [Double] = []
    var ratios: [Double] = []
    var agreements = 0.0
    for start in [0, 16] {
      let window = Array(Self.tokens[start..<(start + 16)])
      let (p, q) = (original.referenceLogits(window).map(softmax), coarse.referenceLogits(window).map(softmax))
      for position in 8..<15 {
        let next = Int(window[position + 1])
        divergences.append(zip(p[position], q[position]).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) })
        deltas.append(q[position][next] - p[position][next])
        ratios.append(log(p[position][next] / q[position][next]))
        agreements += top(p[position]) == top(q[position]) ? 1 : 0
      }
    }
    let count = Double(divergences.count)
    let result = try Divergence.measure(
      coarse.model(), reference: original.model(), tokens: Self.tokens, contextLength: 16)
    let mean = divergences.reduce(0, +) / count
    #expect(abs(result.divergence.mean - mean) < 0.03 * mean)
    #expect(abs(result.percentile(1) - (divergences.max() ?? 0)) < 0.1 * mean)
    #expect(abs(result.percentile(0) - (divergences.min() ?? 0)) < 0.1 * mean)
    #expect(result.percentile(0.5) <= result.percentile(0.99))
    #expect(abs(result.logRatio.mean - ratios.reduce(0, +) / count) < 0.02)
    #expect(abs(result.meanDelta.mean - deltas.reduce(0, +) / count) < 0.01)
    let rms = (deltas.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
    #expect(abs(result.rootMeanSquareDelta.mean - rms) < 0.05 * rms)
    // Near-ties may fall either way.
    #expect(abs(result.topAgreement.mean - agreements / count) <= 1.01 / count)
    #expect(result.divergence.interval.contains(result.divergence.mean))
    #expect((result.json["kl_divergence"]?["mean"]?.doubleValue ?? 0) == result.divergence.mean)
    #expect(result.perplexity.interval.contains(result.perplexity.perplexity))
  }

  @Test("models of other vocabularies are refused")
  func vocabularies() throws {
    var other = TinyDecoder()
    other.vocabulary = 40
    let error = #expect(throws: ModelError.self) {
      try Divergence.measure(TinyDecoder().model(), reference: other.model(), tokens: Self.tokens, contextLength: 16)
    }
    #expect(error?.code == ModelError.invalidArgument)
  }

  @Test("an observer sees the input of each linear layer, under the weights' name")
  func observed() throws {
    final class Recorder: ActivationObserver {
      let shapes = Mutex<[String: [Int]]>([:])
      let first = Mutex<[Float]>([])

      func observe(tensor: String, input: UnsafeBufferPointer<Float>, rows: Int, columns: Int) {
        shapes.withLock { $0[tensor] = [rows, columns] }
        if tensor == "blk.0.attn_q.weight" { first.withLock { $0 = Array(input.prefix(columns)) } }
      }
    }
    let tiny = TinyDecoder()
    let recorder = Recorder()
    let model = try DecoderModel(
      gguf: GGUFFile(bytes: tiny.gguf()), pool: ComputePool(threads: 2), observer: recorder)
    let logits = LogitsBuffer()
    try model.forward(
      [BatchSlice(tokens: [5, 6, 7], cache: model.makeCache(capacity: 8), logits: .all)], into: logits)
    let shapes = recorder.shapes.withLock { $0 }
    #expect(shapes.count == 2 * 7 + 1)
    #expect(shapes["blk.1.ffn_down.weight"] == [3, tiny.hidden])
    #expect(shapes["output.weight"] == [3, tiny.embedding])
    let tensors = Dictionary(uniqueKeysWithValues: tiny.tensors().map { ($0.name, $0.values) })
    let embedding = try #require(tensors["token_embd.weight"])[(5 * tiny.embedding)..<(6 * tiny.embedding)]
    let square = embedding.reduce(0) { $0 + $1 * $1 } / Float(tiny.embedding)
    let expected = zip(embedding, try #require(tensors["blk.0.attn_norm.weight"])).map {
      $0 / (square + tiny.epsilon).squareRoot() * $1
    }
    let seen = recorder.first.withLock { $0 }
    #expect(zip(seen, expected).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(seen.count == tiny.embedding)
    // What is observed is computed as without an observer.
    let plain = LogitsBuffer()
    let other = try tiny.model()
    try other.forward([BatchSlice(tokens: [5, 6, 7], cache: other.makeCache(capacity: 8), logits: .all)], into: plain)
    for row in 0..<3 {
      #expect(logits.withRow(row) { Array($0) } == plain.withRow(row) { Array($0) })
    }
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let highest = logits.max() ?? 0
    let weights = logits.map { exp($0 - highest) }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }

  private func top(_ values: [Double]) -> Int? { values.indices.max { values[$0] < values[$1] } }
}
