// Owns how a number in a spreadsheet is shown: as a date, a percentage or plainly (ECMA-376, part 1, 18.8.30).
import Foundation

struct CellFormats {
  private enum Format {
    case general
    case date(hasDay: Bool, hasTime: Bool)
    case percent(decimals: Int)
  }

  /// By the index that cells refer to.
  private var formats: [Format] = []

  init(_ events: XMLEvents?) throws {
    guard let events else { return }
    var codes: [Int: String] = [:]
    var inCellFormats = false
    while let event = try events.next() {
      switch event {
      case .start("numFmt"):
        if let id = events.attribute("numFmtId").flatMap(Int.init) { codes[id] = events.attribute("formatCode") }
      case .start("cellXfs"): inCellFormats = true
      case .end("cellXfs"): inCellFormats = false
      case .start("xf") where inCellFormats:
        let id = events.attribute("numFmtId").flatMap(Int.init) ?? 0
        formats.append(codes[id].map(Self.format) ?? Self.builtIn(id))
      default: break
      }
    }
  }

  private static func builtIn(_ id: Int) -> Format {
    switch id {
    case 9: .percent(decimals: 0)
    case 10: .percent(decimals: 2)
    case 14...17, 27...31, 36, 50...54, 57, 58: .date(hasDay: true, hasTime: false)
    case 18...21, 32...35, 45...47, 55, 56: .date(hasDay: false, hasTime: true)
    case 22: .date(hasDay: true, hasTime: true)
    default: .general
    }
  }

  /// Reads a code such as `yyyy-mm-dd hh:mm` or `0.0%`, without what it quotes.
  private static func format(_ code: String) -> Format {
    var plain = ""
    var isQuoted = false
    var isBracketed = false
    var isEscaped = false
    var duration = false
    for character in code.lowercased().prefix(256) {
      if isEscaped {
        isEscaped = false
      } else if character == "\"" {
        isQuoted.toggle()
      } else if isQuoted {
        continue
      } else if character == "\\" || character == "_" || character == "*" {
        isEscaped = true
      } else if character == "[" {
        isBracketed = true
      } else if character == "]" {
        isBracketed = false
      } else if isBracketed {
        // `[h]:mm` counts hours; `[red]` and `[$-409]` say nothing about the value.
        if plain.isEmpty, character == "h" || character == "m" || character == "s" { duration = true }
      } else if character == ";" {
        break
      } else {
        plain.append(character)
      }
    }
    if plain.contains("%") {
      let decimals = plain.split(separator: ".", maxSplits: 1).dropFirst().first?.prefix { $0 == "0" || $0 == "#" }
      return .percent(decimals: min(6, decimals?.count ?? 0))
    }
    if duration, !plain.contains("y"), !plain.contains("d") { return .general }
    let hasDay =
      plain.contains("y") || plain.contains("d")
      || (plain.contains("m") && !plain.contains("h") && !plain.contains("s"))
    let hasTime = plain.contains("h") || plain.contains("s")
    guard hasDay || hasTime, !plain.contains("general"), !plain.contains("0") || plain.contains("s.0") else {
      return .general
    }
    return .date(hasDay: hasDay, hasTime: hasTime)
  }

  /// - Parameter text: as the file has it, such as `44927.5`.
  func shown(_ text: String, style: Int?, startsIn1904: Bool) -> String {
    guard let number = Double(text), number.isFinite else { return text }
    let format = style.flatMap { formats.indices.contains($0) ? formats[$0] : nil } ?? .general
    switch format {
    case .general: return Self.plain(number, text)
    case .percent(let decimals):
      return Self.plain((number * 100 * 1e9).rounded() / 1e9, nil, decimals: decimals) + "%"
    case .date(let hasDay, let hasTime):
      return Self.date(number, hasDay: hasDay, hasTime: hasTime, startsIn1904: startsIn1904) ?? Self.plain(number, text)
    }
  }

  /// Fifteen significant digits, which is what spreadsheets keep: `0.30000000000000004` is 0.3.
  private static func plain(_ number: Double, _ text: String?, decimals: Int? = nil) -> String {
    if let text, text.utf8.count <= 15, !text.contains("e"), !text.contains("E") { return text }
    if let decimals { return String(format: "%.\(decimals)f", number) }
    return String(format: "%.15g", number)
  }

  private static func date(_ serial: Double, hasDay: Bool, hasTime: Bool, startsIn1904: Bool) -> String? {
    // Up to the year 9999.
    guard serial >= 0, serial < 2_958_466 else { return nil }
    var day = Int(serial)
    var second = Int(((serial - Double(day)) * 86_400).rounded())
    if second >= 86_400 {
      day += 1
      second = 0
    }
    let time =
      String(format: "%02d:%02d", second / 3600, second / 60 % 60)
      + (second % 60 == 0 ? "" : String(format: ":%02d", second % 60))
    guard hasDay else { return time }
    // Day 60 of the 1900 system is a 29 February that never was; days before it count from one day later.
    let offset = startsIn1904 ? 24_107 : day < 60 ? 25_568 : 25_569
    let (year, month, dayOfMonth) = civil(day - offset)
    let date = String(format: "%04d-%02d-%02d", year, month, dayOfMonth)
    return hasTime && second != 0 ? date + " " + time : date
  }

  /// Days since 1970 to a date of the Gregorian calendar, by eras of 400 years.
  private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}
