// Owns the syntax of ECMA-262 regular expressions (Unicode mode, without flags) as far as automata can run them.
// Deviation: escapes of letters that mean nothing stay errors, but a lone `]`, `{` or `}` is taken as itself.

import StrataCore

struct PatternParser {
  static let depthLimit = 200

  private let scalars: [UInt32]
  private let source: String
  private var index = 0
  private var depth = 0

  private init(_ source: String) {
    self.source = source
    scalars = source.unicodeScalars.map(\.value)
  }

  static func parse(_ source: String) throws(SchemaError) -> PatternNode {
    var parser = PatternParser(source)
    let node = try parser.parseChoice()
    guard parser.index == parser.scalars.count else { throw parser.failure("a `)` too many") }
    return node
  }

  private func failure(_ what: String, remedy: String? = nil) -> SchemaError {
    SchemaError(
      SchemaError.invalidPattern, "The pattern `\(source.prefix(200))` is not usable: \(what) at position \(index).",
      remedy: remedy)
  }

  private var current: UInt32? { index < scalars.count ? scalars[index] : nil }

  private func isAt(_ text: StaticString) -> Bool {
    guard index + text.utf8CodeUnitCount <= scalars.count else { return false }
    for offset in 0..<text.utf8CodeUnitCount where scalars[index + offset] != UInt32(text.utf8Start[offset]) {
      return false
    }
    return true
  }

  private mutating func take(_ text: StaticString) -> Bool {
    guard isAt(text) else { return false }
    index += text.utf8CodeUnitCount
    return true
  }

