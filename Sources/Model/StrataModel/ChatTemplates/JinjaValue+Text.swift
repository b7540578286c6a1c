// Owns `str` and `repr` of template values and their way to and from JSON.

import StrataCore

extension JinjaValue {
  /// Python's `str(value)`.
  var string: String {
    switch self {
    case .undefined: ""
    case .string(let text), .markup(let text): text
    default: representation
    }
  }

  /// Python's `repr(value)`.
  var representation: String {
    var output = ""
    writeRepresentation(to: &output)
    return output
  }

  private func writeRepresentation(to output: inout String) {
    switch self {
    case .undefined: output += "Undefined"
    case .none: output += "None"
    case .bool(let value): output += value ? "True" : "False"
    case .int(let value): output += String(value)
    case .bigInt(let digits): output += digits
    case .double(let value): output += PythonText.number(value)
    case .string(let text): output += PythonText.quoted(text)
    case .markup(let text): output += "Markup(\(PythonText.quoted(text)))"
    case .list(let list): Self.write(list.elements, "[", "]", to: &output)
    case .tuple(let list): Self.write(list.elements, "(", list.elements.count == 1 ? ",)" : ")", to: &output)
    case .view(let list, let name): Self.write(list.elements, "\(name)([", "])", to: &output)
    case .dict(let dict): Self.write(dict, to: &output)
    case .range(let start, let stop, let step):
      output += step == 1 ? "range(\(start), \(stop))" : "range(\(start), \(stop), \(step))"
    case .namespace: output += "<Namespace>"
    case .loop(let loop): output += "<LoopContext \(loop.index0 + 1)/\(loop.elements.count)>"
    case .macro(let macro): output += "<Macro '\(macro.node.name)'>"
    case .generator: output += "<generator object>"
    case .method(let receiver, let name):
      output += "<built-in method \(name) of \(receiver.typeName) object>"
    case .function(let function): output += "<function \(function.rawValue)>"
    }
  }

  private static func write(_ elements: [JinjaValue], _ open: String, _ close: String, to output: inout String) {
    output += open
    for (index, element) in elements.enumerated() {
      if index > 0 { output += ", " }
      element.writeRepresentation(to: &output)
    }
    output += close
  }

  private static func write(_ dict: JinjaDict, to output: inout String) {
    output += "{"
    for index in 0..<dict.count {
      if index > 0 { output += ", " }
      dict.keys[index].writeRepresentation(to: &output)
      output += ": "
      dict.values[index].writeRepresentation(to: &output)
    }
    output += "}"
  }

  /// The value that Python's `json.loads` gives.
  package init(_ json: JSON) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .number(let number):
      if let value = Int(number.text) {
        self = .int(value)
      } else if number.text.utf8.contains(where: { $0 | 32 == UInt8(ascii: "e") || $0 == UInt8(ascii: ".") }) {
        self = .double(number.doubleValue)
      } else {
        self = .bigInt(number.text)
      }
    case .string(let text): self = .string(text)
    case .array(let values): self = .list(JinjaList(values.map(JinjaValue.init)))
    case .object(let object):
      var dict = JinjaDict()
      for (key, value) in object { dict.set(key, to: JinjaValue(value)) }
      self = .dict(dict)
    }
  }
}

/// `tojson` as Hugging Face transformers defines it: Python's `json.dumps`, with nothing escaped for HTML.
struct JinjaJSONWriter {
  var ensuresASCII = false
  /// One level of indentation; nil puts everything on one line.
  var indentation: String?
  var itemSeparator = ", "
  var keySeparator = ": "
  var sortsKeys = false
  private var output: [UInt8] = []

  init() {}

  static func text(_ value: JinjaValue, _ writer: JinjaJSONWriter) throws(TemplateError) -> String {
    var writer = writer
    try writer.write(value, level: 0)
    return String(decoding: writer.output, as: UTF8.self)
  }

  private mutating func write(_ value: JinjaValue, level: Int) throws(TemplateError) {
    switch value {
    case .none: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .int, .bigInt: append(value.representation)
    case .double(let number): append(Self.number(number))
    case .string(let text), .markup(let text): writeQuoted(text)
    case .list(let list), .tuple(let list):
      try writeContainer(list.elements.count, "[", "]", level) { index, writer throws(TemplateError) in
        try writer.write(list.elements[index], level: level + 1)
      }
    case .dict(let dict):
      var order = Array(0..<dict.count)
      if sortsKeys {
        order = try JinjaSort.sorted(order) { a, b throws(TemplateError) in
          try dict.keys[a].isLess(than: dict.keys[b])
        }
      }
      try writeContainer(dict.count, "{", "}", level) { index, writer throws(TemplateError) in
        try writer.writeKey(dict.keys[order[index]])
        writer.append(writer.keySeparator)
        try writer.write(dict.values[order[index]], level: level + 1)
      }
    default: throw .runtime("Object of type \(value.typeName) is not JSON serializable")
    }
  }

  private mutating func writeContainer(
    _ count: Int, _ open: String, _ close: String, _ level: Int,
    _ body: (Int, inout JinjaJSONWriter) throws(TemplateError) -> Void
  ) throws(TemplateError) {
    append(open)
    for index in 0..<count {
      if index > 0 { append(itemSeparator) }
      newLine(level + 1)
      try body(index, &self)
    }
    if count > 0 { newLine(level) }
    append(close)
  }

  private mutating func newLine(_ level: Int) {
    guard let indentation else { return }
    append("\n")
    for _ in 0..<level { append(indentation) }
  }

  private mutating func writeKey(_ key: JinjaValue) throws(TemplateError) {
    switch key {
    case .string(let text), .markup(let text): writeQuoted(text)
    case .int, .bigInt: writeQuoted(key.representation)
    case .double(let value): writeQuoted(Self.number(value))
    case .bool(let value): writeQuoted(value ? "true" : "false")
    case .none: writeQuoted("null")
    default: throw .runtime("keys must be str, int, float, bool or None, not \(key.typeName)")
    }
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return PythonText.number(value)
  }

  private mutating func append(_ text: String) { output.append(contentsOf: text.utf8) }

  private mutating func writeQuoted(_ text: String) {
    append("\"")
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": append("\\\"")
      case "\\": append("\\\\")
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      case "\u{8}": append("\\b")
      case "\u{C}": append("\\f")
      case _ where scalar.value < 0x20 || (ensuresASCII && scalar.value >= 0x7F):
        for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
          let digits = String(unit, radix: 16)
          append("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
        }
      default: output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    append("\"")
  }
}

/// A stable sort whose comparison may fail (merge sort, bottom up).
enum JinjaSort {
  static func sorted<Element>(
    _ elements: [Element], by isLess: (Element, Element) throws(TemplateError) -> Bool
  ) throws(TemplateError) -> [Element] {
    var source = elements
    var width = 1
    while width < source.count {
      var merged: [Element] = []
      merged.reserveCapacity(source.count)
      var start = 0
      while start < source.count {
        let middle = min(start + width, source.count)
        let end = min(middle + width, source.count)
        var left = start
        var right = middle
        while left < middle || right < end {
          // The left one goes first unless the right one is truly smaller.
          var takesLeft = right >= end
          if !takesLeft, left < middle { takesLeft = !(try isLess(source[right], source[left])) }
          if takesLeft {
            merged.append(source[left])
            left += 1
          } else {
            merged.append(source[right])
            right += 1
          }
        }
        start = end
      }
      source = merged
      width *= 2
    }
    return source
  }
}
