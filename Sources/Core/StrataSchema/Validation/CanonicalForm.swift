// Owns exact comparison of JSON values and numbers: by code point and by mathematical value, never through Double.

import StrataCore

/// Bytes that are equal exactly when two values are equal as JSON Schema sees it (`1` and `1.0` are, `é` composed and
/// decomposed are not).
struct CanonicalForm: Hashable, Sendable {
  let bytes: [UInt8]

  func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }

  init(_ value: JSON) {
    var output: [UInt8] = []
    CanonicalForm.write(value, to: &output)
    bytes = output
  }

  private static func write(_ value: JSON, to output: inout [UInt8]) {
    switch value {
    case .null: output.append(0x6E)
    case .bool(let value): output.append(value ? 0x74 : 0x66)
    case .number(let number):
      let form = number.canonical
      output.append(0x23)
      if form.isNegative { output.append(0x2D) }
      output.append(contentsOf: form.digits.utf8)
      output.append(0x65)
      output.append(contentsOf: String(form.exponent).utf8)
      output.append(0xFF)
    case .string(let text): write(text, to: &output)
    case .array(let values):
      output.append(0x5B)
      for value in values { write(value, to: &output) }
      output.append(0x5D)
    case .object(let members):
      output.append(0x7B)
      for member in members.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
        write(member.key, to: &output)
        write(member.value, to: &output)
      }
      output.append(0x7D)
    }
  }

  /// 0xFF never occurs in UTF-8, so that it ends a text.
  private static func write(_ text: String, to output: inout [UInt8]) {
    output.append(0x22)
    output.append(contentsOf: text.utf8)
    output.append(0xFF)
  }
}

extension JSONNumber {
  /// Whether the value is an integer multiple of `divisor`, exactly. Both are decimals `digits × 10^exponent` without
  /// trailing zeros, so that a smaller exponent than the divisor's cannot be made up for.
  func isMultiple(of divisor: JSONNumber) -> Bool {
    let value = canonical
    let unit = divisor.canonical
    if value.digits == "0" { return true }
    guard unit.digits != "0", value.exponent >= unit.exponent else { return false }
    // Beyond the powers of 2 and 5 in the divisor more zeros change nothing; 4 per digit are enough.
    let zeros = min(value.exponent - unit.exponent, 4 * unit.digits.utf8.count + 1)
    let digits = Array(value.digits.utf8) + Array(repeating: 0x30, count: zeros)
    if unit.digits.utf8.count <= 18, let modulus = UInt64(unit.digits) {
      var rest: UInt64 = 0
      for digit in digits {
        let wide = rest.multipliedFullWidth(by: 10)
        let (low, carry) = wide.low.addingReportingOverflow(UInt64(digit - 0x30))
        rest = modulus.dividingFullWidth((wide.high + (carry ? 1 : 0), low)).remainder
      }
      return rest == 0
    }
    return DecimalDigits.remainderIsZero(digits, by: Array(unit.digits.utf8))
  }

  /// Integers up to 18 digits compare without taking the text apart.
  func compares(to other: JSONNumber, small: Int?) -> Int {
    if let small, text.utf8.count <= 18, let own = Int(text) { return own < small ? -1 : own > small ? 1 : 0 }
    return self == other ? 0 : self < other ? -1 : 1
  }
}

private enum DecimalDigits {
  /// Schoolbook division of digit strings, for divisors beyond 64 bits.
  static func remainderIsZero(_ digits: [UInt8], by divisor: [UInt8]) -> Bool {
    var rest: [UInt8] = []
    for digit in digits {
      if !(rest.isEmpty && digit == 0x30) { rest.append(digit) }
      while !isLess(rest, divisor) { rest = difference(rest, divisor) }
    }
    return rest.isEmpty
  }

  private static func isLess(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count != b.count ? a.count < b.count : a.lexicographicallyPrecedes(b)
  }

  private static func difference(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
    var result = a
    var borrow: UInt8 = 0
    for offset in 1...max(1, a.count) where offset <= a.count {
      let take = (offset <= b.count ? b[b.count - offset] - 0x30 : 0) + borrow
      let have = result[a.count - offset] - 0x30
      borrow = have < take ? 1 : 0
      result[a.count - offset] = have + borrow * 10 - take + 0x30
    }
    return Array(result.drop { $0 == 0x30 })
  }
}
