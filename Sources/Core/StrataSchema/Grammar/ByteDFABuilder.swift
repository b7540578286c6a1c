// Owns the way from automata over scalars to automata over bytes: plain UTF-8, or the inside of a JSON string.

import StrataCore

/// Turns each edge over a set of scalars into the byte sequences that spell it. In a JSON string a scalar has one
/// spelling each, but for control characters, which have their short escapes and `\u00XX`, and `/`, which may be
/// escaped.
struct ByteDFABuilder {
  static let stateLimit = 40_000

  private typealias Edges = [(range: ClosedRange<UInt32>, target: Int32)]

  private var rows: [[Int32]] = []
  private var accepting: [Bool] = []
  /// States inside a spelling, by what they lead to.
  private var shared: [[Int32]: Int32] = [:]
  private let name: String

  private init(name: String) { self.name = name }

  /// A JSON string, quotes included.
  static func quoted(_ automaton: CharacterDFA, name: String) throws(SchemaError) -> ByteDFA {
    var builder = ByteDFABuilder(name: name)
    let start = try builder.newState(isAccepting: false)
    let states = try builder.newStates(automaton.states.count)
    let end = try builder.newState(isAccepting: true)
    builder.rows[start][0x22] = Int32(states)
    for (index, state) in automaton.states.enumerated() {
      let row = states + index
      try builder.fill(row, builder.edges(of: state, offset: states), isQuoted: true)
      if state.isAccepting { builder.rows[row][0x22] = Int32(end) }
    }
    return ByteDFA(rows: builder.rows, accepting: builder.accepting)
  }

  /// The bare text.
  static func plain(_ automaton: CharacterDFA, name: String) throws(SchemaError) -> ByteDFA {
    var builder = ByteDFABuilder(name: name)
    for state in automaton.states { _ = try builder.newState(isAccepting: state.isAccepting) }
    for (index, state) in automaton.states.enumerated() {
      try builder.fill(index, builder.edges(of: state, offset: 0), isQuoted: false)
    }
    return ByteDFA(rows: builder.rows, accepting: builder.accepting)
  }

  private mutating func newState(isAccepting: Bool) throws(SchemaError) -> Int {
    guard rows.count < ByteDFABuilder.stateLimit else {
      throw SchemaError(
        SchemaError.tooLarge, "A pattern needs more than \(ByteDFABuilder.stateLimit) states over bytes.",
        remedy: "Simplify the pattern or its character classes.", location: name)
    }
    rows.append([Int32](repeating: -1, count: 256))
    accepting.append(isAccepting)
    return rows.count - 1
  }

  private mutating func newStates(_ count: Int) throws(SchemaError) -> Int {
    let first = rows.count
    for _ in 0..<count { _ = try newState(isAccepting: false) }
    return first
  }

