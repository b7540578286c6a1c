// Owns a parser for texts that are almost JSON. It never fails on what it can guess, never traps, and its work is
// linear in the text.

import StrataCore

struct LenientParser {
  static let depthLimit = 200

  private let bytes: [UInt8]
  private var index: Int
  private(set) var repairs: [JSONRepair] = []

  init(_ bytes: [UInt8], from start: Int) {
    self.bytes = bytes
    index = start
  }

  mutating func parse() -> JSON? {
    skipSpace()
    let value = parseValue(depth: 0)
    skipSpace()
    return value
  }

  /// Whether only white space follows.
  var isAtEnd: Bool { bytes[min(index, bytes.count)...].allSatisfy { $0 <= 0x20 } }

  private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func note(_ repair: JSONRepair) {
    if !repairs.contains(repair) { repairs.append(repair) }
  }

  private func isAt(_ text: String) -> Bool { index < bytes.count && bytes[index...].starts(with: text.utf8) }

  private mutating func skipSpace() {
    while let byte = current {
      if byte <= 0x20 {
        index += 1
      } else if isAt("\u{A0}") || isAt("\u{FEFF}") {
        index += isAt("\u{A0}") ? 2 : 3
      } else if isAt("//") || (byte == UInt8(ascii: "#")) {
        while let next = current, next != 0x0A { index += 1 }
        note(.removedComment)
      } else if isAt("/*") {
        index += 2
        while index < bytes.count, !isAt("*/") { index += 1 }
        index = min(index + 2, bytes.count)
        note(.removedComment)
      } else if isAt("...") || isAt("…") {
        index += 3
        note(.removedComment)
      } else {
        return
      }
    }
  }

  // MARK: Values

  private mutating func parseValue(depth: Int) -> JSON? {
    guard depth < LenientParser.depthLimit, let byte = current else { return nil }
    switch byte {
    case UInt8(ascii: "{"): return parseObject(depth: depth)
    case UInt8(ascii: "["): return parseArray(depth: depth, close: UInt8(ascii: "]"))
    case UInt8(ascii: "("):
      note(.replacedQuotes)
      return parseArray(depth: depth, close: UInt8(ascii: ")"))
    default: break
    }
    if let quote = quote() { return .string(parseString(quote)) }
    if byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
      || (0x30...0x39).contains(byte), let number = parseNumber()
    {
      return number
    }
    return parseWord()
  }

