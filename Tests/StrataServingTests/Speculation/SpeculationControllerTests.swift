import Foundation
import StrataServing
import Testing

/// A machine with a given price of rows, and texts with a given share of right guesses.
private struct Simulation {
  var price: @Sendable (Int) -> Double
  var acceptance: Double
  var sequences = 1
  var noise = 0.1
  /// Whether every token has a guess; otherwise one in four.
  var always = true

  /// Tokens per second relative to decoding without drafts, after `warmup` steps.
  func speed(steps: Int, warmup: Int = 0, seed: UInt64 = 1) -> (ratio: Double, drafted: Int) {
    var random = RandomSource(seed: seed)
    var controller = SpeculationController()
    var histories = (0..<sequences).map { _ in controller.history() }
    var (tokens, seconds, drafted) = (0, 0.0, 0)
    for step in 0..<(steps + warmup) {
      let drafts = (0..<sequences).map { _ -> Draft in
        var draft = Draft()
        guard always || random.unit() < 0.25 else { return draft }
        draft.tokens = [Int32](repeating: 1, count: 15)
        draft.grades = [Int](repeating: 10, count: 15)
        return draft
      }
      let lengths = controller.lengths(zip(drafts, histories).map { ($0.grades, $1) }, rows: sequences)
      let rows = sequences + lengths.reduce(0, +)
      let time = price(rows) * exp(noise * (random.unit() + random.unit() - 1) * 2)
      controller.record(rows: rows, seconds: time)
      for index in 0..<sequences {
        var said: [Int32] = []
        repeat { said.append(random.unit() < acceptance ? 1 : 2) } while said.last == 1 && said.count <= lengths[index]
        controller.record(drafts[index], said: said[...], &histories[index])
        if step >= warmup { tokens += said.count }
      }
      guard step >= warmup else { continue }
      seconds += price(rows)
      drafted += rows - sequences
    }
    return (Double(tokens) / seconds / (Double(sequences) / price(sequences)), drafted)
  }
}

@Suite("SpeculationController")
struct SpeculationControllerTests {
  /// As measured: waiting for memory up to six rows, arithmetic beyond.
  private static let measured: @Sendable (Int) -> Double = {
    0.003 * ($0 <= 6 ? 1 + 0.1 * Double($0 - 1) : 1.9 + 0.25 * Double($0 - 6))
  }
  /// A machine on which each row costs as much as the first.
  private static let steep: @Sendable (Int) -> Double = { 0.003 * Double($0) }

  @Test("right guesses more than double the speed of one sequence")
  func gains() {
    #expect(Simulation(price: Self.measured, acceptance: 0.9).speed(steps: 400).ratio > 2)
    #expect(Simulation(price: Self.measured, acceptance: 0.6).speed(steps: 400).ratio > 1.3)
  }

  @Test(
    "wrong guesses and dear rows cost next to nothing, from the first step on",
    arguments: [1, 4, 8, 16], [0.0, 0.05, 0.2, 0.4])
  func neverCosts(sequences: Int, acceptance: Double) {
    for (price, always) in [(Self.measured, true), (Self.measured, false), (Self.steep, true), (Self.steep, false)] {
      let simulation = Simulation(
        price: price, acceptance: acceptance, sequences: sequences, noise: 0.2, always: always)
      let (ratio, _) = simulation.speed(steps: 1_500)
      #expect(ratio > 0.97, "\(ratio)")
    }
  }

  @Test("a verdict reached on a machine that was busy is looked at again")
  func recovers() {
    var controller = SpeculationController()
    let history = controller.history()
    let grades = [Int](repeating: 22, count: 15)
    for _ in 0..<200 {
      let length = controller.lengths([(grades, history)], rows: 1)[0]
      controller.record(rows: 1 + length, seconds: length > 0 ? 1 : 0.01)
    }
    #expect(controller.lengths([(grades, history)], rows: 1) == [0])
    var tried = 0
    for _ in 0..<20_000 {
      let length = controller.lengths([(grades, history)], rows: 1)[0]
      controller.record(rows: 1 + length, seconds: 0.01 + 0.001 * Double(length))
      if length > 0 { tried += 1 }
    }
    #expect(tried > 1_000)
  }

  @Test("the price of rows is learned through noise and changes of level")
  func costs() {
    var model = StepCostModel()
    var random = RandomSource(seed: 2)
    for step in 0..<4_000 {
      let rows = [1, 1, 1, 4, 8][Int(random.next() % 5)]
      let busy = step / 500 % 2 == 0 ? 1.0 : 2.5
      model.record(rows: rows, seconds: Self.steep(rows) * busy * (0.8 + 0.4 * random.unit()))
    }
    #expect(abs(model.ratio(of: 4, to: 1) - 4) < 0.8)
    #expect(abs(model.ratio(of: 8, to: 1) - 8) < 1.6)
    model.record(rows: 1, seconds: .nan)
    model.record(rows: 0, seconds: 1)
    #expect(model.ratio(of: 1, to: 1) == 1 && model.ratio(of: 200, to: 64).isFinite)
  }

  @Test("a draft that costs time of its own is shorter, or not made")
  func dearDrafts() {
    var controller = SpeculationController()
    for _ in 0..<50 { controller.record(rows: 1, seconds: 0.01) }
    let grades = [Int](repeating: 22, count: 15)
    // The first steps of a kind go without drafts, so that there is something to compare with.
    for _ in 0..<3 { _ = controller.lengths([(grades, controller.history())], rows: 1) }
    let free = controller.lengths([(grades, controller.history())], rows: 1)[0]
    let dear = controller.lengths([(grades, controller.history())], rows: 1, draftSeconds: 0.003)[0]
    #expect(free > dear)
    #expect(controller.lengths([(grades, controller.history())], rows: 1, draftSeconds: 0.02) == [0])
  }
}
