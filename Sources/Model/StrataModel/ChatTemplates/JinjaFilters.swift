// Owns the filters that take one value: text, numbers, JSON. Those over sequences are in JinjaFilters+Sequences.swift.

import Foundation

/// Every filter that exists; the names are jinja2's.
enum JinjaFilterName: String {
  case abs, attr, batch, capitalize, center, count, d, `default`, dictsort, e, escape, first, float, forceescape, format
  case groupby, indent, int, items, join, last, length, list, lower, map, max, min, reject, rejectattr, replace, reverse
  case round, safe, select, selectattr, slice, sort, string, sum, title, tojson, trim, truncate, unique, upper
  case wordcount
}

extension JinjaInterpreter {
  /// `value | name(arguments)`.
  @inline(never)
  func filter(
    _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    guard let filter = JinjaFilterName(rawValue: name) else { throw .runtime("No filter named '\(name)' found.") }
    switch filter {
    case .abs: return try absolute(value)
    case .attr: return try attribute(arguments.value(0, "name")?.string ?? "", of: value)
    case .default, .d:
      try arguments.check(name, ["default_value", "boolean"])
      let replaces = value.isUndefined || (arguments.value(1, "boolean")?.isTrue ?? false && !value.isTrue)
      return replaces ? arguments.value(0, "default_value") ?? .string("") : value
    case .e, .escape: return value.isMarkup ? value : .markup(PythonText.escaped(value.string))
    case .forceescape: return .markup(PythonText.escaped(value.string))
    case .safe: return .markup(value.string)
    case .float: return .double(toDouble(value) ?? arguments.value(0, "default")?.double ?? 0)
    case .int: return try toInteger(value, arguments)
    case .round: return try round(value, arguments)
    case .tojson: return try toJSON(value, arguments)
    case .format:
      guard arguments.named.isEmpty else {
        var dict = JinjaDict()
        for (name, value) in arguments.named { dict.set(name, to: value) }
        return .string(try JinjaFormat.percent(value.string, .dict(dict)))
      }
      return .string(try JinjaFormat.percent(value.string, .tuple(arguments.positional)))
    case .capitalize, .center, .indent, .lower, .replace, .string, .title, .trim, .truncate, .upper, .wordcount:
      return try filterText(filter, value, arguments)
    default: return try filterSequence(filter, value, arguments)
    }
  }

  private func absolute(_ value: JinjaValue) throws(TemplateError) -> JinjaValue {
    if case .undefined(let missing) = value { throw missing.error }
    if let number = value.integer, number != .min { return .int(Swift.abs(number)) }
    if case .double(let number) = value { return .double(Swift.abs(number)) }
    throw .runtime("bad operand type for abs(): '\(value.typeName)'")
  }

  // MARK: Numbers

  private func toDouble(_ value: JinjaValue) -> Double? {
    if let number = value.double { return number }
    guard let text = value.text else { return nil }
    return Double(PythonText.strip(text).replacing("_", with: ""))
  }

  private func toInteger(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    try arguments.check("int", ["default", "base"])
    if case .undefined(let missing) = value { throw missing.error }
    if case .bigInt = value { return value }
    if let number = value.integer { return .int(number) }
    let base = arguments.value(1, "base")?.integer ?? 10
    if let text = value.text, (2...36).contains(base) {
      var digits = PythonText.strip(text).replacing("_", with: "")
      for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where radix == base {
        if digits.lowercased().hasPrefix(prefix) { digits = String(digits.dropFirst(2)) }
      }
      if let number = Int(digits, radix: base) { return .int(number) }
    }
    if let number = toDouble(value), number.isFinite {
      let whole = number.rounded(.towardZero)
      guard let integer = Int(exactly: whole) else { throw .limit("An integer outgrew 64 bits.") }
      return .int(integer)
    }
    return arguments.value(0, "default") ?? .int(0)
  }

  private func round(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    try arguments.check("round", ["precision", "method"])
    if case .undefined(let missing) = value { throw missing.error }
    let precision = Swift.min(Swift.max(arguments.value(0, "precision")?.integer ?? 0, -300), 300)
    let method = arguments.value(1, "method")?.string ?? "common"
    guard ["common", "ceil", "floor"].contains(method) else {
      throw .runtime("method must be common, ceil or floor")
    }
    guard let number = value.double else {
      throw .runtime("type \(value.typeName) doesn't define __round__ method")
    }
    if method == "common" {
      if case .double = value {
        guard precision >= 0 else {
          let scale = pow(10, Double(-precision))
          return .double((number / scale).rounded(.toNearestOrEven) * scale)
        }
        guard Swift.abs(number) < 1e17 else { return value }
        return .double(Double(String(format: "%.\(precision)f", number)) ?? number)
      }
      guard precision < 0 else { return value }
      let scale = pow(10, Double(-precision))
      return .int(Int(exactly: (number / scale).rounded(.toNearestOrEven) * scale) ?? 0)
    }
    let scale = pow(10, Double(precision))
    return .double((number * scale).rounded(method == "ceil" ? .up : .down) / scale)
  }

  // MARK: JSON

