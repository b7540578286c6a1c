// Owns the way from patterns and length bounds to one deterministic automaton over scalars (subset construction,
// Rabin and Scott 1959), trimmed to the states from which a match can still be reached.

import StrataCore

/// What a text must be.
struct TextRules: Hashable {
  /// Found anywhere unless anchored.
  var patterns: [PatternNode] = []
  /// None of these may be found.
  var excludedPatterns: [PatternNode] = []
  var excludedTexts: [String] = []
  var least = 0
  var most: Int?
}

struct CharacterDFA {
  struct State {
    /// Disjoint sets of scalars with their targets.
    var edges: [(set: ScalarSet, target: Int)]
    var isAccepting: Bool
  }

  static let stateLimit = 20_000

  /// The first is the start; nil when no text fits.
  let states: [State]

  init?(_ rules: TextRules, name: String) throws(SchemaError) {
    var builder = try CharacterDFABuilder(rules, name: name)
    guard let states = try builder.build() else { return nil }
    self.states = states
  }
}

/// One pattern as a nondeterministic automaton.
private struct PatternNFA {
  enum Step {
    case scalar(ScalarSet)
    case split(Int, Int)
    case start
    case end
    case match
  }
  private(set) var steps: [Step] = []
  let name: String

  init(_ node: PatternNode, name: String) throws(SchemaError) {
    self.name = name
    let anything = PatternNode.loop(.scalar(.all), least: 0, most: nil)
    try add(.sequence([anything, node]))
    steps.append(.match)
  }

  private mutating func add(_ node: PatternNode) throws(SchemaError) {
    guard steps.count < Pattern.stateLimit else {
      throw SchemaError(
        SchemaError.tooLarge, "A pattern needs more than \(Pattern.stateLimit) states.", location: name)
    }
    switch node {
    case .empty: break
    case .scalar(let set): steps.append(.scalar(set))
    case .sequence(let nodes): for node in nodes { try add(node) }
    case .start: steps.append(.start)
    case .end: steps.append(.end)
    case .wordBoundary:
      throw SchemaError(
        SchemaError.unsupportedKeyword, "Constrained decoding cannot enforce `\\b` and `\\B` in a pattern.",
        remedy: "Leave the word boundary out, or allow over-approximation.", location: name)
    case .choice(let nodes):
      var exits: [Int] = []
      for (index, node) in nodes.enumerated() {
        let split = steps.count
        let isLast = index == nodes.count - 1
        if !isLast { steps.append(.split(split + 1, 0)) }
        try add(node)
        if !isLast {
          exits.append(steps.count)
          steps.append(.split(0, 0))
          steps[split] = .split(split + 1, steps.count)
        }
      }
      for exit in exits { steps[exit] = .split(steps.count, steps.count) }
    case .loop(let node, let least, let most):
      for _ in 0..<least {
        let before = steps.count
        try add(node)
        if steps.count == before { break }
      }
      if let most {
        var splits: [Int] = []
        for _ in least..<max(least, most) {
          splits.append(steps.count)
          steps.append(.split(steps.count + 1, 0))
          try add(node)
        }
        for split in splits { steps[split] = .split(split + 1, steps.count) }
      } else {
        let split = steps.count
        steps.append(.split(split + 1, 0))
        try add(node)
        steps.append(.split(split, split))
        steps[split] = .split(split + 1, steps.count)
      }
    }
  }

  /// All that is reached without a scalar. `end` is not passed here, since whether the text ends is not yet known;
  /// once `match` is reached nothing else matters.
  func closure(_ seeds: [Int], atStart: Bool) -> [Int] {
    var seen: Set<Int> = []
    var stack = seeds
    while let state = stack.popLast() {
      guard seen.insert(state).inserted else { continue }
      switch steps[state] {
      case .split(let first, let second):
        stack.append(first)
        stack.append(second)
      case .start: if atStart { stack.append(state + 1) }
      case .match: return [state]
      case .scalar, .end: break
      }
    }
    return seen.filter { state in
      switch steps[state] {
      case .scalar, .end, .match: true
      case .split, .start: false
      }
    }.sorted()
  }

  /// Whether the text may end in these states.
  func isAccepting(_ states: [Int], atStart: Bool) -> Bool {
    var stack = states
    var seen: Set<Int> = []
    while let state = stack.popLast() {
      guard seen.insert(state).inserted else { continue }
      switch steps[state] {
      case .match: return true
      case .end: stack.append(state + 1)
      case .start: if atStart { stack.append(state + 1) }
      case .split(let first, let second): stack += [first, second]
      case .scalar: break
      }
    }
    return false
  }

  func isMatched(_ states: [Int]) -> Bool {
    if states.count == 1, case .match = steps[states[0]] { true } else { false }
  }
}

private struct CharacterDFABuilder {
  private struct Key: Hashable {
    /// States of each automaton: wanted ones first, then excluded ones.
    var sets: [[Int]]
    var count: Int
    var isStart: Bool
  }

  private let automata: [PatternNFA]
  private let wantedCount: Int
  private let rules: TextRules
  private let name: String
  /// Scalars that no automaton tells apart, with one of each.
  private let classes: [(set: ScalarSet, sample: UInt32)]
  private var known: [Key: Int] = [:]
  private var keys: [Key] = []
  private var states: [CharacterDFA.State] = []

