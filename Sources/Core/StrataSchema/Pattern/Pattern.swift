// Owns matching of a pattern in linear time, by simulating its automaton (Thompson 1968). Never backtracks.

import StrataCore

/// An ECMA-262 regular expression as JSON Schema uses it: found anywhere in a text unless anchored.
///
/// - Complexity: a match takes O(scalars × states); the number of states is bounded when the pattern is compiled.
public struct Pattern: Sendable {
  public let source: String
  let node: PatternNode
  private let program: [Instruction]
  /// States that one pattern may need.
  package static let stateLimit = 20_000

  private enum Instruction: Sendable {
    case scalar(ScalarSet)
    /// Both ways on, by absolute position.
    case split(Int, Int)
    case jump(Int)
    case start
    case end
    case wordBoundary(Bool)
    case match
  }

  /// - Throws: ``SchemaError`` with code `schema_pattern_invalid` for what is no pattern, and for look-around and
  ///   back-references; `schema_too_large` when the automaton would be too large.
  public init(_ source: String) throws(SchemaError) {
    self.source = source
    node = try PatternParser.parse(source)
    var code: [Instruction] = []
    try Pattern.emit(node, into: &code, source: source)
    code.append(.match)
    program = code
  }

  private static func emit(_ node: PatternNode, into code: inout [Instruction], source: String) throws(SchemaError) {
    guard code.count < stateLimit else {
      throw SchemaError(
        SchemaError.tooLarge, "The pattern `\(source.prefix(200))` needs more than \(stateLimit) states.",
        remedy: "Use smaller repetition counts, or `maxLength`.")
    }
    switch node {
    case .empty: break
    case .scalar(let set): code.append(.scalar(set))
    case .sequence(let nodes): for node in nodes { try emit(node, into: &code, source: source) }
    case .choice(let nodes):
      var exits: [Int] = []
      for (index, node) in nodes.enumerated() {
        let split = code.count
        if index < nodes.count - 1 { code.append(.split(split + 1, 0)) }
        try emit(node, into: &code, source: source)
        if index < nodes.count - 1 {
          exits.append(code.count)
          code.append(.jump(0))
          code[split] = .split(split + 1, code.count)
        }
      }
      for exit in exits { code[exit] = .jump(code.count) }
    case .loop(let node, let least, let most):
      for _ in 0..<least {
        let before = code.count
        try emit(node, into: &code, source: source)
        if code.count == before { break }
      }
      guard let most else {
        let split = code.count
        code.append(.split(split + 1, 0))
        try emit(node, into: &code, source: source)
        code.append(.jump(split))
        code[split] = .split(split + 1, code.count)
        return
      }
      var splits: [Int] = []
      for _ in least..<max(least, most) {
        splits.append(code.count)
        code.append(.split(code.count + 1, 0))
        try emit(node, into: &code, source: source)
      }
      for split in splits { code[split] = .split(split + 1, code.count) }
    case .start: code.append(.start)
    case .end: code.append(.end)
    case .wordBoundary(let wanted): code.append(.wordBoundary(wanted))
    }
  }

  /// Whether some part of `text` matches.
  public func matches(_ text: String) -> Bool {
    var states = StateSet(count: program.count)
    var next = StateSet(count: program.count)
    var stack: [Int] = []
    var previous: UInt32?
    var iterator = text.unicodeScalars.makeIterator()
    var current = iterator.next()?.value
    while true {
      // A match may begin anywhere, so that the first state joins at each position.
      if add(0, to: &states, stack: &stack, previous: previous, next: current) { return true }
      guard let scalar = current else { return false }
      let following = iterator.next()?.value
      next.removeAll()
      for state in states.members {
        if case .scalar(let set) = program[state], set.contains(scalar) {
          if add(state + 1, to: &next, stack: &stack, previous: scalar, next: following) { return true }
        }
      }
      swap(&states, &next)
      previous = scalar
      current = following
    }
  }

  /// Adds a state and what it reaches without a scalar; answers whether that is a match.
  private func add(
    _ state: Int, to set: inout StateSet, stack: inout [Int], previous: UInt32?, next: UInt32?
  ) -> Bool {
    stack.append(state)
    while let state = stack.popLast() {
      guard set.insert(state) else { continue }
      switch program[state] {
      case .scalar: break
      case .split(let first, let second):
        stack.append(first)
        stack.append(second)
      case .jump(let target): stack.append(target)
      case .start: if previous == nil { stack.append(state + 1) }
      case .end: if next == nil { stack.append(state + 1) }
      case .wordBoundary(let wanted):
        let before = previous.map(ScalarSet.word.contains) ?? false
        let after = next.map(ScalarSet.word.contains) ?? false
        if (before != after) == wanted { stack.append(state + 1) }
      case .match:
        stack.removeAll(keepingCapacity: true)
        return true
      }
    }
    return false
  }
}

/// A set of small integers with O(1) insertion and clearing (Briggs and Torczon 1993).
private struct StateSet {
  private(set) var members: [Int] = []
  private var positions: [Int]

  init(count: Int) { positions = Array(repeating: 0, count: count) }

  mutating func insert(_ value: Int) -> Bool {
    let position = positions[value]
    if position < members.count, members[position] == value { return false }
    positions[value] = members.count
    members.append(value)
    return true
  }

  mutating func removeAll() { members.removeAll(keepingCapacity: true) }
}