  private mutating func parseChoice() throws(SchemaError) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= PatternParser.depthLimit else { throw failure("groups are nested too deep") }
    var alternatives = [try parseSequence()]
    while take("|") { alternatives.append(try parseSequence()) }
    return alternatives.count == 1 ? alternatives[0] : .choice(alternatives)
  }

  private mutating func parseSequence() throws(SchemaError) -> PatternNode {
    var nodes: [PatternNode] = []
    while let scalar = current, scalar != 0x7C, scalar != 0x29 {
      let atom = try parseAtom()
      nodes.append(try parseQuantifier(of: atom))
    }
    return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
  }

  private mutating func parseAtom() throws(SchemaError) -> PatternNode {
    guard let scalar = current else { return .empty }
    switch Unicode.Scalar(scalar) {
    case "^":
      index += 1
      return .start
    case "$":
      index += 1
      return .end
    case ".":
      index += 1
      return .scalar(ScalarSet.lineEnds.inverted)
    case "(": return try parseGroup()
    case "[":
      index += 1
      return .scalar(try parseClass())
    case "\\":
      if take("\\b") { return .wordBoundary(true) }
      if take("\\B") { return .wordBoundary(false) }
      return .scalar(try parseEscape(inClass: false))
    case "*", "+", "?": throw failure("a quantifier without anything to repeat")
    default:
      index += 1
      return .scalar(ScalarSet(scalar))
    }
  }

  private mutating func parseGroup() throws(SchemaError) -> PatternNode {
    if isAt("(?=") || isAt("(?!") || isAt("(?<=") || isAt("(?<!") {
      throw failure("look-around is not supported", remedy: "Say it with `allOf` of several patterns, or with `not`.")
    }
    index += 1
    if take("?<") {
      while let scalar = current, scalar != 0x3E { index += scalar == 0x29 ? scalars.count : 1 }
      guard take(">") else { throw failure("a group name without its end") }
    } else if !take("?:"), isAt("?") {
      throw failure("an unknown kind of group")
    }
    let node = try parseChoice()
    guard take(")") else { throw failure("a `(` without its `)`") }
    return node
  }

  private mutating func parseQuantifier(of atom: PatternNode) throws(SchemaError) -> PatternNode {
    var least = 0
    var most: Int?
    if take("*") {
    } else if take("+") {
      least = 1
    } else if take("?") {
      most = 1
    } else if let bounds = try parseBounds() {
      (least, most) = bounds
    } else {
      return atom
    }
    _ = take("?")
    if let scalar = current, [0x2A, 0x2B, 0x3F].contains(scalar) { throw failure("two quantifiers in a row") }
    switch atom {
    case .start, .end, .wordBoundary: throw failure("a quantifier after an assertion")
    default: return .loop(atom, least: least, most: most)
    }
  }

  private mutating func parseBounds() throws(SchemaError) -> (Int, Int?)? {
    let mark = index
    guard take("{"), let least = parseNumber() else {
      index = mark
      return nil
    }
    var most: Int? = least
    if take(",") { most = parseNumber() }
    guard take("}") else {
      index = mark
      return nil
    }
    if let most, most < least { throw failure("a quantifier whose bounds are the wrong way round") }
    return (least, most)
  }

  /// Digits, clamped far above every limit.
  private mutating func parseNumber() -> Int? {
    var value: Int?
    while let scalar = current, (0x30...0x39).contains(scalar) {
      value = min((value ?? 0) * 10 + Int(scalar - 0x30), 1_000_000_000)
      index += 1
    }
    return value
  }

  private mutating func parseClass() throws(SchemaError) -> ScalarSet {
    let isInverted = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while true {
      guard let scalar = current else { throw failure("a `[` without its `]`") }
      if scalar == 0x5D {
        index += 1
        break
      }
      let first = try parseClassAtom()
      if isAt("-"), index + 1 < scalars.count, scalars[index + 1] != 0x5D {
        index += 1
        let last = try parseClassAtom()
        guard let low = first.single, let high = last.single else { throw failure("a range between classes") }
        guard low <= high else { throw failure("a range that is the wrong way round") }
        ranges.append(low...high)
      } else {
        ranges += first.ranges
      }
    }
    let set = ScalarSet(ranges)
    return isInverted ? set.inverted : set
  }

  private mutating func parseClassAtom() throws(SchemaError) -> ScalarSet {
    guard let scalar = current else { throw failure("a `[` without its `]`") }
    if scalar == 0x5C { return try parseEscape(inClass: true) }
    index += 1
    return ScalarSet(scalar)
  }

  private mutating func parseEscape(inClass: Bool) throws(SchemaError) -> ScalarSet {
    index += 1
    guard let scalar = current else { throw failure("a `\\` at the end") }
    index += 1
    switch Unicode.Scalar(scalar) {
    case "d": return .digits
    case "D": return ScalarSet.digits.inverted
    case "w": return .word
    case "W": return ScalarSet.word.inverted
    case "s": return .space
    case "S": return ScalarSet.space.inverted
    case "t": return ScalarSet(9)
    case "n": return ScalarSet(10)
    case "v": return ScalarSet(11)
    case "f": return ScalarSet(12)
    case "r": return ScalarSet(13)
    case "b" where inClass: return ScalarSet(8)
    case "-" where inClass: return ScalarSet(0x2D)
    case "c":
      guard let letter = current, (0x41...0x5A).contains(letter & ~0x20) else { throw failure("a bad `\\c` escape") }
      index += 1
      return ScalarSet(letter & 31)
    case "x": return ScalarSet(try parseHex(count: 2))
    case "u": return ScalarSet(try parseUnicodeEscape())
    case "p", "P": return try parseProperty(isInverted: scalar == 0x50)
    case "k": throw failure("back-references are not supported")
    case "0" where current.map { !(0x30...0x39).contains($0) } ?? true: return ScalarSet(0)
    default: break
    }
    if (0x30...0x39).contains(scalar) { throw failure("back-references are not supported") }
    if (0x41...0x5A).contains(scalar & ~0x20) { throw failure("an unknown escape") }
    return ScalarSet(scalar)
  }

  private mutating func parseHex(count: Int) throws(SchemaError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = current.flatMap(Unicode.Scalar.init).flatMap({ Character($0).hexDigitValue }) else {
        throw failure("a bad hexadecimal escape")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }

  private mutating func parseUnicodeEscape() throws(SchemaError) -> UInt32 {
    var value: UInt32 = 0
    if take("{") {
      while !isAt("}") {
        value = value << 4 | (try parseHex(count: 1))
        guard value <= 0x10FFFF else { throw failure("an escape beyond Unicode") }
      }
      index += 1
    } else {
      value = try parseHex(count: 4)
      if (0xD800..<0xDC00).contains(value), take("\\u") {
        let low = try parseHex(count: 4)
        guard (0xDC00..<0xE000).contains(low) else { throw failure("half of a surrogate pair") }
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
      }
    }
    return value
  }

  private mutating func parseProperty(isInverted: Bool) throws(SchemaError) -> ScalarSet {
    guard take("{") else { throw failure("a `\\p` without braces") }
    var name = ""
    while let scalar = current, scalar != 0x7D {
      name.unicodeScalars.append(Unicode.Scalar(scalar) ?? " ")
      index += 1
    }
    guard take("}"), let set = UnicodeProperty.set(named: name) else {
      throw failure("the Unicode property `\(name)` is not supported")
    }
    return isInverted ? set.inverted : set
  }
}

extension ScalarSet {
  fileprivate var single: UInt32? {
    ranges.count == 1 && ranges[0].lowerBound == ranges[0].upperBound ? ranges[0].lowerBound : nil
  }
}
