// Owns text operations that must agree with Python's `str`: they count Unicode scalars, never grapheme clusters.

import Foundation

extension Unicode.Scalar {
  /// What `str.isspace` accepts, which is also `\s` of Python's `re`.
  var isPythonSpace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  var isASCIIDigit: Bool { value >= 48 && value <= 57 }

  /// What `\w` of Python's `re` accepts.
  var isPythonWord: Bool {
    if isASCII { return isASCIIDigit || self == "_" || (value | 32 >= 97 && value | 32 <= 122) }
    return isPythonAlpha || properties.numericType != nil
  }

  var isPythonAlpha: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  /// What `str.isprintable` accepts: everything else is escaped by `repr`.
  var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }
}

enum PythonText {
  static func strip(_ text: String, characters: String? = nil, left: Bool = true, right: Bool = true) -> String {
    let scalars = text.unicodeScalars
    let set = characters.map { Set($0.unicodeScalars) }
    func isStripped(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? scalar.isPythonSpace }
    var start = scalars.startIndex
    var end = scalars.endIndex
    if left { while start < end, isStripped(scalars[start]) { start = scalars.index(after: start) } }
    if right {
      while end > start {
        let before = scalars.index(before: end)
        guard isStripped(scalars[before]) else { break }
        end = before
      }
    }
    return String(scalars[start..<end])
  }

  static func equals(_ lhs: String, _ rhs: String) -> Bool { lhs.utf8.elementsEqual(rhs.utf8) }

  /// Order by scalar value, which is the order of the UTF-8 bytes.
  static func less(_ lhs: String, _ rhs: String) -> Bool { lhs.utf8.lexicographicallyPrecedes(rhs.utf8) }

  /// Byte offsets at which `needle` begins, left to right, not overlapping, at most `limit`.
  static func offsets(of needle: [UInt8], in text: [UInt8], limit: Int = .max) -> [Int] {
    guard let first = needle.first, needle.count <= text.count else { return [] }
    var found: [Int] = []
    var index = 0
    let last = text.count - needle.count
    while index <= last, found.count < limit {
      if text[index] == first, text[index..<index + needle.count].elementsEqual(needle) {
        found.append(index)
        index += needle.count
      } else {
        index += 1
      }
    }
    return found
  }

  static func contains(_ needle: String, in text: String) -> Bool {
    needle.isEmpty || !offsets(of: Array(needle.utf8), in: Array(text.utf8), limit: 1).isEmpty
  }

  static func split(_ text: String, separator: String, limit: Int = .max) -> [String] {
    let bytes = Array(text.utf8)
    let width = separator.utf8.count
    var parts: [String] = []
    var start = 0
    for offset in offsets(of: Array(separator.utf8), in: bytes, limit: limit) {
      parts.append(String(decoding: bytes[start..<offset], as: UTF8.self))
      start = offset + width
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }

  static func splitFromRight(_ text: String, separator: String, limit: Int) -> [String] {
    let bytes = Array(text.utf8.reversed())
    let needle = Array(separator.utf8.reversed())
    var parts: [String] = []
    var start = 0
    for offset in offsets(of: needle, in: bytes, limit: limit) {
      parts.append(String(decoding: bytes[start..<offset].reversed(), as: UTF8.self))
      start = offset + needle.count
    }
    parts.append(String(decoding: bytes[start...].reversed(), as: UTF8.self))
    return parts.reversed()
  }

  static func splitOnSpace(_ text: String, limit: Int = .max) -> [String] {
    var parts: [String] = []
    var rest = text.unicodeScalars[...]
    while true {
      rest = rest.drop(while: \.isPythonSpace)
      if rest.isEmpty { return parts }
      if parts.count == limit {
        parts.append(String(rest))
        return parts
      }
      let word = rest.prefix { !$0.isPythonSpace }
      parts.append(String(word))
      rest = rest[word.endIndex...]
    }
  }

  static func splitOnSpaceFromRight(_ text: String, limit: Int) -> [String] {
    let backwards = String(String.UnicodeScalarView(text.unicodeScalars.reversed()))
    return splitOnSpace(backwards, limit: limit).reversed().map {
      String(String.UnicodeScalarView($0.unicodeScalars.reversed()))
    }
  }

  static func splitLines(_ text: String, keepEnds: Bool) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var isOpen = false
    let scalars = Array(text.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      switch scalar.value {
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
        if keepEnds { line.append(scalar) }
        if scalar == "\r", index + 1 < scalars.count, scalars[index + 1] == "\n" {
          index += 1
          if keepEnds { line.append("\n") }
        }
        lines.append(String(line))
        line = String.UnicodeScalarView()
        isOpen = false
      default:
        line.append(scalar)
        isOpen = true
      }
      index += 1
    }
    if isOpen { lines.append(String(line)) }
    return lines
  }