  private func edges(of state: CharacterDFA.State, offset: Int) -> Edges {
    var edges: Edges = []
    for edge in state.edges {
      for range in edge.set.ranges { edges.append((range, Int32(edge.target + offset))) }
    }
    return edges.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  private mutating func fill(_ row: Int, _ edges: Edges, isQuoted: Bool) throws(SchemaError) {
    for edge in edges {
      for scalar in edge.range.clamped(to: 0...0x7F) where edge.range.lowerBound < 0x80 {
        if isQuoted, scalar < 0x20 || scalar == 0x22 || scalar == 0x5C { continue }
        rows[row][Int(scalar)] = edge.target
      }
    }
    if isQuoted { rows[row][0x5C] = try escapes(edges) }
    for lead in UInt32(0xC2)...0xF4 {
      let (low, span) = ByteDFABuilder.coverage(lead)
      rows[row][Int(lead)] = try spelling(edges, low, span)
    }
  }

  /// The first scalar behind a leading byte, and how many there are.
  private static func coverage(_ lead: UInt32) -> (UInt32, UInt32) {
    switch lead {
    case ..<0xE0: ((lead & 0x1F) << 6, 1 << 6)
    case ..<0xF0: ((lead & 0x0F) << 12, 1 << 12)
    default: ((lead & 0x07) << 18, 1 << 18)
    }
  }

  /// The state before the continuation bytes that spell `low ..< low + span`; -1 when none is wanted.
  private mutating func spelling(_ edges: Edges, _ low: UInt32, _ span: UInt32) throws(SchemaError) -> Int32 {
    // Overlong forms and surrogates are no scalars.
    let floor: UInt32 = span == 1 << 12 ? 0x800 : span == 1 << 18 ? 0x10000 : 0
    return try continuation(edges.filter { $0.range.upperBound >= floor }, low, span, floor)
  }

  private mutating func continuation(_ edges: Edges, _ low: UInt32, _ span: UInt32, _ floor: UInt32)
    throws(SchemaError) -> Int32
  {
    let inside = edges.filter { $0.range.upperBound >= low && $0.range.lowerBound < low + span }
    if inside.isEmpty { return -1 }
    if floor <= low, inside.count == 1, inside[0].range.lowerBound <= low,
      inside[0].range.upperBound >= low + span - 1
    {
      return try uniform(inside[0].target, span)
    }
    var row = [Int32](repeating: -1, count: 64)
    let step = span >> 6
    for index in 0..<64 {
      let first = low + UInt32(index) * step
      if first + step <= floor { continue }
      if step == 1 {
        row[index] = inside.first { $0.range.contains(first) }?.target ?? -1
      } else {
        row[index] = try continuation(inside, first, step, floor)
      }
    }
    return try state(sharing: row, firstByte: 0x80)
  }

  /// The state before the continuation bytes of `span` scalars that all lead to `target`.
  private mutating func uniform(_ target: Int32, _ span: UInt32) throws(SchemaError) -> Int32 {
    let next = span == 64 ? target : try uniform(target, span >> 6)
    return try state(sharing: Array(repeating: next, count: 64), firstByte: 0x80)
  }

  private mutating func state(sharing part: [Int32], firstByte: Int) throws(SchemaError) -> Int32 {
    if part.allSatisfy({ $0 < 0 }) { return -1 }
    let key = part + [Int32(firstByte)]
    if let known = shared[key] { return known }
    let state = try newState(isAccepting: false)
    for (offset, target) in part.enumerated() { rows[state][firstByte + offset] = target }
    shared[key] = Int32(state)
    return Int32(state)
  }

  private mutating func escapes(_ edges: Edges) throws(SchemaError) -> Int32 {
    func target(_ scalar: UInt32) -> Int32 { edges.first { $0.range.contains(scalar) }?.target ?? -1 }
    var row = [Int32](repeating: -1, count: 256)
    let short: [(UInt8, UInt32)] = [
      (0x22, 0x22), (0x5C, 0x5C), (0x2F, 0x2F), (0x62, 8), (0x66, 12), (0x6E, 10), (0x72, 13), (0x74, 9),
    ]
    for (byte, scalar) in short { row[Int(byte)] = target(scalar) }
    var tens = [Int32](repeating: -1, count: 256)
    for ten in 0..<2 {
      var units = [Int32](repeating: -1, count: 256)
      for unit in 0..<16 {
        let next = target(UInt32(ten * 16 + unit))
        let digit = unit < 10 ? 0x30 + unit : 0x61 + unit - 10
        units[digit] = next
        if unit >= 10 { units[digit & ~0x20] = next }
      }
      tens[0x30 + ten] = try state(sharing: units, firstByte: 0)
    }
    var zeros = [Int32](repeating: -1, count: 256)
    zeros[0x30] = try state(sharing: tens, firstByte: 0)
    var first = [Int32](repeating: -1, count: 256)
    first[0x30] = try state(sharing: zeros, firstByte: 0)
    row[0x75] = try state(sharing: first, firstByte: 0)
    return try state(sharing: row, firstByte: 0)
  }
}