  init(_ rules: TextRules, name: String) throws(SchemaError) {
    self.rules = rules
    self.name = name
    wantedCount = rules.patterns.count
    var automata: [PatternNFA] = []
    for node in rules.patterns + rules.excludedPatterns { automata.append(try PatternNFA(node, name: name)) }
    if !rules.excludedTexts.isEmpty {
      let names = PatternNode.choice(rules.excludedTexts.map(PatternNode.text))
      automata.append(try PatternNFA(.sequence([.start, names, .end]), name: name))
    }
    self.automata = automata
    classes = CharacterDFABuilder.classes(of: automata)
  }

  private static func classes(of automata: [PatternNFA]) -> [(set: ScalarSet, sample: UInt32)] {
    var sets: Set<ScalarSet> = [.all]
    for automaton in automata {
      for case .scalar(let set) in automaton.steps { sets.insert(set) }
    }
    var cuts: Set<UInt32> = [0, 0xD800, 0xE000, 0x110000]
    for set in sets {
      for range in set.ranges {
        cuts.insert(range.lowerBound)
        cuts.insert(range.upperBound + 1)
      }
    }
    let ordered = cuts.sorted()
    let all = Array(sets)
    var groups: [[Bool]: [ClosedRange<UInt32>]] = [:]
    var order: [[Bool]] = []
    for (low, high) in zip(ordered, ordered.dropFirst()) where low != 0xD800 {
      let signature = all.map { $0.contains(low) }
      if groups[signature] == nil { order.append(signature) }
      groups[signature, default: []].append(low...(high - 1))
    }
    return order.map { signature in
      let ranges = groups[signature] ?? []
      return (ScalarSet(ranges), ranges.first?.lowerBound ?? 0)
    }
  }

  mutating func build() throws(SchemaError) -> [CharacterDFA.State]? {
    _ = try state(for: Key(sets: automata.map { $0.closure([0], atStart: true) }, count: 0, isStart: true))
    var index = 0
    while index < keys.count {
      let key = keys[index]
      if rules.most.map({ key.count < $0 }) ?? true {
        var edges: [Int: [ClosedRange<UInt32>]] = [:]
        for (set, sample) in classes {
          guard let next = try advance(key, sample) else { continue }
          edges[next, default: []] += set.ranges
        }
        states[index].edges = edges.sorted { $0.key < $1.key }.map { (ScalarSet($0.value), $0.key) }
      }
      index += 1
    }
    return trimmed()
  }

  private mutating func advance(_ key: Key, _ scalar: UInt32) throws(SchemaError) -> Int? {
    var next = key
    next.count = min(key.count + 1, counted)
    next.isStart = false
    for (position, automaton) in automata.enumerated() where !automaton.isMatched(key.sets[position]) {
      var seeds: [Int] = []
      for state in key.sets[position] {
        if case .scalar(let set) = automaton.steps[state], set.contains(scalar) { seeds.append(state + 1) }
      }
      next.sets[position] = automaton.closure(seeds, atStart: false)
      if position < wantedCount, next.sets[position].isEmpty { return nil }
    }
    if isExcluded(next) { return nil }
    return try state(for: next)
  }

  /// Lengths beyond this are all the same.
  private var counted: Int { rules.most.map { max($0, rules.least) } ?? rules.least }

  private func isExcluded(_ key: Key) -> Bool {
    for position in wantedCount..<automata.count where automata[position].isMatched(key.sets[position]) { return true }
    return false
  }

  private mutating func state(for key: Key) throws(SchemaError) -> Int {
    if let found = known[key] { return found }
    guard states.count < CharacterDFA.stateLimit else {
      throw SchemaError(
        SchemaError.tooLarge,
        "The patterns and lengths of a string need more than \(CharacterDFA.stateLimit) states.",
        remedy: "Simplify the pattern, or drop minLength and maxLength beside it.", location: name)
    }
    let index = states.count
    var isAccepting = key.count >= rules.least
    for (position, automaton) in automata.enumerated() where isAccepting {
      isAccepting = automaton.isAccepting(key.sets[position], atStart: key.isStart) == (position < wantedCount)
    }
    known[key] = index
    keys.append(key)
    states.append(CharacterDFA.State(edges: [], isAccepting: isAccepting))
    return index
  }

  /// Drops what leads nowhere; nil when that is everything.
  private func trimmed() -> [CharacterDFA.State]? {
    var sources = [[Int]](repeating: [], count: states.count)
    for (index, state) in states.enumerated() {
      for edge in state.edges { sources[edge.target].append(index) }
    }
    var isAlive = states.map(\.isAccepting)
    var stack = states.indices.filter { isAlive[$0] }
    while let state = stack.popLast() {
      for source in sources[state] where !isAlive[source] {
        isAlive[source] = true
        stack.append(source)
      }
    }
    guard isAlive[0] else { return nil }
    var renumbered = [Int](repeating: -1, count: states.count)
    var count = 0
    for index in states.indices where isAlive[index] {
      renumbered[index] = count
      count += 1
    }
    return states.indices.filter { isAlive[$0] }.map { index in
      var state = states[index]
      state.edges = state.edges.filter { isAlive[$0.target] }.map { ($0.set, renumbered[$0.target]) }
      return state
    }
  }
}
