// Owns formatting with a format string: `%` of strings, `str.format` and `strftime`.

import Foundation

enum JinjaFormat {
  private static let widthLimit = 10_000

  /// Python's `format % arguments`.
  static func percent(_ format: String, _ arguments: JinjaValue) throws(TemplateError) -> String {
    var values: [JinjaValue] = [arguments]
    if case .tuple(let list) = arguments { values = list.elements }
    var used = 0
    var result = String.UnicodeScalarView()
    let scalars = Array(format.unicodeScalars)
    var index = 0
    while index < scalars.count {
      guard scalars[index] == "%" else {
        result.append(scalars[index])
        index += 1
        continue
      }
      index += 1
      var specification = Specification()
      var value: JinjaValue?
      if index < scalars.count, scalars[index] == "(" {
        let name = String(String.UnicodeScalarView(scalars[(index + 1)...].prefix { $0 != ")" }))
        index += name.unicodeScalars.count + 2
        guard case .dict(let dict) = arguments else { throw .runtime("format requires a mapping") }
        guard let member = dict[name] else { throw .runtime(PythonText.quoted(name)) }
        value = member
        used = values.count
      }
      while index < scalars.count, ["-", "0", "+", " ", "#"].contains(scalars[index]) {
        specification.setFlag(scalars[index])
        index += 1
      }
      specification.width = number(scalars, &index)
      if index < scalars.count, scalars[index] == "." {
        index += 1
        specification.precision = number(scalars, &index)
      }
      guard specification.width <= widthLimit, specification.precision ?? 0 <= widthLimit else {
        throw .limit("A format is wider than \(widthLimit) characters.")
      }
      guard index < scalars.count else { throw .runtime("incomplete format") }
      specification.type = scalars[index]
      index += 1
      if specification.type == "%" {
        result.append("%")
        continue
      }
      if value == nil {
        guard used < values.count else { throw .runtime("not enough arguments for format string") }
        value = values[used]
        used += 1
      }
      result.append(contentsOf: try specification.apply(value ?? .none).unicodeScalars)
    }
    var takesRest = used >= values.count
    if case .dict = arguments { takesRest = true }
    guard takesRest else { throw .runtime("not all arguments converted during string formatting") }
    return String(result)
  }

  private static func number(_ scalars: [Unicode.Scalar], _ index: inout Int) -> Int {
    var value = 0
    while index < scalars.count, scalars[index].isASCIIDigit {
      value = min(value * 10 + Int(scalars[index].value - 48), widthLimit + 1)
      index += 1
    }
    return value
  }

  struct Specification {
    var width = 0
    var precision: Int?
    var type: Unicode.Scalar = "s"
    var alignsLeft = false
    var padsZero = false
    var sign = ""

    mutating func setFlag(_ flag: Unicode.Scalar) {
      switch flag {
      case "-": alignsLeft = true
      case "0": padsZero = true
      case "+": sign = "+"
      case " ": if sign.isEmpty { sign = " " }
      default: break
      }
    }

    func apply(_ value: JinjaValue) throws(TemplateError) -> String {
      if case .undefined(let missing) = value, type != "s", type != "r" { throw missing.error }
      var text: String
      switch type {
      case "s", "r":
        text = type == "s" ? value.string : value.representation
        if let precision { text = String(text.unicodeScalars.prefix(precision)) }
        return PythonText.pad(text, to: width, with: " ", left: alignsLeft ? 0 : 1)
      case "d", "i", "u":
        if case .bigInt(let digits) = value {
          text = digits
        } else {
          guard let number = value.double, let integer = Int(exactly: number.rounded(.towardZero)) else {
            throw .runtime("%d format: a real number is required, not \(value.typeName)")
          }
          text = String(value.integer ?? integer)
        }
      case "x", "X", "o":
        guard let integer = value.integer else {
          throw .runtime("%\(type) format: an integer is required, not \(value.typeName)")
        }
        text = String(integer, radix: type == "o" ? 8 : 16, uppercase: type == "X")
      case "f", "F", "e", "E", "g", "G":
        guard let number = value.double else {
          throw .runtime("must be real number, not \(value.typeName)")
        }
        text = String(format: "%.\(min(precision ?? 6, 300))\(type)", number)
      default: throw .runtime("unsupported format character '\(type)'")
      }
      if !text.hasPrefix("-") { text = sign + text }
      if padsZero, !alignsLeft {
        let start = text.first == "-" || text.first == "+" || text.first == " " ? 1 : 0
        let missing = max(0, width - text.utf8.count)
        text = text.prefix(start) + String(repeating: "0", count: missing) + text.dropFirst(start)
      }
      return PythonText.pad(text, to: width, with: " ", left: alignsLeft ? 0 : 1)
    }
  }