  private func toJSON(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    try arguments.check("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
    var writer = JinjaJSONWriter()
    writer.ensuresASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
    writer.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
    switch arguments.value(1, "indent") {
    case nil, .some(.none): break
    case .string(let text)?: writer.indentation = text
    case let indent?:
      guard let width = indent.integer else { throw .runtime("can't multiply sequence by non-int") }
      writer.indentation = String(repeating: " ", count: Swift.min(Swift.max(width, 0), 64))
      writer.itemSeparator = ","
    }
    if writer.indentation != nil { writer.itemSeparator = "," }
    if let separators = arguments.value(2, "separators"), !separators.isNone {
      let parts = try elements(of: separators)
      guard parts.count == 2, let item = parts[0].text, let key = parts[1].text else {
        throw .runtime("tojson() needs two separators")
      }
      writer.itemSeparator = item
      writer.keySeparator = key
    }
    return .string(try JinjaJSONWriter.text(value, writer))
  }

  // MARK: Text

  private func filterText(
    _ filter: JinjaFilterName, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    let text = value.string
    func kept(_ text: String) -> JinjaValue { value.isMarkup ? .markup(text) : .string(text) }
    switch filter {
    case .string: return kept(text)
    case .lower: return kept(PythonText.lowercased(text))
    case .upper: return kept(text.uppercased())
    case .capitalize: return kept(PythonText.capitalized(text))
    case .trim:
      try arguments.check("trim", ["chars"])
      return kept(PythonText.strip(text, characters: arguments.value(0, "chars")?.text))
    case .title: return .string(Self.titled(text))
    case .center:
      let width = arguments.value(0, "width")?.integer ?? 80
      guard width <= 1 << 20 else { throw .limit("center() is asked for too wide a text.") }
      return .string(PythonText.pad(text, to: width, with: " ", left: 2))
    case .replace:
      try arguments.check("replace", ["old", "new", "count"])
      guard let old = arguments.value(0, "old"), let new = arguments.value(1, "new") else {
        throw .runtime("replace() missing 2 required positional arguments: 'old' and 'new'")
      }
      let count = arguments.value(2, "count").flatMap(\.integer) ?? -1
      return .string(try JinjaMethods.replace(text, old.string, new.string, count))
    case .wordcount: return .int(Self.wordCount(text))
    case .truncate: return .string(try truncate(text, arguments))
    default: return kept(try indent(text, arguments))
    }
  }

  /// jinja2's own rule, not Python's: words begin after space, hyphen or an opening bracket.
  private static func titled(_ text: String) -> String {
    var result = ""
    var atStart = true
    for scalar in text.unicodeScalars {
      let separates = scalar.isPythonSpace || ["-", "(", "{", "[", "<"].contains(scalar)
      if separates {
        result.unicodeScalars.append(scalar)
      } else {
        result += atStart ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
      }
      atStart = separates
    }
    return result
  }

  private static func wordCount(_ text: String) -> Int {
    var count = 0
    var inWord = false
    for scalar in text.unicodeScalars {
      if scalar.isPythonWord != inWord {
        inWord.toggle()
        if inWord { count += 1 }
      }
    }
    return count
  }

  private func indent(_ text: String, _ arguments: JinjaArguments) throws(TemplateError) -> String {
    try arguments.check("indent", ["width", "first", "blank"])
    var indentation = "    "
    if let width = arguments.value(0, "width") {
      if let text = width.text {
        indentation = text
      } else {
        guard let count = width.integer, count <= 10_000 else { throw .runtime("indent() needs a width") }
        indentation = String(repeating: " ", count: Swift.max(count, 0))
      }
    }
    let indentsFirst = arguments.value(1, "first")?.isTrue ?? false
    let indentsBlank = arguments.value(2, "blank")?.isTrue ?? false
    let lines = PythonText.splitLines(text + "\n", keepEnds: false)
    guard lines.count.multipliedReportingOverflow(by: indentation.utf8.count).partialValue <= JinjaMethods.textLimit
    else { throw .limit("The result of indent() is too long.") }
    var result = ""
    for (index, line) in lines.enumerated() {
      if index > 0 { result += "\n" }
      if index == 0 ? indentsFirst : (indentsBlank || !line.isEmpty) { result += indentation }
      result += line
    }
    return result
  }

  private func truncate(_ text: String, _ arguments: JinjaArguments) throws(TemplateError) -> String {
    try arguments.check("truncate", ["length", "killwords", "end", "leeway"])
    let length = arguments.value(0, "length")?.integer ?? 255
    let end = arguments.value(2, "end")?.string ?? "..."
    let leeway = arguments.value(3, "leeway")?.integer ?? 5
    let scalars = Array(text.unicodeScalars)
    let endCount = end.unicodeScalars.count
    guard length >= endCount else { throw .runtime("expected length >= \(endCount), got \(length)") }
    guard leeway >= 0 else { throw .runtime("expected leeway >= 0, got \(leeway)") }
    if scalars.count <= length.addingReportingOverflow(leeway).partialValue { return text }
    let cut = scalars[..<Swift.min(length - endCount, scalars.count)]
    let cutText = String(String.UnicodeScalarView(cut))
    if arguments.value(1, "killwords")?.isTrue ?? false { return cutText + end }
    return (PythonText.splitFromRight(cutText, separator: " ", limit: 1).first ?? "") + end
  }
}