  private mutating func parseObject(depth: Int) -> JSON {
    index += 1
    var members = JSONObject()
    var needsComma = false
    while true {
      skipSpace()
      guard let byte = current else {
        note(.closedContainer)
        return .object(members)
      }
      if byte == UInt8(ascii: "}") {
        index += 1
        return .object(members)
      }
      if byte == UInt8(ascii: "]") || byte == UInt8(ascii: ")") {
        // A bracket of the container around: this object was not closed.
        note(.closedContainer)
        return .object(members)
      }
      if byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") {
        takeComma(&needsComma, closers: [UInt8(ascii: "}")])
        continue
      }
      if needsComma { note(.insertedComma) }
      let start = index
      let key = parseName()
      skipSpace()
      takeColon()
      skipSpace()
      if let value = parseValue(depth: depth + 1) { members[key] = value }
      needsComma = true
      if index == start { index += 1 }
    }
  }

  private mutating func takeColon() {
    if current == UInt8(ascii: ":") {
      index += 1
    } else if isAt("=>") {
      index += 2
      note(.insertedColon)
    } else {
      if current == UInt8(ascii: "=") { index += 1 }
      note(.insertedColon)
    }
  }

  private mutating func takeComma(_ needsComma: inout Bool, closers: [UInt8]) {
    index += 1
    skipSpace()
    if !needsComma || current.map(closers.contains) ?? true { note(.removedComma) }
    needsComma = false
  }

  private mutating func parseArray(depth: Int, close: UInt8) -> JSON {
    index += 1
    var items: [JSON] = []
    var needsComma = false
    while true {
      skipSpace()
      guard let byte = current else {
        note(.closedContainer)
        return .array(items)
      }
      if byte == close {
        index += 1
        return .array(items)
      }
      if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: ")") {
        note(.closedContainer)
        if depth == 0 { index += 1 }
        return .array(items)
      }
      if byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") {
        takeComma(&needsComma, closers: [close])
        continue
      }
      if needsComma { note(.insertedComma) }
      let start = index
      if let value = parseValue(depth: depth + 1) { items.append(value) }
      needsComma = true
      if index == start { index += 1 }
    }
  }

  // MARK: Strings

  /// The byte sequences that close a string opened here; nil when no quote stands here.
  private func quote() -> (open: Int, closers: [String])? {
    if isAt("\"") { return (1, ["\""]) }
    if isAt("'") { return (1, ["'"]) }
    if isAt("`") { return (1, ["`"]) }
    if isAt("“") || isAt("”") || isAt("„") { return (3, ["”", "“", "\""]) }
    if isAt("‘") || isAt("’") { return (3, ["’", "'"]) }
    return nil
  }

  private mutating func parseString(_ quote: (open: Int, closers: [String])) -> String {
    if quote.closers[0] != "\"" { note(.replacedQuotes) }
    index += quote.open
    var text: [UInt8] = []
    while let byte = current {
      if let closer = quote.closers.first(where: isAt) {
        if endsString(after: index + closer.utf8.count) {
          index += closer.utf8.count
          return String(decoding: text, as: UTF8.self)
        }
        note(.escapedQuote)
        text += Array(closer.utf8)
        index += closer.utf8.count
      } else if byte == UInt8(ascii: "\\") {
        parseEscape(into: &text)
      } else {
        if byte < 0x20 { note(.escapedControl) }
        text.append(byte)
        index += 1
      }
    }
    note(.closedString)
    return String(decoding: text, as: UTF8.self)
  }

  /// A quote closes a string when what follows can follow a string: a separator, a bracket, the end, or, on the next
  /// line, another name.
  private func endsString(after position: Int) -> Bool {
    var next = position
    var crossesLine = false
    while next < bytes.count, bytes[next] <= 0x20 {
      if bytes[next] == 0x0A { crossesLine = true }
      next += 1
      if next - position > 256 { break }
    }
    guard next < bytes.count else { return true }
    switch bytes[next] {
    case UInt8(ascii: ":"), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ")"): return true
    case UInt8(ascii: ","): return endsString(afterComma: next + 1)
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return crossesLine || next > position
    case UInt8(ascii: "/"), UInt8(ascii: "#"), UInt8(ascii: "`"): return true
    default: return crossesLine
    }
  }

  /// After a comma another value or name must begin; prose such as `"so," he said` does not.
  private func endsString(afterComma position: Int) -> Bool {
    var next = position
    while next < bytes.count, bytes[next] <= 0x20 { next += 1 }
    guard next < bytes.count else { return true }
    let byte = bytes[next]
    if "\"'{[]}-,(".utf8.contains(byte) || (0x30...0x39).contains(byte)
      || byte >= 0x80 || byte == UInt8(ascii: "/")
    {
      return true
    }
    let rest = bytes[next...].prefix(24)
    if ["true", "false", "null", "True", "False", "None"].contains(where: { rest.starts(with: $0.utf8) }) {
      return true
    }
    // A bare name before a colon.
    let name = rest.prefix { (0x61...0x7A).contains($0 | 0x20) || $0 == 0x5F || (0x30...0x39).contains($0) }
    return !name.isEmpty && bytes[name.endIndex...].first == UInt8(ascii: ":")
  }

  private mutating func parseEscape(into text: inout [UInt8]) {
    index += 1
    guard let byte = current else { return note(.fixedEscape) }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      guard let scalar = parseUnicode() else {
        note(.fixedEscape)
        text += Array("\\u".utf8)
        return
      }
      text += Array(String(Character(scalar)).utf8)
    case UInt8(ascii: "'"), UInt8(ascii: "`"), 0x0A:
      note(.fixedEscape)
      if byte != 0x0A { text.append(byte) }
    default:
      // `\alpha` and `C:\dir` meant their backslash.
      note(.fixedEscape)
      text += [UInt8(ascii: "\\"), byte]
    }
  }

  /// The digits after `\u`, two halves when they are surrogates; nil, without moving, when they are no digits.
  private mutating func parseUnicode() -> Unicode.Scalar? {
    guard let first = hex(at: index) else { return nil }
    index += 4
    if let scalar = Unicode.Scalar(first) { return scalar }
    if first < 0xDC00, isAt("\\u"), let second = hex(at: index + 2), (0xDC00..<0xE000).contains(second) {
      index += 6
      return Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }
    return "\u{FFFD}"
  }

  private func hex(at position: Int) -> UInt32? {
    guard position + 4 <= bytes.count else { return nil }
    var value: UInt32 = 0
    for offset in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position + offset])).hexDigitValue else { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  // MARK: Names, words, numbers

  private mutating func parseName() -> String {
    if let quote = quote() { return parseString(quote) }
    note(.quotedName)
    let start = index
    while let byte = current, byte > 0x20, !":=,{}[]\"".utf8.contains(byte) { index += 1 }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private mutating func parseWord() -> JSON? {
    let start = index
    while let byte = current, !",{}[]\n\r\"".utf8.contains(byte) { index += 1 }
    var end = index
    while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
    guard end > start else { return nil }
    let word = String(decoding: bytes[start..<end], as: UTF8.self)
    switch word {
    case "true": return true
    case "false": return false
    case "null": return nil as JSON
    case "True", "TRUE", "False", "FALSE":
      note(.replacedWord)
      return .bool(word.lowercased() == "true")
    case "None", "NULL", "Null", "undefined", "nil", "NaN", "Infinity", "-Infinity":
      note(.replacedWord)
      return nil as JSON
    default:
      note(.quotedString)
      return .string(word)
    }
  }

  /// A number, also as other languages write it; nil, without moving, when more than a number stands here.
  private mutating func parseNumber() -> JSON? {
    let start = index
    while let byte = current, isNumberByte(byte) { index += 1 }
    let written = bytes[start..<index]
    if let next = current, !(next <= 0x20 || ",}]):;/#".utf8.contains(next)) {
      index = start
      return nil
    }
    if let value = try? JSON(parsing: Array(written)), value.numberValue != nil { return value }
    var text = String(decoding: written, as: UTF8.self).replacing("_", with: "")
    if text.hasPrefix("+") { text.removeFirst() }
    let isNegative = text.hasPrefix("-")
    if isNegative { text.removeFirst() }
    if text.hasPrefix("0x") || text.hasPrefix("0X"), let value = Int(text.dropFirst(2), radix: 16) {
      text = String(value)
    }
    while text.hasPrefix("0"), text.dropFirst().first?.isNumber ?? false { text.removeFirst() }
    if text.hasPrefix(".") { text = "0" + text }
    if text.hasSuffix(".") { text += "0" }
    guard let value = try? JSON(parsing: (isNegative ? "-" : "") + text), value.numberValue != nil else {
      index = start
      return nil
    }
    note(.fixedNumber)
    return value
  }

  private func isNumberByte(_ byte: UInt8) -> Bool {
    "0123456789+-._abcdefxABCDEFX".utf8.contains(byte)
  }
}
