// Owns the text forms of durations and points in time. Knows nothing about expressions.
import Foundation

enum ConditionTime {
  static let second: Int64 = 1_000_000_000

  /// `1h30m`, `-1.5s`, `250ms`; `0`. Nil when it is none, or longer than 292 years.
  static func duration(_ text: String) -> Int64? {
    var rest = Substring(text)
    let isNegative = rest.first == "-"
    if isNegative || rest.first == "+" { rest = rest.dropFirst() }
    if rest == "0" { return 0 }
    guard !rest.isEmpty else { return nil }
    var sum = 0.0
    var whole: Int128 = 0
    while !rest.isEmpty {
      let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { !($0.isASCII && ($0.isNumber || $0 == ".")) }
      rest = rest.dropFirst(unit.count)
      guard let nanoseconds = units[String(unit)] else { return nil }
      if let integer = Int64(number) {
        whole += Int128(integer) * Int128(nanoseconds)
      } else if let fraction = Double(number) {
        sum += fraction * Double(nanoseconds)
      } else {
        return nil
      }
      guard whole < 1 << 100, sum < 1e30 else { return nil }
    }
    let total = whole + Int128(sum.rounded())
    return Int64(exactly: isNegative ? -total : total)
  }

  private static let units: [String: Int64] = [
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": second, "m": 60 * second, "h": 3600 * second,
  ]

  /// RFC 3339: `2026-11-22T21:00:00.5Z`, `2026-11-22T21:00:00+01:00`. Nanoseconds since 1970.
  static func timestamp(_ text: String) -> Int128? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      [UInt8(ascii: "T"), UInt8(ascii: "t")].contains(bytes[10]), bytes[13] == UInt8(ascii: ":"),
      bytes[16] == UInt8(ascii: ":"), let year = number(bytes[0..<4]), let month = number(bytes[5..<7]),
      let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
      let second = number(bytes[17..<19]), (1...12).contains(month), (1...days(in: month, of: year)).contains(day),
      hour < 24, minute < 60, second < 61
    else { return nil }
    var index = 19
    var fraction: Int128 = 0
    if bytes[index] == UInt8(ascii: ".") {
      let digits = bytes[(index + 1)...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard !digits.isEmpty else { return nil }
      index += 1 + digits.count
      for place in 0..<9 {
        fraction = fraction * 10 + (place < digits.count ? Int128(digits[digits.startIndex + place] - 48) : 0)
      }
    }
    guard let offset = offset(bytes[index...]) else { return nil }
    let seconds = Int128(civilDays(year, month, day)) * 86_400 + Int128(hour * 3600 + minute * 60 + second - offset)
    return seconds * Int128(Self.second) + fraction
  }

  /// Seconds east of UTC: `Z`, `+01:00`.
  static func offset(_ bytes: ArraySlice<UInt8>) -> Int? {
    if bytes.elementsEqual("Z".utf8) || bytes.elementsEqual("z".utf8) { return 0 }
    let bytes = Array(bytes)
    guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"), let hours = number(bytes[1..<3]), hours < 24,
      let minutes = number(bytes[4..<6]), minutes < 60
    else { return nil }
    switch bytes[0] {
    case UInt8(ascii: "+"): return hours * 3600 + minutes * 60
    case UInt8(ascii: "-"): return -(hours * 3600 + minutes * 60)
    default: return nil
    }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
    var value = 0
    for byte in bytes {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    return value
  }

  private static func days(in month: Int, of year: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
  }

  /// Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
  private static func civilDays(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// The parts of a moment at a place: an offset (`+01:00`) or a name (`Europe/Berlin`). Nil when there is no such zone.
  static func parts(_ nanoseconds: Int128, zone name: String?) -> DateComponents? {
    let zone: TimeZone?
    switch name {
    case nil, "UTC", "Z": zone = TimeZone(secondsFromGMT: 0)
    case let name?:
      zone = offset(ArraySlice(name.utf8)).flatMap { TimeZone(secondsFromGMT: $0) } ?? TimeZone(identifier: name)
    }
    guard let zone else { return nil }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let seconds = Double(nanoseconds / Int128(second))
    return calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second, .weekday, .dayOfYear], from: Date(timeIntervalSince1970: seconds))
  }
}