  /// Python's `text.format(…)` with plain fields: `{}`, `{0}`, `{name}`, `{{`, `}}`.
  static func braces(_ text: String, _ arguments: JinjaArguments) throws(TemplateError) -> String {
    var result = String.UnicodeScalarView()
    var automatic = 0
    let scalars = Array(text.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      index += 1
      if scalar == "{" || scalar == "}", index < scalars.count, scalars[index] == scalar {
        result.append(scalar)
        index += 1
      } else if scalar == "{" {
        let field = String(String.UnicodeScalarView(scalars[index...].prefix { $0 != "}" }))
        index += field.unicodeScalars.count + 1
        guard index <= scalars.count else { throw .runtime("expected '}' before end of string") }
        var value: JinjaValue?
        if field.isEmpty {
          value = automatic < arguments.positional.count ? arguments.positional[automatic] : nil
          automatic += 1
        } else if let position = Int(field) {
          value = arguments.positional.indices.contains(position) ? arguments.positional[position] : nil
        } else {
          value = arguments.named.first { $0.name == field }?.value
        }
        guard let value else { throw .runtime("the format field '\(field)' has no argument or is not supported") }
        result.append(contentsOf: value.string.unicodeScalars)
      } else if scalar == "}" {
        throw .runtime("Single '}' encountered in format string")
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// `strftime` of the C locale in the local time zone.
  static func time(_ date: Date, _ format: String, timeZone: TimeZone = .current) -> String {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    let part = calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second, .nanosecond, .weekday, .dayOfYear], from: date)
    let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    let months = [
      "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
      "December",
    ]
    let (year, month, day) = (part.year ?? 0, part.month ?? 1, part.day ?? 1)
    let (hour, minute, second) = (part.hour ?? 0, part.minute ?? 0, part.second ?? 0)
    let weekday = ((part.weekday ?? 1) - 1) % 7
    let dayOfYear = part.dayOfYear ?? 1
    func padded(_ value: Int, _ width: Int, _ fill: Character = "0") -> String {
      let text = String(value)
      return String(repeating: fill, count: max(0, width - text.utf8.count)) + text
    }
    func expand(_ letter: Unicode.Scalar) -> String {
      switch letter {
      case "a": String(days[weekday].prefix(3))
      case "A": days[weekday]
      case "b", "h": String(months[(month - 1) % 12].prefix(3))
      case "B": months[(month - 1) % 12]
      case "c": expand("a") + " " + expand("b") + " " + expand("e") + " " + expand("T") + " " + expand("Y")
      case "C": padded(year / 100, 2)
      case "d": padded(day, 2)
      case "D", "x": "\(padded(month, 2))/\(padded(day, 2))/\(padded(year % 100, 2))"
      case "e": padded(day, 2, " ")
      case "f": padded((part.nanosecond ?? 0) / 1000, 6)
      case "F": "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
      case "H": padded(hour, 2)
      case "I": padded((hour + 11) % 12 + 1, 2)
      case "j": padded(dayOfYear, 3)
      case "k": padded(hour, 2, " ")
      case "l": padded((hour + 11) % 12 + 1, 2, " ")
      case "m": padded(month, 2)
      case "M": padded(minute, 2)
      case "n": "\n"
      case "p": hour < 12 ? "AM" : "PM"
      case "P": hour < 12 ? "am" : "pm"
      case "r": expand("I") + ":" + expand("M") + ":" + expand("S") + " " + expand("p")
      case "R": expand("H") + ":" + expand("M")
      case "s": String(Int(date.timeIntervalSince1970))
      case "S": padded(second, 2)
      case "t": "\t"
      case "T", "X": expand("H") + ":" + expand("M") + ":" + expand("S")
      case "u": String(weekday == 0 ? 7 : weekday)
      case "U": padded((dayOfYear + 6 - weekday) / 7, 2)
      case "w": String(weekday)
      case "W": padded((dayOfYear + 6 - (weekday + 6) % 7) / 7, 2)
      case "y": padded(year % 100, 2)
      case "Y": String(year)
      case "%": "%"
      default: "%" + String(letter)
      }
    }
    var result = ""
    var isEscaped = false
    var dropsPadding = false
    for scalar in format.unicodeScalars {
      if !isEscaped {
        if scalar == "%" { isEscaped = true } else { result.unicodeScalars.append(scalar) }
        continue
      }
      if scalar == "-", !dropsPadding {
        dropsPadding = true
        continue
      }
      var text = expand(scalar)
      if dropsPadding, text.utf8.count > 1 {
        let trimmed = text.drop { $0 == "0" || $0 == " " }
        text = trimmed.isEmpty ? "0" : String(trimmed)
      }
      result += text
      isEscaped = false
      dropsPadding = false
    }
    return result
  }
}
