// Owns regular expressions that cost time in proportion to text and pattern, whatever both are.

/// A regular expression in the common part of RE2's syntax, matched by following all possibilities side by side
/// (Thompson 1968): no pattern can make it slow.
///
/// Alternatives, groups, classes, `. ^ $ \b`, `* + ? {m,n}` and their lazy forms (which find the same), `\d \w \s`.
struct TextPattern {
  private indirect enum Node {
    case empty, start, end, wordBoundary(Bool)
    case scalar([ClosedRange<UInt32>])
    case sequence([Node])
    case choice([Node])
    case loop(Node, least: Int, most: Int?)
  }

  private enum Instruction {
    case scalar([ClosedRange<UInt32>])
    case fork(Int, Int)
    case jump(Int)
    case start, end, wordBoundary(Bool)
    case match
  }

  private var program: [Instruction] = []
  var size: Int { program.count }

  private static let sizeLimit = 2000

  init(_ pattern: String) throws(ConditionError) {
    var parser = Parser(scalars: Array(pattern.unicodeScalars))
    let node = try parser.choice(depth: 0)
    guard parser.index == parser.scalars.count else { throw ConditionError("A pattern has a ) too many.") }
    try emit(node)
    program.append(.match)
  }

  private mutating func emit(_ node: Node) throws(ConditionError) {
    guard program.count < Self.sizeLimit else { throw ConditionError("A pattern is too large.") }
    switch node {
    case .empty: break
    case .start: program.append(.start)
    case .end: program.append(.end)
    case .wordBoundary(let wanted): program.append(.wordBoundary(wanted))
    case .scalar(let ranges): program.append(.scalar(ranges))
    case .sequence(let parts): for part in parts { try emit(part) }
    case .choice(let parts):
      var jumps: [Int] = []
      for (index, part) in parts.enumerated() {
        if index == parts.count - 1 {
          try emit(part)
        } else {
          let fork = program.count
          program.append(.fork(fork + 1, 0))
          try emit(part)
          jumps.append(program.count)
          program.append(.jump(0))
          program[fork] = .fork(fork + 1, program.count)
        }
      }
      for jump in jumps { program[jump] = .jump(program.count) }
    case .loop(let body, let least, let most):
      for _ in 0..<least { try emit(body) }
      if let most {
        var forks: [Int] = []
        for _ in least..<max(least, most) {
          forks.append(program.count)
          program.append(.fork(program.count + 1, 0))
          try emit(body)
        }
        for fork in forks { program[fork] = .fork(fork + 1, program.count) }
      } else {
        let fork = program.count
        program.append(.fork(fork + 1, 0))
        try emit(body)
        program.append(.jump(fork))
        program[fork] = .fork(fork + 1, program.count)
      }
    }
  }

  /// Whether some part of `text` matches.
  func isFound(in text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    var current: [Int] = []
    var marks = [Int](repeating: -1, count: program.count)
    for position in 0...scalars.count {
      var next: [Int] = []
      // A match may begin anywhere.
      for state in current + [0] where follow(state, position, scalars, &marks, &next) { return true }
      current = []
      guard position < scalars.count else { break }
      for state in next {
        if case .scalar(let ranges) = program[state], ranges.contains(where: { $0.contains(scalars[position].value) }) {
          current.append(state + 1)
        }
      }
    }
    return false
  }

  /// Adds all states that are reached from `state` without reading.
  /// - Returns: whether the end of the pattern is among them.
  private func follow(
    _ state: Int, _ position: Int, _ text: [Unicode.Scalar], _ marks: inout [Int], _ next: inout [Int]
  ) -> Bool {
    var rest = [state]
    while let state = rest.popLast() {
      guard marks[state] != position else { continue }
      marks[state] = position
      switch program[state] {
      case .match: return true
      case .scalar: next.append(state)
      case .jump(let target): rest.append(target)
      case .fork(let first, let second): rest += [second, first]
      case .start: if position == 0 { rest.append(state + 1) }
      case .end: if position == text.count { rest.append(state + 1) }
      case .wordBoundary(let wanted):
        let before = position > 0 && Self.isWord(text[position - 1].value)
        let after = position < text.count && Self.isWord(text[position].value)
        if (before != after) == wanted { rest.append(state + 1) }
      }
    }
    return false
  }

  private static let digits: [ClosedRange<UInt32>] = [48...57]
  private static let word: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
  private static let space: [ClosedRange<UInt32>] = [9...10, 12...13, 32...32]

  private static func isWord(_ value: UInt32) -> Bool { word.contains { $0.contains(value) } }

