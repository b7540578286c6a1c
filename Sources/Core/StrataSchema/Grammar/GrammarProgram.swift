// Owns the compiled pushdown automaton: instructions over leaf automata, calls and alternatives. Builds nothing.

/// A leaf, by kind, so that loops over bytes are compiled for each.
enum Leaf: Sendable {
  case string
  case literals(LiteralSet)
  case table(ByteDFA)
  case name(NameAutomaton)
}

enum Instruction: Sendable {
  /// Runs a leaf from a start state, then goes on at `next`.
  case leaf(Int, start: UInt64, next: Int)
  /// Runs a set of literals, each of which goes on elsewhere.
  case choice(Int)
  /// All of these at once.
  case split([Int])
  case call(rule: Int, next: Int)
  case end
}

/// A set of literals with a continuation each, in variants by how much nesting the continuations need.
struct LiteralChoice: Sendable {
  /// Variants by rising need; a later one holds all that the earlier ones do.
  var variants: [(need: Int, literals: LiteralSet, nexts: [Int])]
}

struct GrammarProgram: Sendable {
  static let instructionLimit = 400_000
  /// Stands for nesting that no bound allows.
  static let unbounded = Int.max / 4

  var leaves: [Leaf] = []
  var choices: [LiteralChoice] = []
  var code: [Instruction] = []
  /// First instruction of each rule.
  var rules: [Int] = []
  var root = 0
  /// Calls inside calls.
  var depthLimit = 64
  /// Least nesting that must still follow from each instruction to the end of its rule.
  private(set) var needs: [Int] = []

  /// Computes `needs` as a least fixed point, and the variants of choices.
  mutating func finish() {
    var needs = [Int](repeating: GrammarProgram.unbounded, count: code.count)
    var hasChanged = true
    while hasChanged {
      hasChanged = false
      for index in code.indices {
        let need =
          switch code[index] {
          case .leaf(_, _, let next): needs[next]
          case .choice(let choice):
            choices[choice].variants[0].nexts.map { needs[$0] }.min() ?? GrammarProgram.unbounded
          case .split(let ways): ways.map { needs[$0] }.min() ?? GrammarProgram.unbounded
          case .end: 0
          case .call(let rule, let next):
            if case .end = code[next] { needs[rules[rule]] } else { max(needs[rules[rule]] + 1, needs[next]) }
          }
        if need < needs[index] {
          needs[index] = need
          hasChanged = true
        }
      }
    }
    self.needs = needs.map { min($0, GrammarProgram.unbounded) }
    for index in choices.indices { addVariants(index) }
  }

  private mutating func addVariants(_ index: Int) {
    let all = choices[index].variants[0]
    let levels = Set(all.nexts.map { needs[$0] }).filter { $0 < GrammarProgram.unbounded }.sorted()
    choices[index].variants = levels.map { level in
      let kept = all.nexts.indices.filter { needs[all.nexts[$0]] <= level }
      let literals = LiteralSet(sorted: kept.map { all.literals.literals[$0] })
      return (level, literals, kept.map { all.nexts[$0] })
    }
  }
}

/// One thread of the automaton: an instruction that reads bytes, the state of its leaf, and where to return to.
struct GrammarThread: Hashable, Sendable {
  /// -1 when the value is complete.
  var instruction: Int32
  /// The variant of a choice.
  var variant: Int32
  var state: UInt64
  var stack: [Int32]

  static let complete = GrammarThread(instruction: -1, variant: 0, state: 0, stack: [])
}

extension GrammarProgram {
  /// All threads that read a byte next from `instruction` on.
  func enter(_ instruction: Int, _ stack: [Int32], into threads: inout [GrammarThread]) {
    guard stack.count + needs[instruction] <= depthLimit else { return }
    switch code[instruction] {
    case .leaf(_, let start, _):
      append(GrammarThread(instruction: Int32(instruction), variant: 0, state: start, stack: stack), to: &threads)
    case .choice(let choice):
      let variants = choices[choice].variants
      guard let variant = variants.lastIndex(where: { stack.count + $0.need <= depthLimit }) else { return }
      let start = variants[variant].literals.start
      append(
        GrammarThread(instruction: Int32(instruction), variant: Int32(variant), state: start, stack: stack),
        to: &threads)
    case .split(let ways): for way in ways { enter(way, stack, into: &threads) }
    case .call(let rule, let next):
      if case .end = code[next] {
        enter(rules[rule], stack, into: &threads)
      } else {
        enter(rules[rule], stack + [Int32(next)], into: &threads)
      }
    case .end:
      guard let back = stack.last else { return append(.complete, to: &threads) }
      enter(Int(back), Array(stack.dropLast()), into: &threads)
    }
  }

  private func append(_ thread: GrammarThread, to threads: inout [GrammarThread]) {
    if !threads.contains(thread) { threads.append(thread) }
  }

  var initialThreads: [GrammarThread] {
    var threads: [GrammarThread] = []
    enter(root, [], into: &threads)
    return threads
  }

  func step(_ threads: [GrammarThread], _ byte: UInt8) -> [GrammarThread] {
    var result: [GrammarThread] = []
    for thread in threads where thread.instruction >= 0 {
      switch code[Int(thread.instruction)] {
      case .leaf(let leaf, _, let next):
        switch leaves[leaf] {
        case .string: step(StringAutomaton(), thread, byte, next, &result)
        case .literals(let set): step(set, thread, byte, next, &result)
        case .table(let table): step(table, thread, byte, next, &result)
        case .name(let name): step(name, thread, byte, next, &result)
        }
      case .choice(let choice):
        let variant = choices[choice].variants[Int(thread.variant)]
        let state = variant.literals.step(thread.state, byte)
        guard state != deadState else { continue }
        if variant.literals.canContinue(state) { keep(thread, state, &result) }
        if let literal = variant.literals.accepted(state) {
          enter(variant.nexts[literal], thread.stack, into: &result)
        }
      default: break
      }
    }
    return result
  }

  @inline(__always)
  private func step(
    _ automaton: some ByteAutomaton, _ thread: GrammarThread, _ byte: UInt8, _ next: Int,
    _ result: inout [GrammarThread]
  ) {
    let state = automaton.step(thread.state, byte)
    guard state != deadState else { return }
    if automaton.canContinue(state) { keep(thread, state, &result) }
    if automaton.isAccepting(state) { enter(next, thread.stack, into: &result) }
  }

  private func keep(_ thread: GrammarThread, _ state: UInt64, _ result: inout [GrammarThread]) {
    var thread = thread
    thread.state = state
    append(thread, to: &result)
  }

  /// The byte that every thread needs next; nil when there is a choice, or nothing needs to follow.
  func onlyByte(_ threads: [GrammarThread]) -> UInt8? {
    var only: UInt8?
    for thread in threads {
      guard thread.instruction >= 0 else { return nil }
      let byte: UInt8? =
        switch code[Int(thread.instruction)] {
        case .leaf(let leaf, _, _):
          switch leaves[leaf] {
          case .string: StringAutomaton().onlyByte(thread.state)
          case .literals(let set): set.onlyByte(thread.state)
          case .table(let table): table.onlyByte(thread.state)
          case .name(let name): name.onlyByte(thread.state)
          }
        case .choice(let choice): choices[choice].variants[Int(thread.variant)].literals.onlyByte(thread.state)
        default: nil
        }
      guard let byte, only == nil || only == byte else { return nil }
      only = byte
    }
    return only
  }
}
