// Owns the value of a JSON text that is still being written. Knows no schema and no grammar.

import StrataCore

/// An incremental JSON parser that always has a value: what is open is taken as if it closed here.
///
/// ```swift
/// var partial = PartialJSON()
/// partial.push(#"{"answer":"It is 42"#)
/// partial.string(at: ["answer"])?.text  // "It is 42"
/// ```
/// Strings show their text up to the last whole character; numbers show what is a number so far; words such as `true`
/// and members without a value appear once they are certain. Malformed text stops the parser and keeps what was
/// there: see ``isMalformed``.
/// - Complexity: ``push(_:)`` is O(piece); ``value`` is O(members of the open containers).
public struct PartialJSON: Sendable {
  private enum Frame: Sendable {
    case array([JSON])
    /// The key is set while its value is written.
    case object(JSONObject, key: String?)
  }

  private enum State: Sendable {
    case value
    /// After `[`, where `]` may come, too.
    case firstItem
    /// After `{`.
    case firstKey
    case key
    case colon
    case string(isKey: Bool)
    case escape(isKey: Bool)
    case hex(isKey: Bool, digits: Int, value: UInt32)
    case number
    case word
    case separator
    case done
    case malformed
  }

  private var frames: [Frame] = []
  private var state = State.value
  private var result: JSON?
  /// The open string up to its last whole scalar, and the bytes after that.
  private var text = ""
  private var bytes: [UInt8] = []
  /// A high surrogate that waits for its other half.
  private var surrogate: UInt32?
  /// The open number or word.
  private var literal: [UInt8] = []
  private let depthLimit: Int

  public init(depthLimit: Int = JSON.defaultDepthLimit) { self.depthLimit = depthLimit }

  /// Whether the value is finished. A number at the top is never certain to be.
  public var isComplete: Bool { if case .done = state { true } else { false } }

  /// Whether the text stopped being JSON; later pieces are ignored.
  public var isMalformed: Bool { if case .malformed = state { true } else { false } }

  /// Takes the next piece of the text.
  public mutating func push(_ piece: String) { push(bytes: Array(piece.utf8)) }

  /// Takes the next bytes; a character may be split between pieces.
  public mutating func push(bytes piece: [UInt8]) {
    for byte in piece { consume(byte) }
    switch state {
    case .string, .escape, .hex: settleText()
    default: break
    }
  }

  // MARK: Reading

  private mutating func consume(_ byte: UInt8) {
    switch state {
    case .string(let isKey): consumeInString(byte, isKey)
    case .escape(let isKey): consumeEscape(byte, isKey)
    case .hex(let isKey, let digits, let value): consumeHex(byte, isKey, digits, value)
    case .number:
      if isNumberByte(byte) { return literal.append(byte) }
      endNumber()
      consume(byte)
    case .word: consumeWord(byte)
    case .malformed: break
    default:
      if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { return }
      consumeStructure(byte)
    }
  }

  private mutating func consumeStructure(_ byte: UInt8) {
    switch (state, byte) {
    case (.firstItem, UInt8(ascii: "]")), (.firstKey, UInt8(ascii: "}")): closeContainer()
    case (.value, _), (.firstItem, _): beginValue(byte)
    case (.firstKey, UInt8(ascii: "\"")), (.key, UInt8(ascii: "\"")): beginString(isKey: true)
    case (.colon, UInt8(ascii: ":")): state = .value
    case (.separator, UInt8(ascii: ",")):
      if case .object = frames.last { state = .key } else { state = .value }
    case (.separator, UInt8(ascii: "]")):
      if case .array = frames.last { closeContainer() } else { state = .malformed }
    case (.separator, UInt8(ascii: "}")):
      if case .object = frames.last { closeContainer() } else { state = .malformed }
    default: state = .malformed
    }
  }