  private static func inverted(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = max(next, range.upperBound + 1)
    }
    if next <= 0x10_FFFF { result.append(next...0x10_FFFF) }
    return result
  }

  private struct Parser {
    let scalars: [Unicode.Scalar]
    var index = 0

    mutating func choice(depth: Int) throws(ConditionError) -> Node {
      guard depth < 32 else { throw ConditionError("A pattern is nested too deeply.") }
      var parts: [Node] = []
      repeat {
        var sequence: [Node] = []
        while index < scalars.count, scalars[index] != "|", scalars[index] != ")" {
          sequence.append(try repeated(depth))
        }
        parts.append(.sequence(sequence))
      } while accept("|")
      return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func repeated(_ depth: Int) throws(ConditionError) -> Node {
      var node = try single(depth)
      while index < scalars.count {
        let bounds: (Int, Int?)
        switch scalars[index] {
        case "*": bounds = (0, nil)
        case "+": bounds = (1, nil)
        case "?": bounds = (0, 1)
        case "{":
          guard let counted = try counts() else { return node }
          bounds = counted
          index -= 1
        default: return node
        }
        index += 1
        _ = accept("?")
        node = .loop(node, least: bounds.0, most: bounds.1)
      }
      return node
    }

    /// `{3}`, `{3,}`, `{3,5}`; nil when it is no count and therefore means itself.
    private mutating func counts() throws(ConditionError) -> (Int, Int?)? {
      guard let end = scalars[index...].firstIndex(of: "}") else { return nil }
      let text = String(String.UnicodeScalarView(scalars[(index + 1)..<end]))
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      guard (1...2).contains(parts.count), let least = Int(parts[0]) else { return nil }
      let most = parts.count == 1 ? least : parts[1].isEmpty ? nil : Int(parts[1])
      if parts.count == 2, !parts[1].isEmpty, most == nil { return nil }
      guard least <= 1000, most ?? least <= 1000, most ?? least >= least else {
        throw ConditionError("A pattern repeats something too often.")
      }
      index = end + 1
      return (least, most)
    }

    private mutating func single(_ depth: Int) throws(ConditionError) -> Node {
      let scalar = scalars[index]
      index += 1
      switch scalar {
      case "(":
        if accept("?"), !accept(":") { throw ConditionError("A pattern has a group of an unknown kind.") }
        let inner = try choice(depth: depth + 1)
        guard accept(")") else { throw ConditionError("A pattern lacks a ).") }
        return inner
      case "[": return .scalar(try characterClass())
      case ".": return .scalar([0...9, 11...0x10_FFFF])
      case "^": return .start
      case "$": return .end
      case "*", "+", "?": throw ConditionError("A pattern repeats nothing.")
      case "\\":
        guard index < scalars.count else { throw ConditionError("A pattern ends in a backslash.") }
        switch scalars[index] {
        case "b", "B":
          index += 1
          return .wordBoundary(scalars[index - 1] == "b")
        case "A":
          index += 1
          return .start
        case "z":
          index += 1
          return .end
        default: return .scalar(try escape())
        }
      default: return .scalar([scalar.value...scalar.value])
      }
    }

    private mutating func escape() throws(ConditionError) -> [ClosedRange<UInt32>] {
      let scalar = scalars[index]
      index += 1
      switch scalar {
      case "d": return TextPattern.digits
      case "D": return TextPattern.inverted(TextPattern.digits)
      case "w": return TextPattern.word
      case "W": return TextPattern.inverted(TextPattern.word)
      case "s": return TextPattern.space
      case "S": return TextPattern.inverted(TextPattern.space)
      case "n": return [10...10]
      case "t": return [9...9]
      case "r": return [13...13]
      case "f": return [12...12]
      case "v": return [11...11]
      default:
        guard !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) else {
          throw ConditionError("A pattern has the unknown escape \\\(scalar).")
        }
        return [scalar.value...scalar.value]
      }
    }

    private mutating func characterClass() throws(ConditionError) -> [ClosedRange<UInt32>] {
      let isInverted = accept("^")
      var ranges: [ClosedRange<UInt32>] = []
      var isFirst = true
      while true {
        guard index < scalars.count else { throw ConditionError("A pattern lacks a ].") }
        if scalars[index] == "]", !isFirst {
          index += 1
          return isInverted ? TextPattern.inverted(ranges) : ranges
        }
        isFirst = false
        if scalars[index] == "[", index + 1 < scalars.count, scalars[index + 1] == ":" {
          throw ConditionError("A pattern has a named class.")
        }
        let low = try element()
        guard low.count == 1, low[0].count == 1, index + 1 < scalars.count, scalars[index] == "-",
          scalars[index + 1] != "]"
        else {
          ranges += low
          continue
        }
        index += 1
        let high = try element()
        guard high.count == 1, high[0].count == 1, high[0].lowerBound >= low[0].lowerBound else {
          throw ConditionError("A pattern has a range the wrong way round.")
        }
        ranges.append(low[0].lowerBound...high[0].lowerBound)
      }
    }

    private mutating func element() throws(ConditionError) -> [ClosedRange<UInt32>] {
      guard index < scalars.count else { throw ConditionError("A pattern lacks a ].") }
      let scalar = scalars[index]
      index += 1
      guard scalar == "\\" else { return [scalar.value...scalar.value] }
      guard index < scalars.count else { throw ConditionError("A pattern ends in a backslash.") }
      return try escape()
    }

    private mutating func accept(_ scalar: Unicode.Scalar) -> Bool {
      guard index < scalars.count, scalars[index] == scalar else { return false }
      index += 1
      return true
    }
  }
}
