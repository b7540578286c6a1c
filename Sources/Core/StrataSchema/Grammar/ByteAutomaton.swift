// Owns the deterministic byte automata that stand at the leaves of a grammar. Knows neither stacks nor tokens.

/// A deterministic automaton over bytes whose states are numbers. From every state that `step` answers, an accepting
/// state can be reached: there are no dead ends.
protocol ByteAutomaton {
  /// The next state, or ``deadState``.
  func step(_ state: UInt64, _ byte: UInt8) -> UInt64
  func isAccepting(_ state: UInt64) -> Bool
  /// Whether any byte leads on.
  func canContinue(_ state: UInt64) -> Bool
  /// The one byte that leads on, or nil when there are several or none.
  func onlyByte(_ state: UInt64) -> UInt8?
}

let deadState = UInt64.max

/// A JSON string with quotes: well-formed UTF-8, escapes with paired surrogates, a bounded number of scalars.
/// A state is the place in the syntax (8 bits), the scalars still needed and the scalars still allowed (28 bits each),
/// so that one automaton serves all strings.
struct StringAutomaton: ByteAutomaton {
  static let unlimited: UInt64 = (1 << 28) - 1

  /// Places; the continuation places come in the order of the bytes that remain.
  private enum Place {
    static let start: UInt64 = 0
    static let inside: UInt64 = 1
    static let end: UInt64 = 2
    static let escape: UInt64 = 3
    static let last1: UInt64 = 4
    static let last2: UInt64 = 5
    static let last3: UInt64 = 6
    static let afterE0: UInt64 = 7
    static let afterED: UInt64 = 8
    static let afterF0: UInt64 = 9
    static let afterF4: UInt64 = 10
    static let hex1: UInt64 = 11
    static let hex2: UInt64 = 12
    static let hex3: UInt64 = 13
    static let hex4: UInt64 = 14
    static let hexD: UInt64 = 15
    static let high3: UInt64 = 16
    static let high4: UInt64 = 17
    static let lowEscape: UInt64 = 18
    static let lowU: UInt64 = 19
    static let low1: UInt64 = 20
    static let low2: UInt64 = 21
  }

  static func start(least: Int, most: Int?) -> UInt64 {
    pack(Place.start, needed: UInt64(clamping: least), allowed: most.map { UInt64(clamping: $0) } ?? unlimited)
  }

  private static func pack(_ place: UInt64, needed: UInt64, allowed: UInt64) -> UInt64 {
    place | min(needed, unlimited) << 8 | min(allowed, unlimited) << 36
  }

  static func needed(_ state: UInt64) -> UInt64 { state >> 8 & unlimited }
  static func allowed(_ state: UInt64) -> UInt64 { state >> 36 & unlimited }

  /// Whether the next byte begins a scalar or ends the string.
  static func isInside(_ state: UInt64) -> Bool { state & 0xFF == Place.inside }

  static func inside(needed: UInt64, allowed: UInt64) -> UInt64 {
    pack(Place.inside, needed: needed, allowed: allowed)
  }

  /// The state that stands for all which no token of at most `longest` bytes can tell apart.
  static func clamped(_ state: UInt64, longest: Int) -> UInt64 {
    let limit = UInt64(longest)
    let allowed = allowed(state)
    return pack(state & 0xFF, needed: min(needed(state), limit), allowed: allowed >= limit ? unlimited : allowed)
  }

  @inline(__always)
  private func at(_ place: UInt64, _ state: UInt64) -> UInt64 { state & ~0xFF | place }

  /// Counts one scalar and goes to `place`.
  @inline(__always)
  private func count(_ place: UInt64, _ state: UInt64) -> UInt64 {
    let allowed = StringAutomaton.allowed(state)
    if allowed == 0 { return deadState }
    let needed = StringAutomaton.needed(state)
    return StringAutomaton.pack(
      place, needed: needed == 0 ? 0 : needed - 1,
      allowed: allowed == StringAutomaton.unlimited ? allowed : allowed - 1)
  }

  @inline(__always)
  func step(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    if state & 0xFF == Place.inside {
      if byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5C { return count(Place.inside, state) }
      return stepInside(state, byte)
    }
    return stepElsewhere(state, byte)
  }