  private mutating func beginValue(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard frames.count < depthLimit else {
        state = .malformed
        return
      }
      let isObject = byte == UInt8(ascii: "{")
      frames.append(isObject ? .object(JSONObject(), key: nil) : .array([]))
      state = isObject ? .firstKey : .firstItem
    case UInt8(ascii: "\""): beginString(isKey: false)
    case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
      literal = [byte]
      state = .word
    default:
      guard byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) else {
        state = .malformed
        return
      }
      literal = [byte]
      state = .number
    }
  }

  private mutating func finish(_ value: JSON) {
    switch frames.popLast() {
    case nil:
      result = value
      state = .done
    case .array(var items):
      items.append(value)
      frames.append(.array(items))
      state = .separator
    case .object(var members, let key):
      if let key { members[key] = value }
      frames.append(.object(members, key: nil))
      state = .separator
    }
  }

  private mutating func closeContainer() {
    switch frames.popLast() {
    case .array(let items): finish(.array(items))
    case .object(let members, _): finish(.object(members))
    case nil: state = .malformed
    }
  }

  // MARK: Strings

  private mutating func beginString(isKey: Bool) {
    text = ""
    bytes = []
    surrogate = nil
    state = .string(isKey: isKey)
  }

  private mutating func consumeInString(_ byte: UInt8, _ isKey: Bool) {
    switch byte {
    case UInt8(ascii: "\""):
      endSurrogate()
      settleText(isLast: true)
      let whole = text
      text = ""
      guard isKey, case .object(let members, _) = frames.popLast() else { return finish(.string(whole)) }
      frames.append(.object(members, key: whole))
      state = .colon
    case UInt8(ascii: "\\"): state = .escape(isKey: isKey)
    case 0..<0x20: state = .malformed
    default:
      endSurrogate()
      bytes.append(byte)
    }
  }

  private mutating func consumeEscape(_ byte: UInt8, _ isKey: Bool) {
    if byte == UInt8(ascii: "u") {
      state = .hex(isKey: isKey, digits: 0, value: 0)
      return
    }
    let known: [UInt8: UInt8] = [
      0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
    ]
    guard let scalar = known[byte] else {
      state = .malformed
      return
    }
    endSurrogate()
    bytes.append(scalar)
    state = .string(isKey: isKey)
  }

  private mutating func consumeHex(_ byte: UInt8, _ isKey: Bool, _ digits: Int, _ value: UInt32) {
    guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
      state = .malformed
      return
    }
    let value = value << 4 | UInt32(digit)
    guard digits == 3 else {
      state = .hex(isKey: isKey, digits: digits + 1, value: value)
      return
    }
    state = .string(isKey: isKey)
    if let high = surrogate, (0xDC00..<0xE000).contains(value) {
      surrogate = nil
      append(0x10000 + ((high - 0xD800) << 10) + (value - 0xDC00))
    } else {
      endSurrogate()
      if (0xD800..<0xDC00).contains(value) { surrogate = value } else { append(value) }
    }
  }

  private mutating func append(_ scalar: UInt32) {
    bytes.append(contentsOf: String(Character(Unicode.Scalar(scalar) ?? "\u{FFFD}")).utf8)
  }

  /// A high surrogate without its other half stands for U+FFFD.
  private mutating func endSurrogate() {
    guard surrogate != nil else { return }
    surrogate = nil
    append(0xFFFD)
  }

  /// Moves whole scalars from the bytes to the text.
  private mutating func settleText(isLast: Bool = false) {
    var end = bytes.count
    if !isLast {
      // At most three bytes at the end can belong to a scalar that is not yet whole.
      var start = end - 1
      while start >= 0, start > end - 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
      if start >= 0 {
        let lead = bytes[start]
        let length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        if start + length > end { end = start }
      }
    }
    guard end > 0 else { return }
    text += String(decoding: bytes[..<end], as: UTF8.self)
    bytes.removeFirst(end)
  }

  // MARK: Numbers and words

  private func isNumberByte(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(byte)
  }

  private mutating func endNumber() {
    guard case .number(let number)? = try? JSON(parsing: literal) else {
      state = .malformed
      return
    }
    finish(.number(number))
  }

  /// The longest beginning of the open number that is a number.
  private var openNumber: JSON? {
    var digits = literal
    while !digits.isEmpty {
      if let value = try? JSON(parsing: digits) { return value }
      digits.removeLast()
    }
    return nil
  }

  private mutating func consumeWord(_ byte: UInt8) {
    literal.append(byte)
    let words: [(StaticString, JSON)] = [("true", true), ("false", false), ("null", nil)]
    for (word, value) in words {
      let count = word.utf8CodeUnitCount
      guard literal.count <= count, literal.indices.allSatisfy({ word.utf8Start[$0] == literal[$0] }) else { continue }
      if literal.count == count { finish(value) }
      return
    }
    state = .malformed
  }

  // MARK: Values so far

  /// What is being written at the deepest place: the text of an open string or number.
  private var open: JSON? {
    switch state {
    case .string(isKey: false), .escape(isKey: false), .hex(isKey: false, _, _): .string(text)
    case .number: openNumber
    default: nil
    }
  }

  /// The value so far, with everything open closed; null while there is none.
  public var value: JSON {
    if let result { return result }
    var value = open
    for frame in frames.reversed() {
      switch frame {
      case .array(var items):
        if let value { items.append(value) }
        value = .array(items)
      case .object(var members, let key):
        if let key, let value { members[key] = value }
        value = .object(members)
      }
    }
    return value ?? .null
  }

  /// The string at a path of member names and array positions, as far as it is written; nil while there is none.
  /// - Complexity: O(path), whatever else was written.
  public func string(at path: [String]) -> (text: String, isComplete: Bool)? {
    var rest = path[...]
    var closed = result
    if closed == nil {
      for frame in frames {
        guard let step = rest.popFirst() else { return nil }
        switch frame {
        case .array(let items):
          if Int(step) == items.count { continue }
          closed = Int(step).flatMap { items.indices.contains($0) ? items[$0] : nil }
        case .object(let members, let key):
          if key == step { continue }
          closed = members[step]
        }
        guard closed != nil else { return nil }
        break
      }
    }
    guard var value = closed else {
      guard rest.isEmpty, case .string(let text)? = open else { return nil }
      return (text, false)
    }
    for step in rest {
      guard let next = value[step] ?? Int(step).flatMap({ value[$0] }) else { return nil }
      value = next
    }
    return value.stringValue.map { ($0, true) }
  }
}
