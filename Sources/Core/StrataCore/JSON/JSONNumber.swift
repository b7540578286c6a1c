// Owns exact JSON numbers: the digits as written, compared by value.

/// A JSON number kept as the text that was written, so that 64-bit ids and long decimals survive a round trip.
/// Equality and hashing are by mathematical value: `1`, `1.0` and `10e-1` are equal.
public struct JSONNumber: Sendable {
  /// The literal, valid by the grammar of RFC 8259, section 6.
  public let text: String

  public init(_ value: Int) { text = String(value) }

  /// Nil when `value` is not finite.
  public init?(exactly value: Double) {
    guard value.isFinite else { return nil }
    if value.rounded() == value, abs(value) < 1e15 {
      text = value == 0 ? "0" : String(Int64(value))
    } else {
      text = "\(value)"
    }
  }

  /// `text` must be a valid JSON number; the parser checks it.
  package init(validated text: String) { self.text = text }

  public var doubleValue: Double { Double(text) ?? .nan }

  public var intValue: Int? {
    if let value = Int(text) { return value }
    let form = canonical
    guard form.exponent >= 0, form.exponent <= 20 else { return form.digits == "0" ? 0 : nil }
    return Int((form.isNegative ? "-" : "") + form.digits + String(repeating: "0", count: form.exponent))
  }

  /// Whether the value has no fractional part, however it is written.
  public var isInteger: Bool { canonical.exponent >= 0 }

  /// value = ±digits × 10^exponent, digits without leading or trailing zeros ("0" alone for zero).
  package var canonical: (isNegative: Bool, digits: String, exponent: Int) {
    var digits: [UInt8] = []
    var exponent = 0
    var isNegative = false
    var seenPoint = false
    var bytes = Array(text.utf8)[...]
    if bytes.first == UInt8(ascii: "-") {
      isNegative = true
      bytes = bytes.dropFirst()
    }
    while let byte = bytes.first, byte != UInt8(ascii: "e"), byte != UInt8(ascii: "E") {
      bytes = bytes.dropFirst()
      if byte == UInt8(ascii: ".") {
        seenPoint = true
        continue
      }
      if seenPoint { exponent -= 1 }
      if !(digits.isEmpty && byte == UInt8(ascii: "0")) { digits.append(byte) }
    }
    if !bytes.isEmpty {
      let written = String(decoding: bytes.dropFirst(), as: UTF8.self)
      let limit = Int(Int32.max)
      exponent += Int(written) ?? (written.hasPrefix("-") ? -limit : limit)
    }
    while digits.last == UInt8(ascii: "0") {
      digits.removeLast()
      exponent += 1
    }
    if digits.isEmpty { return (false, "0", 0) }
    return (isNegative, String(decoding: digits, as: UTF8.self), exponent)
  }
}

extension JSONNumber: Hashable {
  public static func == (lhs: JSONNumber, rhs: JSONNumber) -> Bool {
    lhs.text == rhs.text || lhs.canonical == rhs.canonical
  }

  public func hash(into hasher: inout Hasher) {
    let form = canonical
    hasher.combine(form.isNegative)
    hasher.combine(form.digits)
    hasher.combine(form.exponent)
  }
}

extension JSONNumber: Comparable {
  public static func < (lhs: JSONNumber, rhs: JSONNumber) -> Bool {
    let a = lhs.canonical
    let b = rhs.canonical
    if a == b { return false }
    let signA = a.digits == "0" ? 0 : (a.isNegative ? -1 : 1)
    let signB = b.digits == "0" ? 0 : (b.isNegative ? -1 : 1)
    if signA != signB { return signA < signB }
    let magnitudeIsLess: Bool
    let orderA = a.digits.utf8.count + a.exponent
    let orderB = b.digits.utf8.count + b.exponent
    if orderA != orderB {
      magnitudeIsLess = orderA < orderB
    } else {
      magnitudeIsLess = a.digits.utf8.lexicographicallyPrecedes(b.digits.utf8)
    }
    return signA > 0 ? magnitudeIsLess : !magnitudeIsLess
  }
}

extension JSONNumber: CustomStringConvertible {
  public var description: String { text }
}
