// Owns cutting a template into tokens, with the white space rules that chat templates are rendered under
// (`trim_blocks` and `lstrip_blocks` on, one final newline dropped). Knows nothing about grammar.

enum JinjaTokenKind: Equatable {
  case data(String)
  case variableBegin
  case variableEnd
  case blockBegin
  case blockEnd
  case name(String)
  case string(String)
  case integer(String)
  case float(Double)
  case symbol(String)
  case end
}

struct JinjaToken {
  let kind: JinjaTokenKind
  let line: Int
}

/// Follows the token rules of jinja2 3.1 (documented under "Template Designer Documentation: Whitespace Control").
struct JinjaLexer {
  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var tokens: [JinjaToken] = []

  private static let symbols = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
    ".", ":", "|", ",", ";",
  ].map { Array($0.unicodeScalars) }

  static func tokens(of text: String) throws(TemplateError) -> [JinjaToken] {
    var lexer = JinjaLexer(text)
    try lexer.scanTemplate()
    lexer.emit(.end)
    return lexer.tokens
  }

  private init(_ text: String) {
    var scalars: [Unicode.Scalar] = []
    var afterReturn = false
    for scalar in text.unicodeScalars {
      if scalar == "\r" {
        scalars.append("\n")
      } else if !(scalar == "\n" && afterReturn) {
        scalars.append(scalar)
      }
      afterReturn = scalar == "\r"
    }
    if scalars.last == "\n" { scalars.removeLast() }
    source = scalars
  }

  private mutating func emit(_ kind: JinjaTokenKind) { tokens.append(JinjaToken(kind: kind, line: line)) }

  private func matches(_ text: StaticString, at index: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    guard index >= 0, index + count <= source.count else { return false }
    for offset in 0..<count where source[index + offset].value != UInt32(text.utf8Start[offset]) { return false }
    return true
  }

  private mutating func advance(to end: Int) {
    for index in position..<end where source[index] == "\n" { line += 1 }
    position = end
  }

  private func skippingSpace(_ index: Int) -> Int {
    var index = index
    while index < source.count, source[index].isPythonSpace { index += 1 }
    return index
  }

  // MARK: Outside tags

  private mutating func scanTemplate() throws(TemplateError) {
    while position < source.count {
      var start = position
      while start < source.count, !(matches("{%", at: start) || matches("{{", at: start) || matches("{#", at: start)) {
        start += 1
      }
      if start >= source.count {
        emitData(position..<source.count)
        advance(to: source.count)
        return
      }
      let isVariable = source[start + 1] == "{"
      let (sign, afterSign) = signAfter(start + 2)
      emitData(strippedRange(position..<start, sign: sign, isVariable: isVariable))
      advance(to: start)
      switch source[start + 1] {
      case "#": try scanComment(from: afterSign)
      case "{":
        emit(.variableBegin)
        advance(to: afterSign)
        try scanExpression(isBlock: false)
      default:
        if let rawStart = rawContentStart(afterSign) {
          advance(to: rawStart)
          try scanRaw()
        } else {
          emit(.blockBegin)
          advance(to: afterSign)
          try scanExpression(isBlock: true)
        }
      }
    }
  }

  private func signAfter(_ index: Int) -> (Unicode.Scalar?, Int) {
    guard index < source.count, source[index] == "-" || source[index] == "+" else { return (nil, index) }
    return (source[index], index + 1)
  }

  private mutating func emitData(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[range])
    emit(.data(String(text)))
  }

  /// What is left of the text before a tag.
  private func strippedRange(_ range: Range<Int>, sign: Unicode.Scalar?, isVariable: Bool) -> Range<Int> {
    var end = range.upperBound
    if sign == "-" {
      while end > range.lowerBound, source[end - 1].isPythonSpace { end -= 1 }
    } else if sign != "+", !isVariable {
      while end > range.lowerBound, source[end - 1] != "\n" {
        guard source[end - 1].isPythonSpace else { return range }
        end -= 1
      }
      let atLineStart = end == 0 || source[end - 1] == "\n"
      if !atLineStart { return range }
    }
    return range.lowerBound..<end
  }

  private mutating func scanComment(from start: Int) throws(TemplateError) {
    var end = start
    while !matches("#}", at: end) {
      guard end < source.count else { throw .syntax("Missing end of comment tag", line: line) }
      end += 1
    }
    let sign = end > start ? source[end - 1] : nil
    end += 2
    if sign == "-" {
      end = skippingSpace(end)
    } else if sign != "+", end < source.count, source[end] == "\n" {
      end += 1
    }
    advance(to: end)
  }

  private func rawContentStart(_ index: Int) -> Int? {
    var index = skippingSpace(index)
    guard matches("raw", at: index) else { return nil }
    index = skippingSpace(index + 3)
    if matches("-%}", at: index) { return skippingSpace(index + 3) }
    return matches("%}", at: index) ? index + 2 : nil
  }

  private mutating func scanRaw() throws(TemplateError) {
    for start in position..<source.count where matches("{%", at: start) {
      let (sign, afterSign) = signAfter(start + 2)
      var end = skippingSpace(afterSign)
      guard matches("endraw", at: end) else { continue }
      end = skippingSpace(end + 6)
      if matches("-%}", at: end) {
        end = skippingSpace(end + 3)
      } else if matches("+%}", at: end) {
        end += 3
      } else if matches("%}", at: end) {
        end += end + 2 < source.count && source[end + 2] == "\n" ? 3 : 2
      } else {
        continue
      }
      emitData(strippedRange(position..<start, sign: sign, isVariable: false))
      advance(to: end)
      return
    }
    throw .syntax("Missing end of raw directive", line: line)
  }

  // MARK: Inside tags

  private mutating func scanExpression(isBlock: Bool) throws(TemplateError) {
    var open: [Unicode.Scalar] = []
    while true {
      advance(to: skippingSpace(position))
      guard position < source.count else { return }
      if open.isEmpty, let end = tagEnd(isBlock: isBlock) {
        emit(isBlock ? .blockEnd : .variableEnd)
        advance(to: end)
        return
      }
      let scalar = source[position]
      if scalar.isASCIIDigit {
        try scanNumber()
      } else if scalar.isPythonWord {
        try scanName()
      } else if scalar == "'" || scalar == "\"" {
        try scanString(quote: scalar)
      } else {
        try scanSymbol(&open)
      }
    }
  }

  private func tagEnd(isBlock: Bool) -> Int? {
    if isBlock {
      if matches("+%}", at: position) { return position + 3 }
      if matches("-%}", at: position) { return skippingSpace(position + 3) }
      guard matches("%}", at: position) else { return nil }
      return position + (position + 2 < source.count && source[position + 2] == "\n" ? 3 : 2)
    }
    if matches("-}}", at: position) { return skippingSpace(position + 3) }
    return matches("}}", at: position) ? position + 2 : nil
  }

  private mutating func scanName() throws(TemplateError) {
    var end = position
    while end < source.count, source[end].isPythonWord { end += 1 }
    emit(.name(text(position..<end)))
    advance(to: end)
  }

  private mutating func scanSymbol(_ open: inout [Unicode.Scalar]) throws(TemplateError) {
    let rest = source[position...]
    guard let symbol = Self.symbols.first(where: { rest.starts(with: $0) }) else {
      throw .syntax("unexpected char '\(source[position])' at \(position)", line: line)
    }
    switch source[position] {
    case "(": open.append(")")
    case "[": open.append("]")
    case "{": open.append("}")
    case ")", "]", "}":
      let found = source[position]
      guard let expected = open.popLast() else { throw .syntax("unexpected '\(found)'", line: line) }
      guard expected == found else { throw .syntax("unexpected '\(found)', expected '\(expected)'", line: line) }
    default: break
    }
    emit(.symbol(text(position..<position + symbol.count)))
    advance(to: position + symbol.count)
  }

  private func text(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: source[range])
    return String(view)
  }

  /// End of a run of digits with single underscores between them; `start` itself when there is none.
  private func digitsEnd(_ start: Int, _ isDigit: (Unicode.Scalar) -> Bool) -> Int {
    var end = start
    while end < source.count {
      if isDigit(source[end]) {
        end += 1
      } else if end > start, source[end] == "_", end + 1 < source.count, isDigit(source[end + 1]) {
        end += 2
      } else {
        break
      }
    }
    return end
  }

  private mutating func scanNumber() throws(TemplateError) {
    if source[position] == "0", position + 1 < source.count,
      let radix = [("x" as Unicode.Scalar): 16, "X": 16, "o": 8, "O": 8, "b": 2, "B": 2][source[position + 1]]
    {
      let end = digitsEnd(position + 2) { scalar in
        scalar.properties.isASCIIHexDigit && (Character(scalar).hexDigitValue ?? 99) < radix
      }
      if end > position + 2, let value = Int(text(position + 2..<end).replacing("_", with: ""), radix: radix) {
        emit(.integer(String(value)))
        advance(to: end)
        return
      }
    }
    var end = digitsEnd(position) { $0.isASCIIDigit }
    let integerEnd = end
    let afterDot = position > 0 && source[position - 1] == "."
    if !afterDot {
      if end + 1 < source.count, source[end] == ".", source[end + 1].isASCIIDigit {
        end = digitsEnd(end + 1) { $0.isASCIIDigit }
      }
      if end < source.count, source[end] == "e" || source[end] == "E" {
        let hasSign = end + 1 < source.count && (source[end + 1] == "+" || source[end + 1] == "-")
        let exponent = end + (hasSign ? 2 : 1)
        let exponentEnd = digitsEnd(exponent) { $0.isASCIIDigit }
        if exponentEnd > exponent { end = exponentEnd }
      }
    }
    let digits = text(position..<end).replacing("_", with: "")
    if end > integerEnd {
      emit(.float(Double(digits) ?? .infinity))
    } else {
      let trimmed = digits.drop { $0 == "0" }
      guard trimmed.count == digits.count || trimmed.isEmpty else {
        throw .syntax("leading zeros in an integer are not permitted", line: line)
      }
      guard digits.utf8.count <= 4300 else { throw .syntax("the integer has too many digits", line: line) }
      emit(.integer(trimmed.isEmpty ? "0" : digits))
    }
    advance(to: end)
  }

  private mutating func scanString(quote: Unicode.Scalar) throws(TemplateError) {
    var value = String.UnicodeScalarView()
    var index = position + 1
    while index < source.count, source[index] != quote {
      if source[index] == "\\", index + 1 < source.count {
        index = try scanEscape(index + 1, into: &value)
      } else {
        value.append(source[index])
        index += 1
      }
    }
    guard index < source.count else { throw .syntax("unexpected char '\(quote)' at \(position)", line: line) }
    emit(.string(String(value)))
    advance(to: index + 1)
  }

  /// Reads the escape whose letter is at `index`, by the rules of Python's `unicode_escape`.
  private func scanEscape(
    _ index: Int, into value: inout String.UnicodeScalarView
  ) throws(TemplateError) -> Int {
    func hexadecimal(_ count: Int) throws(TemplateError) -> Int {
      var code: UInt32 = 0
      for offset in 1...count {
        guard index + offset < source.count, let digit = Character(source[index + offset]).hexDigitValue,
          source[index + offset].isASCII
        else { throw .syntax("truncated escape in a string", line: line) }
        code = code << 4 | UInt32(digit)
      }
      value.append(Unicode.Scalar(code) ?? "\u{FFFD}")
      return index + 1 + count
    }
    let scalar = source[index]
    switch scalar {
    case "\n": break
    case "\\", "'", "\"": value.append(scalar)
    case "a": value.append("\u{7}")
    case "b": value.append("\u{8}")
    case "f": value.append("\u{C}")
    case "n": value.append("\n")
    case "r": value.append("\r")
    case "t": value.append("\t")
    case "v": value.append("\u{B}")
    case "x": return try hexadecimal(2)
    case "u": return try hexadecimal(4)
    case "U": return try hexadecimal(8)
    case "N": throw .syntax("named characters are not supported in strings", line: line)
    case "0"..."7":
      var code: UInt32 = 0
      var end = index
      while end < min(index + 3, source.count), ("0"..."7").contains(source[end]) {
        code = code << 3 | (source[end].value - 48)
        end += 1
      }
      value.append(Unicode.Scalar(code) ?? "\u{FFFD}")
      return end
    default:
      value.append("\\")
      if scalar.isASCII {
        value.append(scalar)
      } else {
        // jinja2 writes other scalars as escapes first, so that this backslash escapes the backslash of theirs.
        let hexadecimal = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        let padding = String(repeating: "0", count: width - hexadecimal.utf8.count)
        value.append(contentsOf: (letter + padding + hexadecimal).unicodeScalars)
      }
    }
    return index + 1
  }
}