  private func stepInside(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    switch byte {
    case 0x22: StringAutomaton.needed(state) == 0 ? at(Place.end, state) : deadState
    case 0x5C: count(Place.escape, state)
    case 0xC2...0xDF: count(Place.last1, state)
    case 0xE0: count(Place.afterE0, state)
    case 0xED: count(Place.afterED, state)
    case 0xE1...0xEF: count(Place.last2, state)
    case 0xF0: count(Place.afterF0, state)
    case 0xF1...0xF3: count(Place.last3, state)
    case 0xF4: count(Place.afterF4, state)
    default: deadState
    }
  }

  private func stepElsewhere(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    let next: UInt64? =
      switch state & 0xFF {
      case Place.start: byte == 0x22 ? Place.inside : nil
      case Place.escape:
        switch byte {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: Place.inside
        case 0x75: Place.hex1
        default: nil
        }
      case Place.last1: (0x80...0xBF).contains(byte) ? Place.inside : nil
      case Place.last2: (0x80...0xBF).contains(byte) ? Place.last1 : nil
      case Place.last3: (0x80...0xBF).contains(byte) ? Place.last2 : nil
      case Place.afterE0: (0xA0...0xBF).contains(byte) ? Place.last1 : nil
      case Place.afterED: (0x80...0x9F).contains(byte) ? Place.last1 : nil
      case Place.afterF0: (0x90...0xBF).contains(byte) ? Place.last2 : nil
      case Place.afterF4: (0x80...0x8F).contains(byte) ? Place.last2 : nil
      default: stepHex(state & 0xFF, byte)
      }
    return next.map { at($0, state) } ?? deadState
  }

  /// `\uXXXX`; a high surrogate must be followed by `\u` and a low one.
  private func stepHex(_ place: UInt64, _ byte: UInt8) -> UInt64? {
    if place == Place.lowEscape { return byte == 0x5C ? Place.lowU : nil }
    if place == Place.lowU { return byte == 0x75 ? Place.low1 : nil }
    let digit: UInt8
    switch byte {
    case 0x30...0x39: digit = byte - 0x30
    case 0x41...0x46: digit = byte - 0x37
    case 0x61...0x66: digit = byte - 0x57
    default: return nil
    }
    switch place {
    case Place.hex1: return digit == 13 ? Place.hexD : Place.hex2
    case Place.hex2: return Place.hex3
    case Place.hex3: return Place.hex4
    case Place.hex4: return Place.inside
    case Place.hexD: return digit < 8 ? Place.hex3 : digit < 12 ? Place.high3 : nil
    case Place.high3: return Place.high4
    case Place.high4: return Place.lowEscape
    case Place.low1: return digit == 13 ? Place.low2 : nil
    case Place.low2: return digit >= 12 ? Place.hex3 : nil
    default: return nil
    }
  }

  @inline(__always)
  func isAccepting(_ state: UInt64) -> Bool { state & 0xFF == Place.end }
  @inline(__always)
  func canContinue(_ state: UInt64) -> Bool { state & 0xFF != Place.end }

  func onlyByte(_ state: UInt64) -> UInt8? {
    switch state & 0xFF {
    case Place.start: 0x22
    case Place.inside: StringAutomaton.allowed(state) == 0 ? 0x22 : nil
    case Place.lowEscape: 0x5C
    case Place.lowU: 0x75
    default: nil
    }
  }
}

/// A set of byte strings as a sorted list, walked like a trie: a state is the range of strings that begin with the
/// bytes so far, and their number. Takes no memory beyond the strings, however many there are.
struct LiteralSet: ByteAutomaton, Sendable {
  static let countLimit = 1 << 20
  let literals: [[UInt8]]

  /// `literals` must be sorted, distinct and not empty, fewer than 2^20, each shorter than 2^20.
  init(sorted literals: [[UInt8]]) { self.literals = literals }

  var start: UInt64 { LiteralSet.pack(0, literals.count, 0) }

  @inline(__always)
  private static func pack(_ low: Int, _ high: Int, _ depth: Int) -> UInt64 {
    UInt64(low) | UInt64(high) << 20 | UInt64(depth) << 41
  }
  @inline(__always)
  private func low(_ state: UInt64) -> Int { Int(state & 0xF_FFFF) }
  @inline(__always)
  private func high(_ state: UInt64) -> Int { Int(state >> 20 & 0x1F_FFFF) }
  @inline(__always)
  private func depth(_ state: UInt64) -> Int { Int(state >> 41) }

