// Owns parsing of untrusted JSON bytes: bounded depth, exact error positions, never a trap.

/// Why bytes are not JSON.
public struct JSONParseError: StrataError, Hashable {
  public let code: ErrorCode
  public let message: String
  /// Byte offset of the first byte that cannot continue the text.
  public let offset: Int
  public var location: String? { "byte \(offset)" }

  public static let syntax = ErrorCode("json_syntax", .invalidInput)
  public static let tooDeep = ErrorCode("json_too_deep", .invalidInput)

  public static func == (lhs: Self, rhs: Self) -> Bool {
    lhs.code == rhs.code && lhs.message == rhs.message && lhs.offset == rhs.offset
  }
  public func hash(into hasher: inout Hasher) {
    hasher.combine(code)
    hasher.combine(offset)
  }
}

extension JSON {
  /// Containers inside containers beyond this are refused.
  public static let defaultDepthLimit = 512

  /// Parses one JSON text (RFC 8259), with nothing but white space after it.
  /// - Throws: ``JSONParseError`` with the byte offset.
  /// - Complexity: O(bytes); recursion is bounded by `depthLimit`.
  public init(parsing text: String, depthLimit: Int = JSON.defaultDepthLimit) throws(JSONParseError) {
    try self.init(parsing: Array(text.utf8), depthLimit: depthLimit)
  }

  public init(parsing bytes: [UInt8], depthLimit: Int = JSON.defaultDepthLimit) throws(JSONParseError) {
    var parser = JSONParser(bytes: bytes, depthLimit: depthLimit)
    self = try parser.parseDocument()
  }
}

struct JSONParser {
  let bytes: [UInt8]
  let depthLimit: Int
  var index = 0

  init(bytes: [UInt8], depthLimit: Int) {
    self.bytes = bytes
    self.depthLimit = depthLimit
  }

  mutating func parseDocument() throws(JSONParseError) -> JSON {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
    skipSpace()
    let value = try parseValue(depth: 0)
    skipSpace()
    guard index == bytes.count else { throw syntax("unexpected text after the JSON value") }
    return value
  }

  private func syntax(_ message: String) -> JSONParseError {
    JSONParseError(code: JSONParseError.syntax, message: "Invalid JSON: \(message).", offset: index)
  }

  private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0A, 0x0D: index += 1
      default: return
      }
    }
  }

  private mutating func parseValue(depth: Int) throws(JSONParseError) -> JSON {
    guard let byte = current else { throw syntax("the text ends where a value must stand") }
    switch byte {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < depthLimit else {
        throw JSONParseError(
          code: JSONParseError.tooDeep,
          message: "JSON is nested more than \(depthLimit) levels deep.", offset: index)
      }
      return byte == UInt8(ascii: "{") ? try parseObject(depth: depth) : try parseArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: return .number(try parseNumber())
    }
  }

  private mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSONParseError) -> JSON {
    for offset in 0..<word.utf8CodeUnitCount {
      guard current == word.utf8Start[offset] else { throw syntax("expected `\(word)`") }
      index += 1
    }
    return value
  }

  private mutating func parseObject(depth: Int) throws(JSONParseError) -> JSON {
    index += 1
    var object = JSONObject()
    skipSpace()
    if current == UInt8(ascii: "}") {
      index += 1
      return .object(object)
    }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw syntax("expected a quoted member name") }
      let key = try parseString()
      skipSpace()
      guard current == UInt8(ascii: ":") else { throw syntax("expected `:` after a member name") }
      index += 1
      skipSpace()
      object[key] = try parseValue(depth: depth + 1)
      skipSpace()
      switch current {
      case UInt8(ascii: ","): index += 1
      case UInt8(ascii: "}"):
        index += 1
        return .object(object)
      default: throw syntax("expected `,` or `}`")
      }
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONParseError) -> JSON {
    index += 1
    var values: [JSON] = []
    skipSpace()
    if current == UInt8(ascii: "]") {
      index += 1
      return .array(values)
    }
    while true {
      skipSpace()
      values.append(try parseValue(depth: depth + 1))
      skipSpace()
      switch current {
      case UInt8(ascii: ","): index += 1
      case UInt8(ascii: "]"):
        index += 1
        return .array(values)
      default: throw syntax("expected `,` or `]`")
      }
    }
  }

  private mutating func parseNumber() throws(JSONParseError) -> JSONNumber {
    let start = index
    func isDigit(_ byte: UInt8?) -> Bool { byte.map { $0 >= 0x30 && $0 <= 0x39 } ?? false }
    if current == UInt8(ascii: "-") { index += 1 }
    guard isDigit(current) else { throw syntax("expected a value") }
    if current == UInt8(ascii: "0") { index += 1 } else { while isDigit(current) { index += 1 } }
    if current == UInt8(ascii: ".") {
      index += 1
      guard isDigit(current) else { throw syntax("expected a digit after the decimal point") }
      while isDigit(current) { index += 1 }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      index += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
      guard isDigit(current) else { throw syntax("expected a digit in the exponent") }
      while isDigit(current) { index += 1 }
    }
    return JSONNumber(validated: String(decoding: bytes[start..<index], as: UTF8.self))
  }

  private mutating func parseString() throws(JSONParseError) -> String {
    index += 1
    let start = index
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { index += 1 }
    if current == UInt8(ascii: "\"") {
      defer { index += 1 }
      return try text(of: bytes[start..<index], from: start)
    }
    var buffer = Array(bytes[start..<index])
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return try text(of: buffer[...], from: start)
      case UInt8(ascii: "\\"):
        index += 1
        try parseEscape(into: &buffer)
      case 0..<0x20: throw syntax("control characters in a string must be escaped")
      default:
        buffer.append(byte)
        index += 1
      }
    }
    throw syntax("the string is not closed")
  }

  private func text(of slice: ArraySlice<UInt8>, from start: Int) throws(JSONParseError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw JSONParseError(
        code: JSONParseError.syntax, message: "Invalid JSON: a string is not valid UTF-8.", offset: start)
    }
    return text
  }

  private mutating func parseEscape(into buffer: inout [UInt8]) throws(JSONParseError) {
    guard let byte = current else { throw syntax("the string is not closed") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = try parseHex()
      if (0xD800..<0xDC00).contains(scalar), current == UInt8(ascii: "\\"), index + 1 < bytes.count,
        bytes[index + 1] == UInt8(ascii: "u")
      {
        let mark = index
        index += 2
        let low = try parseHex()
        if (0xDC00..<0xE000).contains(low) {
          scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00)
        } else {
          index = mark
        }
      }
      // A lone surrogate is no Unicode scalar; U+FFFD stands in for it (RFC 8259, section 8.2).
      buffer.append(contentsOf: String(Character(Unicode.Scalar(scalar) ?? "\u{FFFD}")).utf8)
    default:
      index -= 1
      throw syntax("unknown escape in a string")
    }
  }

  private mutating func parseHex() throws(JSONParseError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw syntax("expected four hexadecimal digits after \\u")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }
}