  static func replace(_ text: String, _ old: String, with new: String, limit: Int = .max) -> String {
    if old.isEmpty {
      var result = ""
      var count = 0
      for scalar in text.unicodeScalars {
        if count < limit { result += new }
        count += 1
        result.unicodeScalars.append(scalar)
      }
      return count < limit ? result + new : result
    }
    return split(text, separator: old, limit: limit).joined(separator: new)
  }

  /// `str.lower`, which writes a sigma that ends a word as `ς` (Unicode's Final_Sigma rule).
  static func lowercased(_ text: String) -> String {
    guard text.unicodeScalars.contains("Σ") else { return text.lowercased() }
    let scalars = Array(text.unicodeScalars)
    func nearestCased(_ indices: some Sequence<Int>) -> Bool {
      for index in indices where !scalars[index].properties.isCaseIgnorable {
        return scalars[index].properties.isCased
      }
      return false
    }
    var result = ""
    for (index, scalar) in scalars.enumerated() {
      if scalar == "Σ" {
        let isFinal = nearestCased((0..<index).reversed()) && !nearestCased(index + 1..<scalars.count)
        result += isFinal ? "ς" : "σ"
      } else {
        result += scalar.properties.lowercaseMapping
      }
    }
    return result
  }

  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return text }
    return first.properties.titlecaseMapping + lowercased(String(text.unicodeScalars.dropFirst()))
  }

  /// `str.title`: a letter after a letter is lower case, any other letter is title case.
  static func titled(_ text: String) -> String {
    var result = ""
    var afterLetter = false
    for scalar in text.unicodeScalars {
      result += afterLetter ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
      afterLetter = scalar.properties.isCased
    }
    return result
  }

  static func pad(_ text: String, to width: Int, with fill: Unicode.Scalar, left: Int) -> String {
    let missing = width - text.unicodeScalars.count
    guard missing > 0 else { return text }
    let before = left == 0 ? 0 : left == 1 ? missing : missing / 2 + (missing & width & 1)
    return String(repeating: Character(fill), count: before) + text
      + String(repeating: Character(fill), count: missing - before)
  }

  /// `repr` of a string.
  static func quoted(_ text: String) -> String {
    let hasSingle = text.utf8.contains(UInt8(ascii: "'"))
    let quote: Unicode.Scalar = hasSingle && !text.utf8.contains(UInt8(ascii: "\"")) ? "\"" : "'"
    var result = String.UnicodeScalarView()
    result.append(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      case "\\": result.append(contentsOf: "\\\\".unicodeScalars)
      case quote:
        result.append("\\")
        result.append(quote)
      case _ where scalar.isPythonPrintable: result.append(scalar)
      default:
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        let padding = String(repeating: "0", count: width - digits.utf8.count)
        result.append(contentsOf: "\\\(letter)\(padding)\(digits)".unicodeScalars)
      }
    }
    result.append(quote)
    return String(result)
  }

  /// `repr` of a float: the shortest digits that read back, an exponent below 1e-4 and from 1e16.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
    var digits: [UInt8] = []
    var exponent = 0
    var point: Int?
    var seenExponent = ""
    var inExponent = false
    for byte in abs(value).description.utf8 {
      switch byte {
      case UInt8(ascii: "."): point = digits.count
      case UInt8(ascii: "e"): inExponent = true
      default:
        if inExponent {
          seenExponent.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
          digits.append(byte)
        }
      }
    }
    exponent = (point ?? digits.count) + (Int(seenExponent) ?? 0)
    while digits.first == UInt8(ascii: "0") {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.last == UInt8(ascii: "0") { digits.removeLast() }
    let text = String(decoding: digits, as: UTF8.self)
    let sign = value < 0 ? "-" : ""
    if exponent > 16 || exponent < -3 {
      let power = exponent - 1
      let mantissa = digits.count > 1 ? "\(text.prefix(1)).\(text.dropFirst())" : text
      return "\(sign)\(mantissa)e\(power < 0 ? "-" : "+")\(abs(power) < 10 ? "0" : "")\(abs(power))"
    }
    if exponent <= 0 { return sign + "0." + String(repeating: "0", count: -exponent) + text }
    if digits.count <= exponent { return sign + text + String(repeating: "0", count: exponent - digits.count) + ".0" }
    return "\(sign)\(text.prefix(exponent)).\(text.dropFirst(exponent))"
  }

  /// `markupsafe.escape`.
  static func escaped(_ text: String) -> String {
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "&"): result.append(contentsOf: "&amp;".utf8)
      case UInt8(ascii: "<"): result.append(contentsOf: "&lt;".utf8)
      case UInt8(ascii: ">"): result.append(contentsOf: "&gt;".utf8)
      case UInt8(ascii: "'"): result.append(contentsOf: "&#39;".utf8)
      case UInt8(ascii: "\""): result.append(contentsOf: "&#34;".utf8)
      default: result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