  func step(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    let depth = depth(state)
    let from = bound(low(state), high(state), depth) { $0 >= Int(byte) }
    guard from < high(state), literals[from].count > depth, literals[from][depth] == byte else { return deadState }
    let to = from + 1 == high(state) ? from + 1 : bound(from + 1, high(state), depth) { $0 > Int(byte) }
    return LiteralSet.pack(from, to, depth + 1)
  }

  /// The first string in the range whose byte at `depth` (-1 past its end) passes the test.
  @inline(__always)
  private func bound(_ from: Int, _ to: Int, _ depth: Int, _ test: (Int) -> Bool) -> Int {
    var low = from
    var high = to
    while low < high {
      let middle = (low + high) / 2
      let literal = literals[middle]
      if test(depth < literal.count ? Int(literal[depth]) : -1) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The string that is complete in this state.
  func accepted(_ state: UInt64) -> Int? {
    let index = low(state)
    return literals[index].count == depth(state) ? index : nil
  }

  func isAccepting(_ state: UInt64) -> Bool { accepted(state) != nil }
  func canContinue(_ state: UInt64) -> Bool { literals[high(state) - 1].count > depth(state) }

  func onlyByte(_ state: UInt64) -> UInt8? {
    let depth = depth(state)
    guard let first = literals[low(state)].dropFirst(depth).first else {
      // The shortest string ends here; what goes on must agree.
      guard low(state) + 1 < high(state) else { return nil }
      let next = literals[low(state) + 1][depth]
      return next == literals[high(state) - 1][depth] ? next : nil
    }
    return first == literals[high(state) - 1][depth] ? first : nil
  }
}

/// A member name in quotes that is none of some names. Each scalar has one spelling here (no `\u`, no `\/`), so that a
/// name cannot come back in disguise.
struct NameAutomaton: ByteAutomaton, Sendable {
  /// The names, quoted.
  let excluded: LiteralSet?

  /// A state is the string's place in 8 bits and the state of the excluded names in the rest, which needs names below
  /// 2^12 bytes and fewer than 2^14; this one stands for a name that no excluded one begins with.
  private static let lost: UInt64 = (1 << 56) - 1
  /// Inside a name that can no longer be an excluded one.
  static let free = StringAutomaton.inside(needed: 0, allowed: 0) & 0xFF | lost << 8

  static let countLimit = 1 << 14
  static let lengthLimit = 1 << 12

  init(excluded: LiteralSet?) { self.excluded = excluded }

  var start: UInt64 {
    pack(StringAutomaton.start(least: 0, most: nil) & 0xFF, excluded.map { squeeze($0.start) } ?? NameAutomaton.lost)
  }

  private func pack(_ place: UInt64, _ set: UInt64) -> UInt64 { place | set << 8 }

  private func squeeze(_ state: UInt64) -> UInt64 {
    state & 0x3FFF | (state >> 20 & 0x7FFF) << 14 | (state >> 41) << 29
  }
  private func expand(_ state: UInt64) -> UInt64 {
    state & 0x3FFF | (state >> 14 & 0x7FFF) << 20 | (state >> 29) << 41
  }

  @inline(__always)
  func step(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    if state == NameAutomaton.free, byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5C { return state }
    return stepSlowly(state, byte)
  }

  private func stepSlowly(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    let place = state & 0xFF
    let whole = place | StringAutomaton.unlimited << 36
    if place == 3, byte == 0x75 || byte == 0x2F { return deadState }
    let next = StringAutomaton().step(whole, byte)
    guard next != deadState else { return deadState }
    var set = state >> 8
    if set != NameAutomaton.lost, let excluded {
      let moved = excluded.step(expand(set), byte)
      if moved != deadState, StringAutomaton().isAccepting(next), excluded.isAccepting(moved) { return deadState }
      set = moved == deadState ? NameAutomaton.lost : squeeze(moved)
    }
    return pack(next & 0xFF, set)
  }

  @inline(__always)
  func isAccepting(_ state: UInt64) -> Bool { StringAutomaton().isAccepting(state & 0xFF) }
  @inline(__always)
  func canContinue(_ state: UInt64) -> Bool { !isAccepting(state) }
  func onlyByte(_ state: UInt64) -> UInt8? {
    StringAutomaton().onlyByte(state & 0xFF | StringAutomaton.unlimited << 36)
  }
}
